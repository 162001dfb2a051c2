/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "cpu": the tables of a CPU's state. Names, versions and widths are those
 * that streams of QEMU 7.2 describe themselves with.
 */
#include "util/osdep.h"

#include "accel/accel.h"
#include "target/i386/cpu-internal.h"
#include "util/error.h"

#define W(f, nam) VMS_N(X86Cpu, wire.f, nam)
#define R(f, nam) VMS_N(X86Cpu, regs.f, nam)

/* Structs ---------------------------------------------------------------------- */

static const VmState segment_vms = {
    .name = "segment",
    .version = 1,
    .fields = (const VmField[]){ VMS(X86WireSegment, selector),
                                 VMS(X86WireSegment, base),
                                 VMS(X86WireSegment, limit),
                                 VMS(X86WireSegment, flags),
                                 {} },
};

static void save_fp(VmWriter *w, const void *elem, const VmField *f)
{
    const X86WireFp *fp = elem;

    vm_put_be64(w, fp->mantissa);
    vm_put_be16(w, fp->exponent);
}

static bool load_fp(VmReader *r, void *elem, const VmField *f, Error **errp)
{
    X86WireFp *fp = elem;

    return vm_get_be64(r, &fp->mantissa, errp) &&
           vm_get_be16(r, &fp->exponent, errp);
}

static const VmFieldKind fp_kind = {
    .name = "tmp",
    .size = 10,
    .save = save_fp,
    .load = load_fp,
};

static const VmState fpreg_vms = {
    .name = "fpreg",
    .version = 0,
    .fields = (const VmField[]){ { .name = "tmp", .kind = &fp_kind,
                                   .size = sizeof(X86WireFp), .num = 1 },
                                 {} },
};

#define Q(n) VMS_N(X86WireZmm, q[n], "_q_ZMMReg[" #n "]")

static const VmState xmm_vms = {
    .name = "xmm_reg",
    .version = 1,
    .fields = (const VmField[]){ Q(0), Q(1), {} },
};

static const VmState ymmh_vms = {
    .name = "ymmh_reg",
    .version = 1,
    .fields = (const VmField[]){ Q(2), Q(3), {} },
};

static const VmState zmmh_vms = {
    .name = "zmmh_reg",
    .version = 1,
    .fields = (const VmField[]){ Q(4), Q(5), Q(6), Q(7), {} },
};

static const VmState hi16_vms = {
    .name = "hi16_zmm_reg",
    .version = 1,
    .fields = (const VmField[]){ Q(0), Q(1), Q(2), Q(3), Q(4), Q(5), Q(6),
                                 Q(7), {} },
};

static const VmState mtrr_vms = {
    .name = "mtrr_var",
    .version = 1,
    .fields = (const VmField[]){ VMS(X86WireMtrr, base),
                                 VMS(X86WireMtrr, mask),
                                 {} },
};

#define ZMM_RANGE(first, nam, vms)                                             \
    { .name = nam, .kind = &vmk_struct, .size = sizeof(X86WireZmm), .num = 16, \
      .offset = offsetof(X86Cpu, wire.zmm[first]), .flags = VMF_STRUCT,        \
      .sub = vms }

/* Subsections: there when they say something. ------------------------------------ */

/* One field that travels when it is not @dflt. */
#define SUB_ONE(sym, text, field, dflt)                                        \
    static bool sym##_needed(const void *state)                                \
    {                                                                          \
        const X86Cpu *c = state;                                               \
                                                                               \
        return c->field != (dflt);                                             \
    }                                                                          \
    static const VmState sym##_vms = {                                         \
        .name = "cpu/" text,                                                   \
        .version = 1,                                                          \
        .needed = sym##_needed,                                                \
        .fields = (const VmField[]){ SUB_FIELD_##sym, {} },                    \
    }

#define SUB_FIELD_tsc_adjust R(tsc_adjust, "env.tsc_adjust")
SUB_ONE(tsc_adjust, "msr_tsc_adjust", regs.tsc_adjust, 0);
#define SUB_FIELD_deadline R(tsc_deadline, "env.tsc_deadline")
SUB_ONE(deadline, "msr_tscdeadline", regs.tsc_deadline, 0);
#define SUB_FIELD_misc_enable R(misc_enable, "env.msr_ia32_misc_enable")
SUB_ONE(misc_enable, "msr_ia32_misc_enable", regs.misc_enable, 1);
#define SUB_FIELD_feature_control                                              \
    R(feature_control, "env.msr_ia32_feature_control")
SUB_ONE(feature_control, "msr_ia32_feature_control", regs.feature_control, 0);
#define SUB_FIELD_steal_time R(steal_time, "env.steal_time_msr")
SUB_ONE(steal_time, "steal_time_msr", regs.steal_time, 0);
#define SUB_FIELD_async_pf R(async_pf, "env.async_pf_en_msr")
SUB_ONE(async_pf, "async_pf_msr", regs.async_pf, 0);
#define SUB_FIELD_async_pf_int R(async_pf_int, "env.async_pf_int_msr")
SUB_ONE(async_pf_int, "async_pf_int_msr", regs.async_pf_int, 0);
#define SUB_FIELD_pv_eoi R(pv_eoi, "env.pv_eoi_en_msr")
SUB_ONE(pv_eoi, "async_pv_eoi_msr", regs.pv_eoi, 0);
#define SUB_FIELD_poll_control R(poll_control, "env.poll_control_msr")
SUB_ONE(poll_control, "poll_control_msr", regs.poll_control, 1);
#define SUB_FIELD_smi_count R(smi_count, "env.msr_smi_count")
SUB_ONE(smi_count, "msr_smi_count", regs.smi_count, 0);
#define SUB_FIELD_xss R(xss, "env.xss")
SUB_ONE(xss, "xss", regs.xss, 0);
#define SUB_FIELD_spec_ctrl R(spec_ctrl, "env.spec_ctrl")
SUB_ONE(spec_ctrl, "spec_ctrl", regs.spec_ctrl, 0);
#define SUB_FIELD_virt_ssbd R(virt_ssbd, "env.virt_ssbd")
SUB_ONE(virt_ssbd, "virt_ssbd", regs.virt_ssbd, 0);
#define SUB_FIELD_umwait W(umwait, "env.umwait")
SUB_ONE(umwait, "umwait", wire.umwait, 0);
#define SUB_FIELD_pkru W(pkru, "env.pkru")
SUB_ONE(pkru, "pkru", wire.pkru, 0);
#define SUB_FIELD_pkrs W(pkrs, "env.pkrs")
SUB_ONE(pkrs, "pkrs", wire.pkrs, 0);
#define SUB_FIELD_tsx_ctrl W(tsx_ctrl, "env.tsx_ctrl")
SUB_ONE(tsx_ctrl, "msr_tsx_ctrl", wire.tsx_ctrl, 0);
#define SUB_FIELD_triple W(triple_fault, "env.triple_fault_pending")
SUB_ONE(triple, "triple_fault", wire.triple_fault, 0);
#define SUB_FIELD_tsc_khz W(tsc_khz, "env.tsc_khz")
SUB_ONE(tsc_khz, "tsc_khz", wire.tsc_khz, 0);
#define SUB_FIELD_mcg_ext W(mcg_ext_ctl, "env.mcg_ext_ctl")
SUB_ONE(mcg_ext, "mcg_ext_ctl", wire.mcg_ext_ctl, 0);
#define SUB_FIELD_tsc_scale W(tsc_scale, "env.amd_tsc_scale_msr")
SUB_ONE(tsc_scale, "amd_tsc_scale_msr", wire.tsc_scale, 0);
#define SUB_FIELD_int_ctl W(int_ctl, "env.int_ctl")
SUB_ONE(int_ctl, "svm_guest", wire.int_ctl, 0);

static bool exception_needed(const void *state)
{
    const X86Cpu *cpu = state;

    return cpu->regs.events.exception_pending ||
           cpu->regs.events.exception_has_payload;
}

/* The older fields say "injected" for whatever there is; this is exact. */
static bool exception_post_load(void *state, int version, Error **errp)
{
    ((X86Cpu *)state)->wire.has_exception_info = true;
    return true;
}

static const VmState exception_vms = {
    .name = "cpu/exception_info",
    .version = 1,
    .needed = exception_needed,
    .post_load = exception_post_load,
    .fields = (const VmField[]) {
        R(events.exception_pending, "env.exception_pending"),
        W(exception_injected, "env.exception_injected"),
        R(events.exception_has_payload, "env.exception_has_payload"),
        R(events.exception_payload, "env.exception_payload"),
        {},
    },
};

static bool fpop_needed(const void *state)
{
    const X86Cpu *cpu = state;

    return cpu->wire.fpop || cpu->wire.fpip || cpu->wire.fpdp;
}

static const VmState fpop_vms = {
    .name = "cpu/fpop_ip_dp",
    .version = 1,
    .needed = fpop_needed,
    .fields = (const VmField[]){ W(fpop, "env.fpop"), W(fpip, "env.fpip"),
                                 W(fpdp, "env.fpdp"), {} },
};

static bool pmu_needed(const void *state)
{
    const X86Cpu *cpu = state;
    static const X86Pmu none;

    return cpu->pmu && !x86_is_amd(cpu) &&
           memcmp(&cpu->regs.pmu, &none, sizeof(none));
}

static const VmState pmu_vms = {
    .name = "cpu/msr_architectural_pmu",
    .version = 1,
    .needed = pmu_needed,
    .fields = (const VmField[]) {
        R(pmu.fixed_ctrl, "env.msr_fixed_ctr_ctrl"),
        R(pmu.global_ctrl, "env.msr_global_ctrl"),
        R(pmu.global_status, "env.msr_global_status"),
        R(pmu.global_ovf_ctrl, "env.msr_global_ovf_ctrl"),
        VMS_ARRAY(X86Cpu, regs.pmu.fixed, "env.msr_fixed_counters"),
        VMS_ARRAY(X86Cpu, regs.pmu.gp, "env.msr_gp_counters"),
        VMS_ARRAY(X86Cpu, regs.pmu.evtsel, "env.msr_gp_evtsel"),
        {},
    },
};

static bool mpx_needed(const void *state)
{
    const X86Wire *w = &((const X86Cpu *)state)->wire;
    uint64_t any = w->bndcfgu | w->bndstatus |
                   ((const X86Cpu *)state)->regs.bndcfgs;

    for (unsigned i = 0; i < ARRAY_SIZE(w->bound); i++) {
        any |= w->bound[i];
    }
    return any;
}

static const VmState mpx_vms = {
    .name = "cpu/mpx",
    .version = 1,
    .needed = mpx_needed,
    .fields = (const VmField[]) {
        VMS_ARRAY(X86Cpu, wire.bound, "env.bnd_regs"),
        W(bndcfgu, "env.bndcs_regs.cfgu"),
        W(bndstatus, "env.bndcs_regs.sts"),
        R(bndcfgs, "env.msr_bndcfgs"),
        {},
    },
};

static bool avx512_needed(const void *state)
{
    const X86Wire *w = &((const X86Cpu *)state)->wire;
    uint64_t any = 0;

    for (unsigned i = 0; i < 8; i++) {
        any |= w->opmask[i];
    }
    for (unsigned i = 0; i < 32; i++) {
        for (unsigned j = i < 16 ? 4 : 0; j < 8; j++) {
            any |= w->zmm[i].q[j];
        }
    }
    return any;
}

static const VmState avx512_vms = {
    .name = "cpu/avx512",
    .version = 1,
    .needed = avx512_needed,
    .fields = (const VmField[]) {
        VMS_ARRAY(X86Cpu, wire.opmask, "env.opmask_regs"),
        ZMM_RANGE(0, "env.xmm_regs", &zmmh_vms),
        ZMM_RANGE(16, "env.xmm_regs", &hi16_vms),
        {},
    },
};

static bool xfd_needed(const void *state)
{
    const X86Cpu *cpu = state;

    return cpu->regs.xfd || cpu->regs.xfd_err;
}

static const VmState xfd_vms = {
    .name = "cpu/msr_xfd",
    .version = 1,
    .needed = xfd_needed,
    .fields = (const VmField[]){ R(xfd, "env.msr_xfd"),
                                 R(xfd_err, "env.msr_xfd_err"), {} },
};

static bool amx_needed(const void *state)
{
    const X86Cpu *cpu = state;

    return cpu->wire.xstate_bv & (BIT(17) | BIT(18));
}

static const VmState amx_vms = {
    .name = "cpu/intel_amx_xtile",
    .version = 1,
    .needed = amx_needed,
    .fields = (const VmField[]){
        VMS_ARRAY(X86Cpu, wire.xtilecfg, "env.xtilecfg"),
        VMS_ARRAY(X86Cpu, wire.xtiledata, "env.xtiledata"),
        {} },
};

/* KVM reads them from memory again when it must. */
static bool pdptrs_needed(const void *state)
{
    return false;
}

static const VmState pdptrs_vms = {
    .name = "cpu/pdptrs",
    .version = 1,
    .needed = pdptrs_needed,
    .fields = (const VmField[]){
        VMS_ARRAY(X86Cpu, wire.pdptrs, "env.pdptrs"), {} },
};

static const VmState *const subsections[] = {
    &exception_vms, &async_pf_vms, &async_pf_int_vms, &pv_eoi_vms,
    &steal_time_vms, &poll_control_vms, &fpop_vms, &tsc_adjust_vms,
    &deadline_vms, &smi_count_vms, &misc_enable_vms, &feature_control_vms,
    &pmu_vms, &mpx_vms, &avx512_vms, &xss_vms, &umwait_vms, &tsc_khz_vms,
    &pkru_vms, &pkrs_vms, &spec_ctrl_vms, &mcg_ext_vms, &tsc_scale_vms,
    &virt_ssbd_vms, &int_ctl_vms, &tsx_ctrl_vms, &xfd_vms, &amx_vms,
    &triple_vms, &pdptrs_vms, NULL,
};

/* The CPU --------------------------------------------------------------------------- */

static void pre_save(void *state)
{
    X86Cpu *cpu = state;

    accel_cpu_sync(&cpu->parent.cpu);
    x86_wire_from_regs(cpu);
}

static bool pre_load(void *state, Error **errp)
{
    X86Cpu *cpu = state;

    accel_cpu_sync(&cpu->parent.cpu);
    /* Subsections that do not come leave what a reset would. */
    memset(&cpu->wire, 0, sizeof(cpu->wire));
    x86_cpu_reset_regs(cpu);
    return true;
}

static bool post_load(void *state, int version, Error **errp)
{
    X86Cpu *cpu = state;

    if (!x86_regs_from_wire(cpu, errp)) {
        return false;
    }
    cpu->parent.cpu.dirty = CPU_DIRTY_FULL;
    return true;
}

const VmState x86_cpu_vmstate = {
    .name = "cpu",
    .version = 12,
    .min_version = 11,
    .pre_save = pre_save,
    .pre_load = pre_load,
    .post_load = post_load,
    .subsections = subsections,
    .fields = (const VmField[]) {
        VMS_ARRAY(X86Cpu, regs.gpr, "env.regs"),
        R(rip, "env.eip"),
        R(rflags, "env.eflags"),
        W(hflags, "env.hflags"),
        W(fpuc, "env.fpuc"),
        W(fpus, "env.fpus_vmstate"),
        W(fptag, "env.fptag_vmstate"),
        W(fpregs_format, "env.fpregs_format_vmstate"),
        VMS_STRUCT_ARRAY(X86Cpu, wire.fpregs, "env.fpregs", &fpreg_vms),
        VMS_STRUCT_ARRAY(X86Cpu, wire.segs, "env.segs", &segment_vms),
        VMS_STRUCT(X86Cpu, wire.ldt, "env.ldt", &segment_vms),
        VMS_STRUCT(X86Cpu, wire.tr, "env.tr", &segment_vms),
        VMS_STRUCT(X86Cpu, wire.gdt, "env.gdt", &segment_vms),
        VMS_STRUCT(X86Cpu, wire.idt, "env.idt", &segment_vms),
        W(sysenter_cs, "env.sysenter_cs"),
        R(sysenter_esp, "env.sysenter_esp"),
        R(sysenter_eip, "env.sysenter_eip"),
        R(cr0, "env.cr[0]"),
        R(cr2, "env.cr[2]"),
        R(cr3, "env.cr[3]"),
        R(cr4, "env.cr[4]"),
        VMS_ARRAY(X86Cpu, regs.dr, "env.dr"),
        W(a20_mask, "env.a20_mask"),
        W(mxcsr, "env.mxcsr"),
        ZMM_RANGE(0, "env.xmm_regs", &xmm_vms),
        R(efer, "env.efer"),
        R(star, "env.star"),
        R(lstar, "env.lstar"),
        R(cstar, "env.cstar"),
        R(fmask, "env.fmask"),
        R(kernel_gs_base, "env.kernelgsbase"),
        W(smbase, "env.smbase"),
        R(pat, "env.pat"),
        W(hflags2, "env.hflags2"),
        R(vm_hsave_pa, "env.vm_hsave"),
        W(vm_vmcb, "env.vm_vmcb"),
        W(tsc_offset, "env.tsc_offset"),
        W(intercept, "env.intercept"),
        W(intercept_cr_read, "env.intercept_cr_read"),
        W(intercept_cr_write, "env.intercept_cr_write"),
        W(intercept_dr_read, "env.intercept_dr_read"),
        W(intercept_dr_write, "env.intercept_dr_write"),
        W(intercept_exceptions, "env.intercept_exceptions"),
        W(v_tpr, "env.v_tpr"),
        VMS_ARRAY(X86Cpu, regs.mtrr_fixed, "env.mtrr_fixed"),
        R(mtrr_deftype, "env.mtrr_deftype"),
        VMS_STRUCT_ARRAY(X86Cpu, wire.mtrr_var, "env.mtrr_var", &mtrr_vms),
        W(interrupt_injected, "env.interrupt_injected"),
        R(mp_state, "env.mp_state"),
        R(tsc, "env.tsc"),
        W(exception_nr, "env.exception_nr"),
        R(events.interrupt_soft, "env.soft_interrupt"),
        R(events.nmi_injected, "env.nmi_injected"),
        R(events.nmi_pending, "env.nmi_pending"),
        R(events.exception_has_error, "env.has_error_code"),
        R(events.sipi_vector, "env.sipi_vector"),
        W(mcg_cap, "env.mcg_cap"),
        R(mcg_status, "env.mcg_status"),
        R(mcg_ctl, "env.mcg_ctl"),
        VMS_ARRAY(X86Cpu, regs.mce_banks, "env.mce_banks"),
        R(tsc_aux, "env.tsc_aux"),
        R(system_time, "env.system_time_msr"),
        R(wall_clock, "env.wall_clock_msr"),
        R(xcr0, "env.xcr0"),
        W(xstate_bv, "env.xstate_bv"),
        ZMM_RANGE(0, "env.xmm_regs", &ymmh_vms),
        {},
    },
};
