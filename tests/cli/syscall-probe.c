/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded into an emulator: a thread that makes the system calls whose
 * numbers it reads from the FIFO $SYSCALL_PROBE, and tells in the file
 * $SYSCALL_PROBE.done after each. So a test sees what a sandbox does to a call
 * that the emulator itself never makes.
 */
#include "util/osdep.h"

#include <pthread.h>
#include <sys/syscall.h>

static void *probe(void *opaque)
{
    const char *path = opaque;
    g_autofree char *done_path = g_strdup_printf("%s.done", path);
    FILE *numbers = fopen(path, "r+"); /* so that it never ends */
    FILE *done = fopen(done_path, "a");
    long nr;

    while (numbers && done && fscanf(numbers, "%ld", &nr) == 1) {
        /* The arguments are wrong on purpose: allowed calls fail. */
        syscall(nr, 0, -1L, -1L, -1L, -1L, -1L);
        fprintf(done, "%ld\n", nr);
        fflush(done);
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
