/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "apic": a local APIC's registers (Intel SDM volume 3, "Local APIC register
 * address map") as they travel in streams of QEMU 7.2.
 */
#include "util/osdep.h"

#include "accel/accel.h"
#include "softmmu/vm.h"
#include "target/i386/apic.h"
#include "target/i386/cpu-internal.h"
#include "util/error.h"

enum {
    REG_ID = 0x20,
    REG_TPR = 0x80,
    REG_LDR = 0xd0,
    REG_DFR = 0xe0,
    REG_SPIV = 0xf0,
    REG_ISR = 0x100,
    REG_TMR = 0x180,
    REG_IRR = 0x200,
    REG_ESR = 0x280,
    REG_ICR = 0x300,
    REG_LVT = 0x320, /* timer, thermal, counters, LINT0, LINT1, error */
    REG_TIMER_INITIAL = 0x380,
    REG_TIMER_CURRENT = 0x390,
    REG_TIMER_DIVIDE = 0x3e0,
};

static uint32_t get(const uint8_t *page, unsigned reg)
{
    uint32_t v;

    memcpy(&v, page + reg, 4);
    return GUINT32_FROM_LE(v);
}

static void put(uint8_t *page, unsigned reg, uint32_t v)
{
    v = GUINT32_TO_LE(v);
    memcpy(page + reg, &v, 4);
}

/* Bits 0, 1 and 3 of the divide register count up from "by 2"; 7: by 1. */
static int32_t count_shift(uint32_t divide)
{
    return (((divide & 3) | (divide >> 1 & 4)) + 1) & 7;
}

void x86_apic_state_from_page(X86ApicState *s, const uint8_t page[1024])
{
    memset(s, 0, sizeof(*s));
    s->id = get(page, REG_ID) >> 24;
    s->tpr = get(page, REG_TPR);
    s->spurious_vec = get(page, REG_SPIV);
    s->log_dest = get(page, REG_LDR) >> 24;
    s->dest_mode = get(page, REG_DFR) >> 28;
    for (unsigned i = 0; i < 8; i++) {
        s->isr[i] = get(page, REG_ISR + 0x10 * i);
        s->tmr[i] = get(page, REG_TMR + 0x10 * i);
        s->irr[i] = get(page, REG_IRR + 0x10 * i);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(s->lvt); i++) {
        s->lvt[i] = get(page, REG_LVT + 0x10 * i);
    }
    s->esr = get(page, REG_ESR);
    s->icr[0] = get(page, REG_ICR);
    s->icr[1] = get(page, REG_ICR + 0x10);
    s->divide_conf = get(page, REG_TIMER_DIVIDE);
    s->count_shift = count_shift(s->divide_conf);
    s->initial_count = get(page, REG_TIMER_INITIAL);
    s->timer_expiry = -1; /* KVM's timer fires, not ours */
}

/* Of the page only what travels is changed. */
bool x86_apic_state_to_page(const X86ApicState *s, uint8_t page[1024],
                            Error **errp)
{
    if (s->count_shift != count_shift(s->divide_conf)) {
        return error_set(errp, "timer shift %d with divide register %#x",
                         s->count_shift, s->divide_conf);
    }
    put(page, REG_ID, (uint32_t)s->id << 24);
    put(page, REG_TPR, s->tpr);
    put(page, REG_SPIV, s->spurious_vec);
    put(page, REG_LDR, (uint32_t)s->log_dest << 24);
    put(page, REG_DFR, (uint32_t)s->dest_mode << 28 | 0x0fffffff);
    for (unsigned i = 0; i < 8; i++) {
        put(page, REG_ISR + 0x10 * i, s->isr[i]);
        put(page, REG_TMR + 0x10 * i, s->tmr[i]);
        put(page, REG_IRR + 0x10 * i, s->irr[i]);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(s->lvt); i++) {
        put(page, REG_LVT + 0x10 * i, s->lvt[i]);
    }
    put(page, REG_ESR, s->esr);
    put(page, REG_ICR, s->icr[0]);
    put(page, REG_ICR + 0x10, s->icr[1]);
    put(page, REG_TIMER_DIVIDE, s->divide_conf);
    put(page, REG_TIMER_INITIAL, s->initial_count);
    put(page, REG_TIMER_CURRENT, s->initial_count); /* a period anew */
    return true;
}

/* Table ------------------------------------------------------------------------ */

static void pre_save(void *state)
{
    X86Apic *a = state;
    Cpu *c = &a->cpu->parent.cpu;

    accel_cpu_sync(c);
    x86_apic_state_from_page(&a->s, a->cpu->regs.lapic);
    a->s.apicbase = a->cpu->regs.apic_base;
    a->s.arb_id = a->s.id;
    a->s.initial_count_load_time = vm_clock_ns(c->vm, VM_CLOCK_VIRTUAL);
    a->s.next_time = a->s.initial_count_load_time;
}

static bool post_load(void *state, int version, Error **errp)
{
    X86Apic *a = state;
    Cpu *c = &a->cpu->parent.cpu;

    accel_cpu_sync(c);
    if (!x86_apic_state_to_page(&a->s, a->cpu->regs.lapic, errp)) {
        return false;
    }
    a->cpu->regs.apic_base = a->s.apicbase;
    a->cpu->regs.cr8 = a->s.tpr >> 4;
    c->dirty = CPU_DIRTY_FULL;
    return true;
}

#define S(f) VMS_N(X86Apic, s.f, #f)
#define S_ARRAY(f) VMS_ARRAY(X86Apic, s.f, #f)

const VmState x86_apic_vmstate = {
    .name = "apic",
    .version = 3,
    .min_version = 3,
    .pre_save = pre_save,
    .post_load = post_load,
    .fields = (const VmField[]) {
        S(apicbase),
        S(id),
        S(arb_id),
        S(tpr),
        S(spurious_vec),
        S(log_dest),
        S(dest_mode),
        S_ARRAY(isr),
        S_ARRAY(tmr),
        S_ARRAY(irr),
        S_ARRAY(lvt),
        S(esr),
        S_ARRAY(icr),
        S(divide_conf),
        S(count_shift),
        S(initial_count),
        S(initial_count_load_time),
        S(next_time),
        S(timer_expiry),
        {},
    },
};
