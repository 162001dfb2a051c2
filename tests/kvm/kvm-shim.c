/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded into the emulator: KVM as it is, but without the capability whose
 * number $KVM_SHIM_WITHOUT tells; and how often interrupt routes were set, to
 * the file $KVM_SHIM_COUNT.
 */
#include "util/osdep.h"

#include <dlfcn.h>
#include <linux/kvm.h>
#include <stdarg.h>

static int is_missing(long cap)
{
    const char *text = getenv("KVM_SHIM_WITHOUT");

    return text && atol(text) == cap;
}

/* One byte a call: safe from any thread. */
static void count_call(void)
{
    const char *path = getenv("KVM_SHIM_COUNT");
    int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT, 0600) : -1;

    if (fd >= 0) {
        if (write(fd, "x", 1) != 1) {
            abort();
        }
        close(fd);
    }
}

int ioctl(int fd, unsigned long req, ...);

int ioctl(int fd, unsigned long req, ...)
{
    static int (*next)(int fd, unsigned long req, void *arg);
    va_list ap;
    void *arg;

    if (!next) {
        next = dlsym(RTLD_NEXT, "ioctl");
    }
    va_start(ap, req);
    arg = va_arg(ap, void *);
    va_end(ap);
    if (req == KVM_CHECK_EXTENSION && is_missing((long)arg)) {
        return 0;
    }
    if (req == KVM_SET_GSI_ROUTING) {
        count_call();
    }
    return next(fd, req, arg);
}
