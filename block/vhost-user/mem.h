/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that a front end shares: regions of the guest's address space, mapped
 * here. A table never changes; requests hold on to the one that they began
 * with. The loop of the export.
 */
#ifndef BLOCK_VHOST_USER_MEM_H
#define BLOCK_VHOST_USER_MEM_H

#include "block/vhost-user/proto.h"
#include "util/error.h"

typedef struct VuMap VuMap; /* one mapped region, in one or more tables */

typedef struct VuMem {
    unsigned refs, n;
    struct {
        VuRegion r;
        uint8_t *host; /* of the region's first byte */
        VuMap *map;
    } region[VU_SLOTS];
} VuMem;

/* One reference. */
VuMem *vu_mem_new(void);
VuMem *vu_mem_ref(VuMem *m);
void vu_mem_unref(VuMem *m); /* NULL is fine */
/* @m with one region more, or without one: a new table, or NULL with an error.
 * @fd stays the caller's. */
VuMem *vu_mem_add(const VuMem *m, const VuRegion *r, int fd, Error **errp);
VuMem *vu_mem_remove(const VuMem *m, const VuRegion *r, Error **errp);

/* Where @addr of the guest is, and how many of @len bytes lie there (at least
 * one). NULL: nowhere. */
void *vu_mem_guest(const VuMem *m, uint64_t addr, uint64_t len, uint64_t *got);
/* All @len bytes at an address of the front end; NULL: not there. */
void *vu_mem_user(const VuMem *m, uint64_t addr, uint64_t len);

/* Pages that we write, for a front end that migrates: a bit each. */
typedef struct VuDirtyLog {
    uint8_t *map; /* NULL: off */
    size_t size;  /* bytes of the log */
    uint8_t *base;
    size_t mapped;
} VuDirtyLog;
bool vu_log_open(VuDirtyLog *log, int fd, uint64_t size, uint64_t offset,
                 Error **errp);
void vu_log_close(VuDirtyLog *log);
void vu_log_mark(const VuDirtyLog *log, uint64_t addr, uint64_t len);

#endif
