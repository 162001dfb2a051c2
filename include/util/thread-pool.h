/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Worker threads for calls that block (aio=threads, prealloc, getaddrinfo).
 * Each loop has its own pool, made when first used; idle workers end.
 */
#ifndef UTIL_THREAD_POOL_H
#define UTIL_THREAD_POOL_H

#include "util/coroutine.h"

typedef void ThreadPoolDone(void *opaque, int ret);

/* Run @fn(@opaque) on a worker; then @done(@done_opaque, result) on the
 * calling thread's loop. */
void thread_pool_submit(ThreadPoolFn *fn, void *opaque, ThreadPoolDone *done,
                        void *done_opaque);
/* IOThread properties thread-pool-min and thread-pool-max. On the loop's
 * thread, or before it runs. */
void thread_pool_set_limits(Loop *loop, int64_t min, int64_t max);

#endif
