/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The job "commit" of an image that nothing writes to: the data of the layers
 * from the top down to above the base goes into the base, which then takes
 * their place.
 * Spec: QEMU 7.2 manual, "Live Block Device Operations".
 */
#include "util/osdep.h"

#include "block/graph-tx.h"
#include "block/job-copy.h"
#include "block/job-filter.h"
#include "block/mirror.h"
#include "util/error.h"

typedef struct Commit {
    Job job;
    BlockNode *top, *base, *filter; /* a reference each */
    char *backing_file;
    BlockdevOnError on_error;
    bool base_was_read_only, done;
} Commit;

static int coroutine_fn commit_status(Job *j, int64_t offset, int64_t bytes,
                                      int64_t *num)
{
    Commit *c = (Commit *)j;

    return chain_status(c->top, c->base, offset, bytes, num);
}

static int coroutine_fn commit_copy(Job *j, int64_t offset, int64_t bytes,
                                    bool zero, bool *is_read)
{
    Commit *c = (Commit *)j;

    return copy_data(j, c->top, c->base, offset, bytes, zero, BLK_REQ_MAY_UNMAP,
                     is_read);
}

static int coroutine_fn commit_run(Job *j, Error **errp)
{
    Commit *c = (Commit *)j;
    CopyLine line = {
        .pool = { .job = j,
                  .copy = commit_copy,
                  .on_read = c->on_error,
                  .on_write = c->on_error },
        .status = commit_status,
    };
    int ret;

    j->len = node_length(c->top);
    ret = copy_line(&line, j->len);
    if (ret >= 0) {
        job_begin(j);
        ret = node_flush(c->base);
        job_end(j);
    }
    return ret;
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
    .for_blocks = true,
    .run = commit_run,
    .prepare = commit_prepare,
    .clean = commit_clean,
};

static bool set_up(Commit *c, const CommitOptions *o, Error **errp)
{
    const uint64_t share = BLK_PERM_READ | BLK_PERM_WRITE_UNCHANGED;

    c->filter = job_filter_insert(o->top, &block_driver_commit_top, o->filter,
                                  JOB_FILTER_COMMIT, NULL, NULL, errp);
    if (!c->filter) {
        return false;
    }
    if (job_claim(&c->job, o->active, errp) &&
        job_claim_chain(&c->job, o->top, o->base, errp) &&
        job_add_node(&c->job, o->active, "main node", 0, BLK_PERM_ALL, errp) &&
        job_add_node(&c->job, o->base, "base", BLK_PERM_READ | BLK_PERM_WRITE,
                     share, errp) &&
        job_add_chain(&c->job, o->top, o->base,
                      BLK_PERM_WRITE | BLK_PERM_WRITE_UNCHANGED, errp)) {
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
        if (was_read_only) {
            autoerr Error *err = NULL;

            block_reopen_read_only(c->base, true, &err);
        }
        node_unref(c->top);
        node_unref(c->base);
        job_drop(&c->job);
        return false;
    }
    c->backing_file = g_strdup(o->backing_file);
    job_start(&c->job);
    return true;
}
