/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vCPU threads: pausing, resuming, and running work on them. An accelerator's
 * thread sits in cpu_wait_runnable() whenever it does not run guest code.
 */
#include "util/osdep.h"

#include "softmmu/cpu.h"
#include "softmmu/memory.h"
#include "softmmu/vm.h"

struct CpuWork {
    void (*fn)(Cpu *cpu, void *opaque);
    void *opaque;
    bool done;
    struct CpuWork *next;
};

static __thread Cpu *current_cpu;

void cpu_register(Cpu *cpu, Vm *vm, int index)
{
    guint at = 0;

    cpu->vm = vm;
    if (index >= 0) {
        at = index;
    } else {
        while (at < vm->cpus->len && g_ptr_array_index(vm->cpus, at)) {
            at++;
        }
    }
    if (at >= vm->cpus->len) {
        g_ptr_array_set_size(vm->cpus, at + 1);
    }
    assert(!g_ptr_array_index(vm->cpus, at));
    g_ptr_array_index(vm->cpus, at) = cpu;
    cpu->index = at;
    cond_init(&cpu->cond);
}

void cpu_unregister(Cpu *cpu)
{
    g_ptr_array_index(cpu->vm->cpus, cpu->index) = NULL;
    cond_destroy(&cpu->cond);
}

Cpu *cpu_current(void)
{
    return current_cpu;
}

void cpu_kick(Cpu *cpu)
{
    __atomic_store_n(&cpu->exit_request, 1, __ATOMIC_SEQ_CST);
    if (cpu->kick) {
        cpu->kick(cpu);
    }
}

static void cpu_ask_stop(Cpu *cpu)
{
    __atomic_store_n(&cpu->stop, true, __ATOMIC_SEQ_CST);
}

void cpu_stop_current(void)
{
    if (current_cpu) {
        cpu_ask_stop(current_cpu);
        __atomic_store_n(&current_cpu->exit_request, 1, __ATOMIC_SEQ_CST);
    }
}

#define FOREACH_CPU(vm, cpu)                                                   \
    for (guint i_ = 0; i_ < (vm)->cpus->len; i_++)                             \
        for (Cpu *cpu = g_ptr_array_index((vm)->cpus, i_); cpu; cpu = NULL)

void NO_THREAD_SAFETY cpus_pause(Vm *vm)
{
    assert(!current_cpu);
    FOREACH_CPU(vm, cpu) {
        if (cpu->created && !cpu->stopped) {
            cpu_ask_stop(cpu);
            cond_broadcast(&cpu->cond);
            cpu_kick(cpu);
        }
    }
    FOREACH_CPU(vm, cpu) {
        while (cpu->created && !cpu->stopped) {
            cond_wait(&cpu->cond, &vm->lock);
        }
    }
}

void cpus_resume(Vm *vm)
{
    mem_set_shared(vm);
    FOREACH_CPU(vm, cpu) {
        __atomic_store_n(&cpu->stop, false, __ATOMIC_SEQ_CST);
        cpu->stopped = false;
        cond_broadcast(&cpu->cond);
    }
}

void NO_THREAD_SAFETY cpu_run_on(Cpu *cpu, void (*fn)(Cpu *cpu, void *opaque),
                                 void *opaque)
{
    struct CpuWork work = { .fn = fn, .opaque = opaque }, **tail = &cpu->work;

    if (!cpu->created || cpu == current_cpu) {
        fn(cpu, opaque);
        return;
    }
    while (*tail) {
        tail = &(*tail)->next;
    }
    *tail = &work;
    cond_broadcast(&cpu->cond);
    cpu_kick(cpu);
    while (!work.done) {
        cond_wait(&cpu->cond, &cpu->vm->lock);
    }
}

static void serve_work(Cpu *cpu)
{
    while (cpu->work) {
        struct CpuWork *w = cpu->work;

        cpu->work = w->next;
        w->fn(cpu, w->opaque);
        w->done = true;
        cond_broadcast(&cpu->cond);
    }
}

void cpu_thread_begin(Cpu *cpu)
{
    current_cpu = cpu;
    cpu->thread_id = thread_id();
    cpu->stopped = !vm_is_running(cpu->vm);
    cpu->created = true;
    cond_broadcast(&cpu->cond);
}

void cpu_thread_end(Cpu *cpu)
{
    serve_work(cpu);
    cpu->created = false;
    cpu->stopped = true;
    cond_broadcast(&cpu->cond);
    current_cpu = NULL;
}

bool NO_THREAD_SAFETY cpu_wait_runnable(Cpu *cpu)
{
    for (;;) {
        __atomic_store_n(&cpu->exit_request, 0, __ATOMIC_SEQ_CST);
        serve_work(cpu);
        if (cpu->unplug) {
            return false;
        }
        if (__atomic_exchange_n(&cpu->stop, false, __ATOMIC_SEQ_CST)) {
            cpu->stopped = true;
            cond_broadcast(&cpu->cond);
        }
        if (!cpu->stopped) {
            return true;
        }
        cond_wait(&cpu->cond, &cpu->vm->lock);
    }
}

void NO_THREAD_SAFETY cpu_thread_join(Cpu *cpu)
{
    Vm *vm = cpu->vm;

    if (!cpu->created) {
        return;
    }
    cpu->unplug = true;
    cond_broadcast(&cpu->cond);
    cpu_kick(cpu);
    vm_unlock(vm);
    thread_join(&cpu->thread);
    vm_lock(vm);
}
