/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the block layer's core share. */
#ifndef BLOCK_BLOCK_INT_H
#define BLOCK_BLOCK_INT_H

#include "block/block-backend.h"
#include "block/block-graph.h"
#include "qom/object.h"

/* Longest chain of nodes: requests nest that deep on a coroutine stack. */
#define BLOCK_MAX_DEPTH 200

typedef struct BlkAcctSlot {
    uint64_t bytes[BLK_ACCT__MAX], ops[BLK_ACCT__MAX], ns[BLK_ACCT__MAX];
    uint64_t failed[BLK_ACCT__MAX], invalid[BLK_ACCT__MAX],
        merged[BLK_ACCT__MAX];
    int64_t last_ns; /* CLOCK_MONOTONIC of the last completion */
} __attribute__((aligned(64))) BlkAcctSlot;

struct BlockBackend {
    BlockGraph *graph;
    unsigned refs;
    char *name;         /* of -drive, or "" */
    bool monitor_owned; /* -drive; one of refs */
    BlockEdge *root;    /* NULL: no medium */
    uint64_t perm, shared;
    bool write_cache;
    bool want_read_only; /* -drive readonly=on */

    Object *dev;
    const BlkDevOps *ops;
    void *ops_opaque;
    bool removable; /* shown by query-block */
    unsigned drains;

    BlkErrorPolicy rerror, werror;
    bool iostatus_enabled; /* the device calls blk_error() */
    int iostatus; /* atomic; 0 ok, else errno value of the failure */

    CoGate gate;
    BlkAcctSlot acct[CO_GATE_SLOTS];
    bool ignore_failed, ignore_invalid; /* in times; change while drained */
    struct BlkStats *stats;             /* the same; or NULL: see blk-stats.h */
    LoopTask resized;
    struct DriveInfo *drive; /* -drive's options for the device, or NULL */

    /* block_set_io_throttle: changes while drained; or NULL */
    struct ThrottleMember *throttle;
    GPtrArray *undrain; /* for throttle_undrain() when the drain ends */
};

/* Do media come and go? They do where there is no device. */
static inline bool blk_is_removable(const BlockBackend *blk)
{
    return !blk->dev || blk->removable;
}

/* The node below the filters that nobody asked for by name; NULL for NULL. */
static inline BlockNode *skip_implicit(BlockNode *n)
{
    while (n && n->implicit && n->file) {
        n = n->file->node;
    }
    return n;
}

/* Open @n, and what is defined in it, anew: for reading only, or not. */
bool block_reopen_read_only(BlockNode *n, bool read_only, Error **errp);
/* @n becomes writable if it is not, and at least @length long. */
bool block_make_writable(BlockNode *n, int64_t length, Error **errp);

/* For query-block and the tools; @chain: with the backing images. */
ImageInfo *block_image_info(BlockNode *n, bool chain);

/* The sum over the slots. */
void blk_acct_sum(const BlockBackend *blk, BlkAcctSlot *sum);
/* On the main loop: tell the device about a new size. */
void blk_notify_resized(BlockBackend *blk);
/* Text for messages: "device 'x'". Free with g_free(). */
char *blk_describe(const BlockBackend *blk);

/* A node that is not open yet; gives it @name or a generated one. */
BlockNode *node_new(BlockGraph *g, const BlockDriver *drv, const char *name,
                    Error **errp);
/* Make an open node known. */
void node_publish(BlockNode *n);
/* Close and free; parents must be gone. */
void node_close(BlockNode *n);
void node_refresh_limits(BlockNode *n);

BlockEdge *edge_attach(BlockNode *node, BlockNode *parent, BlockBackend *blk,
                       const char *name, unsigned role, uint64_t perm,
                       uint64_t shared, Error **errp);
void edge_detach(BlockEdge *e);
/* For changes of the graph as a whole: no permission is looked at. */
BlockEdge *edge_new(BlockNode *node, BlockNode *parent, const char *name,
                    unsigned role); /* takes its own reference to @node */
void edge_link(BlockEdge *e);
void edge_unlink(BlockEdge *e);
void edge_free(BlockEdge *e); /* unlinked */
/* Is @below @n, or under it? */
bool node_reaches(const BlockNode *n, const BlockNode *below);
/* Check and apply what follows from changed users or flags of @nodes. */
bool nodes_refresh_perms(GPtrArray *nodes, Error **errp);
/* @n and all that it uses, users first. */
void node_collect_below(BlockNode *n, GHashTable *seen, GPtrArray *reversed);
/* The rmw gate, when requests may need it. No request is under way. */
void node_prepare_rmw(BlockNode *n);
bool edge_set_perm(BlockEdge *e, uint64_t perm, uint64_t shared, Error **errp);
/* What the users of @n together want and allow. */
void node_cumulative_perm(const BlockNode *n, uint64_t *perm, uint64_t *shared);

#endif
