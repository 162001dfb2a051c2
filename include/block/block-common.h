/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words that block nodes and their users share: permissions, request flags,
 * limits. */
#ifndef BLOCK_BLOCK_COMMON_H
#define BLOCK_BLOCK_COMMON_H

/* QAPI types, by their generated names. */
typedef struct BlockdevOptions BlockdevOptions;
typedef struct BlockdevOptionsList BlockdevOptionsList;
typedef struct BlockdevRef BlockdevRef;
typedef struct BlockGraph BlockGraph;
typedef struct ImageInfo ImageInfo;
typedef struct SnapshotInfo SnapshotInfo;
typedef struct BlockStatsSpecific BlockStatsSpecific;

/*
 * What a user of a node may do, and what it lets other users do. The values
 * are also the byte numbers of QEMU's image locking.
 */
enum {
    BLK_PERM_READ = 1,            /* read data that makes sense */
    BLK_PERM_WRITE = 2,           /* change visible data */
    BLK_PERM_WRITE_UNCHANGED = 4, /* write what is there already */
    BLK_PERM_RESIZE = 8,
    BLK_PERM_ALL = 15,
};

/* Request flags */
enum {
    BLK_REQ_FUA = 1,         /* on stable storage when it completes */
    BLK_REQ_MAY_UNMAP = 2,   /* write zeroes: may deallocate */
    BLK_REQ_NO_FALLBACK = 4, /* write zeroes: -ENOTSUP rather than slow */
    BLK_REQ_UNCHANGED = 8,   /* the write does not alter visible data: only what
                              * is not allocated is written */
};

/* Largest request: leaves room for rounding in an int. */
#define BLK_REQ_MAX (INT64_C(0x7ffff000))
/* Images end before this. */
#define BLK_MAX_LENGTH (INT64_MAX & ~(int64_t)4095)

/* All in bytes. What a node demands; 0 means no limit unless noted. */
typedef struct BlockLimits {
    uint32_t request_alignment; /* of offset and length; power of 2, >= 1 */
    uint32_t mem_alignment;     /* of buffers; power of 2, >= 1 */
    uint32_t max_transfer;
    uint32_t max_hw_transfer;
    uint32_t opt_transfer;
    int max_iov;
    int64_t max_discard, max_write_zeroes;
    uint32_t discard_alignment; /* that has an effect; 0: any */
    uint32_t write_zeroes_alignment;
} BlockLimits;

/* block_status results */
enum {
    BLK_STATUS_DATA = 1,       /* reads from the image's data */
    BLK_STATUS_ZERO = 2,       /* reads as zeroes */
    BLK_STATUS_OFFSET = 4,     /* *map and *file tell where */
    BLK_STATUS_RECURSE = 16,   /* ask *file about what is at *map */
    BLK_STATUS_ALLOCATED = 32, /* this layer, not its backing, decides */
    BLK_STATUS_EOF = 64,
    BLK_STATUS_COMPRESSED = 128,
};

#endif
