/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * quorum: keeps the same data on several nodes, and reads what most of them
 * agree on, or from the first that is well.
 * Spec: the driver quorum and its events in QEMU 7.2's QMP reference.
 */
#include "util/osdep.h"

#include "block/block-graph.h"
#include "block/drivers.h"
#include "block/graph-tx.h"
#include "block/quorum.h"
#include "util/error.h"

/* A vote keeps a copy per child in memory: large reads are split. */
#define READ_MAX     (4 * MiB)
#define CHILDREN_MAX 256
#define CHILD_ROLE   (BLOCK_ROLE_DATA)

/* Opening
 * ---------------------------------------------------------------------- */

static bool take_options(QuorumState *s, const BlockdevOptionsQuorum *o,
                         size_t count, Error **errp)
{
    s->pattern =
        o->has_read_pattern ? o->read_pattern : QUORUM_READ_PATTERN_QUORUM;
    if (!count) {
        return error_set(errp, "Number of provided children must be 1 or "
                               "more");
    }
    if (count > CHILDREN_MAX) {
        return error_set(errp, "Too many children");
    }
    if (o->vote_threshold < 1) {
        return error_set(errp, "Parameter 'vote-threshold' expects a value >= "
                               "1");
    }
    if ((uint64_t)o->vote_threshold > count) {
        return error_set(errp, "threshold may not exceed children count");
    }
    s->threshold = o->vote_threshold;
    if (s->pattern == QUORUM_READ_PATTERN_FIFO) {
        return true;
    }
    s->is_blkverify = o->has_blkverify && o->blkverify;
    if (s->is_blkverify && (count != 2 || s->threshold != 2)) {
        return error_set(errp, "blkverify=on can only be set if there are "
                               "exactly two files and vote-threshold is 2");
    }
    s->rewrite = o->has_rewrite_corrupted && o->rewrite_corrupted;
    if (s->is_blkverify && s->rewrite) {
        return error_set(errp, "rewrite-corrupted=on cannot be used with "
                               "blkverify=on");
    }
    return true;
}

static size_t list_length(const BlockdevRefList *list)
{
    size_t n = 0;

    for (; list; list = list->next) {
        n++;
    }
    return n;
}

static bool check_length(BlockNode *n, Error **errp)
{
    QuorumState *s = n->state;

    for (guint i = 0; i < s->children->len; i++) {
        BlockEdge *e = s->children->pdata[i];

        if (node_length(e->node) != n->length) {
            return error_set(errp, "Could not refresh total sector count: "
                                   "Input/output error");
        }
    }
    return true;
}

static bool coroutine_fn open_children(BlockNode *n, const BlockdevRefList *l,
                                       Error **errp)
{
    QuorumState *s = n->state;

    for (; l; l = l->next) {
        g_autofree char *name = g_strdup_printf("children.%u", s->next_index++);
        BlockEdge *e = node_open_child(n, name, l->value, CHILD_ROLE, errp);

        if (!e) {
            return false;
        }
        g_ptr_array_add(s->children, e);
        n->length = node_length(((BlockEdge *)s->children->pdata[0])->node);
    }
    return check_length(n, errp);
}

static bool coroutine_fn quorum_open(BlockNode *n, const BlockdevOptions *opts,
                                     Error **errp)
{
    const BlockdevOptionsQuorum *o = &opts->u.quorum;
    QuorumState *s = n->state;

    if (!take_options(s, o, list_length(o->children), errp)) {
        return false;
    }
    s->children = g_ptr_array_new();
    if (!open_children(n, o->children, errp)) {
        g_ptr_array_free(s->children, TRUE);
        return false;
    }
    block_name_node(n, n->opts, NULL, false);
    return true;
}

static void coroutine_fn quorum_close(BlockNode *n)
{
    QuorumState *s = n->state;

    g_ptr_array_free(s->children, TRUE);
}

static void quorum_child_perm(BlockNode *n, const BlockEdge *e, uint64_t perm,
                              uint64_t shared, uint64_t *child_perm,
                              uint64_t *child_shared)
{
    QuorumState *s = n->state;

    *child_perm = perm & (BLK_PERM_READ | BLK_PERM_WRITE |
                          BLK_PERM_WRITE_UNCHANGED | BLK_PERM_RESIZE);
    if (s->rewrite && !n->read_only) {
        *child_perm |= BLK_PERM_WRITE;
    }
    /* Nobody changes one of the copies behind the back of the others. */
    *child_shared = (shared & BLK_PERM_READ) | BLK_PERM_WRITE_UNCHANGED;
}

/* Reads
 * ------------------------------------------------------------------------ */

static int coroutine_fn read_fifo(BlockNode *n, int64_t offset, int64_t bytes,
                                  const IoVec *iov, size_t iov_offset)
{
    QuorumState *s = n->state;
    int ret = -EIO;

    for (guint i = 0; i < s->children->len && ret < 0; i++) {
        BlockNode *child = ((BlockEdge *)s->children->pdata[i])->node;

        ret = node_preadv(child, offset, bytes, iov, iov_offset, 0);
        if (ret < 0) {
            quorum_report_bad(n, child, QUORUM_OP_TYPE_READ, offset, bytes,
                              ret);
        }
    }
    return ret;
}

static int coroutine_fn quorum_preadv(BlockNode *n, int64_t offset,
                                      int64_t bytes, const IoVec *iov,
                                      size_t iov_offset, unsigned flags)
{
    QuorumState *s = n->state;

    return s->pattern == QUORUM_READ_PATTERN_FIFO
               ? read_fifo(n, offset, bytes, iov, iov_offset)
               : quorum_read_voting(n, offset, bytes, iov, iov_offset);
}

/* Writes
 * ----------------------------------------------------------------------- */

/* The same for all; well when it is for enough of them. */
static int coroutine_fn do_all(BlockNode *n, const NodeReq *proto,
                               QuorumOpType type)
{
    QuorumState *s = n->state;
    unsigned count = s->children->len, well = 0;
    g_autofree NodeReq *reqs = g_new0(NodeReq, count);

    for (unsigned i = 0; i < count; i++) {
        reqs[i] = *proto;
        reqs[i].n = ((BlockEdge *)s->children->pdata[i])->node;
    }
    node_reqs_run(reqs, count);
    for (unsigned i = 0; i < count; i++) {
        if (reqs[i].ret >= 0) {
            well++;
        } else {
            quorum_report_bad(n, reqs[i].n, type, proto->offset, proto->bytes,
                              reqs[i].ret);
        }
    }
    if (well >= s->threshold) {
        return 0;
    }
    if (type != QUORUM_OP_TYPE_FLUSH) {
        quorum_report_failure(n, proto->offset, proto->bytes);
    }
    return quorum_common_error(reqs, count);
}

static int coroutine_fn quorum_pwritev(BlockNode *n, int64_t offset,
                                       int64_t bytes, const IoVec *iov,
                                       size_t iov_offset, unsigned flags)
{
    NodeReq req = { .kind = NODE_REQ_WRITE,
                    .offset = offset,
                    .bytes = bytes,
                    .iov = iov,
                    .iov_offset = iov_offset,
                    .flags = flags };

    return do_all(n, &req, QUORUM_OP_TYPE_WRITE);
}

static int coroutine_fn quorum_pwrite_zeroes(BlockNode *n, int64_t offset,
                                             int64_t bytes, unsigned flags)
{
    NodeReq req = { .kind = NODE_REQ_ZEROES,
                    .offset = offset,
                    .bytes = bytes,
                    /* Each child falls back by itself. */
                    .flags = flags & ~BLK_REQ_NO_FALLBACK };

    return do_all(n, &req, QUORUM_OP_TYPE_WRITE);
}

static int coroutine_fn quorum_flush(BlockNode *n)
{
    NodeReq req = { .kind = NODE_REQ_FLUSH };

    return do_all(n, &req, QUORUM_OP_TYPE_FLUSH);
}

/* The rest
 * ---------------------------------------------------------------------- */

/* Zeroes are where all children know of zeroes. */
static int coroutine_fn quorum_block_status(BlockNode *n, bool want_zero,
                                            int64_t offset, int64_t bytes,
                                            int64_t *pnum, int64_t *map,
                                            BlockNode **file)
{
    QuorumState *s = n->state;
    int64_t zero = bytes, data = 0;

    *map = offset;
    *file = n;
    for (guint i = 0; want_zero && i < s->children->len; i++) {
        BlockNode *child = ((BlockEdge *)s->children->pdata[i])->node, *where;
        int64_t num, at;
        int ret =
            node_block_status(child, true, offset, bytes, &num, &at, &where);

        if (ret >= 0 && (ret & BLK_STATUS_ZERO) && num) {
            zero = MIN(zero, num);
        } else {
            data = MAX(data, ret < 0 || !num ? bytes : num);
        }
    }
    *pnum = data ? data : want_zero ? zero : bytes;
    return data || !want_zero ? BLK_STATUS_DATA | BLK_STATUS_ALLOCATED
                              : BLK_STATUS_ZERO | BLK_STATUS_ALLOCATED;
}

static int64_t coroutine_fn quorum_getlength(BlockNode *n)
{
    QuorumState *s = n->state;

    return node_length(((BlockEdge *)s->children->pdata[0])->node);
}

static void quorum_refresh_limits(BlockNode *n)
{
    QuorumState *s = n->state;

    n->limits.max_transfer = READ_MAX;
    for (guint i = 0; i < s->children->len; i++) {
        const BlockLimits *c =
            &((BlockEdge *)s->children->pdata[i])->node->limits;

        n->limits.request_alignment =
            MAX(n->limits.request_alignment, c->request_alignment);
    }
}

/* Children that come and go
 * ----------------------------------------------------- */

bool quorum_add_child(BlockNode *n, BlockNode *child, Error **errp)
{
    QuorumState *s = n->state;
    g_autofree char *name = NULL;
    BlockEdge *e;

    if (s->is_blkverify) {
        return error_set(errp, "Cannot add a child to a quorum in blkverify "
                               "mode");
    }
    if (s->children->len >= CHILDREN_MAX) {
        return error_set(errp, "Too many children");
    }
    if (node_length(child) != node_length(n)) {
        return error_set(errp, "Node '%s' has another size than '%s'",
                         child->name, n->name);
    }
    if (node_reaches(child, n)) {
        return error_set(errp,
                         "Making '%s' a child of '%s' would create a "
                         "cycle",
                         child->name, n->name);
    }
    name = g_strdup_printf("children.%u", s->next_index);
    e = node_attach_child(n, node_ref(child), name, CHILD_ROLE, errp);
    if (!e) {
        return false;
    }
    /* What users ask of the node is asked of the child too. */
    if (!node_refresh_perms(n, errp)) {
        node_detach_child(e);
        return false;
    }
    s->next_index++;
    g_ptr_array_add(s->children, e);
    node_refresh_limits(n);
    node_prepare_rmw(n);
    return true;
}

bool quorum_del_child(BlockNode *n, const char *name, Error **errp)
{
    QuorumState *s = n->state;
    BlockEdge *found = NULL;

    for (guint i = 0; i < s->children->len; i++) {
        BlockEdge *e = s->children->pdata[i];

        if (!strcmp(e->name, name)) {
            found = e;
        }
    }
    if (!found) {
        return error_set(errp, "Node '%s' does not have child '%s'", n->name,
                         name);
    }
    if (s->children->len <= s->threshold) {
        return error_set(errp,
                         "The number of children cannot be lower than the "
                         "vote threshold %u",
                         s->threshold);
    }
    g_ptr_array_remove(s->children, found);
    node_detach_child(found);
    node_refresh_limits(n);
    return true;
}

static const BlockIoOps quorum_io_ops = {
    .preadv = quorum_preadv,
    .pwritev = quorum_pwritev,
    .pwrite_zeroes = quorum_pwrite_zeroes,
    .flush = quorum_flush,
    .flush_all = true,
    .block_status = quorum_block_status,
};

static const BlockSizeOps quorum_size_ops = {
    .getlength = quorum_getlength,
};

static const BlockPermOps quorum_perm_ops = {
    .child = quorum_child_perm,
};

const BlockDriver block_driver_quorum = {
    .name = "quorum",
    .driver = BLOCKDEV_DRIVER_QUORUM,
    .state_size = sizeof(QuorumState),
    .open = quorum_open,
    .close = quorum_close,
    .refresh_limits = quorum_refresh_limits,
    .io = &quorum_io_ops,
    .size = &quorum_size_ops,
    .perm = &quorum_perm_ops,
};
