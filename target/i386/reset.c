/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a reset leaves in the registers (Intel SDM volume 3, 10.1.1), and the
 * entry of a kernel that was loaded without firmware.
 */
#include "util/osdep.h"

#include "softmmu/vm.h"
#include "target/i386/cpu-internal.h"

#define APIC_BASE        UINT64_C(0xfee00000)
#define APIC_BASE_ENABLE BIT(11)
#define APIC_BASE_BSP    BIT(8)

/* LAPIC registers by their offset in the page. */
enum {
    APIC_ID = 0x20,
    APIC_LVR = 0x30,
    APIC_DFR = 0xe0,
    APIC_SPIV = 0xf0,
    APIC_LVT_CMCI = 0x2f0,
    APIC_LVT_TIMER = 0x320,
    APIC_LVT_LINT0 = 0x350,
    APIC_LVT_LINT1 = 0x360,
    APIC_LVT_ERROR = 0x370,
};
#define APIC_LVT_MASKED 0x10000
#define APIC_VERSION    0x14
#define APIC_MODE_EXTINT 0x700
#define APIC_MODE_NMI    0x400

/* mp_state as KVM numbers it. */
enum { MP_RUNNABLE = 0, MP_UNINITIALIZED = 1 };

#define MTRR_VALID 0x800

#define CR0_ET UINT64_C(0x10)
#define CR0_CD_NW UINT64_C(0x60000000)

bool x86_cpu_is_bsp(const X86Cpu *cpu)
{
    return cpu->parent.cpu.index == 0;
}

static void lapic_put(X86Cpu *cpu, unsigned reg, uint32_t v)
{
    v = GUINT32_TO_LE(v);
    memcpy(cpu->regs.lapic + reg, &v, 4);
}

static void reset_lapic(X86Cpu *cpu)
{
    memset(cpu->regs.lapic, 0, sizeof(cpu->regs.lapic));
    lapic_put(cpu, APIC_ID, cpu->apic_id << 24);
    lapic_put(cpu, APIC_LVR, APIC_VERSION | 5 << 16);
    lapic_put(cpu, APIC_DFR, UINT32_MAX);
    lapic_put(cpu, APIC_SPIV, 0xff);
    for (unsigned r = APIC_LVT_TIMER; r <= APIC_LVT_ERROR; r += 0x10) {
        lapic_put(cpu, r, APIC_LVT_MASKED);
    }
    cpu->regs.apic_base = APIC_BASE | APIC_BASE_ENABLE |
                          (x86_cpu_is_bsp(cpu) ? APIC_BASE_BSP : 0);
}

static X86Segment real_segment(uint16_t selector, uint64_t base, uint16_t type)
{
    return (X86Segment){ .selector = selector, .base = base, .limit = 0xffff,
                         .attr = type | SEG_P };
}

static void reset_segments(X86Regs *r)
{
    r->cs = real_segment(0xf000, 0xffff0000, SEG_S | 0xb);
    r->ds = r->es = r->ss = r->fs = r->gs = real_segment(0, 0, SEG_S | 3);
    r->ldt = real_segment(0, 0, 2);
    r->tr = real_segment(0, 0, 0xb);
    r->gdt.limit = r->idt.limit = 0xffff;
}

/* The legacy region and the header of an XSAVE image. */
static void reset_fpu(X86Cpu *cpu)
{
    uint8_t *x = cpu->regs.xsave;

    if (!x) {
        return;
    }
    memset(x, 0, cpu->xsave_size);
    x[0] = 0x7f; /* FCW */
    x[1] = 0x03;
    x[24] = 0x80; /* MXCSR */
    x[25] = 0x1f;
    x[512] = 3; /* XSTATE_BV: x87 and SSE */
}

static void reset_msrs(X86Cpu *cpu)
{
    X86Regs *r = &cpu->regs;

    r->pat = UINT64_C(0x0007040600070406);
    r->misc_enable = 1; /* fast strings */
    r->smbase = 0x30000;
    r->ucode_rev = cpu->ucode_rev;
    r->arch_caps = cpu->features[FEAT_ARCH_CAPS];
    r->mcg_ctl = UINT64_MAX;
    for (unsigned i = 0; i < MCE_BANKS; i++) {
        r->mce_banks[4 * i] = UINT64_MAX;
    }
    r->poll_control = 1; /* the host polls */
}

/* What firmware would have done on every CPU. */
static void firmware_msrs(X86Cpu *cpu, const X86BootState *boot)
{
    X86Regs *r = &cpu->regs;
    uint64_t mmio = boot->mmio_base;

    r->mtrr_deftype = 0xc06; /* on, fixed ones on, write-back */
    for (unsigned i = 0; i < ARRAY_SIZE(r->mtrr_fixed); i++) {
        /* a0000h-bffffh is for devices. */
        r->mtrr_fixed[i] = i == 2 ? 0 : UINT64_C(0x0606060606060606);
    }
    /* Uncached, in naturally aligned pieces. */
    for (unsigned i = 0; mmio && mmio < 4 * GiB && i < MTRR_VARIABLE; i++) {
        uint64_t size = mmio & -mmio;

        r->mtrr_var[2 * i] = mmio;
        r->mtrr_var[2 * i + 1] =
            (~(size - 1) & (BIT(cpu->phys_bits) - 1)) | MTRR_VALID;
        mmio += size;
    }
    if (x86_has(cpu, FEAT_1_ECX, F1_ECX_VMX)) {
        r->feature_control = 5; /* locked, VMX */
    }
}

static X86Segment boot_segment(const X86BootSegment *s)
{
    return (X86Segment){
        .selector = s->selector,
        .base = s->base,
        .limit = s->limit,
        .attr = s->type | (s->system ? 0 : SEG_S) |
                (s->dpl3 ? 3 << SEG_DPL_SHIFT : 0) | SEG_P |
                (s->db ? SEG_DB : 0) | (s->l ? SEG_L : 0) | (s->g ? SEG_G : 0),
    };
}

static void enter_kernel(X86Cpu *cpu)
{
    const X86BootState *s = cpu->boot;
    X86Regs *r = &cpu->regs;

    memset(r->gpr, 0, sizeof(r->gpr));
    r->rip = s->rip;
    r->gpr[X86_RSP] = s->rsp;
    r->gpr[X86_RBX] = s->rbx;
    r->gpr[X86_RSI] = s->rsi;
    r->cr0 = s->cr0;
    r->cr3 = s->cr3;
    r->cr4 = s->cr4;
    r->efer = s->efer;
    r->gdt = (X86Table){ s->gdt_base, s->gdt_limit };
    r->idt = (X86Table){ 0, 0 };
    r->cs = boot_segment(&s->cs);
    r->ds = r->es = r->ss = r->fs = r->gs = boot_segment(&s->ds);
    r->tr = boot_segment(&s->tr);
    lapic_put(cpu, APIC_LVT_LINT0, APIC_MODE_EXTINT);
    lapic_put(cpu, APIC_LVT_LINT1, APIC_MODE_NMI);
    lapic_put(cpu, APIC_SPIV, 0x1ff); /* enabled */
}

/* How the boot processor enters the kernel, or NULL. */
static const X86BootState *boot_of(const X86Cpu *cpu)
{
    const GPtrArray *cpus = cpu->parent.cpu.vm->cpus;
    Cpu *bsp = cpus->len ? g_ptr_array_index(cpus, 0) : NULL;

    return bsp ? x86_of(bsp)->boot : NULL;
}

void x86_cpu_reset_regs(X86Cpu *cpu)
{
    const X86BootState *boot = boot_of(cpu);
    X86Regs *r = &cpu->regs;
    uint8_t *xsave = r->xsave;

    memset(r, 0, sizeof(*r));
    r->xsave = xsave;
    r->rip = 0xfff0;
    r->rflags = 2;
    r->gpr[X86_RDX] = x86_cpuid(cpu, 1, 0).r[R_EAX];
    r->cr0 = CR0_CD_NW | CR0_ET;
    r->xcr0 = 1;
    r->dr[6] = 0xffff0ff0;
    r->dr[7] = 0x400;
    reset_segments(r);
    reset_fpu(cpu);
    reset_msrs(cpu);
    reset_lapic(cpu);
    r->mp_state = x86_cpu_is_bsp(cpu) ? MP_RUNNABLE : MP_UNINITIALIZED;
    if (boot) {
        firmware_msrs(cpu, boot);
    }
    if (boot && x86_cpu_is_bsp(cpu)) {
        enter_kernel(cpu);
    }
}

void x86_set_boot_state(Vm *vm, const X86BootState *s)
{
    Cpu *bsp = vm->cpus->len ? g_ptr_array_index(vm->cpus, 0) : NULL;

    if (!bsp) {
        return;
    }
    g_clear_pointer(&x86_of(bsp)->boot, g_free);
    if (s) {
        x86_of(bsp)->boot = g_memdup2(s, sizeof(*s));
    }
    for (unsigned i = 0; i < vm->cpus->len; i++) {
        Cpu *c = g_ptr_array_index(vm->cpus, i);

        if (c) {
            x86_cpu_reset_regs(x86_of(c));
            c->dirty = MAX(c->dirty, CPU_DIRTY_RESET);
        }
    }
}
