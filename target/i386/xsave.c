/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The layout of XSAVE images (Intel SDM volume 1, 13.4): the standard form
 * puts each component at an offset that the host's CPUID leaf Dh tells.
 */
#include "util/osdep.h"

#include "target/i386/cpu-internal.h"

#ifdef __x86_64__
#include <cpuid.h>

static uint32_t component_end(unsigned i)
{
    uint32_t a, b, c, d;

    if (!__get_cpuid_count(0xd, i, &a, &b, &c, &d)) {
        return 0;
    }
    return a + b;
}

size_t x86_xsave_offset(unsigned i)
{
    uint32_t a, b, c, d;

    return __get_cpuid_count(0xd, i, &a, &b, &c, &d) && a ? b : 0;
}

static size_t compacted_end(unsigned i, size_t start)
{
    uint32_t a, b, c, d;

    if (!__get_cpuid_count(0xd, i, &a, &b, &c, &d)) {
        return start;
    }
    return (c & BIT(1) ? ALIGN_UP(start, 64) : start) + a;
}
#else
static uint32_t component_end(unsigned i)
{
    return 0;
}

size_t x86_xsave_offset(unsigned i)
{
    return 0;
}

static size_t compacted_end(unsigned i, size_t start)
{
    return start;
}
#endif

#define LEGACY_AND_HEADER (512 + 64)

size_t x86_xsave_size(uint64_t components)
{
    size_t size = LEGACY_AND_HEADER;

    for (unsigned i = 2; i < 63; i++) {
        if (components & BIT(i)) {
            size = MAX(size, component_end(i));
        }
    }
    return size;
}

size_t x86_xsave_compacted_size(uint64_t components)
{
    size_t size = LEGACY_AND_HEADER;

    for (unsigned i = 2; i < 63; i++) {
        if (components & BIT(i)) {
            size = compacted_end(i, size);
        }
    }
    return size;
}
