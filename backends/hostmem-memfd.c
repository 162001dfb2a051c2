/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "memory-backend-memfd": anonymous memory that other processes can share.
 * memfd_create(2). */
#include "util/osdep.h"

#include <linux/memfd.h>
#include <sys/mman.h>

#include "backends/hostmem-internal.h"
#include "util/error.h"

typedef struct MemBackendMemfd {
    MemBackend parent;
    bool hugetlb, seal;
    uint64_t hugetlbsize;
} MemBackendMemfd;

static MemBackendMemfd *of(Object *obj)
{
    return (MemBackendMemfd *)mem_backend_cast(obj);
}

static QObject *get_hugetlb(Object *obj, const Prop *prop, Error **errp)
{
    return qbool_new(of(obj)->hugetlb);
}

static bool set_hugetlb(Object *obj, const Prop *prop, const QObject *value,
                        QapiMode mode, Error **errp)
{
    return mem_backend_settable(obj, prop, errp) &&
           qapi_read_named(&qapi_type_bool, prop->name, value,
                           &of(obj)->hugetlb, mode, errp);
}

static QObject *get_seal(Object *obj, const Prop *prop, Error **errp)
{
    return qbool_new(of(obj)->seal);
}

static bool set_seal(Object *obj, const Prop *prop, const QObject *value,
                     QapiMode mode, Error **errp)
{
    return mem_backend_settable(obj, prop, errp) &&
           qapi_read_named(&qapi_type_bool, prop->name, value, &of(obj)->seal,
                           mode, errp);
}

static QObject *get_hugetlbsize(Object *obj, const Prop *prop, Error **errp)
{
    return quint_new(of(obj)->hugetlbsize);
}

static bool set_hugetlbsize(Object *obj, const Prop *prop,
                            const QObject *value, QapiMode mode, Error **errp)
{
    uint64_t size;

    if (!mem_backend_settable(obj, prop, errp) ||
        !qapi_read_named(&qapi_type_size, prop->name, value, &size, mode,
                         errp)) {
        return false;
    }
    if (!is_power_of_2(size)) {
        return error_set(errp, "property 'hugetlbsize' of %s doesn't take "
                         "value '%" PRIu64 "'", obj->type->name, size);
    }
    of(obj)->hugetlbsize = size;
    return true;
}

static RamBlock *memfd_alloc(MemBackend *b, const char *id, Error **errp)
{
    MemBackendMemfd *m = of(&b->obj);
    unsigned flags = MFD_CLOEXEC | (m->seal ? MFD_ALLOW_SEALING : 0);
    autofd int fd = -1;
    RamBlock *block;

    if (m->hugetlbsize && !m->hugetlb) {
        error_set(errp, "'hugetlbsize' needs 'hugetlb'");
        return NULL;
    }
    if (m->hugetlb) {
        flags |= MFD_HUGETLB;
        if (m->hugetlbsize) {
            flags |= __builtin_ctzll(m->hugetlbsize) << MFD_HUGE_SHIFT;
        }
    }
    fd = memfd_create("memory-backend-memfd", flags);
    if (fd < 0) {
        error_errno(errp, errno, "failed to create memfd");
        return NULL;
    }
    block = ram_block_new(id, b->size, 0, mem_backend_ram_flags(b), fd, 0,
                          errp);
    if (!block) {
        return NULL;
    }
    if (m->seal && fcntl(fd, F_ADD_SEALS,
                         F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)) {
        error_errno(errp, errno, "failed to seal memfd");
        steal_fd(&fd);
        ram_block_unref(block);
        return NULL;
    }
    steal_fd(&fd);
    return block;
}

static void memfd_init(Object *obj)
{
    of(obj)->parent.share = true;
    of(obj)->seal = true;
}

static const Prop memfd_props[] = {
    PROP_FN("hugetlb", "bool", get_hugetlb, set_hugetlb,
            .help = "Use huge pages"),
    PROP_FN("hugetlbsize", "int", get_hugetlbsize, set_hugetlbsize,
            .help = "Huge pages size (ex: 2M, 1G)"),
    PROP_FN("seal", "bool", get_seal, set_seal,
            .help = "Seal growing & shrinking"),
    {},
};

static const MemBackendClass memfd_class = {
    .props = memfd_props,
    .alloc = memfd_alloc,
};

QOM_DEFINE(MemBackendMemfd, mem_backend_memfd, .name = "memory-backend-memfd",
           .parent = &mem_backend_type, .class = &memfd_class,
           .init = memfd_init);
