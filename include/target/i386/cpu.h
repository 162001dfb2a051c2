/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x86 CPUs for machines: APIC ids by topology, making the CPUs of -smp, and
 * what a reset does. Machine lock.
 */
#ifndef TARGET_I386_CPU_H
#define TARGET_I386_CPU_H

#include "hw/core/machine.h"
#include "target/i386/boot-state.h"

typedef struct X86Cpu X86Cpu;

/* Where CPU @index of -smp sits; unset counts are 1. */
typedef struct X86Place {
    unsigned socket, die, core, thread;
} X86Place;
X86Place x86_place(const CpuTopology *t, unsigned index);
/* Its APIC id: each level takes as many bits as it needs. */
uint32_t x86_apic_id(const CpuTopology *t, unsigned index);
/* One more than the biggest of t->max_cpus. */
uint32_t x86_apic_id_limit(const CpuTopology *t);

/* For MachineClass.cpu_slot of x86 machines. */
void x86_cpu_slot(Machine *machine, unsigned i, CpuSlot *slot);
/* Make and realize smp.cpus CPUs of machine->cpu_type. The slots exist. */
bool x86_cpus_create(Machine *machine, Error **errp);
/* A CPU is being plugged by -device or device_add: check its place, fill in
 * what the user left out, or refuse. Called before realize. */
bool x86_cpu_pre_plug(Machine *machine, Device *dev, Error **errp);

/* A20, NMI (the "nmi" button) and init for machines. */
void x86_cpu_inject_nmi(Cpu *cpu);
/* Bits of a physical address. */
unsigned x86_cpu_phys_bits(Cpu *cpu);
/* Does the CPU have this CPUID bit (e.g. leaf 80000001h EDX bit 29)? */
bool x86_cpu_has_lm(Cpu *cpu);
bool x86_cpu_has_x2apic(Cpu *cpu);
/* CPUID leaf 1: EAX (family, model, stepping), and features of EDX. */
void x86_cpu_id(Cpu *cpu, uint32_t *signature, uint32_t *features);
uint64_t x86_cpu_tsc_hz(Cpu *cpu); /* 0: not known */

/* Registers of a vCPU that accesses a port, for handlers that are called that
 * way: on its thread. An IN gets its value after what is set here. */
typedef struct X86PortRegs {
    uint32_t eax, ebx, ecx, edx;
} X86PortRegs;
void x86_cpu_get_port_regs(Cpu *cpu, X86PortRegs *r);
void x86_cpu_set_port_regs(Cpu *cpu, const X86PortRegs *r);

#endif
