/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory backends: host memory for guests, made by -object (or by the machine
 * for -m) and used by the machine, NUMA nodes and memory devices. Machine lock.
 */
#ifndef BACKENDS_MEMORY_H
#define BACKENDS_MEMORY_H

#include "qapi/qapi-types-common.h"
#include "qom/object.h"
#include "softmmu/memory.h"

#define MEM_BACKEND_MAX_NODES 1024

struct MemBackend {
    Object obj;
    Vm *vm; /* NULL until complete */
    uint64_t size;
    bool merge, dump, merge_set, dump_set;
    bool prealloc, share, reserve, canonical_id;
    bool mapped; /* has a user */
    uint32_t prealloc_threads;
    int policy; /* HostMemPolicy */
    uint64_t nodes[MEM_BACKEND_MAX_NODES / 64];
    RamBlock *block; /* after complete */
    MemRegion region;
};

typedef struct MemBackendClass {
    OBJECT_CLASS_FIELDS
    /* Make the block; backend->size is set. */
    RamBlock *(*alloc)(MemBackend *b, const char *id, Error **errp);
} MemBackendClass;

QOM_DECLARE_CAST(MemBackend, mem_backend_type, mem_backend_cast)

/* The RAM region of a complete backend. Its user calls mem_backend_set_mapped()
 * before mapping it and after unmapping it; false: it has another user. */
MemRegion *mem_backend_region(MemBackend *b);
bool mem_backend_set_mapped(MemBackend *b, bool mapped, Error **errp);

/* For backends' own setters: an error when the backend is complete. */
bool mem_backend_settable(Object *obj, const Prop *prop, Error **errp);

#endif
