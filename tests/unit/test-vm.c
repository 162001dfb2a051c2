/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VM handle: clocks and timers, run states, requests, actions. */
#include "util/osdep.h"

#include "qapi/event.h"
#include "softmmu/vm.h"
#include "util/error.h"

typedef struct Fixture {
    QapiEventSink sink;
    Vm *vm;
    GString *events; /* names, each followed by a space */
    GString *calls;
} Fixture;

static void note_event(QapiEventSink *sink, const QapiEventInfo *info,
                       QDict *data)
{
    Fixture *f = container_of(sink, Fixture, sink);

    g_string_append_printf(f->events, "%s ", info->name);
}

static void setup(Fixture *f, gconstpointer unused)
{
    f->sink.emit = note_event;
    f->events = g_string_new(NULL);
    f->calls = g_string_new(NULL);
    f->vm = vm_new("x86_64", error_abort);
    f->vm->events = &f->sink;
}

static void teardown(Fixture *f, gconstpointer unused)
{
    vm_free(f->vm);
    g_string_free(f->events, TRUE);
    g_string_free(f->calls, TRUE);
}

typedef struct Note {
    Fixture *f;
    const char *text;
} Note;

static void note(void *opaque)
{
    Note *n = opaque;

    g_string_append(n->f->calls, n->text);
}

static void test_virtual_clock_stands_still_while_stopped(Fixture *f,
                                                          gconstpointer unused)
{
    int64_t then = vm_clock_ns(f->vm, VM_CLOCK_VIRTUAL);

    g_usleep(1000);
    g_assert_cmpint(vm_clock_ns(f->vm, VM_CLOCK_VIRTUAL), ==, then);
    vm_start(f->vm, error_abort);
    g_usleep(1000);
    g_assert_cmpint(vm_clock_ns(f->vm, VM_CLOCK_VIRTUAL), >, then);
}

static void test_steps_run_timers_in_order_of_deadline(Fixture *f,
                                                       gconstpointer unused)
{
    Note a = { f, "a" }, b = { f, "b" }, c = { f, "c" };
    VmTimer ta, tb, tc;

    vm_clock_set_manual(f->vm);
    vm_timer_init(&ta, f->vm, VM_CLOCK_VIRTUAL, note, &a);
    vm_timer_init(&tb, f->vm, VM_CLOCK_VIRTUAL, note, &b);
    vm_timer_init(&tc, f->vm, VM_CLOCK_VIRTUAL, note, &c);
    vm_timer_set(&tc, 300);
    vm_timer_set(&ta, 100);
    vm_timer_set(&tb, 200);
    g_assert_cmpint(vm_clock_next_deadline(f->vm), ==, 100);
    g_assert_cmpint(vm_clock_step(f->vm, 250), ==, 250);
    g_assert_cmpstr(f->calls->str, ==, "ab");
    vm_timer_cancel(&tc);
    vm_clock_step(f->vm, 1000);
    g_assert_cmpstr(f->calls->str, ==, "ab");
}

static void test_many_timers_fire_sorted(Fixture *f, gconstpointer unused)
{
    enum { N = 200 };
    VmTimer t[N];
    Note n = { f, "x" };

    vm_clock_set_manual(f->vm);
    for (int i = 0; i < N; i++) {
        vm_timer_init(&t[i], f->vm, VM_CLOCK_VIRTUAL, note, &n);
        vm_timer_set(&t[i], 1 + i * 7919 % 1009);
    }
    for (int i = 0; i < N; i += 3) {
        vm_timer_cancel(&t[i]);
    }
    for (int64_t last = 0, next;
         (next = vm_clock_next_deadline(f->vm)) >= 0; last = next) {
        g_assert_cmpint(next, >=, last);
        vm_clock_step(f->vm, next);
    }
    g_assert_cmpint(f->calls->len, ==, N - (N + 2) / 3);
}

static void stop_loop(void *opaque)
{
    vm_exit_request(opaque, 3);
}

static void test_running_timer_fires_from_the_loop(Fixture *f,
                                                   gconstpointer unused)
{
    VmTimer t;

    vm_timer_init(&t, f->vm, VM_CLOCK_VIRTUAL, stop_loop, f->vm);
    vm_start(f->vm, error_abort);
    vm_timer_set(&t, vm_clock_ns(f->vm, VM_CLOCK_VIRTUAL) + 1000000);
    g_assert_cmpint(vm_run(f->vm), ==, 3);
}

static void test_start_and_stop_tell_clients(Fixture *f, gconstpointer unused)
{
    g_assert_cmpint(vm_run_state(f->vm), ==, RUN_STATE_PRELAUNCH);
    vm_start(f->vm, error_abort);
    vm_start(f->vm, error_abort);
    vm_stop(f->vm, RUN_STATE_PAUSED);
    g_assert_cmpint(vm_run_state(f->vm), ==, RUN_STATE_PAUSED);
    g_assert_cmpstr(f->events->str, ==, "RESUME STOP ");
}

static void order_first(void *opaque, bool running, RunState state)
{
    g_string_append(((Fixture *)opaque)->calls, running ? "1" : "i");
}

static void order_second(void *opaque, bool running, RunState state)
{
    g_string_append(((Fixture *)opaque)->calls, running ? "2" : "ii");
}

static void test_state_listeners_go_by_priority(Fixture *f,
                                                gconstpointer unused)
{
    VmStateListener second = { order_second, f, 10, NULL };
    VmStateListener first = { order_first, f, -10, NULL };

    vm_state_listener_add(f->vm, &second);
    vm_state_listener_add(f->vm, &first);
    vm_start(f->vm, error_abort);
    vm_stop(f->vm, RUN_STATE_PAUSED);
    g_assert_cmpstr(f->calls->str, ==, "12iii");
    vm_state_listener_del(f->vm, &first);
    vm_state_listener_del(f->vm, &second);
}

static void serve(Fixture *f)
{
    while (loop_run_once(f->vm->loop, false)) {
    }
}

static void test_reset_runs_handlers_and_tells(Fixture *f,
                                               gconstpointer unused)
{
    Note n = { f, "reset" };

    vm_reset_register(f->vm, note, &n);
    vm_start(f->vm, error_abort);
    vm_reset_request(f->vm, SHUTDOWN_CAUSE_GUEST_RESET);
    serve(f);
    g_assert_cmpstr(f->calls->str, ==, "reset");
    g_assert_cmpstr(f->events->str, ==, "RESUME RESET ");
    g_assert_true(vm_is_running(f->vm));
}

static void test_no_reboot_turns_reset_into_shutdown(Fixture *f,
                                                     gconstpointer unused)
{
    vm_actions(f->vm)->reboot = REBOOT_ACTION_SHUTDOWN;
    vm_start(f->vm, error_abort);
    vm_reset_request(f->vm, SHUTDOWN_CAUSE_GUEST_RESET);
    g_assert_cmpint(vm_run(f->vm), ==, 0);
    g_assert_cmpstr(f->events->str, ==, "RESUME SHUTDOWN ");
}

static void test_no_shutdown_keeps_the_vm(Fixture *f, gconstpointer unused)
{
    autoerr Error *err = NULL;

    vm_actions(f->vm)->shutdown = SHUTDOWN_ACTION_PAUSE;
    vm_start(f->vm, error_abort);
    vm_shutdown_request(f->vm, SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
    serve(f);
    g_assert_cmpint(vm_run_state(f->vm), ==, RUN_STATE_SHUTDOWN);
    g_assert_false(vm_start(f->vm, &err));
    vm_reset_request(f->vm, SHUTDOWN_CAUSE_HOST_QMP_SYSTEM_RESET);
    serve(f);
    g_assert_true(vm_start(f->vm, error_abort));
}

static void test_signal_ends_despite_no_shutdown(Fixture *f,
                                                 gconstpointer unused)
{
    vm_actions(f->vm)->shutdown = SHUTDOWN_ACTION_PAUSE;
    vm_shutdown_request(f->vm, SHUTDOWN_CAUSE_HOST_SIGNAL);
    g_assert_cmpint(vm_run(f->vm), ==, 0);
}

static void test_panic_follows_its_action(Fixture *f, gconstpointer unused)
{
    vm_actions(f->vm)->panic = PANIC_ACTION_PAUSE;
    vm_start(f->vm, error_abort);
    vm_panic_request(f->vm, NULL);
    serve(f);
    g_assert_cmpint(vm_run_state(f->vm), ==, RUN_STATE_GUEST_PANICKED);
    g_assert_cmpstr(f->events->str, ==, "RESUME GUEST_PANICKED STOP ");
}

static void test_rtc_follows_its_clock(Fixture *f, gconstpointer unused)
{
    int64_t host = vm_clock_ns(f->vm, VM_CLOCK_HOST);

    f->vm->rtc_offset_ns = 3600 * INT64_C(1000000000);
    g_assert_cmpint(vm_rtc_ns(f->vm) - host, >=, 3600 * INT64_C(1000000000));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define VM_TEST(name, fn) g_test_add(name, Fixture, NULL, setup, fn, teardown)
    VM_TEST("/vm/clock/stopped", test_virtual_clock_stands_still_while_stopped);
    VM_TEST("/vm/clock/step", test_steps_run_timers_in_order_of_deadline);
    VM_TEST("/vm/clock/many", test_many_timers_fire_sorted);
    VM_TEST("/vm/clock/loop", test_running_timer_fires_from_the_loop);
    VM_TEST("/vm/clock/rtc", test_rtc_follows_its_clock);
    VM_TEST("/vm/state/events", test_start_and_stop_tell_clients);
    VM_TEST("/vm/state/listeners", test_state_listeners_go_by_priority);
    VM_TEST("/vm/request/reset", test_reset_runs_handlers_and_tells);
    VM_TEST("/vm/request/no-reboot", test_no_reboot_turns_reset_into_shutdown);
    VM_TEST("/vm/request/no-shutdown", test_no_shutdown_keeps_the_vm);
    VM_TEST("/vm/request/signal", test_signal_ends_despite_no_shutdown);
    VM_TEST("/vm/request/panic", test_panic_follows_its_action);
    return g_test_run();
}
