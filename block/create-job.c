/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The jobs "create" and "amend": an image that is made, or gets other
 * properties, while the program runs.
 * Spec: blockdev-create and x-blockdev-amend in QEMU 7.2's QMP reference.
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
    const BlockCreateOps *ops; /* for qmp */
    const char *format;
    BlockdevRef *file, *data; /* the nodes to fill; @data or NULL */
    QDict *opts;
    BlockdevCreateOptions *qmp; /* what a protocol's driver makes, or NULL */
} Create;

typedef struct Amend {
    Job job;
    BlockNode *n; /* a reference */
    BlockAmend args;
    QDict *opts;
    bool ok;
    Error **errp;
} Amend;

/* Options
 * ------------------------------------------------------------------------ */

static char *text_of(const QObject *v)
{
    const char *text = qobject_get_str(v);
    uint64_t u;
    int64_t i;
    bool b;

    return text                      ? g_strdup(text)
           : qobject_get_bool(v, &b) ? g_strdup(b ? "on" : "off")
           : qobject_get_int(v, &i)  ? g_strdup_printf("%" PRId64, i)
           : qobject_get_uint(v, &u) ? g_strdup_printf("%" PRIu64, u)
                                     : NULL;
}

/*
 * Members of the schema as the options of "qemu-img create -o": text, names
 * with underscores but those of encryption. What is no text (nodes) is left
 * out.
 */
static QDict *text_options(const QapiType *type, const void *value,
                           bool underscores)
{
    g_autoptr(QObject) all = qapi_to_qobject(type, &value);
    QDict *from = qobject_to_dict(all), *to = qdict_new();

    qdict_del(from, "file");
    qdict_del(from, "data-file");
    qdict_flatten(from);
    QDICT_FOREACH(from, e) {
        g_autofree char *name = g_strdup(e->key), *text = text_of(e->value);

        if (underscores && !strchr(name, '.')) {
            g_strdelimit(name, "-", '_');
        }
        if (text) {
            qdict_put_str(to, name, text);
        }
    }
    return to;
}

static void rename_option(QDict *d, const char *from, const char *to)
{
    QObject *v = qdict_take(d, from);

    if (v) {
        qdict_put_(d, to, v);
    }
}

/* create
 * ----------------------------------------------------------------------- */

static int coroutine_fn one_step(Job *j, Error **errp)
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
    BlockGraph *g = c->job.graph;
    const BlockCreateOps *ops = block_create_ops(c->format, errp);
    BlockNode *n, *data = NULL;
    bool ok;

    if (!ops) {
        return false;
    }
    n = open_ref(g, c->file, errp);
    if (n && c->data) {
        data = open_ref(g, c->data, errp);
    }
    if (!n || (c->data && !data)) {
        node_unref(n);
        return false;
    }
    if (data) {
        qdict_put_str(c->opts, "data_file", data->filename);
    }
    ok = ops->create_in(g, n, data, c->opts, errp);
    node_unref(data);
    node_unref(n);
    return ok;
}

static bool create_work(Job *j, Error **errp)
{
    Create *c = (Create *)j;

    j->offset = 1;
    if (c->qmp) {
        return c->ops->create_qmp(j->graph, c->qmp, errp);
    }
    return fill_node(c, errp);
}

static void create_clean(Job *j)
{
    Create *c = (Create *)j;

    qapi_free_BlockdevCreateOptions(c->qmp);
    qapi_free_BlockdevRef(c->file);
    qapi_free_BlockdevRef(c->data);
    qobject_unref(c->opts);
}

static const JobDriver create_driver = {
    .type = JOB_TYPE_CREATE,
    .size = sizeof(Create),
    .run = one_step,
    .work = create_work,
    .clean = create_clean,
};

static void take_qcow2(Create *c, const BlockdevCreateOptionsQcow2 *o)
{
    c->format = "qcow2";
    c->file = QAPI_CLONE(BlockdevRef, o->file);
    c->data = QAPI_CLONE(BlockdevRef, o->data_file);
    c->opts = text_options(&qapi_type_BlockdevCreateOptionsQcow2, o, true);
    rename_option(c->opts, "version", "compat");
    if (o->encrypt && o->encrypt->format == QCRYPTO_BLOCK_FORMAT_QCOW) {
        qdict_put_str(c->opts, "encrypt.format", "aes");
    }
}

static void take_luks(Create *c, const BlockdevCreateOptionsLUKS *o)
{
    c->format = "luks";
    c->file = QAPI_CLONE(BlockdevRef, o->file);
    c->opts = text_options(&qapi_type_BlockdevCreateOptionsLUKS, o, false);
}

bool qmp_blockdev_create(Vm *vm, const char *job_id,
                         BlockdevCreateOptions *options, Error **errp)
{
    const char *name =
        qapi_enum_name(&qapi_type_BlockdevDriver, options->driver);
    const BlockDriver *drv = block_driver_find(name);
    JobOptions o = { .id = job_id, .auto_finalize = true };
    Create *c;

    if (options->driver != BLOCKDEV_DRIVER_LUKS &&
        options->driver != BLOCKDEV_DRIVER_QCOW2 &&
        !(drv && drv->create && drv->create->create_qmp)) {
        return error_set(errp, "Driver does not support blockdev-create");
    }
    c = (Create *)job_new(block_vm_graph(vm), &create_driver, &o, errp);
    if (!c) {
        return false;
    }
    if (options->driver == BLOCKDEV_DRIVER_QCOW2) {
        take_qcow2(c, &options->u.qcow2);
    } else if (options->driver == BLOCKDEV_DRIVER_LUKS) {
        take_luks(c, &options->u.luks);
    } else {
        c->ops = drv->create;
        c->opts = qdict_new();
        c->qmp = QAPI_CLONE(BlockdevCreateOptions, options);
    }
    job_start(&c->job);
    return true;
}

/* amend
 * ------------------------------------------------------------------------ */

static void coroutine_fn amend_entry(void *opaque)
{
    Amend *a = opaque;

    a->ok = a->n->drv->image->amend(a->n, &a->args, a->errp);
}

static bool amend_work(Job *j, Error **errp)
{
    Amend *a = (Amend *)j;
    GPtrArray *users;
    BlockBackend *blk;

    j->offset = 1;
    a->errp = errp;
    /* A user of our own, for what is written below the image. */
    blk = blk_new(j->graph, BLK_PERM_WRITE_UNCHANGED, BLK_PERM_ALL);
    users = node_drain_users(a->n);
    if (blk_insert_node(blk, a->n, errp)) {
        block_run(amend_entry, a);
    }
    node_undrain(users);
    blk_unref(blk);
    return a->ok;
}

static void amend_clean(Job *j)
{
    Amend *a = (Amend *)j;

    node_unref(a->n);
    qobject_unref(a->opts);
}

static const JobDriver amend_driver = {
    .type = JOB_TYPE_AMEND,
    .size = sizeof(Amend),
    .run = one_step,
    .work = amend_work,
    .clean = amend_clean,
};

static QDict *amend_options(const BlockdevAmendOptions *o)
{
    if (o->driver == BLOCKDEV_DRIVER_LUKS) {
        return text_options(&qapi_type_QCryptoBlockAmendOptionsLUKS, &o->u.luks,
                            false);
    }
    return text_options(&qapi_type_BlockdevAmendOptionsQcow2, &o->u.qcow2,
                        true);
}

bool qmp_x_blockdev_amend(Vm *vm, const char *job_id, const char *node_name,
                          BlockdevAmendOptions *options, bool has_force,
                          bool force, Error **errp)
{
    BlockGraph *g = block_vm_graph(vm);
    JobOptions o = { .id = job_id, .auto_finalize = true };
    BlockNode *n = node_lookup(g, NULL, node_name, errp);
    Amend *a;

    if (!n) {
        return false;
    }
    if (n->drv->driver != (int)options->driver) {
        return error_set(errp, "x-blockdev-amend doesn't support changing the "
                               "block driver");
    }
    if (options->driver != BLOCKDEV_DRIVER_LUKS &&
        options->driver != BLOCKDEV_DRIVER_QCOW2) {
        return error_set(errp, "Driver does not support x-blockdev-amend");
    }
    a = (Amend *)job_new(g, &amend_driver, &o, errp);
    if (!a) {
        return false;
    }
    a->n = node_ref(n);
    a->opts = amend_options(options);
    a->args = (BlockAmend){ .opts = a->opts, .force = has_force && force };
    job_start(&a->job);
    return true;
}
