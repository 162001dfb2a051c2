/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hostile kernel files: both parsers, and loading what they accept. */
#include "util/osdep.h"

#include "hw/i386/boot/boot-private.h"
#include "util/error.h"

#define LOW_RAM (32 * MiB)

struct AddressSpace {
    uint8_t ram[LOW_RAM];
};
static AddressSpace space;

MemResult as_write_rom(AddressSpace *as, hwaddr addr, const void *buf,
                       size_t len)
{
    if (len > LOW_RAM || addr > LOW_RAM - len) {
        return MEM_DECODE_ERROR;
    }
    memcpy(as->ram + addr, buf, len);
    return MEM_OK;
}

bool gmem_map(AddressSpace *as, hwaddr addr, size_t len, bool write,
              GmemMap *map)
{
    if (addr >= LOW_RAM) {
        return false;
    }
    *map = (GmemMap){ .ptr = as->ram + addr, .len = MIN(len, LOW_RAM - addr) };
    return true;
}

void gmem_unmap(GmemMap *map, size_t touched)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    X86BootMachine m = { .memory = &space, .low_ram = LOW_RAM };
    X86Boot b = { .cmdline = (char *)"quiet", .initrd.fd = -1 };
    autoerr Error *err = NULL;

    boot_file_mem(&b.kernel, data, size);
    b.is_pvh = pvh_image_probe(&b.kernel);
    if (b.is_pvh ? pvh_image_parse(&b.kernel, &b.pvh_image, &err)
                 : linux_image_parse(&b.kernel, &b.linux_image, &err)) {
        x86_boot_load(&b, &m, &err);
    }
    boot_file_close(&b.kernel);
    return 0;
}
