/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The job "commit" of an image that nothing writes to: the data of the layers
 * from the top down to above the base goes into the base, which then takes
 * their place.
 * Spec: QEMU 7.2 manual, "Live Block Device Operations".
 */
#include "util/osdep.h"

#include "block/graph-tx.h"
#include "block/job-filter.h"
#include "block/mirror.h"
#include "util/error.h"

#define CHUNK ((int64_t)(1 * MiB))

typedef struct Commit {
    Job job;
    BlockNode *top, *base, *filter; /* a reference each */
    char *backing_file;
    BlockdevOnError on_error;
    bool base_was_read_only, done;
} Commit;

static int coroutine_fn commit_chunk(Commit *c, int64_t offset, int64_t bytes,
                                     int64_t *num, bool *is_read)
{
    int ret;

    job_begin(&c->job);
    *is_read = true;
    ret = chain_status(c->top, c->base, offset, bytes, num);
    if (ret >= 0 && (ret & CHAIN_ALLOCATED)) {
        bool zero = ret & CHAIN_ZERO;

        *num = zero ? *num : MIN(*num, CHUNK);
        ret = copy_range(c->top, c->base, offset, *num, zero, 0, is_read);
        job_account(&c->job, zero ? 0 : *num);
    }
    job_end(&c->job);
    return ret;
}

static int coroutine_fn commit_run(Job *j, Error **errp)
{
    Commit *c = (Commit *)j;
    int64_t length = node_length(c->top), offset = 0;

    j->len = length;
    while (offset < length) {
        int64_t num = 0;
        bool is_read;
        int ret;

        job_throttle(j);
        if (job_pause_point(j)) {
            return -ECANCELED;
        }
        ret = commit_chunk(c, offset, length - offset, &num, &is_read);
        if (ret < 0) {
            if (job_error(j, c->on_error, is_read, -ret) == BLK_ACTION_REPORT) {
                return ret;
            }
            num = 0;
        }
        offset += num;
        j->offset = offset;
        coroutine_reschedule();
    }
    job_begin(j);
    offset = node_flush(c->base);
    job_end(j);
    return offset;
}

static bool commit_prepare(Job *j, Error **errp)
{
    Commit *c = (Commit *)j;
    GPtrArray *users = graph_drain(j->graph);
    const char *file = c->backing_file ? c->backing_file : c->base->filename;
    GraphTx *tx;

    job_drop_nodes(j);
    for (guint i = 0; i < c->filter->parents->len && !c->done; i++) {
        BlockEdge *e = c->filter->parents->pdata[i];

        if (e->parent && (e->role & BLOCK_ROLE_COW) &&
            !node_change_backing_file(e->parent, file, c->base->drv->name,
                                      errp)) {
            node_undrain(users);
            return false;
        }
    }
    tx = graph_tx_new(j->graph);
    graph_tx_replace(tx, c->filter, c->base, NULL);
    graph_tx_unlink(tx, c->filter->file);
    c->done = graph_tx_commit(tx, errp);
    node_undrain(users);
    return c->done;
}

static void commit_clean(Job *j)
{
    Commit *c = (Commit *)j;
    GPtrArray *users = graph_drain(j->graph);

    job_drop_nodes(j);
    job_filter_remove(c->filter);
    node_undrain(users);
    if (c->base_was_read_only) {
        autoerr Error *err = NULL;

        block_reopen_read_only(c->base, true, &err);
    }
    node_unref(c->top);
    node_unref(c->base);
    g_free(c->backing_file);
}

static const JobDriver commit_driver = {
    .type = JOB_TYPE_COMMIT,
    .size = sizeof(Commit),
    .run = commit_run,
    .prepare = commit_prepare,
    .clean = commit_clean,
};

static bool set_up(Commit *c, const CommitOptions *o, Error **errp)
{
    const uint64_t share = BLK_PERM_ALL & ~(uint64_t)BLK_PERM_RESIZE;

    c->filter = job_filter_insert(o->top, &block_driver_commit_top, o->filter,
                                  true, NULL, NULL, errp);
    if (!c->filter) {
        return false;
    }
    if (job_add_node(&c->job, o->base, "base", BLK_PERM_READ | BLK_PERM_WRITE,
                     share, errp) &&
        job_add_node(&c->job, o->top, "top", BLK_PERM_READ, share, errp)) {
        return true;
    }
    job_drop_nodes(&c->job);
    job_filter_remove(c->filter);
    return false;
}

bool commit_start(BlockGraph *g, const CommitOptions *o, Error **errp)
{
    bool was_read_only = o->base->read_only, ok;
    Commit *c = (Commit *)job_new(g, &commit_driver, &o->job, errp);
    GPtrArray *users;

    if (!c) {
        return false;
    }
    if (!block_make_writable(o->base, node_length(o->top), errp)) {
        job_drop(&c->job);
        return false;
    }
    c->top = node_ref(o->top);
    c->base = node_ref(o->base);
    c->on_error = o->on_error;
    c->base_was_read_only = was_read_only;
    users = graph_drain(g);
    ok = set_up(c, o, errp);
    node_undrain(users);
    if (!ok) {
        node_unref(c->top);
        node_unref(c->base);
        job_drop(&c->job);
        return false;
    }
    c->backing_file = g_strdup(o->backing_file);
    job_start(&c->job);
    return true;
}
