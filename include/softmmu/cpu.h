/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtual CPUs: the part that does not depend on the architecture, and that
 * accelerators, the run state and QMP share. hw/core makes "cpu" a device
 * type; target/ derives the models from it.
 */
#ifndef SOFTMMU_CPU_H
#define SOFTMMU_CPU_H

#include "util/thread.h"

/* State of the vCPU thread; embedded in the Cpu device. */
struct Cpu {
    Device *dev;    /* the device this is part of */
    Vm *vm;
    int index;      /* cpu-index */
    uint64_t arch_id;
    Thread thread;
    int thread_id;  /* kernel id; 0 before it runs */
    bool created;   /* lock */
    bool stop;      /* asked to stop; lock */
    bool stopped;   /* lock */
    bool unplug;    /* thread ends; lock */
    bool halted;    /* waiting for an interrupt or start-up IPI */
    Cond cond;      /* with vm->lock: stop, work */
    void *accel;    /* the accelerator's data */
    struct CpuWork *work; /* queued by cpu_run_on(); lock */
    int exit_request;     /* atomic */
};

/* All vCPUs: machine lock held, from the main loop. */
void cpus_pause(Vm *vm);  /* returns when all have stopped */
void cpus_resume(Vm *vm);
/* Run @fn on the vCPU's thread, outside of guest mode, and wait. */
void cpu_run_on(Cpu *cpu, void (*fn)(Cpu *cpu, void *opaque), void *opaque);
/* Any thread. */
void cpu_kick(Cpu *cpu);
/* The vCPU whose thread calls, or NULL. */
Cpu *cpu_current(void);
/* For accelerators' thread functions, machine lock held: serve queued work,
 * wait while stopped; false when the thread shall end. */
bool cpu_wait_runnable(Cpu *cpu);

#endif
