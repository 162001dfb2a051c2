/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Dicts: entries in an array in insertion order; from INDEX_MIN entries on an
 * open-addressing index of entry numbers. The index is keyed with the random
 * bytes that the kernel gives each process, by SipHash-1-3 (Aumasson and
 * Bernstein, "SipHash: a fast short-input PRF"), so that chosen keys cannot
 * make it slow.
 */
#include "util/osdep.h"

#include <sys/auxv.h>

#include "qobject/qobject.h"

#define INDEX_MIN  9

#define ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = ROTL(v[1], 13) ^ v[0];
    v[0] = ROTL(v[0], 32);
    v[2] += v[3];
    v[3] = ROTL(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = ROTL(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = ROTL(v[1], 17) ^ v[2];
    v[2] = ROTL(v[2], 32);
}

static uint32_t hash_key(const char *s, size_t len)
{
    const void *seed = (const void *)getauxval(AT_RANDOM);
    uint64_t k[2] = { 0, 0 }, v[4], m;
    size_t i;

    if (seed) {
        memcpy(k, seed, sizeof(k));
    }
    v[0] = k[0] ^ UINT64_C(0x736f6d6570736575);
    v[1] = k[1] ^ UINT64_C(0x646f72616e646f6d);
    v[2] = k[0] ^ UINT64_C(0x6c7967656e657261);
    v[3] = k[1] ^ UINT64_C(0x7465646279746573);
    for (i = 0; i + 8 <= len; i += 8) {
        memcpy(&m, s + i, 8);
        v[3] ^= m;
        sip_round(v);
        v[0] ^= m;
    }
    m = 0;
    memcpy(&m, s + i, len - i);
    m |= (uint64_t)len << 56;
    v[3] ^= m;
    sip_round(v);
    v[0] ^= m;
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    m = v[0] ^ v[1] ^ v[2] ^ v[3];
    return (uint32_t)(m ^ (m >> 32));
}

QDict *qdict_new(void)
{
    QDict *d = g_new0(QDict, 1);

    d->base.refs = 1;
    d->base.type = QTYPE_QDICT;
    return d;
}

static bool entry_is(const QDictEntry *e, const char *key, size_t len)
{
    return e->key && !strncmp(e->key, key, len) && !e->key[len];
}

static QDictEntry *dict_find(const QDict *d, const char *key, size_t len)
{
    if (!d->index) {
        for (uint32_t i = 0; i < d->used; i++) {
            if (entry_is(&d->entries[i], key, len)) {
                return &d->entries[i];
            }
        }
        return NULL;
    }

    uint32_t hash = hash_key(key, len);

    for (uint32_t i = hash & d->index_mask; d->index[i];
         i = (i + 1) & d->index_mask) {
        QDictEntry *e = &d->entries[d->index[i] - 1];

        if (e->hash == hash && entry_is(e, key, len)) {
            return e;
        }
    }
    return NULL;
}

static void index_add(QDict *d, uint32_t number)
{
    uint32_t i = d->entries[number].hash & d->index_mask;

    while (d->index[i]) {
        i = (i + 1) & d->index_mask;
    }
    d->index[i] = number + 1;
}

/* Make room for one more entry: squeeze out deleted ones, or grow. */
static void dict_reserve(QDict *d)
{
    uint32_t n = 0;

    if (d->used < d->cap) {
        return;
    }
    for (uint32_t i = 0; i < d->used; i++) {
        if (d->entries[i].key) {
            d->entries[n++] = d->entries[i];
        }
    }
    d->used = n;
    if (n >= d->cap / 2) {
        d->cap = d->cap ? d->cap * 2 : 4;
        d->entries = g_renew(QDictEntry, d->entries, d->cap);
    }
    if (d->cap < INDEX_MIN) {
        return;
    }
    g_free(d->index);
    d->index_mask = d->cap * 2 - 1; /* cap is a power of two */
    d->index = g_new0(uint32_t, (size_t)d->index_mask + 1);
    for (uint32_t i = 0; i < n; i++) {
        d->entries[i].hash =
            hash_key(d->entries[i].key, strlen(d->entries[i].key));
        index_add(d, i);
    }
}

static void dict_append(QDict *d, const char *key, size_t len, QObject *value)
{
    QDictEntry *e;

    dict_reserve(d);
    e = &d->entries[d->used++];
    e->key = g_strndup(key, len);
    e->value = value;
    d->live++;
    if (d->index) {
        e->hash = hash_key(key, len);
        index_add(d, d->used - 1);
    }
}

bool qdict_has(const QDict *d, const char *key)
{
    return dict_find(d, key, strlen(key));
}

QObject *qdict_get(const QDict *d, const char *key)
{
    QDictEntry *e = dict_find(d, key, strlen(key));

    return e ? e->value : NULL;
}

const char *qdict_get_str(const QDict *d, const char *key)
{
    return qobject_get_str(qdict_get(d, key));
}

QDict *qdict_get_dict(const QDict *d, const char *key)
{
    return qobject_to_dict(qdict_get(d, key));
}

QList *qdict_get_list(const QDict *d, const char *key)
{
    return qobject_to_list(qdict_get(d, key));
}

bool qdict_get_bool(const QDict *d, const char *key, bool def)
{
    qobject_get_bool(qdict_get(d, key), &def);
    return def;
}

int64_t qdict_get_int(const QDict *d, const char *key, int64_t def)
{
    qobject_get_int(qdict_get(d, key), &def);
    return def;
}

uint64_t qdict_get_uint(const QDict *d, const char *key, uint64_t def)
{
    qobject_get_uint(qdict_get(d, key), &def);
    return def;
}

void qdict_put_(QDict *d, const char *key, QObject *value)
{
    size_t len = strlen(key);
    QDictEntry *e = dict_find(d, key, len);

    if (e) {
        qobject_unref(e->value);
        e->value = value;
    } else {
        dict_append(d, key, len, value);
    }
}

bool qdict_put_new(QDict *d, const char *key, size_t key_len, QObject *value)
{
    if (dict_find(d, key, key_len)) {
        qobject_unref(value);
        return false;
    }
    dict_append(d, key, key_len, value);
    return true;
}

void qdict_put_str(QDict *d, const char *key, const char *v)
{
    qdict_put_(d, key, qstr_new(v));
}

void qdict_put_int(QDict *d, const char *key, int64_t v)
{
    qdict_put_(d, key, qint_new(v));
}

void qdict_put_uint(QDict *d, const char *key, uint64_t v)
{
    qdict_put_(d, key, quint_new(v));
}

void qdict_put_bool(QDict *d, const char *key, bool v)
{
    qdict_put_(d, key, qbool_new(v));
}

void qdict_put_null(QDict *d, const char *key)
{
    qdict_put_(d, key, qnull());
}

/* The index keeps pointing at a deleted entry; entry_is() never matches it. */
static QObject *entry_take(QDict *d, QDictEntry *e)
{
    QObject *value = e->value;

    g_free(e->key);
    e->key = NULL;
    e->value = NULL;
    d->live--;
    return value;
}

QObject *qdict_take(QDict *d, const char *key)
{
    QDictEntry *e = dict_find(d, key, strlen(key));

    return e ? entry_take(d, e) : NULL;
}

bool qdict_del(QDict *d, const char *key)
{
    QObject *value = qdict_take(d, key);

    qobject_unref(value);
    return value;
}

QDict *qdict_shallow_copy(const QDict *d)
{
    QDict *copy = qdict_new();

    QDICT_FOREACH(d, e) {
        dict_append(copy, e->key, strlen(e->key), qobject_ref(e->value));
    }
    return copy;
}

void qdict_join(QDict *dest, QDict *src, bool overwrite)
{
    QDICT_FOREACH(src, e) {
        if (overwrite || !qdict_has(dest, e->key)) {
            g_autofree char *key = g_strdup(e->key);

            qdict_put_(dest, key, entry_take(src, e));
        }
    }
}

QDict *qdict_extract_prefix(QDict *d, const char *prefix)
{
    QDict *out = qdict_new();
    size_t len = strlen(prefix);

    QDICT_FOREACH(d, e) {
        if (g_str_has_prefix(e->key, prefix)) {
            g_autofree char *key = g_strdup(e->key + len);

            qdict_put_(out, key, entry_take(d, e));
        }
    }
    return out;
}
