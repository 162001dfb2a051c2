/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtual CPUs: the part that does not depend on the architecture, and that
 * accelerators, the run state and QMP share. hw/core makes "cpu" a device
 * type; target/ derives the models from it.
 */
#ifndef SOFTMMU_CPU_H
#define SOFTMMU_CPU_H

#include "util/thread.h"

/* Whose copy of the registers counts. */
typedef enum CpuDirty {
    CPU_CLEAN,       /* the accelerator's */
    CPU_DIRTY,       /* the device's, of what changes while running */
    CPU_DIRTY_RESET, /* the device's, and what a reset changes */
    CPU_DIRTY_FULL,  /* all of it: new, or just loaded */
} CpuDirty;

/* State of the vCPU thread; embedded in the Cpu device. */
struct Cpu {
    Device *dev;    /* the device this is part of */
    Vm *vm;
    int index;      /* cpu-index */
    uint64_t arch_id;
    Thread thread;
    int thread_id;  /* kernel id; 0 before it runs */
    bool created;   /* a thread serves it; lock */
    bool stop;      /* asked to stop; atomic */
    bool stopped;   /* lock */
    bool unplug;    /* thread ends; lock */
    bool halted;    /* waiting for an interrupt or start-up IPI */
    CpuDirty dirty; /* lock, or its thread */
    Cond cond;      /* with vm->lock: stop, work */
    void *accel;    /* the accelerator's data */
    void (*kick)(Cpu *cpu); /* the accelerator's; NULL without thread */
    struct CpuWork *work; /* queued by cpu_run_on(); lock */
    int exit_request;     /* atomic */
};

/* Put @cpu into vm->cpus at @index, or the first free place for -1. */
void cpu_register(Cpu *cpu, Vm *vm, int index);
void cpu_unregister(Cpu *cpu);

/* All vCPUs: machine lock held, from the main loop. */
void cpus_pause(Vm *vm);  /* returns when all have stopped */
void cpus_resume(Vm *vm);
/* Run @fn on the vCPU's thread, outside of guest mode, under the machine lock,
 * and wait. Without a thread: here and now. */
void cpu_run_on(Cpu *cpu, void (*fn)(Cpu *cpu, void *opaque), void *opaque);
/* Any thread. */
void cpu_kick(Cpu *cpu);
/* The vCPU whose thread calls, or NULL. */
Cpu *cpu_current(void);
/* On a vCPU thread (else nothing): run no more guest code until
 * cpus_resume(). For exits that ask for a reset or shutdown. */
void cpu_stop_current(void);

/* For accelerators: first and last on a vCPU's thread, machine lock held. */
void cpu_thread_begin(Cpu *cpu);
void cpu_thread_end(Cpu *cpu);
/* Serve queued work, wait while stopped; false when the thread shall end. */
bool cpu_wait_runnable(Cpu *cpu);
/* Unplug: ask the thread to end and join it. */
void cpu_thread_join(Cpu *cpu);

#endif
