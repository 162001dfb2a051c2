/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A CPU's state in the form in which it travels, where X86Regs has another. */
#ifndef TARGET_I386_VMSTATE_CPU_H
#define TARGET_I386_VMSTATE_CPU_H

#include "util/osdep.h"

typedef struct X86WireSegment {
    uint32_t selector, limit, flags;
    uint64_t base;
} X86WireSegment;

typedef struct X86WireFp {
    uint64_t mantissa;
    uint16_t exponent;
} X86WireFp;

typedef struct X86WireZmm {
    uint64_t q[8];
} X86WireZmm;

typedef struct X86WireMtrr {
    uint64_t base, mask;
} X86WireMtrr;

/* Filled by saving, used up by loading. */
typedef struct X86Wire {
    uint32_t hflags, hflags2;
    uint16_t fpuc, fpus, fptag, fpregs_format, fpop;
    uint64_t fpip, fpdp;
    X86WireFp fpregs[8];
    X86WireSegment segs[6], ldt, tr, gdt, idt;
    uint32_t sysenter_cs, mxcsr, smbase;
    int32_t a20_mask;
    X86WireZmm zmm[32];
    uint64_t opmask[8], xstate_bv;
    uint64_t bound[8], bndcfgu, bndstatus;
    uint32_t pkru, umwait, pkrs, tsx_ctrl;
    uint8_t xtilecfg[64], xtiledata[8192];
    X86WireMtrr mtrr_var[8];
    /* What SVM's own state would be; KVM keeps it elsewhere. */
    uint64_t vm_vmcb, tsc_offset, intercept;
    uint16_t intercept_cr_read, intercept_cr_write, intercept_dr_read,
        intercept_dr_write;
    uint32_t intercept_exceptions, int_ctl;
    uint8_t v_tpr;
    int32_t interrupt_injected, exception_nr;
    uint8_t exception_injected, triple_fault;
    bool has_exception_info;
    uint64_t mcg_cap, mcg_ext_ctl, tsc_scale, pdptrs[4];
    int64_t tsc_khz;
} X86Wire;

#endif
