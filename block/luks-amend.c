/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Adding and erasing passwords of LUKS volumes: "qemu-img amend".
 * Spec: LUKS1 On-Disk Format Specification 1.2, "LUKS operations"; qemu-img(1)
 * of QEMU 7.2.
 */
#include "util/osdep.h"

#include "block/block-graph.h"
#include "block/luks.h"
#include "crypto/hash.h"
#include "qobject/keyval.h"
#include "util/error.h"

typedef struct Amend {
    bool erase;         /* state=inactive */
    char *new_password; /* to add; NULL when erasing */
    char *old_password; /* opens, or names what to erase; may be NULL */
    int slot;           /* -1: any */
    uint64_t iter_ms;
    bool force;
} Amend;

static unsigned count_active(const Luks *l)
{
    unsigned n = 0;

    for (unsigned i = 0; i < LUKS_SLOTS; i++) {
        n += l->slots[i].active;
    }
    return n;
}

static bool coroutine_fn add_key(Luks *l, LuksPlace at, const Amend *a,
                                 Error **errp)
{
    uint8_t master[CRYPTO_MAX_KEY];
    int slot = a->slot;
    bool ok;

    for (unsigned i = 0; slot < 0 && i < LUKS_SLOTS; i++) {
        slot = l->slots[i].active ? -1 : (int)i;
    }
    if (slot < 0) {
        return error_set(errp, "Can't add a keyslot - all keyslots are in use");
    }
    if (l->slots[slot].active && !a->force) {
        return error_set(errp,
                         "Refusing to overwrite active keyslot %i - please "
                         "erase it first",
                         slot);
    }
    ok = luks_find_slot(l, at, a->old_password, master, errp) >= 0 &&
         luks_store_key(l, at, slot, a->new_password, a->iter_ms, master, false,
                        errp);
    explicit_bzero(master, sizeof(master));
    return ok;
}

/* The header lets go of the key first; then it is overwritten. */
static bool coroutine_fn erase_slot(Luks *l, LuksPlace at, unsigned i,
                                    Error **errp)
{
    size_t len = luks_material_len(l);
    g_autofree uint8_t *junk = g_malloc(len);
    LuksSlot *s = &l->slots[i];
    int ret;

    if (!crypto_random(junk, len, errp)) {
        return false;
    }
    s->active = false;
    s->iterations = 0;
    memset(s->salt, 0, LUKS_SALT);
    ret = luks_write(l, at);
    ret = ret < 0 ? ret : node_flush(at.file);
    if (ret >= 0) {
        ret = node_pwrite(at.file, at.base + (int64_t)s->offset * CRYPTO_SECTOR,
                          len, junk, BLK_REQ_FUA);
    }
    return ret >= 0 || error_errno(errp, -ret, "Unable to erase keyslot");
}

static bool coroutine_fn erase_one(Luks *l, LuksPlace at, const Amend *a,
                                   Error **errp)
{
    uint8_t master[CRYPTO_MAX_KEY];
    bool match = true;

    if (a->old_password &&
        !luks_try_slot(l, at, a->slot, a->old_password, &match, master, errp)) {
        return false;
    }
    explicit_bzero(master, sizeof(master));
    if (!l->slots[a->slot].active && !a->force) {
        return error_set(errp, "Given keyslot %i is already erased (inactive) ",
                         a->slot);
    }
    if (!match) {
        return error_set(errp,
                         "Given keyslot %i doesn't contain the given old "
                         "password for erase operation",
                         a->slot);
    }
    if (count_active(l) == 1 && l->slots[a->slot].active && !a->force) {
        return error_set(errp,
                         "Attempt to erase the only active keyslot %i which "
                         "will erase all the data in the image irreversibly - "
                         "refusing operation",
                         a->slot);
    }
    return erase_slot(l, at, a->slot, errp);
}

static bool coroutine_fn erase_matching(Luks *l, LuksPlace at, const Amend *a,
                                        Error **errp)
{
    uint8_t master[CRYPTO_MAX_KEY];
    bool match[LUKS_SLOTS];
    unsigned n = 0;

    for (unsigned i = 0; i < LUKS_SLOTS; i++) {
        bool ok =
            luks_try_slot(l, at, i, a->old_password, &match[i], master, errp);

        explicit_bzero(master, sizeof(master));
        if (!ok) {
            return false;
        }
        n += match[i];
    }
    if (!n) {
        return error_set(errp, "No keyslots match given (old) password for "
                               "erase operation");
    }
    if (n == count_active(l) && !a->force) {
        return error_set(errp,
                         "All the active keyslots match the (old) password "
                         "that was given and erasing them will erase all the "
                         "data in the image irreversibly - refusing "
                         "operation");
    }
    for (unsigned i = 0; i < LUKS_SLOTS; i++) {
        if (match[i] && !erase_slot(l, at, i, errp)) {
            return false;
        }
    }
    return true;
}

/* Options
 * -------------------------------------------------------------------------- */

typedef struct AmendOptions {
    const QDict *opts;
    const char *prefix;
} AmendOptions;

static const char *option(const AmendOptions *o, const char *name)
{
    g_autofree char *key = g_strconcat(o->prefix, name, NULL);

    return qdict_get_str(o->opts, key);
}

static bool forbid(const AmendOptions *o, const char *name, const char *when,
                   Error **errp)
{
    return !option(o, name) ||
           error_set(errp, "'%s' must not be given when %s", name, when);
}

static bool parse_slot(const AmendOptions *o, Amend *a, Error **errp)
{
    const char *text = option(o, "keyslot");
    uint64_t v = 0;

    a->slot = -1;
    if (!text) {
        return true;
    }
    if (!parse_uint64(text, &v) || v >= LUKS_SLOTS) {
        return error_set(errp,
                         "Invalid keyslot %" PRIu64 " specified, must be "
                         "between 0 and %d",
                         v, LUKS_SLOTS - 1);
    }
    a->slot = v;
    return true;
}

static bool parse_add(const AmendOptions *o, BlockGraph *g,
                      const char *key_secret, Amend *a, Error **errp)
{
    g_autofree char *iter = g_strconcat(o->prefix, "iter-time", NULL);
    g_autofree char *key = g_strconcat(o->prefix, "key-secret", NULL);

    if (!option(o, "new-secret")) {
        return error_set(errp,
                         "'new-secret' is required to activate a keyslot");
    }
    if (!forbid(o, "old-secret", "activating keyslots", errp)) {
        return false;
    }
    a->iter_ms = block_option_size(o->opts, iter, LUKS_ITER_MS);
    a->new_password =
        luks_password(g, option(o, "new-secret"), "new-secret", errp);
    if (!a->new_password) {
        return false;
    }
    a->old_password =
        option(o, "secret")
            ? luks_password(g, option(o, "secret"), "secret", errp)
            : luks_password(g, key_secret, key, errp);
    return a->old_password;
}

static bool parse_erase(const AmendOptions *o, BlockGraph *g, Amend *a,
                        Error **errp)
{
    const char *old = option(o, "old-secret");

    if (!forbid(o, "new-secret", "erasing keyslots", errp) ||
        !forbid(o, "iter-time", "erasing keyslots", errp)) {
        return false;
    }
    if (old) {
        a->old_password = luks_password(g, old, "old-secret", errp);
    }
    return !old || a->old_password;
}

static bool parse(const AmendOptions *o, BlockGraph *g, const char *key_secret,
                  Amend *a, Error **errp)
{
    const char *state = option(o, "state");

    if (!state) {
        return error_set(errp, "Parameter '%sstate' is missing", o->prefix);
    }
    a->erase = !strcmp(state, "inactive");
    if (!a->erase && strcmp(state, "active")) {
        return error_set(errp, "Parameter '%sstate' does not accept value '%s'",
                         o->prefix, state);
    }
    return (a->erase ? parse_erase(o, g, a, errp)
                     : parse_add(o, g, key_secret, a, errp)) &&
           parse_slot(o, a, errp);
}

static bool coroutine_fn amend(Luks *l, LuksPlace at, const Amend *a,
                               Error **errp)
{
    if (!a->erase) {
        return add_key(l, at, a, errp);
    }
    if (a->slot >= 0) {
        return erase_one(l, at, a, errp);
    }
    return a->old_password
               ? erase_matching(l, at, a, errp)
               : error_set(errp, "To erase keyslot(s), either explicit keyslot "
                                 "index or the password currently contained "
                                 "in them must be given");
}

bool coroutine_fn luks_amend(Luks *l, LuksPlace at, BlockGraph *g,
                             const QDict *opts, const char *prefix,
                             const char *key_secret, bool force, Error **errp)
{
    AmendOptions o = { opts, prefix };
    Amend a = { .force = force };
    bool ok = parse(&o, g, key_secret, &a, errp) && amend(l, at, &a, errp);

    luks_free_password(a.new_password);
    luks_free_password(a.old_password);
    return ok;
}
