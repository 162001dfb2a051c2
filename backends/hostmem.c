/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "memory-backend": what all memory backends have in common, and
 * "memory-backend-ram". Policies by set_mempolicy(2), mbind(2).
 */
#include "util/osdep.h"

#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "backends/hostmem-internal.h"
#include "qapi/qapi-commands-machine.h"
#include "softmmu/vm.h"
#include "util/error.h"

/* Properties ------------------------------------------------------------------ */

bool mem_backend_settable(Object *obj, const Prop *prop, Error **errp)
{
    if (!mem_backend_cast(obj)->block) {
        return true;
    }
    return error_set(errp, "cannot change property '%s' of %s", prop->name,
                     obj->type->name);
}

static QObject *get_size(Object *obj, const Prop *prop, Error **errp)
{
    return quint_new(mem_backend_cast(obj)->size);
}

static bool set_size(Object *obj, const Prop *prop, const QObject *value,
                     QapiMode mode, Error **errp)
{
    uint64_t size;

    if (!mem_backend_settable(obj, prop, errp) ||
        !qapi_read_named(&qapi_type_size, prop->name, value, &size, mode,
                         errp)) {
        return false;
    }
    if (!size) {
        return error_set(errp, "property 'size' of %s doesn't take value '0'",
                         obj->type->name);
    }
    mem_backend_cast(obj)->size = size;
    return true;
}

/* The bool fields; prop->bit says which. */
enum { F_MERGE, F_DUMP, F_PREALLOC, F_SHARE, F_RESERVE, F_CANONICAL };

static bool *bool_field(MemBackend *b, const Prop *prop)
{
    bool *const fields[] = { &b->merge,   &b->dump,    &b->prealloc,
                             &b->share,   &b->reserve, &b->canonical_id };

    return fields[prop->bit];
}

static QObject *get_bool(Object *obj, const Prop *prop, Error **errp)
{
    return qbool_new(*bool_field(mem_backend_cast(obj), prop));
}

static bool set_live_bool(MemBackend *b, const Prop *prop, bool on,
                          Error **errp)
{
    switch (prop->bit) {
    case F_MERGE:
        ram_block_set_merge(b->block, on);
        return true;
    case F_DUMP:
        ram_block_set_dump(b->block, on);
        return true;
    case F_PREALLOC:
        return !on || mem_backend_touch(b, errp);
    default:
        return mem_backend_settable(&b->obj, prop, errp);
    }
}

static bool set_bool(Object *obj, const Prop *prop, const QObject *value,
                     QapiMode mode, Error **errp)
{
    MemBackend *b = mem_backend_cast(obj);
    bool on;

    if (!qapi_read_named(&qapi_type_bool, prop->name, value, &on, mode, errp)) {
        return false;
    }
    if (b->block && on != *bool_field(b, prop) &&
        !set_live_bool(b, prop, on, errp)) {
        return false;
    }
    *bool_field(b, prop) = on;
    b->merge_set |= prop->bit == F_MERGE;
    b->dump_set |= prop->bit == F_DUMP;
    return true;
}

static QObject *get_threads(Object *obj, const Prop *prop, Error **errp)
{
    return quint_new(mem_backend_cast(obj)->prealloc_threads);
}

static bool set_threads(Object *obj, const Prop *prop, const QObject *value,
                        QapiMode mode, Error **errp)
{
    uint32_t n;

    if (!qapi_read_named(&qapi_type_uint32, prop->name, value, &n, mode,
                         errp)) {
        return false;
    }
    if (!n) {
        return error_set(errp, "property 'prealloc-threads' of %s doesn't take "
                         "value '0'", obj->type->name);
    }
    mem_backend_cast(obj)->prealloc_threads = n;
    return true;
}

static uint16List *node_list(const MemBackend *b)
{
    uint16List *list = NULL, **tail = &list;

    for (unsigned i = 0; i < MEM_BACKEND_MAX_NODES; i++) {
        if (b->nodes[i / 64] & BIT(i % 64)) {
            QAPI_LIST_APPEND(tail, i);
        }
    }
    return list;
}

static QObject *get_nodes(Object *obj, const Prop *prop, Error **errp)
{
    g_autoptr(uint16List) list = node_list(mem_backend_cast(obj));

    return qapi_to_qobject(&qapi_type_uint16List, &list);
}

static bool set_nodes(Object *obj, const Prop *prop, const QObject *value,
                      QapiMode mode, Error **errp)
{
    MemBackend *b = mem_backend_cast(obj);
    g_autoptr(uint16List) list = NULL;

    if (!mem_backend_settable(obj, prop, errp) ||
        !qapi_read_named(&qapi_type_uint16List, prop->name, value, &list, mode,
                         errp)) {
        return false;
    }
    QAPI_LIST_FOREACH(list, n) {
        if (n->value >= MEM_BACKEND_MAX_NODES) {
            return error_set(errp, "Invalid host-nodes value: %u", n->value);
        }
    }
    memset(b->nodes, 0, sizeof(b->nodes));
    QAPI_LIST_FOREACH(list, n) {
        b->nodes[n->value / 64] |= BIT(n->value % 64);
    }
    return true;
}

static QObject *get_policy(Object *obj, const Prop *prop, Error **errp)
{
    return qapi_to_qobject(&qapi_type_HostMemPolicy,
                           &mem_backend_cast(obj)->policy);
}

static bool set_policy(Object *obj, const Prop *prop, const QObject *value,
                       QapiMode mode, Error **errp)
{
    return mem_backend_settable(obj, prop, errp) &&
           qapi_read_named(&qapi_type_HostMemPolicy, prop->name, value,
                           &mem_backend_cast(obj)->policy, mode, errp);
}

#define BOOL_PROP(nam, which, ...)                                             \
    PROP_FN(nam, "bool", get_bool, set_bool, .bit = which, .live = true,       \
            __VA_ARGS__)

static const Prop mem_backend_props[] = {
    BOOL_PROP("merge", F_MERGE, .help = "Mark memory as mergeable"),
    BOOL_PROP("dump", F_DUMP, .help = "Set to 'off' to exclude from core dump"),
    BOOL_PROP("prealloc", F_PREALLOC, .help = "Preallocate memory"),
    PROP_FN("prealloc-threads", "int", get_threads, set_threads,
            .help = "Number of CPU threads to use for prealloc"),
    PROP_FN("size", "int", get_size, set_size,
            .help = "Size of the memory region (ex: 500M)"),
    PROP_FN("host-nodes", "int", get_nodes, set_nodes,
            .help = "Binds memory to the list of NUMA host nodes"),
    PROP_FN("policy", "HostMemPolicy", get_policy, set_policy,
            .help = "Set the NUMA policy"),
    BOOL_PROP("share", F_SHARE,
              .help = "Mark the memory as private to QEMU or shared"),
    BOOL_PROP("reserve", F_RESERVE,
              .help = "Reserve swap space (or huge pages) if applicable"),
    BOOL_PROP("x-use-canonical-path-for-ramblock-id", F_CANONICAL),
    {},
};

/* Preallocation ------------------------------------------------------------------ */

typedef struct Touch {
    uint8_t *start;
    size_t len;
    int err;
    GThread *thread;
} Touch;

static gpointer touch_pages(gpointer opaque)
{
    Touch *t = opaque;

    if (t->len && madvise(t->start, t->len, MADV_POPULATE_WRITE)) {
        t->err = errno;
    }
    return NULL;
}

bool mem_backend_touch(MemBackend *b, Error **errp)
{
    size_t page = ram_block_page_size(b->block);
    size_t pages = DIV_ROUND_UP(ram_block_size(b->block), page);
    unsigned n = MIN(b->prealloc_threads, pages);
    g_autofree Touch *t = g_new0(Touch, n);
    uint8_t *at = ram_block_host(b->block);
    int err = 0;

    for (unsigned i = 0; i < n; i++) {
        size_t part = pages / n + (i < pages % n);

        t[i].start = at;
        t[i].len = part * page;
        at += part * page;
        if (n == 1) {
            touch_pages(&t[i]);
        } else {
            t[i].thread = g_thread_new("touch_pages", touch_pages, &t[i]);
        }
    }
    for (unsigned i = 0; i < n; i++) {
        if (t[i].thread) {
            g_thread_join(t[i].thread);
        }
        err = err ? err : t[i].err;
    }
    return !err || error_errno(errp, err, "preallocating memory failed");
}

/* Policy ---------------------------------------------------------------------------- */

static bool bind_nodes(MemBackend *b, Error **errp)
{
    static const int modes[] = {
        [HOST_MEM_POLICY_DEFAULT] = MPOL_DEFAULT,
        [HOST_MEM_POLICY_PREFERRED] = MPOL_PREFERRED,
        [HOST_MEM_POLICY_BIND] = MPOL_BIND,
        [HOST_MEM_POLICY_INTERLEAVE] = MPOL_INTERLEAVE,
    };
    bool any = false;

    for (unsigned i = 0; i < ARRAY_SIZE(b->nodes); i++) {
        any |= b->nodes[i] != 0;
    }
    if (any && b->policy == HOST_MEM_POLICY_DEFAULT) {
        return error_set(errp, "host-nodes must be empty for policy default, "
                         "or you should explicitly specify a policy other "
                         "than default");
    }
    if (!any && b->policy != HOST_MEM_POLICY_DEFAULT) {
        return error_set(errp, "host-nodes must be set for policy %s",
                         qapi_enum_name(&qapi_type_HostMemPolicy, b->policy));
    }
    if (!any) {
        return true;
    }
    if (syscall(SYS_mbind, ram_block_host(b->block),
                ALIGN_UP(b->size, (uint64_t)ram_block_page_size(b->block)),
                modes[b->policy], b->nodes, MEM_BACKEND_MAX_NODES + 1,
                MPOL_MF_STRICT | MPOL_MF_MOVE)) {
        return error_errno(errp, errno, "cannot bind memory to host NUMA nodes");
    }
    return true;
}

/* Life -------------------------------------------------------------------------------- */

/* A property of the machine, or @def while there is none. */
static bool machine_bool(Vm *vm, const char *name, bool def)
{
    Object *machine = object_child(vm->root, "machine");
    autoerr Error *err = NULL;
    g_autoptr(QObject) value = NULL;

    if (machine) {
        value = object_prop_get(machine, name, &err);
        qobject_get_bool(value, &def);
    }
    return def;
}

static bool mem_backend_complete(Object *obj, Vm *vm, Error **errp)
{
    MemBackend *b = mem_backend_cast(obj);
    const MemBackendClass *c = object_class(b);
    g_autofree char *path = object_path(obj);

    b->merge = b->merge_set ? b->merge : machine_bool(vm, "mem-merge", true);
    b->dump = b->dump_set ? b->dump : machine_bool(vm, "dump-guest-core", true);
    if (!b->size) {
        return error_set(errp, "can't create backend with size 0");
    }
    b->block = c->alloc(b, b->canonical_id ? path : object_name(obj), errp);
    if (!b->block) {
        return false;
    }
    b->vm = vm;
    if (b->merge) {
        ram_block_set_merge(b->block, true);
    }
    if (!b->dump) {
        ram_block_set_dump(b->block, false);
    }
    if (!bind_nodes(b, errp) || (b->prealloc && !mem_backend_touch(b, errp)) ||
        !ram_block_register(b->block, vm, ram_block_id(b->block), errp)) {
        return false; /* finalize frees the block */
    }
    mem_region_init_ram_block(&b->region, obj, ram_block_id(b->block),
                              b->block);
    return true;
}

static bool mem_backend_can_delete(Object *obj, Error **errp)
{
    return !mem_backend_cast(obj)->mapped ||
           error_set(errp, "object '%s' is in use, can not be deleted",
                     object_name(obj));
}

static void mem_backend_init(Object *obj)
{
    MemBackend *b = mem_backend_cast(obj);

    b->merge = b->dump = b->reserve = b->canonical_id = true;
    b->prealloc_threads = 1;
}

static void mem_backend_finalize(Object *obj)
{
    MemBackend *b = mem_backend_cast(obj);

    mem_region_cleanup(&b->region);
    if (b->block) {
        ram_block_unregister(b->block);
        ram_block_unref(b->block);
    }
}

MemRegion *mem_backend_region(MemBackend *b)
{
    return &b->region;
}

bool mem_backend_set_mapped(MemBackend *b, bool mapped, Error **errp)
{
    if (mapped && b->mapped) {
        return error_set(errp, "memory backend '%s' is used already",
                         object_name(&b->obj));
    }
    b->mapped = mapped;
    return true;
}

static const MemBackendClass mem_backend_class = {
    .props = mem_backend_props,
};

static const UserCreatable mem_backend_user = {
    .complete = mem_backend_complete,
    .can_delete = mem_backend_can_delete,
    .early = true,
};

QOM_DEFINE(MemBackend, mem_backend, .name = "memory-backend",
           .parent = &object_type, .class = &mem_backend_class,
           .abstract = true, .user_creatable = &mem_backend_user,
           .init = mem_backend_init, .finalize = mem_backend_finalize);

/* memory-backend-ram ------------------------------------------------------------------- */

unsigned mem_backend_ram_flags(const MemBackend *b)
{
    return (b->share ? RAM_SHARED : 0) | (b->reserve ? 0 : RAM_NORESERVE);
}

static RamBlock *ram_alloc(MemBackend *b, const char *id, Error **errp)
{
    return ram_block_new(id, b->size, 0, mem_backend_ram_flags(b), -1, 0, errp);
}

static const MemBackendClass ram_class = { .alloc = ram_alloc };

QOM_DEFINE(MemBackend, mem_backend_ram, .name = "memory-backend-ram",
           .parent = &mem_backend_type, .class = &ram_class);

/* query-memdev --------------------------------------------------------------------------- */

static bool add_memdev(Object *child, void *opaque)
{
    MemdevList **list = opaque;
    MemBackend *b = object_dynamic_cast(child, &mem_backend_type);
    Memdev *m;

    if (!b || !b->block) {
        return true;
    }
    m = g_new0(Memdev, 1);
    m->id = g_strdup(object_name(child));
    m->size = b->size;
    m->merge = b->merge;
    m->dump = b->dump;
    m->prealloc = b->prealloc;
    m->share = b->share;
    m->has_reserve = true;
    m->reserve = b->reserve;
    m->host_nodes = node_list(b);
    m->policy = b->policy;
    QAPI_LIST_PREPEND(*list, m);
    return true;
}

MemdevList *qmp_query_memdev(Vm *vm, Error **errp)
{
    MemdevList *list = NULL;

    object_children_foreach(object_container(vm->root, "objects"), add_memdev,
                            &list);
    return list;
}
