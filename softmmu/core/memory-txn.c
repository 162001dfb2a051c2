/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Address spaces, transactions and listeners: when the region tree changes,
 * the address spaces that show the change get new flat views, and listeners
 * hear of the differences.
 */
#include "util/osdep.h"

#include "softmmu/core/memory-internal.h"
#include "softmmu/vm.h"
#include "util/rcu.h"

static void NO_THREAD_SAFETY reclaim_views(void *opaque)
{
    VmMemory *mem = opaque;
    FlatView *v = mem->retired;

    mem->retired = NULL;
    if (mem->shared) {
        /* A reader may wait for the machine lock. */
        vm_unlock(mem->vm);
        synchronize_rcu();
        vm_lock(mem->vm);
    }
    while (v) {
        FlatView *next = v->next_retired;

        flat_view_free(v);
        v = next;
    }
}

VmMemory *vm_memory(Vm *vm)
{
    if (!vm->mem) {
        vm->mem = g_new0(VmMemory, 1);
        vm->mem->vm = vm;
        vm->mem->blocks = g_ptr_array_new();
        loop_task_init(&vm->mem->reclaim, vm->loop, reclaim_views, vm->mem);
    }
    return vm->mem;
}

void mem_set_shared(Vm *vm)
{
    vm_memory(vm)->shared = true;
}

void mem_free(Vm *vm)
{
    VmMemory *mem = vm->mem;

    if (!mem) {
        return;
    }
    assert(!mem->spaces);
    loop_task_cancel(&mem->reclaim);
    mem->shared = false; /* no other thread is left */
    reclaim_views(mem);
    g_ptr_array_unref(mem->blocks);
    g_free(mem);
    vm->mem = NULL;
}

static void view_unref(VmMemory *mem, FlatView *v)
{
    if (--v->refs) {
        return;
    }
    if (!mem->shared) {
        flat_view_free(v);
        return;
    }
    v->next_retired = mem->retired;
    mem->retired = v;
    loop_task_post(&mem->reclaim);
}

/* Differences --------------------------------------------------------------- */

static bool range_equal(const FlatRange *a, const FlatRange *b)
{
    return a->first == b->first && a->last == b->last && a->mr == b->mr &&
           a->offset == b->offset && a->romd == b->romd &&
           a->readonly == b->readonly && a->nonvolatile == b->nonvolatile;
}

#define TELL(as, hook, ...)                                                    \
    for (MemListener *l_ = (as)->listeners; l_; l_ = l_->next) {               \
        if (l_->hook) {                                                        \
            l_->hook(l_, ##__VA_ARGS__);                                       \
        }                                                                      \
    }

static void tell_unchanged(AddressSpace *as, const FlatRange *old,
                           const FlatRange *new)
{
    MemSection s = flat_section(as, new);

    TELL(as, nop, &s);
    if (new->dirty_clients && !old->dirty_clients) {
        TELL(as, log_start, &s);
    } else if (old->dirty_clients && !new->dirty_clients) {
        TELL(as, log_stop, &s);
    }
}

/* Walk both lists in order: once to tell what goes, once what comes. */
static void tell_ranges(AddressSpace *as, const FlatView *old,
                        const FlatView *new, bool adding)
{
    unsigned i = 0, k = 0;

    while (i < old->n || k < new->n) {
        const FlatRange *o = i < old->n ? &old->ranges[i] : NULL;
        const FlatRange *n = k < new->n ? &new->ranges[k] : NULL;

        if (o && n && range_equal(o, n)) {
            if (adding) {
                tell_unchanged(as, o, n);
            }
            i++;
            k++;
        } else if (o && (!n || o->first <= n->first)) {
            if (!adding) {
                MemSection s = flat_section(as, o);

                TELL(as, del, &s);
            }
            i++;
        } else {
            if (adding) {
                MemSection s = flat_section(as, n);

                TELL(as, add, &s);
            }
            k++;
        }
    }
}

static MemSection eventfd_section(AddressSpace *as, const FlatEventfd *f)
{
    return (MemSection){ .as = as, .mr = f->mr, .addr = f->addr,
                         .offset = f->offset, .size = f->size };
}

static void eventfds_update(AddressSpace *as)
{
    unsigned n_new, i = 0, k = 0;
    FlatEventfd *new = flat_eventfds(as->view, &n_new);

    while (i < as->n_eventfds || k < n_new) {
        const FlatEventfd *o = i < as->n_eventfds ? &as->eventfds[i] : NULL;
        const FlatEventfd *n = k < n_new ? &new[k] : NULL;
        int order = !o ? 1 : !n ? -1 : flat_eventfd_order(o, n);

        if (order < 0) {
            MemSection s = eventfd_section(as, o);

            TELL(as, eventfd_del, &s, o->match, o->value, o->e);
            i++;
        } else if (order > 0) {
            MemSection s = eventfd_section(as, n);

            TELL(as, eventfd_add, &s, n->match, n->value, n->e);
            k++;
        } else {
            i++;
            k++;
        }
    }
    g_free(as->eventfds);
    as->eventfds = new;
    as->n_eventfds = n_new;
}

/* Transactions --------------------------------------------------------------- */

/* A view of what @as shows: shared where another space has it already. */
static FlatView *view_get(VmMemory *mem, AddressSpace *as)
{
    MemRegion *root = flat_effective_root(as->root);

    for (AddressSpace *o = mem->spaces; o; o = o->next) {
        if (o != as && !o->view_stale && o->view && o->view->root == root) {
            o->view->refs++;
            return o->view;
        }
    }
    return flat_view_new(root, mem->log_clients);
}

static void space_update_view(VmMemory *mem, AddressSpace *as)
{
    FlatView *old = as->view;
    FlatView *new = view_get(mem, as);

    as->view_stale = false;
    if (as->listeners) {
        tell_ranges(as, old, new, false);
        tell_ranges(as, old, new, true);
    }
    rcu_set_pointer(&as->view, new);
    __atomic_add_fetch(&as->generation, 1, __ATOMIC_RELEASE);
    view_unref(mem, old);
}

static void commit(VmMemory *mem)
{
    assert(!mem->committing);
    mem->committing = true;
    mem->stale = false;
    for (AddressSpace *as = mem->spaces; as; as = as->next) {
        if (!as->view_stale && !as->eventfds_stale) {
            continue;
        }
        TELL(as, begin);
        if (as->view_stale) {
            space_update_view(mem, as);
        }
        as->eventfds_stale = false;
        if (as->listeners) {
            eventfds_update(as);
        }
        TELL(as, commit);
    }
    mem->committing = false;
}

void mem_txn_begin(Vm *vm)
{
    vm_memory(vm)->depth++;
}

void mem_txn_commit(Vm *vm)
{
    assert(vm->mem->depth);
    if (--vm->mem->depth == 0 && vm->mem->stale) {
        commit(vm->mem);
    }
}

/* Mark the spaces that show @mr; one of them, or NULL. */
static VmMemory *mark_stale(MemRegion *mr, bool eventfds)
{
    VmMemory *mem = NULL, *other;

    for (AddressSpace *as = mr->spaces; as; as = as->next_same) {
        *(eventfds ? &as->eventfds_stale : &as->view_stale) = true;
        mem = as->vm->mem;
    }
    if (mr->container && mr->container->enabled) {
        other = mark_stale(mr->container, eventfds);
        mem = other ? other : mem;
    }
    for (unsigned i = 0; mr->aliases && i < mr->aliases->len; i++) {
        MemRegion *alias = g_ptr_array_index(mr->aliases, i);

        if (alias->enabled) {
            other = mark_stale(alias, eventfds);
            mem = other ? other : mem;
        }
    }
    return mem;
}

static void changed(MemRegion *mr, bool eventfds)
{
    VmMemory *mem = mark_stale(mr, eventfds);

    if (mem) {
        mem->stale = true;
        if (!mem->depth) {
            commit(mem);
        }
    }
}

void mem_region_changed(MemRegion *mr)
{
    changed(mr, false);
}

void mem_region_eventfds_changed(MemRegion *mr)
{
    changed(mr, true);
}

/* Address spaces ------------------------------------------------------------- */

AddressSpace *address_space_new(Vm *vm, const char *name, MemRegion *root)
{
    VmMemory *mem = vm_memory(vm);
    AddressSpace *as = g_new0(AddressSpace, 1), **tail = &mem->spaces;

    as->vm = vm;
    as->name = g_strdup(name);
    as->root = root;
    as->view = view_get(mem, as);
    as->generation = 1;
    as->next_same = root->spaces;
    root->spaces = as;
    while (*tail) {
        tail = &(*tail)->next;
    }
    *tail = as;
    return as;
}

void address_space_free(AddressSpace *as)
{
    VmMemory *mem = as->vm->mem;
    AddressSpace **p;

    assert(!as->listeners && !mem->committing);
    for (p = &mem->spaces; *p != as; p = &(*p)->next) {
    }
    *p = as->next;
    for (p = &as->root->spaces; *p != as; p = &(*p)->next_same) {
    }
    *p = as->next_same;
    view_unref(mem, as->view);
    g_free(as->eventfds);
    g_free(as->name);
    g_free(as);
}

bool address_space_find(AddressSpace *as, hwaddr addr, MemSection *s)
{
    const FlatRange *r = flat_view_find(as->view, addr);

    if (!r) {
        return false;
    }
    *s = flat_section(as, r);
    if (r->owner) {
        object_ref(r->owner);
    }
    return true;
}

void *mem_section_host(const MemSection *s)
{
    return (uint8_t *)ram_block_host(s->mr->ram) + s->offset;
}

void address_space_foreach(AddressSpace *as,
                           bool (*fn)(const MemSection *s, void *opaque),
                           void *opaque)
{
    for (unsigned i = 0; i < as->view->n; i++) {
        MemSection s = flat_section(as, &as->view->ranges[i]);

        if (!fn(&s, opaque)) {
            return;
        }
    }
}

/* Listeners ------------------------------------------------------------------- */

/* The whole current view as news, or as gone. */
static void listener_replay(MemListener *l, AddressSpace *as, bool adding)
{
    void (*range_fn)(MemListener *, const MemSection *) =
        adding ? l->add : l->del;

    if (l->begin) {
        l->begin(l);
    }
    for (unsigned i = 0; range_fn && i < as->view->n; i++) {
        MemSection s = flat_section(as, &as->view->ranges[i]);

        range_fn(l, &s);
    }
    for (unsigned i = 0; i < as->n_eventfds; i++) {
        const FlatEventfd *f = &as->eventfds[i];
        MemSection s = eventfd_section(as, f);

        if (adding && l->eventfd_add) {
            l->eventfd_add(l, &s, f->match, f->value, f->e);
        } else if (!adding && l->eventfd_del) {
            l->eventfd_del(l, &s, f->match, f->value, f->e);
        }
    }
    if (l->commit) {
        l->commit(l);
    }
}

void mem_listener_add(MemListener *l, AddressSpace *as)
{
    MemListener **p = &as->listeners;

    assert(!as->vm->mem->committing);
    if (!as->listeners) {
        /* Kept only while somebody listens. */
        g_free(as->eventfds);
        as->eventfds = flat_eventfds(as->view, &as->n_eventfds);
    }
    l->as = as;
    while (*p && (*p)->priority <= l->priority) {
        p = &(*p)->next;
    }
    l->next = *p;
    *p = l;
    listener_replay(l, as, true);
}

void mem_listener_del(MemListener *l)
{
    AddressSpace *as = l->as;
    MemListener **p;

    for (p = &as->listeners; *p != l; p = &(*p)->next) {
    }
    *p = l->next;
    listener_replay(l, as, false);
    l->as = NULL;
}

/* Dirty log -------------------------------------------------------------------- */

static void blocks_log(VmMemory *mem, bool on, unsigned client)
{
    for (unsigned i = 0; i < mem->blocks->len; i++) {
        RamBlock *b = g_ptr_array_index(mem->blocks, i);

        if (on) {
            ram_block_dirty_start(b, client);
        } else {
            ram_block_dirty_stop(b, client);
        }
    }
}

static void set_log_clients(VmMemory *mem, uint8_t clients)
{
    mem_txn_begin(mem->vm);
    mem->log_clients = clients;
    for (AddressSpace *as = mem->spaces; as; as = as->next) {
        as->view_stale = true;
    }
    mem->stale = true;
    mem_txn_commit(mem->vm);
}

void mem_log_start(Vm *vm, unsigned client)
{
    VmMemory *mem = vm_memory(vm);

    blocks_log(mem, true, client);
    set_log_clients(mem, mem->log_clients | client);
}

void mem_log_stop(Vm *vm, unsigned client)
{
    VmMemory *mem = vm_memory(vm);

    set_log_clients(mem, mem->log_clients & ~client);
    blocks_log(mem, false, client);
}

void mem_log_sync(Vm *vm)
{
    for (AddressSpace *as = vm_memory(vm)->spaces; as; as = as->next) {
        for (unsigned i = 0; as->listeners && i < as->view->n; i++) {
            const FlatRange *r = &as->view->ranges[i];

            if (r->dirty_clients) {
                MemSection s = flat_section(as, r);

                TELL(as, log_sync, &s);
            }
        }
    }
}
