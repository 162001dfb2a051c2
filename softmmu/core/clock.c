/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VM's clocks and the timers on them. Each clock keeps its timers in a
 * binary heap under the machine lock; one timer of the main loop serves the
 * earliest of all.
 */
#include "util/osdep.h"

#include <time.h>

#include "softmmu/core/vm-internal.h"
#include "softmmu/vm.h"

#define VM_CLOCK__MAX 3
#define SLOT_NONE     UINT_MAX

struct VmClocks {
    Vm *vm;
    /* Virtual clock: host monotonic time plus @offset while @running, else
     * @frozen. Guarded by @lock; written under the machine lock too. */
    Mutex lock;
    bool running, manual;
    int64_t offset, frozen;
    GPtrArray *heap[VM_CLOCK__MAX]; /* VmTimer *; machine lock */
    LoopTimer timer;
    LoopTask rearm;
};

static int64_t clock_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static int64_t virtual_ns(VmClocks *c)
{
    int64_t now;

    mutex_lock(&c->lock);
    now = c->running && !c->manual ? loop_now_ns() + c->offset : c->frozen;
    mutex_unlock(&c->lock);
    return now;
}

int64_t vm_clock_ns(const Vm *vm, VmClock clock)
{
    switch (clock) {
    case VM_CLOCK_VIRTUAL:
        return virtual_ns(vm->core->clocks);
    case VM_CLOCK_HOST:
        return clock_ns(CLOCK_REALTIME);
    default:
        return loop_now_ns();
    }
}

/* The heap of one clock --------------------------------------------------------- */

static void heap_put(GPtrArray *heap, unsigned slot, VmTimer *t)
{
    heap->pdata[slot] = t;
    t->slot = slot;
}

static void heap_up(GPtrArray *heap, unsigned slot)
{
    VmTimer *t = heap->pdata[slot];

    while (slot > 0) {
        unsigned up = (slot - 1) / 2;
        VmTimer *p = heap->pdata[up];

        if (p->deadline <= t->deadline) {
            break;
        }
        heap_put(heap, slot, p);
        slot = up;
    }
    heap_put(heap, slot, t);
}

static void heap_down(GPtrArray *heap, unsigned slot)
{
    VmTimer *t = heap->pdata[slot];

    for (;;) {
        unsigned child = 2 * slot + 1;

        if (child >= heap->len) {
            break;
        }
        if (child + 1 < heap->len &&
            ((VmTimer *)heap->pdata[child + 1])->deadline <
                ((VmTimer *)heap->pdata[child])->deadline) {
            child++;
        }
        if (((VmTimer *)heap->pdata[child])->deadline >= t->deadline) {
            break;
        }
        heap_put(heap, slot, heap->pdata[child]);
        slot = child;
    }
    heap_put(heap, slot, t);
}

static void heap_insert(GPtrArray *heap, VmTimer *t)
{
    g_ptr_array_add(heap, t);
    heap_up(heap, heap->len - 1);
}

static void heap_remove(GPtrArray *heap, VmTimer *t)
{
    unsigned slot = t->slot;
    VmTimer *last = heap->pdata[heap->len - 1];

    g_ptr_array_set_size(heap, heap->len - 1);
    t->slot = SLOT_NONE;
    if (last != t) {
        heap_put(heap, slot, last);
        heap_up(heap, slot);
        heap_down(heap, last->slot);
    }
}

static VmTimer *heap_first(GPtrArray *heap)
{
    return heap->len ? heap->pdata[0] : NULL;
}

/* Serving -------------------------------------------------------------------------- */

static bool clock_ticks(const VmClocks *c, VmClock clock)
{
    return clock != VM_CLOCK_VIRTUAL || (c->running && !c->manual);
}

/* Set the loop's timer to the earliest deadline of the clocks that tick. */
static void clocks_rearm(void *opaque)
{
    VmClocks *c = opaque;
    int64_t wait = INT64_MAX;

    for (int i = 0; i < VM_CLOCK__MAX; i++) {
        VmTimer *t = heap_first(c->heap[i]);

        if (t && clock_ticks(c, i)) {
            int64_t left = t->deadline - vm_clock_ns(c->vm, i);

            wait = MIN(wait, MAX(left, 0));
        }
    }
    if (wait == INT64_MAX) {
        loop_timer_cancel(&c->timer);
    } else {
        int64_t now = loop_now_ns();

        loop_timer_set(&c->timer, now > INT64_MAX - wait ? INT64_MAX
                                                         : now + wait);
    }
}

static void run_due(VmClocks *c, VmClock clock)
{
    int64_t now = vm_clock_ns(c->vm, clock);
    VmTimer *t;

    while ((t = heap_first(c->heap[clock])) && t->deadline <= now) {
        heap_remove(c->heap[clock], t);
        t->deadline = -1;
        t->fn(t->opaque);
    }
}

static void clocks_fire(void *opaque)
{
    VmClocks *c = opaque;

    for (int i = 0; i < VM_CLOCK__MAX; i++) {
        if (clock_ticks(c, i)) {
            run_due(c, i);
        }
    }
    clocks_rearm(c);
}

/* Other threads hold the machine lock, but the loop timer is the loop's. */
static void clocks_changed(VmClocks *c)
{
    if (loop_is_current(c->vm->loop)) {
        clocks_rearm(c);
    } else {
        loop_task_post(&c->rearm);
    }
}

/* Timers ----------------------------------------------------------------------------- */

void vm_timer_init(VmTimer *t, Vm *vm, VmClock clock, LoopFn *fn, void *opaque)
{
    *t = (VmTimer){
        .vm = vm,
        .clock = clock,
        .fn = fn,
        .opaque = opaque,
        .deadline = -1,
        .slot = SLOT_NONE,
    };
}

bool vm_timer_pending(const VmTimer *t)
{
    return t->deadline >= 0;
}

void vm_timer_cancel(VmTimer *t)
{
    if (t->vm && vm_timer_pending(t)) {
        heap_remove(t->vm->core->clocks->heap[t->clock], t);
        t->deadline = -1;
    }
}

void vm_timer_set(VmTimer *t, int64_t deadline_ns)
{
    VmClocks *c = t->vm->core->clocks;

    vm_timer_cancel(t);
    t->deadline = MAX(deadline_ns, 0);
    heap_insert(c->heap[t->clock], t);
    if (heap_first(c->heap[t->clock]) == t) {
        clocks_changed(c);
    }
}

/* Running and stepping ----------------------------------------------------------------- */

void vm_clocks_run(VmClocks *c, bool run)
{
    int64_t now = virtual_ns(c);

    mutex_lock(&c->lock);
    c->running = run;
    c->frozen = now;
    c->offset = now - loop_now_ns();
    mutex_unlock(&c->lock);
    clocks_changed(c);
}

void vm_clock_set_manual(Vm *vm)
{
    VmClocks *c = vm->core->clocks;

    mutex_lock(&c->lock);
    c->manual = true;
    mutex_unlock(&c->lock);
}

bool vm_clock_is_manual(const Vm *vm)
{
    VmClocks *c = vm->core->clocks;
    bool manual;

    mutex_lock(&c->lock);
    manual = c->manual;
    mutex_unlock(&c->lock);
    return manual;
}

int64_t vm_clock_step(Vm *vm, int64_t target_ns)
{
    VmClocks *c = vm->core->clocks;
    GPtrArray *heap = c->heap[VM_CLOCK_VIRTUAL];

    while (c->frozen < target_ns) {
        VmTimer *first = heap_first(heap);
        int64_t to = first ? MIN(first->deadline, target_ns) : target_ns;

        mutex_lock(&c->lock);
        c->frozen = MAX(c->frozen, to);
        mutex_unlock(&c->lock);
        run_due(c, VM_CLOCK_VIRTUAL);
    }
    return c->frozen;
}

int64_t vm_clock_next_deadline(const Vm *vm)
{
    VmTimer *first = heap_first(vm->core->clocks->heap[VM_CLOCK_VIRTUAL]);

    return first ? first->deadline : -1;
}

VmClocks *vm_clocks_new(Vm *vm)
{
    VmClocks *c = g_new0(VmClocks, 1);

    c->vm = vm;
    mutex_init(&c->lock);
    for (int i = 0; i < VM_CLOCK__MAX; i++) {
        c->heap[i] = g_ptr_array_new();
    }
    loop_timer_init(&c->timer, vm->loop, clocks_fire, c);
    loop_task_init(&c->rearm, vm->loop, clocks_rearm, c);
    return c;
}

void vm_clocks_free(VmClocks *c)
{
    loop_timer_cancel(&c->timer);
    loop_task_cancel(&c->rearm);
    for (int i = 0; i < VM_CLOCK__MAX; i++) {
        g_ptr_array_free(c->heap[i], TRUE);
    }
    mutex_destroy(&c->lock);
    g_free(c);
}
