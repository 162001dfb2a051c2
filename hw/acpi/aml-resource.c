/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Resource descriptors. ACPI 6.4, section 6.4. */
#include "util/osdep.h"

#include "hw/acpi/aml-private.h"

enum {
    SMALL_IRQ_NO_FLAGS = 0x22,
    SMALL_IO_PORT = 0x47,
    LARGE_MEMORY32_FIXED = 0x86,
    LARGE_DWORD_ADDRESS = 0x87,
    LARGE_WORD_ADDRESS = 0x88,
    LARGE_EXTENDED_INTERRUPT = 0x89,
    LARGE_QWORD_ADDRESS = 0x8a,
};

enum {
    RANGE_MEMORY = 0,
    RANGE_IO = 1,
    RANGE_BUS = 2,
    /* general flags: producer, positive decode, both ends fixed */
    RANGE_FIXED = 3 << 2,
    /* type flags */
    MEMORY_READ_WRITE = 1 << 0,
    MEMORY_CACHEABLE = 1 << 1,
    IO_ENTIRE_RANGE = 3 << 0,
};

void aml_res_io(Aml *a, uint16_t min, uint16_t max, uint8_t align, uint8_t len)
{
    aml_put(a, SMALL_IO_PORT, 1);
    aml_put(a, 1, 1); /* decodes 16 bits */
    aml_put(a, min, 2);
    aml_put(a, max, 2);
    aml_put(a, align, 1);
    aml_put(a, len, 1);
}

void aml_res_irq(Aml *a, unsigned irq)
{
    assert(irq < 16);
    aml_put(a, SMALL_IRQ_NO_FLAGS, 1);
    aml_put(a, BIT(irq), 2);
}

void aml_res_memory32_fixed(Aml *a, uint32_t base, uint32_t len, bool writable)
{
    aml_put(a, LARGE_MEMORY32_FIXED, 1);
    aml_put(a, 9, 2);
    aml_put(a, writable, 1);
    aml_put(a, base, 4);
    aml_put(a, len, 4);
}

void aml_res_interrupts(Aml *a, bool consumer, bool edge, bool active_low,
                        bool shared, const uint32_t *gsis, uint8_t n)
{
    aml_put(a, LARGE_EXTENDED_INTERRUPT, 1);
    aml_put(a, 2 + 4 * n, 2);
    aml_put(a, consumer | edge << 1 | active_low << 2 | shared << 3, 1);
    aml_put(a, n, 1);
    for (unsigned i = 0; i < n; i++) {
        aml_put(a, gsis[i], 4);
    }
}

/* An address space descriptor of @width bytes per number. */
static void put_range(Aml *a, uint8_t tag, unsigned width, uint8_t type,
                      uint8_t type_flags, uint64_t min, uint64_t max)
{
    assert(min <= max);
    aml_put(a, tag, 1);
    aml_put(a, 3 + 5 * width, 2);
    aml_put(a, type, 1);
    aml_put(a, RANGE_FIXED, 1);
    aml_put(a, type_flags, 1);
    aml_put(a, 0, width); /* granularity */
    aml_put(a, min, width);
    aml_put(a, max, width);
    aml_put(a, 0, width); /* translation */
    aml_put(a, max - min + 1, width);
}

void aml_res_bus_range(Aml *a, uint16_t min, uint16_t max)
{
    put_range(a, LARGE_WORD_ADDRESS, 2, RANGE_BUS, 0, min, max);
}

void aml_res_io_range(Aml *a, uint16_t min, uint16_t max)
{
    put_range(a, LARGE_WORD_ADDRESS, 2, RANGE_IO, IO_ENTIRE_RANGE, min, max);
}

void aml_res_memory_range(Aml *a, bool cacheable, uint32_t min, uint32_t max)
{
    put_range(a, LARGE_DWORD_ADDRESS, 4, RANGE_MEMORY,
              MEMORY_READ_WRITE | (cacheable ? MEMORY_CACHEABLE : 0), min, max);
}

void aml_res_memory64_range(Aml *a, bool cacheable, uint64_t min, uint64_t max)
{
    put_range(a, LARGE_QWORD_ADDRESS, 8, RANGE_MEMORY,
              MEMORY_READ_WRITE | (cacheable ? MEMORY_CACHEABLE : 0), min, max);
}
