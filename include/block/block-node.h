/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Block nodes and the drivers behind them: the block layer's inside, for
 * drivers, jobs and exports.
 *
 * A node may be used from several loops at once. The functions marked
 * coroutine_fn run on whichever loop the request came from; a driver guards
 * its own metadata. The graph (edges, permissions, open, close) is changed by
 * control code only (see block-backend.h), and where requests could meet the
 * change, with all users drained.
 */
#ifndef BLOCK_BLOCK_NODE_H
#define BLOCK_BLOCK_NODE_H

#include "block/block-common.h"
#include "util/co-gate.h"
#include "util/coroutine.h"
#include "util/iov.h"

typedef struct BlockDriver BlockDriver;
typedef struct BlockEdge BlockEdge;

/* What a child is to its parent. */
enum {
    BLOCK_ROLE_DATA = 1,
    BLOCK_ROLE_METADATA = 2,
    BLOCK_ROLE_FILTERED = 4, /* the parent shows the child's data */
    BLOCK_ROLE_COW = 8,      /* data where the parent has none */
    BLOCK_ROLE_PRIMARY = 16, /* the storage, for those that have one */
};

struct BlockEdge {
    BlockNode *node;
    BlockNode *parent; /* NULL: @blk is the parent */
    BlockBackend *blk;
    char *name; /* "file", "backing", "root" */
    unsigned role;
    uint64_t perm, shared;
    BlockEdge *next; /* of the same parent node */
};

typedef enum BlockDetectZeroes {
    BLOCK_DETECT_ZEROES_OFF,
    BLOCK_DETECT_ZEROES_ON,
    BLOCK_DETECT_ZEROES_UNMAP,
} BlockDetectZeroes;

/* What options every node has, and what a parent hands down to a child that
 * is defined inside it. */
typedef struct BlockOpenFlags {
    bool direct;   /* cache.direct: no host page cache */
    bool no_flush; /* cache.no-flush: flushes do nothing */
    bool read_only;
    bool auto_read_only; /* open read-only until someone must write */
    bool force_share;    /* take no image locks; read-only only */
    bool unmap;          /* discard=unmap */
} BlockOpenFlags;

struct BlockNode {
    BlockGraph *graph;
    const BlockDriver *drv;
    void *state;    /* drv->state_size bytes */
    char *name;     /* node-name, unique */
    bool named;     /* by the user */
    bool implicit;  /* a filter that -drive brings: not shown */
    char *filename; /* for people; "" when there is none */
    BlockOpenFlags flags;
    BlockdevOptions *opts; /* as given when it was opened or reopened */
    BlockNode *inherits;   /* the parent it is defined in, or NULL */
    BlockDetectZeroes detect_zeroes;
    bool read_only;     /* may change with auto_read_only */
    bool monitor_owned; /* blockdev-add; one of refs */
    bool probed;        /* nobody said that the format is this one */
    unsigned refs;
    unsigned depth; /* of the deepest child + 1 */
    BlockLimits limits;
    uint32_t zero_flags;       /* of BLK_REQ_*: pwrite_zeroes knows them */
    BlockEdge *children;       /* in order of opening */
    BlockEdge *file, *backing; /* also in children */
    GPtrArray *parents;        /* BlockEdge * */
    uint64_t write_threshold;
    GPtrArray *bitmaps; /* DirtyBitmap *, or NULL; changes while drained */

    int64_t length;        /* atomic; bytes */
    int64_t highest_write; /* atomic; where the highest write ended */
    int dirty;             /* atomic: written since the last flush began */
    int flushing;          /* atomic: flushes under way */
    CoGate *rmw; /* aligned writers inside; closed by read-modify-write;
                  * NULL when any offset and length are fine */
    CoMutex rmw_lock;
};

/* Drivers --------------------------------------------------------------------
 */

/* Data path. Offsets and lengths keep the node's limits; a vector holds at
 * least @bytes from @iov_offset on. 0 or -errno. */
typedef struct BlockIoOps {
    int coroutine_fn (*preadv)(BlockNode *n, int64_t offset, int64_t bytes,
                               const IoVec *iov, size_t iov_offset,
                               unsigned flags);
    int coroutine_fn (*pwritev)(BlockNode *n, int64_t offset, int64_t bytes,
                                const IoVec *iov, size_t iov_offset,
                                unsigned flags);
    /* -ENOTSUP: write a buffer of zeroes instead. */
    int coroutine_fn (*pwrite_zeroes)(BlockNode *n, int64_t offset,
                                      int64_t bytes, unsigned flags);
    int coroutine_fn (*pdiscard)(BlockNode *n, int64_t offset, int64_t bytes);
    /* One whole cluster (or what there is of the last), which must not have
     * data yet. NULL: the format has no compression. */
    int coroutine_fn (*pwrite_compressed)(BlockNode *n, int64_t offset,
                                          int64_t bytes, const void *buf);
    /* Let the host copy from @src, a node of the same driver. Optional. */
    int coroutine_fn (*copy_range)(BlockNode *src, int64_t src_offset,
                                   BlockNode *n, int64_t offset, int64_t bytes);
    /* Own caches to the children, then node_flush_children() is up to the
     * caller. NULL: nothing to do. */
    int coroutine_fn (*flush)(BlockNode *n);
    bool flush_all; /* flush() has the children flushed too */
    /* BLK_STATUS_* or -errno; 0 < *pnum <= bytes. NULL: all is data. */
    int coroutine_fn (*block_status)(BlockNode *n, bool want_zero,
                                     int64_t offset, int64_t bytes,
                                     int64_t *pnum, int64_t *map,
                                     BlockNode **file);
} BlockIoOps;

typedef struct BlockSizeOps {
    int64_t coroutine_fn (*getlength)(BlockNode *n);
    /* Change the length; @exact: not more than asked for. */
    bool coroutine_fn (*truncate)(BlockNode *n, int64_t size, bool exact,
                                  Error **errp);
    /* Space for [from, to), which was just added and reads as zeroes; @mode is
     * a BlockPrealloc. Optional; 0 or -errno. */
    int coroutine_fn (*preallocate)(BlockNode *n, int64_t from, int64_t to,
                                    int mode);
    int64_t (*allocated)(BlockNode *n); /* bytes on the host, or -errno */
    bool (*blocksizes)(BlockNode *n, uint32_t *logical, uint32_t *physical);
} BlockSizeOps;

typedef struct BlockPermOps {
    /* What to ask of child @e when the node's users together want @perm and
     * share @shared. NULL: node_default_perm(). */
    void (*child)(BlockNode *n, const BlockEdge *e, uint64_t perm,
                  uint64_t shared, uint64_t *child_perm,
                  uint64_t *child_shared);
    /* The node's users are about to want this; then exactly one of commit and
     * abort. All optional. */
    bool (*prepare)(BlockNode *n, uint64_t perm, uint64_t shared, Error **errp);
    void (*commit)(BlockNode *n);
    void (*abort)(BlockNode *n);
} BlockPermOps;

typedef struct BlockInfoOps {
    /* Add what the format knows. */
    void (*image)(BlockNode *n, ImageInfo *info);
    BlockStatsSpecific *(*stats)(const BlockNode *n); /* or NULL */
} BlockInfoOps;

/* What looking through an image finds; see "qemu-img check". */
enum {
    BLOCK_FIX_LEAKS = 1,
    BLOCK_FIX_ERRORS = 2,
};
typedef struct BlockCheck {
    void (*say)(const char *line); /* told of each finding; may be NULL */
    int64_t corruptions, leaks, check_errors;
    int64_t corruptions_fixed, leaks_fixed;
    int64_t image_end; /* bytes of the file in use; 0: not known */
    int64_t total_clusters, allocated_clusters, fragmented_clusters,
        compressed_clusters;
} BlockCheck;

/* What "qemu-img amend" asks for. */
typedef struct BlockAmend {
    const QDict *opts; /* checked by the driver's amend_options */
    bool force;        /* also what may lose the data */
    /* Told of each step; may be NULL. */
    void (*progress)(void *opaque, int64_t done, int64_t total);
    void *opaque;
} BlockAmend;

static inline void block_amend_progress(const BlockAmend *a, int64_t done,
                                        int64_t total)
{
    if (a->progress) {
        a->progress(a->opaque, done, total);
    }
}

/* Looking after images: no request is under way. Optional. */
typedef struct BlockImageOps {
    /* Other properties: all or none of them, where that can be. */
    bool coroutine_fn (*amend)(BlockNode *n, const BlockAmend *a, Error **errp);
    const struct BlockCreateOption *amend_options;
    bool coroutine_fn (*check)(BlockNode *n, unsigned fix, BlockCheck *result,
                               Error **errp);
    /* What the header says about the backing file; NULL: none. The graph does
     * not change. 0 or -errno. */
    int coroutine_fn (*change_backing)(BlockNode *n, const char *filename,
                                       const char *format);
    /* Drop all data, so that the backing file shows everywhere. */
    int coroutine_fn (*make_empty)(BlockNode *n);
} BlockImageOps;

/* Snapshots inside of images: no request is under way, everything is flushed.
 * The list is part of BlockInfoOps.image. */
typedef struct BlockSnapshotOps {
    /* "name", date, clock, icount and size of the VM state come from @info;
     * its "id" is chosen. 0 or -errno. */
    int coroutine_fn (*create)(BlockNode *n, SnapshotInfo *info);
    /* By id (exactly one has it), at which the list shows it. */
    bool coroutine_fn (*apply)(BlockNode *n, const char *id, Error **errp);
    bool coroutine_fn (*remove)(BlockNode *n, const char *id, Error **errp);
    /* A node that is only read shows the snapshot from now on. */
    bool coroutine_fn (*view)(BlockNode *n, const char *id, Error **errp);
} BlockSnapshotOps;

/* Dirty bitmaps that images keep: loaded by open, stored by close and before
 * the node becomes read-only. Control code; everything is drained. */
typedef struct BlockBitmapOps {
    bool (*supported)(BlockNode *n); /* by this image */
    /* Is there room for one more like that? */
    bool (*can_store)(BlockNode *n, const char *name, uint32_t granularity,
                      Error **errp);
    /* Take one out of the image, if it is there; that in memory stays. */
    bool coroutine_fn (*remove)(BlockNode *n, const char *name, Error **errp);
} BlockBitmapOps;

/* The state of a VM, kept in an image beside the data: at @pos, which begins
 * at 0. No other request is under way. Optional. */
typedef struct BlockVmStateOps {
    int coroutine_fn (*load)(BlockNode *n, int64_t pos, const IoVec *iov);
    int coroutine_fn (*save)(BlockNode *n, int64_t pos, const IoVec *iov);
    /* Where it lies, as if the image were longer. */
    int64_t (*offset)(const BlockNode *n);
} BlockVmStateOps;

/* A medium that may be missing. Any thread. */
typedef struct BlockMediumOps {
    bool (*is_inserted)(BlockNode *n);
    void (*eject)(BlockNode *n, bool open); /* move the tray */
    void (*lock)(BlockNode *n, bool locked);
} BlockMediumOps;

/* See block-debug.h. */
typedef struct BlockDebugOps {
    int (*set_break)(BlockNode *n, const char *event, const char *tag);
    int (*remove_break)(BlockNode *n, const char *tag);
    int (*resume)(BlockNode *n, const char *tag);
    bool (*suspended)(BlockNode *n, const char *tag);
} BlockDebugOps;

/* A node that gets new options: all of its users are drained. */
typedef struct BlockReopen {
    BlockNode *n; /* with its old flags and children until commit */
    const BlockdevOptions *opts;
    BlockOpenFlags flags;
    bool read_only;
    BlockNode *file; /* what will be the child "file"; NULL: none */
    void *state;     /* the driver's, between prepare and commit or abort */
} BlockReopen;

/* After a successful prepare, exactly one of commit and abort. Optional. */
typedef struct BlockReopenOps {
    /* Driver options that may change, besides those of all nodes and the
     * children; ends with NULL. */
    const char *const *options;
    bool coroutine_fn (*prepare)(BlockReopen *r, Error **errp);
    void coroutine_fn (*commit)(BlockReopen *r);
    void coroutine_fn (*abort)(BlockReopen *r);
} BlockReopenOps;

struct BlockDriver {
    const char *name;
    size_t state_size;
    int driver;    /* BlockdevDriver of the schema */
    bool protocol; /* opens something of the host's */
    bool filter;
    /* How well the first bytes fit this format: 0 (not) to 100. */
    int (*probe)(const uint8_t *buf, size_t len);
    /* Runs in a coroutine. On failure the core closes the children. */
    bool coroutine_fn (*open)(BlockNode *n, const BlockdevOptions *opts,
                              Error **errp);
    void coroutine_fn (*close)(BlockNode *n); /* after a successful open */
    /* A format above is at this step (BlkdebugEvent); for blkdebug. In a
     * coroutine it may wait. */
    void (*event)(BlockNode *n, int event);
    /* Forget what the host caches of the data: another host may have changed
     * it. 0 or -errno. */
    int coroutine_fn (*invalidate)(BlockNode *n);
    void (*refresh_limits)(BlockNode *n);
    /* The image itself says what its backing file is: another one, or NULL for
     * none. Optional; 0 or -errno. */
    int coroutine_fn (*change_backing)(BlockNode *n, const char *file,
                                       const char *format);
    const BlockIoOps *io;
    const BlockSizeOps *size;
    const BlockPermOps *perm;
    const BlockInfoOps *info;
    const BlockReopenOps *reopen;
    const BlockImageOps *image;
    const BlockSnapshotOps *snapshot;
    const BlockBitmapOps *bitmap;
    const BlockVmStateOps *vmstate;
    const BlockDebugOps *debug;
    const BlockMediumOps *medium;        /* NULL: it is always there */
    const struct BlockCreateOps *create; /* NULL: cannot be made */
};

extern const BlockDriver *const block_drivers[]; /* ends with NULL */
const BlockDriver *block_driver_find(const char *name);

/* Tell the node below that a step is about to be done. */
static inline void node_event(BlockNode *n, int event)
{
    if (unlikely(n->drv->event)) {
        n->drv->event(n, event);
    }
}

/* For open functions: open or look up what @ref says as child @name. */
BlockEdge *coroutine_fn node_open_child(BlockNode *n, const char *name,
                                        const BlockdevRef *ref, unsigned role,
                                        Error **errp);
/* @node (reference taken over, also on failure) becomes a child. */
BlockEdge *node_attach_child(BlockNode *n, BlockNode *node, const char *name,
                             unsigned role, Error **errp);
void node_detach_child(BlockEdge *e);
void node_default_perm(BlockNode *n, const BlockEdge *e, uint64_t perm,
                       uint64_t shared, uint64_t *child_perm,
                       uint64_t *child_shared);
/* After open, truncate or growth: tell the users of a new length. */
void node_set_length(BlockNode *n, int64_t length);
/* Any loop: the node is at least that long. */
void node_raise_length(BlockNode *n, int64_t end);

/* Requests (any loop)
 * ----------------------------------------------------------- */

static inline int64_t node_length(const BlockNode *n)
{
    return __atomic_load_n(&n->length, __ATOMIC_RELAXED);
}
/* Reads past the end give zeroes. */
int coroutine_fn node_preadv(BlockNode *n, int64_t offset, int64_t bytes,
                             const IoVec *iov, size_t iov_offset,
                             unsigned flags);
int coroutine_fn node_pwritev(BlockNode *n, int64_t offset, int64_t bytes,
                              const IoVec *iov, size_t iov_offset,
                              unsigned flags);
int coroutine_fn node_pread(BlockNode *n, int64_t offset, int64_t bytes,
                            void *buf);
int coroutine_fn node_pwrite(BlockNode *n, int64_t offset, int64_t bytes,
                             const void *buf, unsigned flags);
int coroutine_fn node_pwrite_zeroes(BlockNode *n, int64_t offset, int64_t bytes,
                                    unsigned flags);
int coroutine_fn node_pwrite_compressed(BlockNode *n, int64_t offset,
                                        int64_t bytes, const void *buf);
int coroutine_fn node_pdiscard(BlockNode *n, int64_t offset, int64_t bytes);
/* Let the host copy; -ENOTSUP when it does not, and others: nothing or a part
 * is copied. The ranges lie inside of both nodes. */
int coroutine_fn node_copy_range(BlockNode *src, int64_t src_offset,
                                 BlockNode *n, int64_t offset, int64_t bytes);
/* The state of a VM that the nearest image at or below @n keeps. */
int coroutine_fn node_load_vmstate(BlockNode *n, int64_t pos, const IoVec *iov);
int coroutine_fn node_save_vmstate(BlockNode *n, int64_t pos, const IoVec *iov);
/* Where it begins; 0: no image keeps any. */
int64_t node_vmstate_offset(const BlockNode *n);
int coroutine_fn node_flush(BlockNode *n);
/* From inside a write of the driver, which counts as done only when it
 * returns. */
int coroutine_fn node_flush_changed(BlockNode *n);
int coroutine_fn node_block_status(BlockNode *n, bool want_zero, int64_t offset,
                                   int64_t bytes, int64_t *pnum, int64_t *map,
                                   BlockNode **file);
bool coroutine_fn node_truncate(BlockNode *n, int64_t size, bool exact,
                                Error **errp);
/* See BlockSizeOps; -ENOTSUP. */
int coroutine_fn node_preallocate(BlockNode *n, int64_t from, int64_t to,
                                  int mode);
int64_t node_allocated_size(BlockNode *n);

/* A buffer that suits the node's memory alignment; free with free(). NULL
 * when there is no memory. */
void *node_alloc(const BlockNode *n, size_t size);

#endif
