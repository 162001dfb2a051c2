/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded into an emulator: a thread that makes the system call whose number
 * it reads from the FIFO $SYSCALL_PROBE, then another, and so on. So a test
 * sees what a sandbox does to a call that the emulator itself never makes.
 */
#include "util/osdep.h"

#include <pthread.h>
#include <sys/syscall.h>

static void *probe(void *path)
{
    for (;;) {
        FILE *f = fopen(path, "r");
        long nr;

        if (f && fscanf(f, "%ld", &nr) == 1) {
            /* The arguments are wrong on purpose: allowed calls fail. */
            syscall(nr, 0, -1L, -1L, -1L, -1L, -1L);
        }
        if (f) {
            fclose(f);
        }
    }
    return NULL;
}

__attribute__((constructor)) static void probe_start(void)
{
    pthread_t thread;

    if (getenv("SYSCALL_PROBE")) {
        pthread_create(&thread, NULL, probe, getenv("SYSCALL_PROBE"));
    }
}
