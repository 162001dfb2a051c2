/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The job "create": an image that is made while the program runs.
 * Spec: blockdev-create in QEMU 7.2's QMP reference.
 */
#include "util/osdep.h"

#include "block/block-create.h"
#include "block/block-options.h"
#include "block/job.h"
#include "qapi/qapi-commands-block-jobs.h"
#include "softmmu/vm.h"
#include "util/error.h"

typedef struct Create {
    Job job;
    const char *format;
    char *filename;    /* of a plain file, or NULL */
    BlockdevRef *file; /* the node to fill, or NULL */
    QDict *opts;
} Create;

static void put_size(QDict *d, const char *name, uint64_t v)
{
    g_autofree char *text = g_strdup_printf("%" PRIu64, v);

    qdict_put_str(d, name, text);
}

static void put_bool(QDict *d, const char *name, bool v)
{
    qdict_put_str(d, name, v ? "on" : "off");
}

static void take_prealloc(QDict *d, bool has, PreallocMode mode)
{
    if (has) {
        qdict_put_str(d, "preallocation",
                      qapi_enum_name(&qapi_type_PreallocMode, mode));
    }
}

/* As the options of "qemu-img create -o". */
static void take_qcow2(QDict *d, const BlockdevCreateOptionsQcow2 *o)
{
    put_size(d, "size", o->size);
    qdict_put_str(d, "compat",
                  o->has_version && o->version == BLOCKDEV_QCOW2_VERSION_V2
                      ? "0.10"
                      : "1.1");
    if (o->backing_file) {
        qdict_put_str(d, "backing_file", o->backing_file);
    }
    if (o->has_backing_fmt) {
        qdict_put_str(d, "backing_fmt",
                      qapi_enum_name(&qapi_type_BlockdevDriver,
                                     o->backing_fmt));
    }
    if (o->has_cluster_size) {
        put_size(d, "cluster_size", o->cluster_size);
    }
    if (o->has_lazy_refcounts) {
        put_bool(d, "lazy_refcounts", o->lazy_refcounts);
    }
    if (o->has_extended_l2) {
        put_bool(d, "extended_l2", o->extended_l2);
    }
    if (o->has_refcount_bits) {
        put_size(d, "refcount_bits", o->refcount_bits);
    }
    if (o->has_compression_type) {
        qdict_put_str(d, "compression_type",
                      qapi_enum_name(&qapi_type_Qcow2CompressionType,
                                     o->compression_type));
    }
    take_prealloc(d, o->has_preallocation, o->preallocation);
}

/* The job
 * ----------------------------------------------------------------------- */

static int coroutine_fn create_run(Job *j, Error **errp)
{
    j->len = 1;
    return 0;
}

/* One reference. */
static BlockNode *open_ref(BlockGraph *g, const BlockdevRef *ref, Error **errp)
{
    BlockNode *n;

    if (ref->type == QTYPE_QDICT) {
        return block_open(g, &ref->u.definition, NULL, errp);
    }
    n = node_lookup(g, ref->u.reference, ref->u.reference, errp);
    return n ? node_ref(n) : NULL;
}

static bool fill_node(Create *c, Error **errp)
{
    const BlockCreateOps *ops = block_create_ops(c->format, errp);
    BlockNode *n;
    bool ok;

    if (!ops || !block_create_check(ops, c->opts, errp)) {
        return false;
    }
    n = open_ref(c->job.graph, c->file, errp);
    if (!n) {
        return false;
    }
    ok = ops->create_in(c->job.graph, n, c->opts, errp);
    node_unref(n);
    return ok;
}

static bool create_work(Job *j, Error **errp)
{
    Create *c = (Create *)j;

    j->offset = 1;
    return c->file
               ? fill_node(c, errp)
               : block_create(j->graph, c->format, c->filename, c->opts, errp);
}

static void create_clean(Job *j)
{
    Create *c = (Create *)j;

    qapi_free_BlockdevRef(c->file);
    qobject_unref(c->opts);
    g_free(c->filename);
}

static const JobDriver create_driver = {
    .type = JOB_TYPE_CREATE,
    .size = sizeof(Create),
    .run = create_run,
    .work = create_work,
    .clean = create_clean,
};

bool qmp_blockdev_create(Vm *vm, const char *job_id,
                         BlockdevCreateOptions *options, Error **errp)
{
    BlockGraph *g = block_vm_graph(vm);
    JobOptions o = { .id = job_id, .auto_finalize = true };
    Create *c;

    if (options->driver != BLOCKDEV_DRIVER_FILE &&
        options->driver != BLOCKDEV_DRIVER_QCOW2) {
        return error_set(errp, "Driver does not support blockdev-create");
    }
    c = (Create *)job_new(g, &create_driver, &o, errp);
    if (!c) {
        return false;
    }
    c->opts = qdict_new();
    if (options->driver == BLOCKDEV_DRIVER_QCOW2) {
        c->format = "qcow2";
        c->file = QAPI_CLONE(BlockdevRef, options->u.qcow2.file);
        take_qcow2(c->opts, &options->u.qcow2);
    } else {
        const BlockdevCreateOptionsFile *file = &options->u.file;

        c->format = "raw";
        c->filename = g_strdup(file->filename);
        put_size(c->opts, "size", file->size);
        take_prealloc(c->opts, file->has_preallocation, file->preallocation);
    }
    job_start(&c->job);
    return true;
}
