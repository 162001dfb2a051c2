/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * First include of every source file: the C and POSIX basics that all code
 * uses, and small macros with no better home.
 */
#ifndef UTIL_OSDEP_H
#define UTIL_OSDEP_H

#include "config-host.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <glib.h>

#include "util/typedefs.h"

#define KiB (UINT64_C(1) << 10)
#define MiB (UINT64_C(1) << 20)
#define GiB (UINT64_C(1) << 30)
#define TiB (UINT64_C(1) << 40)

/* In place of GLib's, which evaluate the larger or smaller operand twice: what
 * reads a clock, or what another thread writes, may differ the second time. */
#undef MIN
#undef MAX
#undef CLAMP
#define EXTREME_OF_(a, op, b, a_, b_) \
    (__extension__({                  \
        __typeof__((a) + 0) a_ = (a); \
        __typeof__((b) + 0) b_ = (b); \
        a_ op b_ ? a_ : b_;           \
    }))
#define EXTREME_AS_(a, op, b, n) EXTREME_IN_(a, op, b, n)
#define EXTREME_IN_(a, op, b, n) EXTREME_OF_(a, op, b, left##n, right##n)
#define MIN(a, b)                EXTREME_AS_(a, <, b, __COUNTER__)
#define MAX(a, b)                EXTREME_AS_(a, >, b, __COUNTER__)
#define CLAMP(x, low, high)      MIN(MAX(x, low), high)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n)        (UINT64_C(1) << (n))
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
/* @a must be a power of two. */
#define ALIGN_UP(n, a)   (((n) + ((a) - 1)) & ~((__typeof__(n))(a) - 1))
#define ALIGN_DOWN(n, a) ((n) & ~((__typeof__(n))(a) - 1))
#define IS_ALIGNED(n, a) (((n) & ((a) - 1)) == 0)
#define container_of(ptr, type, member)                                        \
    ((type *)((char *)(ptr) - offsetof(type, member)))

static inline bool is_power_of_2(uint64_t v)
{
    return v && !(v & (v - 1));
}

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* Clang's thread-safety analysis; nothing under gcc. See style.md, Threads. */
#ifdef __clang__
#define TSA(x) __attribute__((x))
#else
#define TSA(x)
#endif
#define CAPABILITY(name)  TSA(capability(name))
#define REQUIRES(...)     TSA(requires_capability(__VA_ARGS__))
#define EXCLUDES(...)     TSA(locks_excluded(__VA_ARGS__))
#define ACQUIRES(...)     TSA(acquire_capability(__VA_ARGS__))
#define RELEASES(...)     TSA(release_capability(__VA_ARGS__))
#define GUARDED_BY(x)     TSA(guarded_by(x))
/* For functions that give a caller's lock up and take it again, or lock for
 * their caller, which the analysis cannot follow. */
#define NO_THREAD_SAFETY  TSA(no_thread_safety_analysis)

/* In place of a break. */
#define FALLTHROUGH __attribute__((fallthrough))

/* File descriptors that close themselves: autofd int fd = open(...); */
static inline void autofd_cleanup(int *fd)
{
    if (*fd >= 0) {
        int saved = errno;

        close(*fd);
        errno = saved;
    }
}
#define autofd __attribute__((cleanup(autofd_cleanup)))

/* Take the descriptor out of an autofd variable. */
static inline int steal_fd(int *fd)
{
    int ret = *fd;

    *fd = -1;
    return ret;
}

/* Retry @expr while a signal interrupts it. */
#define RETRY_ON_EINTR(expr)                                                   \
    (__extension__({                                                           \
        __typeof__(expr) ret_;                                                 \
        do {                                                                   \
            ret_ = (expr);                                                     \
        } while (ret_ == -1 && errno == EINTR);                                \
        ret_;                                                                  \
    }))

#endif
