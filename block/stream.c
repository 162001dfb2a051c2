/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The job "stream": what an image reads from the layers below it, down to
 * above a base, is copied into it. The copies are marked as changing nothing,
 * so that the format drops what a write of the guest has overtaken.
 * Spec: QEMU 7.2 manual, "Live Block Device Operations".
 */
#include "util/osdep.h"

#include "block/graph-tx.h"
#include "block/mirror.h"
#include "util/error.h"

#define CHUNK ((int64_t)(1 * MiB))

typedef struct Stream {
    Job job;
    BlockNode *node, *base; /* a reference each; base may be NULL */
    char *backing_file;
    BlockdevOnError on_error;
    bool was_read_only;
} Stream;

static int coroutine_fn stream_chunk(Stream *s, int64_t offset, int64_t bytes,
                                     int64_t *num, bool *is_read)
{
    BlockNode *below = chain_next(s->node);
    int ret;

    *is_read = true;
    ret = chain_status(s->node, below, offset, bytes, num);
    if (ret < 0 || (ret & CHAIN_ALLOCATED) || !below) {
        return ret;
    }
    ret = chain_status(below, s->base, offset, *num, num);
    if (ret < 0 || !(ret & CHAIN_ALLOCATED)) {
        return ret;
    }
    if (ret & CHAIN_ZERO) {
        /* Without a backing file, what is not there is zero. */
        return s->base ? copy_range(s->node, s->node, offset, *num, true,
                                    BLK_REQ_UNCHANGED, is_read)
                       : 0;
    }
    *num = MIN(*num, CHUNK);
    job_account(&s->job, *num);
    return copy_range(s->node, s->node, offset, *num, false, BLK_REQ_UNCHANGED,
                      is_read);
}

static int coroutine_fn stream_run(Job *j, Error **errp)
{
    Stream *s = (Stream *)j;
    int64_t length = node_length(s->node), offset = 0;

    if (!s->node->backing || chain_next(s->node) == s->base) {
        return 0;
    }
    j->len = length;
    while (offset < length) {
        int64_t num = 0;
        bool is_read;
        int ret;

        job_throttle(j);
        if (job_pause_point(j)) {
            return -ECANCELED;
        }
        job_begin(j);
        ret = stream_chunk(s, offset, length - offset, &num, &is_read);
        job_end(j);
        if (ret < 0) {
            if (job_error(j, s->on_error, is_read, -ret) == BLK_ACTION_REPORT) {
                return ret;
            }
            num = 0;
        }
        offset += num;
        j->offset = offset;
        coroutine_reschedule();
    }
    return 0;
}

static bool stream_prepare(Job *j, Error **errp)
{
    Stream *s = (Stream *)j;
    const char *file = s->backing_file ? s->backing_file
                       : s->base       ? s->base->filename
                                       : NULL;
    GPtrArray *users = graph_drain(j->graph);
    bool ok = true;

    if (s->node->backing && chain_next(s->node) != s->base) {
        ok =
            node_change_backing_file(s->node, file,
                                     s->base ? s->base->drv->name : NULL, errp);
        if (ok) {
            GraphTx *tx = graph_tx_new(j->graph);

            graph_tx_unlink(tx, s->node->backing);
            if (s->base) {
                graph_tx_link(tx, s->node, s->base, "backing", BLOCK_ROLE_COW);
            }
            ok = graph_tx_commit(tx, errp);
        }
    }
    node_undrain(users);
    return ok;
}

static void stream_clean(Job *j)
{
    Stream *s = (Stream *)j;

    job_drop_nodes(j);
    if (s->was_read_only) {
        autoerr Error *err = NULL;

        block_reopen_read_only(s->node, true, &err);
    }
    node_unref(s->node);
    node_unref(s->base);
    g_free(s->backing_file);
}

static const JobDriver stream_driver = {
    .type = JOB_TYPE_STREAM,
    .size = sizeof(Stream),
    .run = stream_run,
    .prepare = stream_prepare,
    .clean = stream_clean,
};

bool stream_start(BlockGraph *g, const StreamOptions *o, Error **errp)
{
    bool was_read_only = o->node->read_only;
    Stream *s = (Stream *)job_new(g, &stream_driver, &o->job, errp);

    if (!s) {
        return false;
    }
    if (!block_make_writable(o->node, 0, errp) ||
        !job_add_node(&s->job, o->node, "main node",
                      BLK_PERM_READ | BLK_PERM_WRITE_UNCHANGED,
                      BLK_PERM_ALL & ~(uint64_t)BLK_PERM_RESIZE, errp)) {
        job_drop(&s->job);
        return false;
    }
    s->node = node_ref(o->node);
    s->base = o->base ? node_ref(o->base) : NULL;
    s->backing_file = g_strdup(o->backing_file);
    s->on_error = o->on_error;
    s->was_read_only = was_read_only;
    job_start(&s->job);
    return true;
}
