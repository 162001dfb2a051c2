/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "memory-backend-file": guest memory in a file, such as on hugetlbfs, tmpfs
 * or a DAX file system. */
#include "util/osdep.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include "backends/hostmem-internal.h"
#include "util/error.h"

typedef struct MemBackendFile {
    MemBackend parent;
    char *mem_path;
    uint64_t align;
    bool discard_data, readonly;
} MemBackendFile;

static MemBackendFile *of(Object *obj)
{
    return (MemBackendFile *)mem_backend_cast(obj);
}

static QObject *get_mem_path(Object *obj, const Prop *prop, Error **errp)
{
    return qstr_new(of(obj)->mem_path ? of(obj)->mem_path : "");
}

static bool set_mem_path(Object *obj, const Prop *prop, const QObject *value,
                         QapiMode mode, Error **errp)
{
    g_autofree char *path = NULL;

    if (!mem_backend_settable(obj, prop, errp) ||
        !qapi_read_named(&qapi_type_str, prop->name, value, &path, mode,
                         errp)) {
        return false;
    }
    g_free(of(obj)->mem_path);
    of(obj)->mem_path = g_steal_pointer(&path);
    return true;
}

static QObject *get_align(Object *obj, const Prop *prop, Error **errp)
{
    return quint_new(of(obj)->align);
}

static bool set_align(Object *obj, const Prop *prop, const QObject *value,
                      QapiMode mode, Error **errp)
{
    uint64_t align;

    if (!mem_backend_settable(obj, prop, errp) ||
        !qapi_read_named(&qapi_type_size, prop->name, value, &align, mode,
                         errp)) {
        return false;
    }
    if (align && !is_power_of_2(align)) {
        return error_set(errp, "alignment 0x%" PRIx64 " must be a power of two",
                         align);
    }
    of(obj)->align = align;
    return true;
}

enum { F_DISCARD, F_READONLY, F_PMEM };

static QObject *get_bool(Object *obj, const Prop *prop, Error **errp)
{
    return qbool_new(prop->bit == F_DISCARD    ? of(obj)->discard_data
                     : prop->bit == F_READONLY ? of(obj)->readonly
                                               : false);
}

static bool set_bool(Object *obj, const Prop *prop, const QObject *value,
                     QapiMode mode, Error **errp)
{
    bool on;

    if (!qapi_read_named(&qapi_type_bool, prop->name, value, &on, mode, errp)) {
        return false;
    }
    if (prop->bit == F_DISCARD) {
        of(obj)->discard_data = on;
        return true;
    }
    if (!mem_backend_settable(obj, prop, errp)) {
        return false;
    }
    if (prop->bit == F_PMEM) {
        return !on || error_set(errp, "pmem=on of %s needs libpmem, which is "
                                "not there: data would not persist",
                                obj->type->name);
    }
    of(obj)->readonly = on;
    return true;
}

/* A directory (of hugetlbfs, mostly) means a new unlinked file in it. */
static int open_path(const char *path, bool readonly, Error **errp)
{
    int flags = (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC;
    struct stat st;
    int fd;

    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        g_autofree char *name =
            g_strdup_printf("%s/qemu_back_mem.XXXXXX", path);

        fd = mkostemp(name, O_CLOEXEC);
        if (fd >= 0) {
            unlink(name);
        }
    } else {
        fd = RETRY_ON_EINTR(open(path, flags));
        if (fd < 0 && errno == ENOENT && !readonly) {
            fd = RETRY_ON_EINTR(open(path, flags | O_CREAT | O_EXCL, 0644));
        }
    }
    if (fd < 0) {
        error_errno(errp, errno, "can't open backing store %s for guest RAM",
                    path);
    }
    return fd;
}

static RamBlock *file_alloc(MemBackend *b, const char *id, Error **errp)
{
    MemBackendFile *f = (MemBackendFile *)b;
    unsigned flags = mem_backend_ram_flags(b) | RAM_NAMED_FILE;
    autofd int fd = -1;
    RamBlock *block;

    if (!f->mem_path || !*f->mem_path) {
        error_set(errp, "mem-path property not set");
        return NULL;
    }
    fd = open_path(f->mem_path, f->readonly, errp);
    if (fd < 0) {
        return NULL;
    }
    block = ram_block_new(id, b->size, f->align,
                          flags | (f->readonly ? RAM_READONLY : 0), fd, 0,
                          errp);
    if (block) {
        steal_fd(&fd);
    }
    return block;
}

static void file_finalize(Object *obj)
{
    MemBackendFile *f = of(obj);

    if (f->discard_data && f->parent.block) {
        madvise(ram_block_host(f->parent.block), f->parent.size, MADV_REMOVE);
    }
    g_free(f->mem_path);
}

static const Prop file_props[] = {
    PROP_FN("discard-data", "bool", get_bool, set_bool, .bit = F_DISCARD,
            .live = true),
    PROP_FN("mem-path", "string", get_mem_path, set_mem_path),
    PROP_FN("align", "int", get_align, set_align),
    PROP_FN("pmem", "bool", get_bool, set_bool, .bit = F_PMEM),
    PROP_FN("readonly", "bool", get_bool, set_bool, .bit = F_READONLY),
    {},
};

static const MemBackendClass file_class = {
    .props = file_props,
    .alloc = file_alloc,
};

QOM_DEFINE(MemBackendFile, mem_backend_file, .name = "memory-backend-file",
           .parent = &mem_backend_type, .class = &file_class,
           .finalize = file_finalize);
