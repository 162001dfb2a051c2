/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flattening: from a tree of regions with priorities, aliases and holes to the
 * sorted list of pieces that an access can hit.
 */
#include "util/osdep.h"

#include "qom/object.h"
#include "softmmu/core/memory-internal.h"

/* Positions may lie below 0 or above 2^64 while aliases are resolved. */
typedef __int128 Pos;

#define SPACE_LAST ((Pos)UINT64_MAX)

typedef struct Render {
    FlatView *view;
    uint8_t log_clients;
} Render;

/* What containers and aliases pass on to what is below them. */
typedef struct Inherit {
    bool readonly, nonvolatile;
} Inherit;

static Pos region_length(const MemRegion *mr)
{
    return mr->size ? (Pos)mr->size : SPACE_LAST + 1;
}

static void view_insert(FlatView *v, unsigned at, const FlatRange *r)
{
    if (v->n == v->cap) {
        v->cap = v->cap ? v->cap * 2 : 32;
        v->ranges = g_renew(FlatRange, v->ranges, v->cap);
    }
    memmove(&v->ranges[at + 1], &v->ranges[at],
            (v->n - at) * sizeof(FlatRange));
    v->ranges[at] = *r;
    v->n++;
}

static FlatRange leaf_range(const Render *rd, MemRegion *mr, Inherit in)
{
    FlatRange r = {
        .mr = mr,
        .owner = mr->owner,
        .readonly = in.readonly,
        .nonvolatile = in.nonvolatile,
        .romd = mr->kind == MEM_ROM_DEVICE && mr->romd,
        .ram = mr->ram,
    };

    if (mr->ram) {
        r.dirty_clients = mr->dirty_clients;
        if (mr->kind == MEM_RAM) {
            r.dirty_clients |= rd->log_clients;
        }
    }
    return r;
}

/* Put the leaf @mr, whose byte 0 is at @base, into the free parts of
 * [first, last]. */
static void render_leaf(Render *rd, MemRegion *mr, Pos base, Pos first,
                        Pos last, Inherit in)
{
    FlatView *v = rd->view;
    FlatRange r = leaf_range(rd, mr, in);
    unsigned i = 0;

    while (i < v->n && (Pos)v->ranges[i].last < first) {
        i++;
    }
    while (first <= last) {
        Pos end = last;

        if (i < v->n) {
            if ((Pos)v->ranges[i].first <= first) {
                first = (Pos)v->ranges[i++].last + 1;
                continue;
            }
            end = MIN(last, (Pos)v->ranges[i].first - 1);
        }
        r.first = first;
        r.last = end;
        r.offset = first - base;
        r.host = r.ram ? (uint8_t *)ram_block_host(r.ram) + r.offset : NULL;
        view_insert(v, i++, &r);
        first = end + 1;
    }
}

/* Render @mr with its byte 0 at @base, clipped to [first, last]. */
static void render(Render *rd, MemRegion *mr, Pos base, Pos first, Pos last,
                   Inherit in)
{
    if (!mr->enabled) {
        return;
    }
    first = MAX(first, base);
    last = MIN(last, base + region_length(mr) - 1);
    if (first > last) {
        return;
    }
    in.readonly |= mr->readonly;
    in.nonvolatile |= mr->nonvolatile;
    if (mr->kind == MEM_ALIAS) {
        render(rd, mr->alias, base - (Pos)mr->alias_offset, first, last, in);
        return;
    }
    for (unsigned i = 0; mr->subregions && i < mr->subregions->len; i++) {
        MemRegion *sub = g_ptr_array_index(mr->subregions, i);

        render(rd, sub, base + (Pos)sub->addr, first, last, in);
    }
    if (mr->kind != MEM_CONTAINER) {
        render_leaf(rd, mr, base, first, last, in);
    }
}

static bool ranges_join(const FlatRange *a, const FlatRange *b)
{
    return a->mr == b->mr && a->last + 1 == b->first &&
           a->offset + (a->last - a->first) + 1 == b->offset &&
           a->readonly == b->readonly && a->nonvolatile == b->nonvolatile &&
           a->romd == b->romd && a->dirty_clients == b->dirty_clients;
}

/* One region seen through several aliases gives neighbours that fit. */
static void view_simplify(FlatView *v)
{
    unsigned out = 0;

    for (unsigned i = 0; i < v->n; i++) {
        if (out && ranges_join(&v->ranges[out - 1], &v->ranges[i])) {
            v->ranges[out - 1].last = v->ranges[i].last;
        } else {
            v->ranges[out++] = v->ranges[i];
        }
    }
    v->n = out;
}

FlatView *flat_view_new(MemRegion *root, uint8_t log_clients)
{
    FlatView *v = g_new0(FlatView, 1);
    Render rd = { .view = v, .log_clients = log_clients };

    v->refs = 1;
    v->root = root;
    if (root) {
        render(&rd, root, 0, 0, SPACE_LAST, (Inherit){ false });
        view_simplify(v);
    }
    for (unsigned i = 0; i < v->n; i++) {
        if (v->ranges[i].owner) {
            object_ref(v->ranges[i].owner);
        }
        if (v->ranges[i].ram) {
            ram_block_ref(v->ranges[i].ram);
        }
    }
    return v;
}

void flat_view_free(FlatView *v)
{
    for (unsigned i = 0; i < v->n; i++) {
        if (v->ranges[i].ram) {
            ram_block_unref(v->ranges[i].ram);
        }
        object_unref(v->ranges[i].owner);
    }
    g_free(v->ranges);
    g_free(v);
}

/*
 * Many address spaces (one per PCI device) look through a container with one
 * full-size alias at the same memory: they share the view of what they show.
 * NULL: nothing is visible.
 */
MemRegion *flat_effective_root(MemRegion *root)
{
    for (;;) {
        MemRegion *only = NULL;

        if (!root->enabled) {
            return NULL;
        }
        if (root->readonly || root->nonvolatile) {
            return root;
        }
        if (root->kind == MEM_ALIAS) {
            if (root->alias_offset || root->addr ||
                region_length(root) < region_length(root->alias)) {
                return root;
            }
            root = root->alias;
            continue;
        }
        if (root->kind != MEM_CONTAINER) {
            return root;
        }
        for (unsigned i = 0; root->subregions && i < root->subregions->len;
             i++) {
            MemRegion *sub = g_ptr_array_index(root->subregions, i);

            if (sub->enabled) {
                if (only) {
                    return root;
                }
                only = sub;
            }
        }
        if (!only) {
            return NULL;
        }
        if (only->addr || region_length(root) < region_length(only)) {
            return root;
        }
        root = only;
    }
}

const FlatRange *flat_view_find(const FlatView *v, hwaddr addr)
{
    unsigned lo = 0, hi = v->n;

    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;

        if (v->ranges[mid].last < addr) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo < v->n && v->ranges[lo].first <= addr ? &v->ranges[lo] : NULL;
}

MemSection flat_section(AddressSpace *as, const FlatRange *r)
{
    return (MemSection){
        .as = as,
        .mr = r->mr,
        .addr = r->first,
        .offset = r->offset,
        .size = r->last - r->first + 1,
        .readonly = r->readonly,
        .nonvolatile = r->nonvolatile,
        .romd = r->romd,
        .dirty_clients = r->dirty_clients,
    };
}

/* ioeventfds ----------------------------------------------------------------- */

int flat_eventfd_order(const void *va, const void *vb)
{
    const FlatEventfd *a = va, *b = vb;

#define BY(field)                                                              \
    if (a->field != b->field) {                                                \
        return a->field < b->field ? -1 : 1;                                   \
    }
    BY(addr)
    BY(size)
    BY(match)
    BY(value)
    BY(e)
#undef BY
    return 0;
}

FlatEventfd *flat_eventfds(const FlatView *v, unsigned *n)
{
    GArray *out = g_array_new(false, false, sizeof(FlatEventfd));

    for (unsigned i = 0; i < v->n; i++) {
        const FlatRange *r = &v->ranges[i];

        for (unsigned k = 0; k < r->mr->n_ioeventfds; k++) {
            const MemIoeventfd *f = &r->mr->ioeventfds[k];
            uint64_t room = r->last - r->first;

            if (f->addr < r->offset || f->addr - r->offset > room ||
                f->addr - r->offset + MAX(f->size, 1) - 1 > room) {
                continue;
            }
            g_array_append_val(out, ((FlatEventfd){
                .addr = r->first + (f->addr - r->offset), .size = f->size,
                .match = f->match, .value = f->value, .e = f->e,
                .mr = r->mr, .offset = f->addr,
            }));
        }
    }
    *n = out->len;
    if (out->len) {
        qsort(out->data, out->len, sizeof(FlatEventfd), flat_eventfd_order);
    }
    return (FlatEventfd *)g_array_free(out, false);
}
