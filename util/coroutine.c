/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stackful coroutines: stacks, entering and yielding. The switch itself is in
 * coroutine-switch.S, the locks are in coroutine-lock.c.
 *
 * The Coroutine sits at the top of its own stack mapping; below the stack is a
 * guard page. Ended coroutines wait in a bounded cache of the thread that they
 * ended on.
 */
#include "util/osdep.h"

#include <sys/mman.h>

#include "util/coroutine.h"
#include "util/loop.h"

#if defined(__SANITIZE_ADDRESS__)
#define CO_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CO_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define CO_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CO_TSAN 1
#endif
#endif
#ifdef CO_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef CO_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#define CO_VALGRIND 1
#endif

/* Address space; only touched pages cost memory. */
#ifdef CO_ASAN
#define CO_MAP_SIZE (2 * MiB)
#else
#define CO_MAP_SIZE (512 * KiB)
#endif
/* Per thread; a busy stack has one or two touched pages. */
#define CO_CACHE_MAX 128

struct Coroutine {
    CoroutineFn *fn;
    void *opaque;
    void *sp;          /* while not running */
    Coroutine *caller; /* who entered it; NULL: not running */
    Loop *loop;        /* last entered on */
    Loop *move_to;     /* enter there once it has yielded */
    LoopTask wake;
    Coroutine *next; /* in the cache */
    char *map;
    size_t guard;
    bool ended;
#ifdef CO_ASAN
    void *fake_stack;
    const void *asan_bottom; /* of the stack this context runs on */
    size_t asan_size;
#endif
#ifdef CO_TSAN
    void *fiber;
#endif
#ifdef CO_VALGRIND
    unsigned valgrind_id;
#endif
};

void coroutine_switch(void **save_sp, void *load_sp);
void coroutine_boot(void);
void coroutine_main(Coroutine *co);

/* The thread's own context, and what runs on the thread now. */
static __thread Coroutine thread_co;
static __thread Coroutine *current;
static __thread Coroutine *cache;
static __thread unsigned cache_n;
static pthread_key_t cache_key;
static pthread_once_t cache_once = PTHREAD_ONCE_INIT;

/*
 * A coroutine may continue on another thread than it yielded on: addresses of
 * thread-local variables must not be kept over a switch. These functions hide
 * them from the compiler.
 */
static __attribute__((noinline)) Coroutine *current_get(void)
{
    __asm__ volatile("");
    return current ? current : &thread_co;
}

static __attribute__((noinline)) void current_set(Coroutine *co)
{
    __asm__ volatile("");
    current = co;
}

static __attribute__((noinline)) bool current_is_thread(const Coroutine *co)
{
    __asm__ volatile("");
    return co == &thread_co;
}

/* Stacks ------------------------------------------------------------------- */

static void coroutine_unmap(Coroutine *co)
{
#ifdef CO_VALGRIND
    VALGRIND_STACK_DEREGISTER(co->valgrind_id);
#endif
#ifdef CO_TSAN
    __tsan_destroy_fiber(co->fiber);
#endif
    munmap(co->map, CO_MAP_SIZE);
}

static void cache_free(void *list)
{
    Coroutine *co = cache;

    cache = NULL;
    cache_n = 0;
    while (co) {
        Coroutine *next = co->next;

        coroutine_unmap(co);
        co = next;
    }
}

static void cache_make_key(void)
{
    if (pthread_key_create(&cache_key, cache_free)) {
        abort();
    }
}

static Coroutine *coroutine_map(void)
{
    size_t guard = sysconf(_SC_PAGESIZE);
    Coroutine *co;
    char *map;

    map = mmap(NULL, CO_MAP_SIZE, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED || mprotect(map, guard, PROT_NONE)) {
        /* As any failed allocation of the program. */
        fprintf(stderr, "cannot map a coroutine's stack: %s\n",
                g_strerror(errno));
        abort();
    }
    co = (Coroutine *)(map + CO_MAP_SIZE) - 1;
    co = (Coroutine *)((uintptr_t)co & ~(uintptr_t)63);
    co->map = map;
    co->guard = guard;
#ifdef CO_TSAN
    co->fiber = __tsan_create_fiber(0);
#endif
#ifdef CO_VALGRIND
    co->valgrind_id = VALGRIND_STACK_REGISTER(map + guard, co);
#endif
    return co;
}

static Coroutine *coroutine_get(void)
{
    Coroutine *co = cache;

    if (!co) {
        return coroutine_map();
    }
    cache = co->next;
    cache_n--;
    return co;
}

static void coroutine_put(Coroutine *co)
{
    if (cache_n >= CO_CACHE_MAX) {
        coroutine_unmap(co);
        return;
    }
    if (!cache) {
        pthread_once(&cache_once, cache_make_key);
        pthread_setspecific(cache_key, (void *)1);
    }
    co->next = cache;
    cache = co;
    cache_n++;
}

static void coroutine_prepare_stack(Coroutine *co)
{
    uintptr_t top = (uintptr_t)co;

#if defined(__x86_64__)
    void **sp = (void **)top;

    *--sp = NULL;
    *--sp = NULL; /* so that the stack is aligned when boot starts */
    *--sp = (void *)coroutine_boot;
    *--sp = NULL; /* rbp */
    *--sp = co;   /* rbx */
    for (int i = 0; i < 4; i++) {
        *--sp = NULL;
    }
#elif defined(__aarch64__)
    void **sp = (void **)(top - 160);

    memset(sp, 0, 160);
    sp[1] = (void *)coroutine_boot; /* x30 */
    sp[2] = co;                     /* x19 */
#endif
    co->sp = sp;
}

/* Switching ---------------------------------------------------------------- */

/* Leave @from for @to; returns when somebody switches back to @from: its
 * caller when @entered. */
static void switch_to(Coroutine *from, Coroutine *to, bool entered)
{
#ifdef CO_ASAN
    __sanitizer_start_switch_fiber(from->ended ? NULL : &from->fake_stack,
                                   to->asan_bottom, to->asan_size);
#endif
#ifdef CO_TSAN
    if (!from->fiber) {
        from->fiber = __tsan_get_current_fiber();
    }
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
    coroutine_switch(&from->sp, to->sp);
#ifdef CO_ASAN
    if (entered) {
        __sanitizer_finish_switch_fiber(from->fake_stack,
                                        &from->caller->asan_bottom,
                                        &from->caller->asan_size);
    } else {
        __sanitizer_finish_switch_fiber(from->fake_stack, NULL, NULL);
    }
#endif
}

/* The first function on a coroutine's stack, called by coroutine_boot. */
void coroutine_main(Coroutine *co)
{
    Coroutine *caller;

#ifdef CO_ASAN
    __sanitizer_finish_switch_fiber(NULL, &co->caller->asan_bottom,
                                    &co->caller->asan_size);
#endif
    co->fn(co->opaque);
    caller = co->caller;
    co->caller = NULL;
    co->ended = true;
    current_set(current_is_thread(caller) ? NULL : caller);
    switch_to(co, caller, false);
    abort();
}

Coroutine *coroutine_new(CoroutineFn *fn, void *opaque)
{
    Coroutine *co = coroutine_get();

    co->fn = fn;
    co->opaque = opaque;
    co->caller = NULL;
    co->loop = NULL;
    co->move_to = NULL;
    co->ended = false;
    coroutine_prepare_stack(co);
#ifdef CO_ASAN
    co->fake_stack = NULL;
    co->asan_bottom = co->map + co->guard;
    co->asan_size = (char *)co - (co->map + co->guard);
#endif
    return co;
}

static void coroutine_wake_run(void *opaque)
{
    coroutine_enter(opaque);
}

void coroutine_enter(Coroutine *co)
{
    Coroutine *self = current_get();

    assert(!co->caller && !co->ended);
    co->caller = self;
    co->loop = loop_current();
    current_set(co);
    switch_to(self, co, false);
    if (co->ended) {
        coroutine_put(co);
    } else if (co->move_to) {
        Loop *loop = co->move_to;

        co->move_to = NULL;
        coroutine_wake_on(co, loop);
    }
}

void coroutine_fn coroutine_yield(void)
{
    Coroutine *self = current_get();
    Coroutine *caller = self->caller;

    assert(caller);
    self->caller = NULL;
    current_set(current_is_thread(caller) ? NULL : caller);
    switch_to(self, caller, true);
}

Coroutine *coroutine_self(void)
{
    Coroutine *co = current_get();

    return current_is_thread(co) ? NULL : co;
}

bool in_coroutine(void)
{
    return coroutine_self() != NULL;
}

Loop *coroutine_loop(const Coroutine *co)
{
    return co->loop;
}

/* Loops -------------------------------------------------------------------- */

void coroutine_wake_on(Coroutine *co, Loop *loop)
{
    loop_task_init(&co->wake, loop, coroutine_wake_run, co);
    loop_task_set_io(&co->wake);
    loop_task_post(&co->wake);
}

void coroutine_fn coroutine_sleep_ns(int64_t ns)
{
    LoopTimer timer;

    loop_timer_init(&timer, loop_current(), coroutine_wake_run,
                    coroutine_self());
    loop_timer_set_io(&timer);
    loop_timer_set(&timer, loop_now_ns() + ns);
    coroutine_yield();
    loop_timer_cancel(&timer);
}

void coroutine_fn coroutine_reschedule(void)
{
    coroutine_wake_on(coroutine_self(), loop_current());
    coroutine_yield();
}

void coroutine_fn coroutine_move_to(Loop *loop)
{
    if (loop_is_current(loop)) {
        return;
    }
    /* Posted only when the switch is done: @loop's thread may be faster. */
    coroutine_self()->move_to = loop;
    coroutine_yield();
}
