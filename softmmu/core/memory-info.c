/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "info mtree" and "info ramblock": the region tree, the flat views and the
 * RAM blocks as text, in the form that people know from QEMU's HMP.
 */
#include "util/osdep.h"

#include "softmmu/core/memory-internal.h"
#include "softmmu/vm.h"

typedef struct Info {
    GString *out;
    bool owner, disabled;
    GPtrArray *targets; /* roots that aliases name, in order of finding */
} Info;

static const char *region_type(const MemRegion *mr, bool readonly, bool romd)
{
    switch (mr->kind) {
    case MEM_ALIAS:
        return region_type(mr->alias, readonly || mr->alias->readonly,
                           mr->alias->romd);
    case MEM_RAM:
    case MEM_ROM:
        return readonly ? "rom" : "ram";
    case MEM_ROM_DEVICE:
        return romd ? "romd" : "i/o";
    default:
        return "i/o";
    }
}

static void put_bounds(Info *info, hwaddr first, uint64_t size)
{
    g_string_append_printf(info->out, "%016" PRIx64 "-%016" PRIx64, first,
                           first + size - 1);
}

static void put_owner(Info *info, const MemRegion *mr)
{
    g_autofree char *path = NULL;

    if (!info->owner || !mr->owner) {
        return;
    }
    path = object_path(mr->owner);
    g_string_append_printf(info->out, " owner:{%s path=%s}",
                           type_is_a_name(mr->owner->type, "device") ? "dev"
                                                                     : "obj",
                           path ? path : "(none)");
}

static void note_target(Info *info, const MemRegion *mr)
{
    if (!g_ptr_array_find(info->targets, mr, NULL)) {
        g_ptr_array_add(info->targets, (void *)mr);
    }
}

static void put_tree(Info *info, MemRegion *mr, hwaddr base, unsigned level)
{
    hwaddr addr = base + mr->addr;

    if (mr->enabled || info->disabled) {
        g_string_append_printf(info->out, "%*s", level * 2, "");
        put_bounds(info, addr, mr->size);
        g_string_append_printf(info->out, " (prio %d, %s%s): ", mr->priority,
                               mr->nonvolatile ? "nv-" : "",
                               region_type(mr, mr->readonly, mr->romd));
        if (mr->kind == MEM_ALIAS) {
            note_target(info, mr->alias);
            g_string_append_printf(info->out, "alias %s @%s ", mr->name,
                                   mr->alias->name);
            put_bounds(info, mr->alias_offset, mr->size);
        } else {
            g_string_append(info->out, mr->name);
        }
        g_string_append(info->out, mr->enabled ? "" : " [disabled]");
        put_owner(info, mr);
        g_string_append_c(info->out, '\n');
    }
    for (unsigned i = 0; mr->subregions && i < mr->subregions->len; i++) {
        put_tree(info, g_ptr_array_index(mr->subregions, i), addr, level + 1);
    }
}

static bool first_with_root(const AddressSpace *as)
{
    const AddressSpace *o = as->vm->mem->spaces;

    while (o->root != as->root) {
        o = o->next;
    }
    return o == as;
}

static void put_trees(Info *info, VmMemory *mem)
{
    for (AddressSpace *as = mem->spaces; as; as = as->next) {
        if (!first_with_root(as)) {
            continue;
        }
        for (AddressSpace *o = as; o; o = o->next) {
            if (o->root == as->root) {
                g_string_append_printf(info->out, "address-space: %s\n",
                                       o->name);
            }
        }
        put_tree(info, as->root, 0, 1);
        g_string_append_c(info->out, '\n');
    }
    for (unsigned i = 0; i < info->targets->len; i++) {
        MemRegion *mr = g_ptr_array_index(info->targets, i);

        g_string_append_printf(info->out, "memory-region: %s\n", mr->name);
        put_tree(info, mr, 0, 1);
        g_string_append_c(info->out, '\n');
    }
}

static void put_view(Info *info, VmMemory *mem, const FlatView *v, int number)
{
    g_string_append_printf(info->out, "FlatView #%d\n", number);
    for (AddressSpace *as = mem->spaces; as; as = as->next) {
        if (as->view == v) {
            g_string_append_printf(info->out, " AS \"%s\", root: %s\n",
                                   as->name, as->root->name);
        }
    }
    g_string_append_printf(info->out, " Root memory region: %s\n",
                           v->root ? v->root->name : "(none)");
    if (!v->n) {
        g_string_append(info->out, "  No rendered FlatView\n\n");
        return;
    }
    for (unsigned i = 0; i < v->n; i++) {
        const FlatRange *r = &v->ranges[i];

        g_string_append(info->out, "  ");
        put_bounds(info, r->first, r->last - r->first + 1);
        g_string_append_printf(info->out, " (prio %d, %s%s): %s",
                               r->mr->priority, r->nonvolatile ? "nv-" : "",
                               region_type(r->mr, r->readonly, r->romd),
                               r->mr->name);
        if (r->offset) {
            g_string_append_printf(info->out, " @%016" PRIx64, r->offset);
        }
        put_owner(info, r->mr);
        g_string_append_c(info->out, '\n');
    }
    g_string_append_c(info->out, '\n');
}

static void put_views(Info *info, VmMemory *mem)
{
    int number = 0;

    for (AddressSpace *as = mem->spaces; as; as = as->next) {
        AddressSpace *o = mem->spaces;

        while (o->view != as->view) {
            o = o->next;
        }
        if (o == as) {
            put_view(info, mem, as->view, number++);
        }
    }
}

char *mem_info_mtree(Vm *vm, bool flat, bool owner, bool disabled)
{
    Info info = { .out = g_string_new(NULL), .owner = owner,
                  .disabled = disabled, .targets = g_ptr_array_new() };

    if (flat) {
        put_views(&info, vm_memory(vm));
    } else {
        put_trees(&info, vm_memory(vm));
    }
    g_ptr_array_unref(info.targets);
    return g_string_free(info.out, false);
}

typedef struct BlockList {
    GString *out;
    uint64_t offset;
} BlockList;

static bool put_block(RamBlock *b, void *opaque)
{
    BlockList *l = opaque;
    g_autofree char *psize = NULL;
    size_t page = ram_block_page_size(b);

    psize = page >= GiB   ? g_strdup_printf("%zu GiB", page >> 30)
            : page >= MiB ? g_strdup_printf("%zu MiB", page >> 20)
                          : g_strdup_printf("%zu KiB", page >> 10);
    g_string_append_printf(l->out,
                           "%24s %8s  0x%016" PRIx64 " 0x%016" PRIx64
                           " 0x%016" PRIx64 "\n",
                           ram_block_id(b), psize, l->offset,
                           ram_block_size(b), ram_block_size(b));
    l->offset += ALIGN_UP(ram_block_size(b), (uint64_t)page);
    return true;
}

char *mem_info_ramblock(Vm *vm)
{
    BlockList l = { .out = g_string_new(NULL) };

    g_string_append_printf(l.out, "%24s %8s  %18s %18s %18s\n", "Block Name",
                           "PSize", "Offset", "Used", "Total");
    ram_blocks_foreach(vm, put_block, &l);
    return g_string_free(l.out, false);
}
