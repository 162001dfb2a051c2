/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A long array of bits whose memory is proportional to what it holds: chunks
 * that are all zero or all one take none, and those that are alike may be
 * shared. The caller locks; arrays that share chunks need no common lock.
 */
#ifndef BLOCK_SPARSE_BITS_H
#define BLOCK_SPARSE_BITS_H

typedef struct BitChunk BitChunk;

typedef struct SparseBits {
    uint64_t n;     /* bits */
    uint64_t count; /* of those that are set */
    BitChunk **chunks;
} SparseBits;

/* All zero; false: no memory. */
bool sparse_bits_init(SparseBits *b, uint64_t n);
/* The same bits as @from has; false: no memory. */
bool sparse_bits_copy(SparseBits *b, const SparseBits *from);
void sparse_bits_destroy(SparseBits *b);
/* New bits are zero. */
void sparse_bits_resize(SparseBits *b, uint64_t n);
bool sparse_bits_get(const SparseBits *b, uint64_t i);
/* The bits [from, to); those behind the end are ignored. */
void sparse_bits_change(SparseBits *b, uint64_t from, uint64_t to, bool set);
/* The first bit in [from, end) that is @set, or @end. */
uint64_t sparse_bits_find(const SparseBits *b, uint64_t from, uint64_t end,
                          bool set);

/* As bytes: the first bit is the lowest of the first byte; from @at (a multiple
 * of 8) on. Behind the end there are zeroes, which an import ignores. */
/* True: there are bits that are set. */
bool sparse_bits_export(const SparseBits *b, uint64_t at, size_t len,
                        void *buf);
/* @alike: what was imported with the same one is not stored again; or NULL. */
void sparse_bits_import(SparseBits *b, uint64_t at, size_t len, const void *buf,
                        GHashTable *alike);
GHashTable *sparse_bits_alike_new(void);
/* As whole words of 64 bits in the host's order, at least one. */
void sparse_bits_checksum(const SparseBits *b, GChecksum *sum);

#endif
