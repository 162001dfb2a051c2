/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Groups of throttled nodes and backends. For each direction one waiting
 * request holds the turn: it sleeps until the buckets let it go, on its own
 * loop, and hands the turn to the next member that waits. Where the clock is
 * not the host's, requests wait on the graph's loop.
 * Spec: QEMU's docs/throttle.txt, "Applying I/O limits to groups of disks".
 */
#include "util/osdep.h"

#include "block/block-int.h"
#include "block/throttle.h"
#include "util/error.h"

/* A request that waits, on its coroutine's stack. Guarded by the group's lock
 * but for the timer, which is its loop's. */
typedef struct Waiter {
    struct Waiter *next;
    ThrottleMember *member;
    Coroutine *co;
    Loop *loop;
    LoopTimer timer;
    bool asleep;
} Waiter;

typedef struct Direction {
    unsigned waiting; /* requests of all members */
    Waiter *turn;     /* who goes next */
} Direction;

struct ThrottleMember {
    ThrottleGroup *group; /* changes while no request is under way */
    BlockNode *node;
    BlockBackend *blk;
    unsigned refs;             /* control code */
    int drained;               /* atomic */
    Waiter *head[2], *tail[2]; /* reads, writes; group's lock */
};

struct ThrottleGroup {
    BlockGraph *graph;
    char *name;
    unsigned refs;      /* control code */
    GPtrArray *members; /* lock */
    Mutex lock;
    ThrottleState state; /* lock */
    Direction dir[2];    /* lock; reads, writes */
};

/* Groups
 * ------------------------------------------------------------------------ */

static int64_t group_now(const ThrottleGroup *tg)
{
    const BlockClock *clock = block_clock(tg->graph);

    return clock ? clock->now(tg->graph->hooks.opaque) : loop_now_ns();
}

ThrottleGroup *throttle_group_known(BlockGraph *g, const char *name)
{
    for (guint i = 0; g->throttle_groups && i < g->throttle_groups->len; i++) {
        ThrottleGroup *tg = g->throttle_groups->pdata[i];

        if (!strcmp(tg->name, name)) {
            return tg;
        }
    }
    return NULL;
}

ThrottleGroup *throttle_group_find(BlockGraph *g, const char *name)
{
    ThrottleGroup *tg = throttle_group_known(g, name);

    return tg ? tg : throttle_object_group(g, name);
}

ThrottleGroup *throttle_group_get(BlockGraph *g, const char *name)
{
    ThrottleGroup *tg = throttle_group_find(g, name);

    return tg ? throttle_group_ref(tg) : throttle_group_new(g, name);
}

ThrottleGroup *throttle_group_new(BlockGraph *g, const char *name)
{
    ThrottleConfig none;
    ThrottleGroup *tg;

    if (!g->throttle_groups) {
        g->throttle_groups = g_ptr_array_new();
    }
    tg = g_new0(ThrottleGroup, 1);
    tg->graph = g;
    tg->name = g_strdup(name);
    tg->refs = 1;
    tg->members = g_ptr_array_new();
    mutex_init(&tg->lock);
    throttle_config_init(&none);
    throttle_state_init(&tg->state, &none, group_now(tg));
    g_ptr_array_add(g->throttle_groups, tg);
    return tg;
}

ThrottleGroup *throttle_group_ref(ThrottleGroup *tg)
{
    tg->refs++;
    return tg;
}

void throttle_group_unref(ThrottleGroup *tg)
{
    if (!tg || --tg->refs) {
        return;
    }
    assert(!tg->members->len);
    g_ptr_array_remove(tg->graph->throttle_groups, tg);
    g_ptr_array_free(tg->members, TRUE);
    mutex_destroy(&tg->lock);
    g_free(tg->name);
    g_free(tg);
}

const char *throttle_group_name(const ThrottleGroup *tg)
{
    return tg->name;
}

bool throttle_group_in_use(const ThrottleGroup *tg)
{
    return tg->refs > 1;
}

/* With the group's lock. */
static void wake(Waiter *w)
{
    if (w && w->asleep) {
        w->asleep = false;
        coroutine_wake_on(w->co, w->loop);
    }
}

void throttle_group_config(ThrottleGroup *tg, ThrottleConfig *cfg)
{
    mutex_lock(&tg->lock);
    *cfg = tg->state.cfg;
    mutex_unlock(&tg->lock);
}

void throttle_group_set_config(ThrottleGroup *tg, const ThrottleConfig *cfg)
{
    mutex_lock(&tg->lock);
    throttle_state_init(&tg->state, cfg, group_now(tg));
    wake(tg->dir[0].turn);
    wake(tg->dir[1].turn);
    mutex_unlock(&tg->lock);
}

/* Members
 * ----------------------------------------------------------------------- */

static void member_join(ThrottleMember *m, ThrottleGroup *tg)
{
    m->group = throttle_group_ref(tg);
    mutex_lock(&tg->lock);
    g_ptr_array_add(tg->members, m);
    mutex_unlock(&tg->lock);
}

static void member_leave(ThrottleMember *m)
{
    ThrottleGroup *tg = m->group;

    assert(!m->head[0] && !m->head[1]);
    mutex_lock(&tg->lock);
    g_ptr_array_remove(tg->members, m);
    mutex_unlock(&tg->lock);
    m->group = NULL;
    throttle_group_unref(tg);
}

static void member_unref(gpointer p)
{
    ThrottleMember *m = p;

    if (!--m->refs) {
        g_free(m);
    }
}

ThrottleMember *throttle_member_new(ThrottleGroup *tg, BlockNode *n,
                                    BlockBackend *blk)
{
    ThrottleMember *m = g_new0(ThrottleMember, 1);

    m->node = n;
    m->blk = blk;
    m->refs = 1;
    member_join(m, tg);
    return m;
}

void throttle_member_free(ThrottleMember *m)
{
    if (m) {
        member_leave(m);
        member_unref(m);
    }
}

ThrottleGroup *throttle_member_group(const ThrottleMember *m)
{
    return m->group;
}

void throttle_member_move(ThrottleMember *m, ThrottleGroup *tg)
{
    if (m->group != tg) {
        member_leave(m);
        member_join(m, tg);
    }
}

/* Waiting
 * ----------------------------------------------------------------------- */

static void timer_fired(void *opaque)
{
    Waiter *w = opaque;
    ThrottleGroup *tg = w->member->group;
    bool go;

    mutex_lock(&tg->lock);
    go = w->asleep;
    w->asleep = false;
    mutex_unlock(&tg->lock);
    if (go) {
        coroutine_enter(w->co);
    }
}

/* With the group's lock, which is free meanwhile; @ns 0: until woken. */
static void coroutine_fn sleep_ns(ThrottleGroup *tg, Waiter *w, int64_t ns)
    REQUIRES(tg->lock)
{
    const BlockClock *clock = ns ? block_clock(tg->graph) : NULL;
    void *alarm = NULL;

    w->asleep = true;
    mutex_unlock(&tg->lock);
    if (clock) {
        alarm = clock->alarm(tg->graph->hooks.opaque, group_now(tg) + ns,
                             timer_fired, w);
    } else if (ns) {
        loop_timer_set(&w->timer, loop_now_ns() + ns);
    }
    coroutine_yield();
    if (alarm) {
        clock->alarm_free(alarm);
    }
    loop_timer_cancel(&w->timer);
    mutex_lock(&tg->lock);
}

static void enqueue(Waiter *w, bool is_write)
{
    ThrottleMember *m = w->member;

    if (m->head[is_write]) {
        m->tail[is_write]->next = w;
    } else {
        m->head[is_write] = w;
    }
    m->tail[is_write] = w;
    m->group->dir[is_write].waiting++;
}

static void dequeue(Waiter *w, bool is_write)
{
    ThrottleMember *m = w->member;
    Waiter *before = NULL;

    for (Waiter *i = m->head[is_write]; i != w; i = i->next) {
        before = i;
    }
    if (before) {
        before->next = w->next;
    } else {
        m->head[is_write] = w->next;
    }
    if (m->tail[is_write] == w) {
        m->tail[is_write] = before;
    }
    m->group->dir[is_write].waiting--;
}

/* The first request of the next member that waits, @m coming last. */
static Waiter *next_turn(ThrottleGroup *tg, const ThrottleMember *m,
                         bool is_write)
{
    guint at = 0;

    if (!tg->dir[is_write].waiting) {
        return NULL;
    }
    while (tg->members->pdata[at] != m) {
        at++;
    }
    for (guint i = 1; i <= tg->members->len; i++) {
        const ThrottleMember *next =
            tg->members->pdata[(at + i) % tg->members->len];

        if (next->head[is_write]) {
            return next->head[is_write];
        }
    }
    return NULL;
}

static bool is_drained(const ThrottleMember *m)
{
    return __atomic_load_n(&m->drained, __ATOMIC_SEQ_CST);
}

/* With the group's lock: until the request may go. */
static void coroutine_fn wait_in_line(ThrottleGroup *tg, Waiter *w,
                                      bool is_write) REQUIRES(tg->lock)
{
    Direction *d = &tg->dir[is_write];

    enqueue(w, is_write);
    if (!d->turn) {
        d->turn = w;
    }
    while (!is_drained(w->member)) {
        int64_t ns = 0;

        if (d->turn == w) {
            ns = throttle_state_wait(&tg->state, is_write, group_now(tg));
            if (!ns) {
                break;
            }
        }
        sleep_ns(tg, w, ns);
    }
    dequeue(w, is_write);
    if (d->turn == w) {
        d->turn = next_turn(tg, w->member, is_write);
        wake(d->turn);
    }
}

void coroutine_fn throttle_wait(ThrottleMember *m, bool is_write, int64_t bytes)
{
    ThrottleGroup *tg = m->group;
    Loop *home = loop_current();

    if (block_clock(tg->graph)) {
        coroutine_move_to(tg->graph->loop);
    }
    mutex_lock(&tg->lock);
    if (!is_drained(m) &&
        (tg->dir[is_write].waiting ||
         throttle_state_wait(&tg->state, is_write, group_now(tg)))) {
        Waiter w = { .member = m,
                     .co = coroutine_self(),
                     .loop = loop_current() };

        loop_timer_init(&w.timer, w.loop, timer_fired, &w);
        loop_timer_set_io(&w.timer);
        wait_in_line(tg, &w, is_write);
    }
    throttle_state_account(&tg->state, is_write, bytes);
    mutex_unlock(&tg->lock);
    coroutine_move_to(home);
}

/* Draining
 * ---------------------------------------------------------------------- */

static bool used_by(const BlockNode *n, const BlockBackend *blk)
{
    for (guint i = 0; i < n->parents->len; i++) {
        const BlockEdge *e = n->parents->pdata[i];

        if (e->blk == blk || (e->parent && used_by(e->parent, blk))) {
            return true;
        }
    }
    return false;
}

static void member_release(ThrottleMember *m)
{
    mutex_lock(&m->group->lock);
    __atomic_fetch_add(&m->drained, 1, __ATOMIC_SEQ_CST);
    for (size_t i = 0; i < ARRAY_SIZE(m->head); i++) {
        for (Waiter *w = m->head[i]; w; w = w->next) {
            wake(w);
        }
    }
    mutex_unlock(&m->group->lock);
}

GPtrArray *throttle_drain(BlockBackend *blk)
{
    GPtrArray *groups = blk->graph->throttle_groups;
    GPtrArray *found = NULL;

    for (guint i = 0; groups && i < groups->len; i++) {
        ThrottleGroup *tg = groups->pdata[i];

        /* Only control code, which this is, changes the list. */
        for (guint j = 0; j < tg->members->len; j++) {
            ThrottleMember *m = tg->members->pdata[j];

            if (m->blk == blk || (m->node && used_by(m->node, blk))) {
                if (!found) {
                    found = g_ptr_array_new_with_free_func(member_unref);
                }
                m->refs++;
                g_ptr_array_add(found, m);
                member_release(m);
            }
        }
    }
    return found;
}

void throttle_undrain(GPtrArray *members)
{
    for (guint i = 0; members && i < members->len; i++) {
        ThrottleMember *m = members->pdata[i];

        __atomic_fetch_sub(&m->drained, 1, __ATOMIC_SEQ_CST);
    }
    if (members) {
        g_ptr_array_free(members, TRUE);
    }
}
