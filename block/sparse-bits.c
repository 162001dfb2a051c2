/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sparse arrays of bits: a directory of chunks. */
#include "util/osdep.h"

#include <endian.h>

#include "block/sparse-bits.h"

/* As small as a cluster of any image format: what is one cluster in a file
 * never becomes several different chunks that are partly alike. */
enum { WORDS = 64, CHUNK_BITS = WORDS * 64, CHUNK_BYTES = WORDS * 8 };

/* Not changed while it has several users. */
struct BitChunk {
    unsigned refs; /* atomic */
    uint64_t words[WORDS];
};

static const uint64_t zeroes[WORDS];
/* For chunks that are all one; the directory has NULL for all zero. */
static BitChunk ones = { .words = { [0 ... WORDS - 1] = UINT64_MAX } };

static uint64_t n_chunks(uint64_t n)
{
    return DIV_ROUND_UP(n, CHUNK_BITS);
}

static const uint64_t *words_of(const BitChunk *c)
{
    return c ? c->words : zeroes;
}

static void chunk_unref(BitChunk *c)
{
    if (c && c != &ones && !__atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL)) {
        g_free(c);
    }
}

static BitChunk *chunk_ref(BitChunk *c)
{
    if (c && c != &ones) {
        __atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
    }
    return c;
}

static BitChunk *chunk_new(const uint64_t words[WORDS])
{
    BitChunk *c = g_new(BitChunk, 1);

    c->refs = 1;
    memcpy(c->words, words, sizeof(c->words));
    return c;
}

/* Chunk @i for changing. */
static uint64_t *own_words(SparseBits *b, uint64_t i)
{
    BitChunk *c = b->chunks[i];

    if (!c || c == &ones || __atomic_load_n(&c->refs, __ATOMIC_ACQUIRE) > 1) {
        b->chunks[i] = chunk_new(words_of(c));
        chunk_unref(c);
    }
    return b->chunks[i]->words;
}

static unsigned count_words(const uint64_t words[WORDS])
{
    unsigned n = 0;

    for (unsigned i = 0; i < WORDS; i++) {
        n += __builtin_popcountll(words[i]);
    }
    return n;
}

static unsigned chunk_count(const BitChunk *c)
{
    return !c ? 0 : c == &ones ? CHUNK_BITS : count_words(c->words);
}

bool sparse_bits_init(SparseBits *b, uint64_t n)
{
    *b = (SparseBits){ .n = n };
    /* Whose pages nobody touches that no chunk needs. */
    b->chunks = g_try_malloc0_n(MAX(n_chunks(n), 1), sizeof(BitChunk *));
    return b->chunks;
}

bool sparse_bits_copy(SparseBits *b, const SparseBits *from)
{
    if (!sparse_bits_init(b, from->n)) {
        return false;
    }
    b->count = from->count;
    for (uint64_t i = 0; i < n_chunks(b->n); i++) {
        if (from->chunks[i]) {
            b->chunks[i] = chunk_ref(from->chunks[i]);
        }
    }
    return true;
}

void sparse_bits_destroy(SparseBits *b)
{
    for (uint64_t i = 0; i < n_chunks(b->n); i++) {
        chunk_unref(b->chunks[i]);
    }
    g_free(b->chunks);
    *b = (SparseBits){ 0 };
}

void sparse_bits_resize(SparseBits *b, uint64_t n)
{
    uint64_t have = n_chunks(b->n), want = n_chunks(n);
    BitChunk **chunks;

    sparse_bits_change(b, n, b->n, false);
    b->n = n;
    if (want == have) {
        return;
    }
    chunks = g_malloc0_n(MAX(want, 1), sizeof(BitChunk *));
    for (uint64_t i = 0; i < have; i++) {
        if (i >= want) {
            chunk_unref(b->chunks[i]);
        } else if (b->chunks[i]) {
            chunks[i] = b->chunks[i];
        }
    }
    g_free(b->chunks);
    b->chunks = chunks;
}

/* Bits
 * -------------------------------------------------------------------------- */

/* The bits [from, to) of the word that starts with bit @first. */
static uint64_t word_mask(uint64_t first, uint64_t from, uint64_t to)
{
    uint64_t mask = UINT64_MAX;

    if (from > first) {
        mask <<= from - first;
    }
    if (to < first + 64) {
        mask &= UINT64_MAX >> (first + 64 - to);
    }
    return mask;
}

bool sparse_bits_get(const SparseBits *b, uint64_t i)
{
    const uint64_t *words = words_of(b->chunks[i / CHUNK_BITS]);

    return words[i % CHUNK_BITS / 64] >> i % 64 & 1;
}

/* [from, to) within chunk @i, not all of it. */
static void change_part(SparseBits *b, uint64_t i, uint64_t from, uint64_t to,
                        bool set)
{
    uint64_t *words;

    if (b->chunks[i] == (set ? &ones : NULL)) {
        return;
    }
    words = own_words(b, i);
    for (uint64_t w = from / 64; w <= (to - 1) / 64; w++) {
        uint64_t mask = word_mask(w * 64, from, to);
        uint64_t *word = &words[w % WORDS];

        if (set) {
            b->count += __builtin_popcountll(mask & ~*word);
            *word |= mask;
        } else {
            b->count -= __builtin_popcountll(mask & *word);
            *word &= ~mask;
        }
    }
}

void sparse_bits_change(SparseBits *b, uint64_t from, uint64_t to, bool set)
{
    to = MIN(to, b->n);
    while (from < to) {
        uint64_t i = from / CHUNK_BITS, end = MIN(to, (i + 1) * CHUNK_BITS);

        if (end - from < CHUNK_BITS) {
            change_part(b, i, from, end, set);
        } else if (b->chunks[i] != (set ? &ones : NULL)) {
            b->count += set ? CHUNK_BITS : 0;
            b->count -= chunk_count(b->chunks[i]);
            chunk_unref(b->chunks[i]);
            b->chunks[i] = set ? &ones : NULL;
        }
        from = end;
    }
}

uint64_t sparse_bits_find(const SparseBits *b, uint64_t from, uint64_t end,
                          bool set)
{
    while (from < end) {
        const BitChunk *c = b->chunks[from / CHUNK_BITS];
        uint64_t w;

        if (c == (set ? NULL : &ones)) {
            from = ALIGN_DOWN(from, CHUNK_BITS) + CHUNK_BITS;
            continue;
        }
        w = words_of(c)[from % CHUNK_BITS / 64];
        w = (set ? w : ~w) & (UINT64_MAX << from % 64);
        from = ALIGN_DOWN(from, 64);
        if (w) {
            return MIN(from + __builtin_ctzll(w), end);
        }
        from += 64;
    }
    return end;
}

/* Bytes
 * ------------------------------------------------------------------------- */

bool sparse_bits_export(const SparseBits *b, uint64_t at, size_t len, void *buf)
{
    uint64_t any = 0;
    size_t n = 0;

    memset(buf, 0, len);
    for (uint64_t w = at / 8; w * 64 < b->n && n < len; w++, n += 8) {
        uint64_t raw = htole64(words_of(b->chunks[w / WORDS])[w % WORDS]);

        any |= raw;
        memcpy((char *)buf + n, &raw, MIN(len - n, 8));
    }
    return any;
}

static guint words_hash(gconstpointer key)
{
    const BitChunk *c = key;
    uint64_t h = 0;

    for (unsigned i = 0; i < WORDS; i++) {
        h = (h ^ c->words[i]) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 32;
    }
    return h;
}

static gboolean words_equal(gconstpointer a, gconstpointer b)
{
    return !memcmp(((const BitChunk *)a)->words, ((const BitChunk *)b)->words,
                   CHUNK_BYTES);
}

GHashTable *sparse_bits_alike_new(void)
{
    return g_hash_table_new_full(words_hash, words_equal,
                                 (GDestroyNotify)chunk_unref, NULL);
}

/* A chunk with these words, referenced. */
static BitChunk *chunk_find(const BitChunk *wanted, GHashTable *alike)
{
    BitChunk *c;

    if (!memcmp(wanted->words, zeroes, CHUNK_BYTES)) {
        return NULL;
    }
    if (!memcmp(wanted->words, ones.words, CHUNK_BYTES)) {
        return &ones;
    }
    c = alike ? g_hash_table_lookup(alike, wanted) : NULL;
    if (c) {
        return chunk_ref(c);
    }
    c = chunk_new(wanted->words);
    if (alike) {
        g_hash_table_add(alike, chunk_ref(c));
    }
    return c;
}

void sparse_bits_import(SparseBits *b, uint64_t at, size_t len, const void *buf,
                        GHashTable *alike)
{
    size_t n = 0;
    uint64_t w = at / 8;

    while (w * 64 < b->n && n < len) {
        uint64_t i = w / WORDS;
        BitChunk *old = b->chunks[i], new;

        memcpy(new.words, words_of(old), CHUNK_BYTES);
        do {
            uint64_t raw = 0;

            memcpy(&raw, (const char *)buf + n, MIN(len - n, 8));
            new.words[w % WORDS] = le64toh(raw) & word_mask(w * 64, 0, b->n);
            n += 8;
            w++;
        } while (w % WORDS && w * 64 < b->n && n < len);
        b->count += count_words(new.words);
        b->count -= chunk_count(old);
        b->chunks[i] = chunk_find(&new, alike);
        chunk_unref(old);
    }
}

void sparse_bits_checksum(const SparseBits *b, GChecksum *sum)
{
    uint64_t left = MAX(DIV_ROUND_UP(b->n, 64), 1);

    for (uint64_t i = 0; left; i++) {
        uint64_t n = MIN(left, WORDS);

        g_checksum_update(sum, (const guchar *)words_of(b->chunks[i]), n * 8);
        left -= n;
    }
}
