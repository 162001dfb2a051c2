/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disks in memory, for images below a format driver under test. */
#ifndef TESTS_LIB_MEMDISK_H
#define TESTS_LIB_MEMDISK_H

#include "block/block-node.h"

typedef struct MemDisk MemDisk;
struct MemDisk {
    char *mem;
    int64_t room; /* it is full then */
    /* NULL, or called after each write; may wait. */
    void coroutine_fn (*written)(MemDisk *d, int64_t offset);
};

void memdisk_init(MemDisk *d, int64_t room);
void memdisk_destroy(MemDisk *d);
/* A node that holds @data; the rest up to @length is zero, and @d is all zeroes
 * again when the node goes. */
BlockNode *memdisk_open(BlockGraph *g, const char *name, MemDisk *d,
                        const void *data, size_t size, int64_t length);

#endif
