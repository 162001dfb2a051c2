/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A vCPU's registers between X86Regs and KVM. */
#include "util/osdep.h"

#include "softmmu/vm.h"
#include "target/i386/kvm/kvm-x86.h"
#include "util/error.h"

static bool check(int ret, const char *what, Error **errp)
{
    return ret >= 0 || error_errno(errp, -ret, "%s failed", what);
}

#define DO(cpu, req, arg, errp)                                                \
    check(kvm_vcpu_ioctl(&(cpu)->parent.cpu, req, arg), #req, errp)

/* General registers ----------------------------------------------------------- */

/* kvm_regs in the order of X86Regs.gpr. */
#define GPR_FIELDS(k)                                                          \
    {                                                                          \
        &(k)->rax, &(k)->rcx, &(k)->rdx, &(k)->rbx, &(k)->rsp, &(k)->rbp,      \
            &(k)->rsi, &(k)->rdi, &(k)->r8, &(k)->r9, &(k)->r10, &(k)->r11,    \
            &(k)->r12, &(k)->r13, &(k)->r14, &(k)->r15,                        \
    }

static bool put_gprs(X86Cpu *cpu, Error **errp)
{
    struct kvm_regs k = { .rip = cpu->regs.rip, .rflags = cpu->regs.rflags };
    __u64 *const fields[16] = GPR_FIELDS(&k);

    for (unsigned i = 0; i < 16; i++) {
        *fields[i] = cpu->regs.gpr[i];
    }
    return DO(cpu, KVM_SET_REGS, &k, errp);
}

static bool get_gprs(X86Cpu *cpu, Error **errp)
{
    struct kvm_regs k;
    __u64 *const fields[16] = GPR_FIELDS(&k);

    if (!DO(cpu, KVM_GET_REGS, &k, errp)) {
        return false;
    }
    cpu->regs.rip = k.rip;
    cpu->regs.rflags = k.rflags;
    for (unsigned i = 0; i < 16; i++) {
        cpu->regs.gpr[i] = *fields[i];
    }
    return true;
}

/* Segments and control registers ------------------------------------------------ */

static struct kvm_segment to_kvm(const X86Segment *s)
{
    return (struct kvm_segment){
        .base = s->base,
        .limit = s->limit,
        .selector = s->selector,
        .type = s->attr & 0xf,
        .s = !!(s->attr & SEG_S),
        .dpl = s->attr >> SEG_DPL_SHIFT & 3,
        .present = !!(s->attr & SEG_P),
        .avl = !!(s->attr & SEG_AVL),
        .l = !!(s->attr & SEG_L),
        .db = !!(s->attr & SEG_DB),
        .g = !!(s->attr & SEG_G),
        .unusable = !(s->attr & SEG_P),
    };
}

static X86Segment from_kvm(const struct kvm_segment *k)
{
    bool present = k->present && !k->unusable;

    return (X86Segment){
        .base = k->base,
        .limit = k->limit,
        .selector = k->selector,
        .attr = k->type | k->s << 4 | k->dpl << SEG_DPL_SHIFT | present << 7 |
                k->avl << 12 | k->l << 13 | k->db << 14 | k->g << 15,
    };
}

static bool put_sregs(X86Cpu *cpu, Error **errp)
{
    const X86Regs *r = &cpu->regs;
    struct kvm_sregs k = {
        .cs = to_kvm(&r->cs), .ds = to_kvm(&r->ds), .es = to_kvm(&r->es),
        .fs = to_kvm(&r->fs), .gs = to_kvm(&r->gs), .ss = to_kvm(&r->ss),
        .tr = to_kvm(&r->tr), .ldt = to_kvm(&r->ldt),
        .gdt = { .base = r->gdt.base, .limit = r->gdt.limit },
        .idt = { .base = r->idt.base, .limit = r->idt.limit },
        .cr0 = r->cr0, .cr2 = r->cr2, .cr3 = r->cr3, .cr4 = r->cr4,
        .cr8 = r->cr8, .efer = r->efer, .apic_base = r->apic_base,
    };

    return DO(cpu, KVM_SET_SREGS, &k, errp);
}

static bool get_sregs(X86Cpu *cpu, Error **errp)
{
    X86Regs *r = &cpu->regs;
    struct kvm_sregs k;

    if (!DO(cpu, KVM_GET_SREGS, &k, errp)) {
        return false;
    }
    r->cs = from_kvm(&k.cs);
    r->ds = from_kvm(&k.ds);
    r->es = from_kvm(&k.es);
    r->fs = from_kvm(&k.fs);
    r->gs = from_kvm(&k.gs);
    r->ss = from_kvm(&k.ss);
    r->tr = from_kvm(&k.tr);
    r->ldt = from_kvm(&k.ldt);
    r->gdt = (X86Table){ k.gdt.base, k.gdt.limit };
    r->idt = (X86Table){ k.idt.base, k.idt.limit };
    r->cr0 = k.cr0;
    r->cr2 = k.cr2;
    r->cr3 = k.cr3;
    r->cr4 = k.cr4;
    r->cr8 = k.cr8;
    r->efer = k.efer;
    r->apic_base = k.apic_base;
    return true;
}

/* Extended state ------------------------------------------------------------------ */

static bool put_xsave(X86Cpu *cpu, Error **errp)
{
    struct kvm_xcrs x = { .nr_xcrs = 1, .xcrs[0].value = cpu->regs.xcr0 };

    if (!DO(cpu, KVM_SET_XSAVE, cpu->regs.xsave, errp)) {
        return false;
    }
    return !x86_has(cpu, FEAT_1_ECX, F1_ECX_XSAVE) ||
           DO(cpu, KVM_SET_XCRS, &x, errp);
}

static bool get_xsave(X86Cpu *cpu, Error **errp)
{
    const X86Kvm *k = x86_kvm(cpu->parent.cpu.vm->accel);
    struct kvm_xcrs x = { 0 };
    bool ok = k->xsave2 ? DO(cpu, KVM_GET_XSAVE2, cpu->regs.xsave, errp)
                        : DO(cpu, KVM_GET_XSAVE, cpu->regs.xsave, errp);

    if (!ok) {
        return false;
    }
    if (x86_has(cpu, FEAT_1_ECX, F1_ECX_XSAVE)) {
        if (!DO(cpu, KVM_GET_XCRS, &x, errp)) {
            return false;
        }
        cpu->regs.xcr0 = x.nr_xcrs ? x.xcrs[0].value : 1;
    }
    return true;
}

/* Debug registers, LAPIC, run state ------------------------------------------------- */

static bool put_debug(X86Cpu *cpu, Error **errp)
{
    const X86Regs *r = &cpu->regs;
    struct kvm_debugregs k = { .dr6 = r->dr[6], .dr7 = r->dr[7] };

    memcpy(k.db, r->dr, sizeof(k.db));
    return DO(cpu, KVM_SET_DEBUGREGS, &k, errp);
}

static bool get_debug(X86Cpu *cpu, Error **errp)
{
    struct kvm_debugregs k;

    if (!DO(cpu, KVM_GET_DEBUGREGS, &k, errp)) {
        return false;
    }
    memcpy(cpu->regs.dr, k.db, sizeof(k.db));
    cpu->regs.dr[6] = k.dr6;
    cpu->regs.dr[7] = k.dr7;
    return true;
}

static bool put_lapic(X86Cpu *cpu, Error **errp)
{
    struct kvm_lapic_state k;

    memcpy(k.regs, cpu->regs.lapic, sizeof(k.regs));
    return DO(cpu, KVM_SET_LAPIC, &k, errp);
}

static bool get_lapic(X86Cpu *cpu, Error **errp)
{
    struct kvm_lapic_state k;

    if (!DO(cpu, KVM_GET_LAPIC, &k, errp)) {
        return false;
    }
    memcpy(cpu->regs.lapic, k.regs, sizeof(k.regs));
    return true;
}

static bool put_mp_state(X86Cpu *cpu, Error **errp)
{
    struct kvm_mp_state k = { .mp_state = cpu->regs.mp_state };

    return DO(cpu, KVM_SET_MP_STATE, &k, errp);
}

static bool get_mp_state(X86Cpu *cpu, Error **errp)
{
    struct kvm_mp_state k;

    if (!DO(cpu, KVM_GET_MP_STATE, &k, errp)) {
        return false;
    }
    cpu->regs.mp_state = k.mp_state;
    cpu->parent.cpu.halted = k.mp_state == KVM_MP_STATE_HALTED;
    return true;
}

/* Events ------------------------------------------------------------------------------ */

static bool put_events(X86Cpu *cpu, CpuDirty level, Error **errp)
{
    const X86Kvm *x = x86_kvm(cpu->parent.cpu.vm->accel);
    const X86Events *e = &cpu->regs.events;
    struct kvm_vcpu_events k = {
        .exception = { .injected = e->exception_injected,
                       .nr = e->exception_nr,
                       .has_error_code = e->exception_has_error,
                       .error_code = e->exception_error },
        .interrupt = { .injected = e->interrupt_injected,
                       .nr = e->interrupt_nr,
                       .soft = e->interrupt_soft,
                       .shadow = e->shadow },
        .nmi = { .injected = e->nmi_injected,
                 .pending = e->nmi_pending,
                 .masked = e->nmi_masked },
        .sipi_vector = e->sipi_vector,
        .flags = KVM_VCPUEVENT_VALID_SHADOW,
    };

    if (x->payload) {
        k.flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
        k.exception.pending = e->exception_pending;
        k.exception_has_payload = e->exception_has_payload;
        k.exception_payload = e->exception_payload;
    }
#ifdef KVM_VCPUEVENT_VALID_TRIPLE_FAULT
    if (x->triple_fault) {
        k.flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
        k.triple_fault.pending = e->triple_fault;
    }
#endif
    if (level >= CPU_DIRTY_RESET) {
        if (x->smm) {
            k.flags |= KVM_VCPUEVENT_VALID_SMM;
            k.smi.smm = e->smm;
            k.smi.pending = e->smm_pending;
            k.smi.smm_inside_nmi = e->smm_inside_nmi;
            k.smi.latched_init = e->smm_latched_init;
        }
        k.flags |= KVM_VCPUEVENT_VALID_NMI_PENDING;
        if (cpu->regs.mp_state == KVM_MP_STATE_SIPI_RECEIVED) {
            k.flags |= KVM_VCPUEVENT_VALID_SIPI_VECTOR;
        }
    }
    return DO(cpu, KVM_SET_VCPU_EVENTS, &k, errp);
}

static bool get_events(X86Cpu *cpu, Error **errp)
{
    X86Events *e = &cpu->regs.events;
    struct kvm_vcpu_events k = { 0 };

    if (!DO(cpu, KVM_GET_VCPU_EVENTS, &k, errp)) {
        return false;
    }
    *e = (X86Events){
        .exception_injected = k.exception.injected,
        .exception_nr = k.exception.nr,
        .exception_has_error = k.exception.has_error_code,
        .exception_error = k.exception.error_code,
        .interrupt_injected = k.interrupt.injected,
        .interrupt_nr = k.interrupt.nr,
        .interrupt_soft = k.interrupt.soft,
        .shadow = k.interrupt.shadow,
        .nmi_injected = k.nmi.injected,
        .nmi_pending = k.nmi.pending,
        .nmi_masked = k.nmi.masked,
        .sipi_vector = k.sipi_vector,
    };
    if (k.flags & KVM_VCPUEVENT_VALID_PAYLOAD) {
        e->exception_pending = k.exception.pending;
        e->exception_has_payload = k.exception_has_payload;
        e->exception_payload = k.exception_payload;
    }
    if (k.flags & KVM_VCPUEVENT_VALID_SMM) {
        e->smm = k.smi.smm;
        e->smm_pending = k.smi.pending;
        e->smm_inside_nmi = k.smi.smm_inside_nmi;
        e->smm_latched_init = k.smi.latched_init;
    }
#ifdef KVM_VCPUEVENT_VALID_TRIPLE_FAULT
    if (k.flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT) {
        e->triple_fault = k.triple_fault.pending;
    }
#endif
    return true;
}

/* All --------------------------------------------------------------------------------- */

bool x86_kvm_get_state(Cpu *c, Error **errp)
{
    X86Cpu *cpu = x86_of(c);

    return get_events(cpu, errp) && get_mp_state(cpu, errp) &&
           get_gprs(cpu, errp) && get_xsave(cpu, errp) &&
           get_sregs(cpu, errp) && x86_kvm_get_msrs(cpu, errp) &&
           get_lapic(cpu, errp) && get_debug(cpu, errp);
}

/* A reset ends a nested guest, whatever it was about to do. */
static bool leave_nested(X86Cpu *cpu, Error **errp)
{
    const X86Kvm *k = x86_kvm(cpu->parent.cpu.vm->accel);
    bool vmx = x86_has(cpu, FEAT_1_ECX, F1_ECX_VMX);
    struct kvm_nested_state n = { .size = sizeof(n) };

    if (!k->nested ||
        (!vmx && !x86_has(cpu, FEAT_8000_0001_ECX, F8_1_ECX_SVM))) {
        return true;
    }
    if (vmx) {
        n.format = KVM_STATE_NESTED_FORMAT_VMX;
        n.hdr.vmx.vmxon_pa = UINT64_MAX;
        n.hdr.vmx.vmcs12_pa = UINT64_MAX;
    } else {
        n.format = KVM_STATE_NESTED_FORMAT_SVM;
        n.flags = KVM_STATE_NESTED_GIF_SET;
    }
    return DO(cpu, KVM_SET_NESTED_STATE, &n, errp);
}

/* The clock rate of the host that a loaded state comes from. */
static bool put_tsc_khz(X86Cpu *cpu, Error **errp)
{
    int64_t khz = cpu->tsc_khz_wanted;
    int ret;

    cpu->tsc_khz_wanted = 0;
    if (!khz || khz == (int64_t)cpu->tsc_khz) {
        return true;
    }
    ret = kvm_vcpu_ioctl(&cpu->parent.cpu, KVM_SET_TSC_KHZ,
                         (void *)(uintptr_t)khz);
    if (ret < 0) {
        return error_errno(errp, -ret, "the host cannot run the TSC at %"
                           PRId64 " kHz", khz);
    }
    cpu->tsc_khz = khz;
    return true;
}

/*
 * The LAPIC's mode comes with the APIC base in the special registers, and its
 * timer's deadline with an MSR: in that order.
 */
bool x86_kvm_put_state(Cpu *c, CpuDirty level, Error **errp)
{
    X86Cpu *cpu = x86_of(c);

    if ((level >= CPU_DIRTY_RESET && !leave_nested(cpu, errp)) ||
        (level == CPU_DIRTY_FULL && !put_tsc_khz(cpu, errp))) {
        return false;
    }
    if (!put_sregs(cpu, errp) || !put_gprs(cpu, errp) ||
        !put_xsave(cpu, errp) || !x86_kvm_put_msrs(cpu, level, errp)) {
        return false;
    }
    if (level >= CPU_DIRTY_RESET &&
        (!put_mp_state(cpu, errp) || !put_lapic(cpu, errp) ||
         !x86_kvm_put_deadline(cpu, errp))) {
        return false;
    }
    return put_events(cpu, level, errp) && put_debug(cpu, errp);
}
