/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "secret_keyring": a secret that is a key of the kernel's; keyctl(2). */
#include "util/osdep.h"

#include <linux/keyctl.h>
#include <sys/syscall.h>

#include "crypto/secret-common.h"

/* The kernel's keys are not longer than 1 MiB. */
#define MAX_KEY (1 * MiB)

QOM_DECLARE(SecretKeyring, secret_keyring)
struct SecretKeyring {
    SecretCommon parent;
    int32_t serial; /* property; 0: not given */
};

static long read_key(int32_t serial, void *buf, size_t len)
{
    return syscall(SYS_keyctl, KEYCTL_READ, serial, buf, len, 0);
}

static bool keyring_load(SecretCommon *c, Error **errp)
{
    SecretKeyring *s = secret_keyring(c);
    long need, got;

    if (!s->serial) {
        return error_set(errp, "Parameter 'serial' is missing");
    }
    need = read_key(s->serial, NULL, 0);
    if (need < 0 || need > (long)MAX_KEY) {
        return error_errno(errp, need < 0 ? errno : EFBIG,
                           "Unable to read serial key %08x", s->serial);
    }
    c->bytes = g_malloc0(need + 1);
    c->size = need;
    got = read_key(s->serial, c->bytes, need);
    if (got < 0 || got > need) {
        return error_errno(errp, got < 0 ? errno : EAGAIN,
                           "Unable to read serial key %08x", s->serial);
    }
    c->len = got;
    return true;
}

static const Prop keyring_props[] = {
    PROP(SecretKeyring, serial, "serial", 0, .type = "int32_t"),
    {},
};
static const SecretClass keyring_class = { .props = keyring_props,
                                           .load = keyring_load };
QOM_DEFINE(SecretKeyring, secret_keyring, .name = "secret_keyring",
           .parent = &secret_common_type, .class = &keyring_class);
