/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory that a hostile input makes us take, by the sanitizer's hooks. */
#include "util/osdep.h"

#include <sanitizer/allocator_interface.h>

#include "fuzz-limits.h"

static size_t live; /* atomic */
static size_t allowed;

static void allocated(const volatile void *p, size_t size)
{
    size_t now = __atomic_add_fetch(&live, size, __ATOMIC_RELAXED);

    if (unlikely(now > allowed && allowed)) {
        fprintf(stderr, "%zu bytes more than at the start: the limit is %u\n",
                now - (allowed - (size_t)LIMIT_BYTES), (unsigned)LIMIT_BYTES);
        abort();
    }
}

static void released(const volatile void *p)
{
    if (p) {
        __atomic_sub_fetch(&live,
                           __sanitizer_get_allocated_size((const void *)p),
                           __ATOMIC_RELAXED);
    }
}

void limits_start(void)
{
    if (!allowed) {
        /* More is freed than was seen to be allocated. */
        live = GiB;
        __sanitizer_install_malloc_and_free_hooks(allocated, released);
    }
    allowed = __atomic_load_n(&live, __ATOMIC_RELAXED) + (size_t)LIMIT_BYTES;
}
