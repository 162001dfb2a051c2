/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory slots, their dirty logs, and ioeventfds.
 *
 * The listener keeps the list of slots that the address space asks for. Until
 * a vCPU first runs, the kernel hears nothing: setting slots costs time, and
 * most of what start-up maps is changed again. The first vCPU sets them before
 * it enters the guest, outside of the machine lock.
 */
#include "util/osdep.h"

#include <sys/ioctl.h>

#include "accel/kvm/kvm-internal.h"
#include "softmmu/vm.h"
#include "util/error.h"
#include "util/event-notifier.h"
#include "util/trace.h"

TRACE_POINT(kvm_set_user_memory);
TRACE_POINT(kvm_set_ioeventfd);

#define PAGE UINT64_C(4096)
#define DEFAULT_SLOTS 32

/* Kernel side ----------------------------------------------------------------- */

static int slot_set(KvmAccel *s, const KvmSlot *slot, uint64_t size)
{
    struct kvm_userspace_memory_region r = {
        .slot = slot->id,
        .flags = (slot->readonly ? KVM_MEM_READONLY : 0) |
                 (slot->log ? KVM_MEM_LOG_DIRTY_PAGES : 0),
        .guest_phys_addr = slot->gpa,
        .memory_size = size,
        .userspace_addr = (uintptr_t)slot->host,
    };
    int ret = kvm_vm_ioctl(&s->parent, KVM_SET_USER_MEMORY_REGION, &r);

    trace(kvm_set_user_memory,
          "Slot#%u flags=0x%x gpa=0x%" PRIx64 " size=0x%" PRIx64
          " ua=%p ret=%d",
          slot->id, r.flags, slot->gpa, size, slot->host, ret);
    return ret;
}

static void slot_sync_log(KvmAccel *s, const KvmSlot *slot)
{
    uint64_t pages = slot->size / PAGE;
    g_autofree uint64_t *bits = g_new0(uint64_t, DIV_ROUND_UP(pages, 64));
    struct kvm_dirty_log log = { .slot = slot->id, .dirty_bitmap = bits };

    if (kvm_vm_ioctl(&s->parent, KVM_GET_DIRTY_LOG, &log) == 0) {
        ram_block_merge_dirty(slot->block, slot->offset / PAGE, bits, pages);
    }
}

static int take_id(KvmSlots *t)
{
    for (unsigned id = 0; id < t->max; id++) {
        if (!(t->used_ids[id / 64] & BIT(id % 64))) {
            t->used_ids[id / 64] |= BIT(id % 64);
            return id;
        }
    }
    return -ENOSPC;
}

static bool same_place(const KvmSlot *a, const KvmSlot *b)
{
    return a->gpa == b->gpa && a->size == b->size && a->host == b->host &&
           a->readonly == b->readonly;
}

static KvmSlot *find_slot(GArray *list, const KvmSlot *like)
{
    for (unsigned i = 0; i < list->len; i++) {
        KvmSlot *slot = &g_array_index(list, KvmSlot, i);

        if (same_place(slot, like)) {
            return slot;
        }
    }
    return NULL;
}

static void remove_slot(GArray *list, KvmSlot *slot)
{
    ram_block_unref(slot->block);
    g_array_remove_index_fast(list, slot - &g_array_index(list, KvmSlot, 0));
}

/* Delete what is not wanted any more. */
static int drop_unwanted(KvmAccel *s)
{
    KvmSlots *t = &s->slots;

    for (unsigned i = 0; i < t->active->len;) {
        KvmSlot *slot = &g_array_index(t->active, KvmSlot, i);
        int ret;

        if (find_slot(t->wanted, slot)) {
            i++;
            continue;
        }
        if (slot->log) {
            slot_sync_log(s, slot);
        }
        ret = slot_set(s, slot, 0);
        if (ret < 0) {
            return ret;
        }
        t->used_ids[slot->id / 64] &= ~BIT(slot->id % 64);
        remove_slot(t->active, slot);
    }
    return 0;
}

static int add_wanted(KvmAccel *s)
{
    KvmSlots *t = &s->slots;

    for (unsigned i = 0; i < t->wanted->len; i++) {
        const KvmSlot *want = &g_array_index(t->wanted, KvmSlot, i);
        KvmSlot *have = find_slot(t->active, want), new = *want;
        int ret;

        if (have && have->log == want->log) {
            continue;
        }
        if (have && have->log) {
            slot_sync_log(s, have);
        }
        new.id = have ? have->id : take_id(t);
        ret = new.id < 0 ? new.id : slot_set(s, &new, new.size);
        if (ret < 0) {
            return ret;
        }
        if (have) {
            have->log = want->log;
        } else {
            ram_block_ref(new.block);
            g_array_append_val(t->active, new);
        }
    }
    return 0;
}

static int apply_locked(KvmAccel *s)
{
    int ret = drop_unwanted(s);

    if (!ret) {
        ret = add_wanted(s);
    }
    __atomic_store_n(&s->slots.pending, 0, __ATOMIC_RELEASE);
    return ret;
}

int kvm_slots_flush(KvmAccel *s)
{
    int ret = 0;

    /* Pairs with the release in apply_locked(): no slot is missing. */
    if (likely(!__atomic_load_n(&s->slots.pending, __ATOMIC_ACQUIRE))) {
        return 0;
    }
    mutex_lock(&s->slots.lock);
    s->slots.live = true;
    if (s->slots.pending) {
        ret = apply_locked(s);
    }
    mutex_unlock(&s->slots.lock);
    return ret;
}

/* Listener ---------------------------------------------------------------------- */

static KvmAccel *of_memory(MemListener *l)
{
    return container_of(l, KvmAccel, slots.memory);
}

/* The slot for a section; false when the guest's accesses must exit. */
static bool section_slot(KvmAccel *s, const MemSection *sec, KvmSlot *slot)
{
    uint64_t skip = -sec->addr & (PAGE - 1);
    RamBlock *block = sec->mr->ram;

    *slot = (KvmSlot){ .id = -1 };
    if (!block || (sec->mr->kind == MEM_ROM_DEVICE && !sec->romd) ||
        sec->size <= skip) {
        return false;
    }
    slot->readonly = sec->readonly || sec->mr->kind != MEM_RAM;
    slot->gpa = sec->addr + skip;
    slot->size = (sec->size - skip) & ~(PAGE - 1);
    slot->offset = sec->offset + skip;
    slot->block = block;
    slot->host = (uint8_t *)ram_block_host(block) + slot->offset;
    slot->log = sec->dirty_clients && !slot->readonly;
    return slot->size && IS_ALIGNED(slot->offset, PAGE) &&
           (!slot->readonly || s->readonly_mem);
}

static void NO_THREAD_SAFETY memory_begin(MemListener *l)
{
    mutex_lock(&of_memory(l)->slots.lock);
}

static void memory_add(MemListener *l, const MemSection *sec)
{
    KvmAccel *s = of_memory(l);
    KvmSlot slot;

    if (section_slot(s, sec, &slot)) {
        ram_block_ref(slot.block);
        g_array_append_val(s->slots.wanted, slot);
    }
}

static void memory_del(MemListener *l, const MemSection *sec)
{
    KvmAccel *s = of_memory(l);
    KvmSlot slot, *found;

    if (section_slot(s, sec, &slot)) {
        found = find_slot(s->slots.wanted, &slot);
        if (found) {
            remove_slot(s->slots.wanted, found);
        }
    }
}

static void set_log(MemListener *l, const MemSection *sec, bool on)
{
    KvmAccel *s = of_memory(l);
    KvmSlot slot, *found;

    if (section_slot(s, sec, &slot)) {
        found = find_slot(s->slots.wanted, &slot);
        if (found) {
            found->log = on;
        }
    }
}

static void memory_log_start(MemListener *l, const MemSection *sec)
{
    set_log(l, sec, true);
}

static void memory_log_stop(MemListener *l, const MemSection *sec)
{
    set_log(l, sec, false);
}

static void memory_log_sync(MemListener *l, const MemSection *sec)
{
    KvmAccel *s = of_memory(l);
    KvmSlot slot, *found;

    if (!section_slot(s, sec, &slot)) {
        return;
    }
    mutex_lock(&s->slots.lock);
    found = find_slot(s->slots.active, &slot);
    if (found && found->log) {
        slot_sync_log(s, found);
    }
    mutex_unlock(&s->slots.lock);
}

static void NO_THREAD_SAFETY memory_commit(MemListener *l)
{
    KvmAccel *s = of_memory(l);
    int ret = 0;

    __atomic_store_n(&s->slots.pending, 1, __ATOMIC_RELEASE);
    if (s->slots.live) {
        ret = apply_locked(s);
    }
    mutex_unlock(&s->slots.lock);
    if (ret < 0) {
        error_report("KVM cannot set a memory slot: %s", strerror(-ret));
        vm_stop_request(s->parent.vm, RUN_STATE_INTERNAL_ERROR);
    }
}

/* ioeventfds ---------------------------------------------------------------------- */

static void set_ioeventfd(KvmAccel *s, const MemSection *sec, bool match,
                          uint64_t value, EventNotifier *e, unsigned flags)
{
    struct kvm_ioeventfd io = {
        .addr = sec->addr,
        .len = sec->size,
        .fd = e->fd,
        .datamatch = match ? value : 0,
        .flags = flags | (match ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0),
    };
    int ret;

    if (!io.len && !s->ioeventfd_any) {
        return; /* the dispatcher signals it */
    }
    ret = kvm_vm_ioctl(&s->parent, KVM_IOEVENTFD, &io);
    trace(kvm_set_ioeventfd,
          "fd %d addr 0x%" PRIx64 " flags 0x%x match %" PRIu64 " ret %d", e->fd,
          sec->addr, io.flags, value, ret);
    if (ret < 0 && !(flags & KVM_IOEVENTFD_FLAG_DEASSIGN)) {
        warn_report_ratelimited("KVM cannot add an ioeventfd (writes will be "
                                "slower): %s", strerror(-ret));
    }
}

static void memory_eventfd_add(MemListener *l, const MemSection *sec,
                               bool match, uint64_t value, EventNotifier *e)
{
    set_ioeventfd(of_memory(l), sec, match, value, e, 0);
}

static void memory_eventfd_del(MemListener *l, const MemSection *sec,
                               bool match, uint64_t value, EventNotifier *e)
{
    set_ioeventfd(of_memory(l), sec, match, value, e,
                  KVM_IOEVENTFD_FLAG_DEASSIGN);
}

static KvmAccel *of_io(MemListener *l)
{
    return container_of(l, KvmAccel, slots.io);
}

static void io_eventfd_add(MemListener *l, const MemSection *sec, bool match,
                           uint64_t value, EventNotifier *e)
{
    set_ioeventfd(of_io(l), sec, match, value, e, KVM_IOEVENTFD_FLAG_PIO);
}

static void io_eventfd_del(MemListener *l, const MemSection *sec, bool match,
                           uint64_t value, EventNotifier *e)
{
    set_ioeventfd(of_io(l), sec, match, value, e,
                  KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DEASSIGN);
}

/* Life -------------------------------------------------------------------------------- */

bool kvm_memory_init(KvmAccel *s, Error **errp)
{
    KvmSlots *t = &s->slots;
    int max = kvm_vm_check_extension(&s->parent, KVM_CAP_NR_MEMSLOTS);

    mutex_init(&t->lock);
    t->max = max ? max : DEFAULT_SLOTS;
    t->wanted = g_array_new(false, false, sizeof(KvmSlot));
    t->active = g_array_new(false, false, sizeof(KvmSlot));
    t->used_ids = g_new0(uint64_t, DIV_ROUND_UP(t->max, 64));
    t->memory = (MemListener){
        .begin = memory_begin,
        .add = memory_add,
        .del = memory_del,
        .log_start = memory_log_start,
        .log_stop = memory_log_stop,
        .log_sync = memory_log_sync,
        .eventfd_add = memory_eventfd_add,
        .eventfd_del = memory_eventfd_del,
        .commit = memory_commit,
        .priority = 10,
    };
    t->io = (MemListener){
        .eventfd_add = io_eventfd_add,
        .eventfd_del = io_eventfd_del,
        .priority = 10,
    };
    return true;
}

void kvm_memory_listen(KvmAccel *s)
{
    Vm *vm = s->parent.vm;

    mem_listener_add(&s->slots.memory, vm->memory);
    if (vm->io) {
        mem_listener_add(&s->slots.io, vm->io);
    }
}

static void free_list(GArray *list)
{
    while (list->len) {
        remove_slot(list, &g_array_index(list, KvmSlot, 0));
    }
    g_array_free(list, true);
}

void kvm_memory_cleanup(KvmAccel *s)
{
    KvmSlots *t = &s->slots;

    if (t->memory.as) {
        mem_listener_del(&t->memory);
    }
    if (t->io.as) {
        mem_listener_del(&t->io);
    }
    free_list(t->wanted);
    free_list(t->active);
    g_clear_pointer(&t->used_ids, g_free);
    mutex_destroy(&t->lock);
}
