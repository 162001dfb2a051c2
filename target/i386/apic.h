/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "lapic": the device that stands for a CPU's local APIC. */
#ifndef TARGET_I386_APIC_H
#define TARGET_I386_APIC_H

#include "hw/core/device.h"

typedef struct X86Cpu X86Cpu;

/* What of the registers travels under a name of its own. */
typedef struct X86ApicState {
    uint32_t apicbase, spurious_vec, isr[8], tmr[8], irr[8], lvt[6], esr,
        icr[2], divide_conf, initial_count;
    uint8_t id, arb_id, tpr, log_dest, dest_mode;
    int32_t count_shift;
    int64_t initial_count_load_time, next_time, timer_expiry;
} X86ApicState;

QOM_DECLARE(X86Apic, x86_apic)
struct X86Apic {
    Device parent;
    bool vapic;
    uint8_t version;
    uint32_t id;
    X86Cpu *cpu; /* whose child it is; keeps the registers */
    X86ApicState s; /* while state is saved or loaded */
};

/* The child "lapic" of @cpu, realized. */
bool x86_apic_create(X86Cpu *cpu, Error **errp);
void x86_apic_remove(X86Cpu *cpu);

/* kvmvapic.c: one for the machine, placed by the first CPU. */
bool x86_vapic_create(Vm *vm, Error **errp);

/* apic-state.c: between a page of registers and X86ApicState. */
void x86_apic_state_from_page(X86ApicState *s, const uint8_t page[1024]);
bool x86_apic_state_to_page(const X86ApicState *s, uint8_t page[1024],
                            Error **errp);
/* Of an X86Apic. */
extern const VmState x86_apic_vmstate;

#endif
