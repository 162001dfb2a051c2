/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The job "stream": what an image reads from the layers below it, down to
 * above a base, is copied into it. The copies are marked as changing nothing,
 * so that the format drops what a write of the guest has overtaken.
 * Spec: QEMU 7.2 manual, "Live Block Device Operations".
 */
#include "util/osdep.h"

#include "block/graph-tx.h"
#include "block/job-copy.h"
#include "block/job-filter.h"
#include "block/mirror.h"
#include "util/error.h"

typedef struct Stream {
    Job job;
    BlockNode *node, *bottom; /* a reference each */
    BlockNode *filter;        /* has one too, or is NULL */
    char *backing_file;
    BlockdevOnError on_error;
    bool was_read_only;
} Stream;

static int coroutine_fn stream_status(Job *j, int64_t offset, int64_t bytes,
                                      int64_t *num)
{
    Stream *s = (Stream *)j;
    BlockNode *below = chain_next(s->node), *base = chain_next(s->bottom);
    int ret = chain_status(s->node, below, offset, bytes, num);

    if (ret < 0) {
        return ret;
    }
    if (ret & CHAIN_ALLOCATED) {
        return 0;
    }
    ret = chain_status(below, base, offset, *num, num);
    /* Without a backing file, what is not there is zero. */
    return ret >= 0 && (ret & CHAIN_ZERO) && !base ? 0 : ret;
}

static int coroutine_fn stream_copy(Job *j, int64_t offset, int64_t bytes,
                                    bool zero, bool *is_read)
{
    Stream *s = (Stream *)j;
    int ret = copy_data(j, s->node, s->node, offset, bytes, zero,
                        BLK_REQ_UNCHANGED | BLK_REQ_MAY_UNMAP, is_read);

    /* To the user both are reads of the image, as with copy-on-read. */
    *is_read = true;
    return ret;
}

static int coroutine_fn stream_run(Job *j, Error **errp)
{
    Stream *s = (Stream *)j;
    CopyLine line = {
        .pool = { .job = j,
                  .copy = stream_copy,
                  .on_read = s->on_error,
                  .on_write = s->on_error },
        .status = stream_status,
        .skip_errors = true,
    };
    int ret;

    if (s->bottom == s->node) {
        return 0;
    }
    j->len = node_length(s->node);
    ret = copy_line(&line, j->len);
    if (ret >= 0) {
        job_begin(j);
        ret = node_flush(s->node);
        job_end(j);
    }
    return ret;
}

/* The node takes over what is below the bottom one. */
static bool stream_prepare(Job *j, Error **errp)
{
    Stream *s = (Stream *)j;
    BlockNode *base = chain_next(s->bottom), *image = skip_filters(base);
    const char *file = s->backing_file ? s->backing_file
                       : image         ? image->filename
                                       : NULL;
    GPtrArray *users;
    bool ok = true;

    if (s->bottom == s->node) {
        return true;
    }
    users = graph_drain(j->graph);
    ok = node_change_backing_file(s->node, file,
                                  image ? image->drv->name : NULL, errp);
    if (ok) {
        GraphTx *tx = graph_tx_new(j->graph);

        graph_tx_unlink(tx, s->node->backing);
        if (base) {
            graph_tx_link(tx, s->node, base, "backing", BLOCK_ROLE_COW);
        }
        ok = graph_tx_commit(tx, errp);
    }
    node_undrain(users);
    return ok;
}

static void stream_clean(Job *j)
{
    Stream *s = (Stream *)j;

    job_drop_nodes(j);
    if (s->filter) {
        GPtrArray *users = graph_drain(j->graph);

        job_filter_remove(s->filter);
        node_undrain(users);
    }
    if (s->was_read_only) {
        autoerr Error *err = NULL;

        block_reopen_read_only(s->node, true, &err);
    }
    node_unref(s->node);
    node_unref(s->bottom);
    g_free(s->backing_file);
}

static const JobDriver stream_driver = {
    .type = JOB_TYPE_STREAM,
    .size = sizeof(Stream),
    .for_blocks = true,
    .run = stream_run,
    .prepare = stream_prepare,
    .clean = stream_clean,
};

static bool set_up(Stream *s, const StreamOptions *o, Error **errp)
{
    GPtrArray *users;

    if (!job_claim_chain(&s->job, o->node, o->bottom, errp) ||
        !block_make_writable(o->node, 0, errp)) {
        return false;
    }
    users = graph_drain(s->job.graph);
    s->filter = job_filter_insert(o->node, &block_driver_stream_top, o->filter,
                                  JOB_FILTER_PASS, NULL, NULL, errp);
    node_undrain(users);
    return s->filter &&
           job_add_node(&s->job, o->node, "main node",
                        BLK_PERM_READ | BLK_PERM_WRITE_UNCHANGED,
                        BLK_PERM_ALL & ~(uint64_t)BLK_PERM_RESIZE, errp) &&
           (o->bottom == o->node ||
            job_add_chain(&s->job, chain_next(o->node), chain_next(o->bottom),
                          BLK_PERM_READ | BLK_PERM_WRITE_UNCHANGED, errp));
}

bool stream_start(BlockGraph *g, const StreamOptions *o, Error **errp)
{
    Stream *s = (Stream *)job_new(g, &stream_driver, &o->job, errp);

    if (!s) {
        return false;
    }
    s->node = node_ref(o->node);
    s->bottom = node_ref(o->bottom);
    s->was_read_only = o->node->read_only;
    if (!set_up(s, o, errp)) {
        stream_clean(&s->job);
        job_drop(&s->job);
        return false;
    }
    s->backing_file = g_strdup(o->backing_file);
    s->on_error = o->on_error;
    job_start(&s->job);
    return true;
}
