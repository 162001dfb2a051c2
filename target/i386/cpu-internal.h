/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x86 CPU models and their registers, for target/i386. */
#ifndef TARGET_I386_CPU_INTERNAL_H
#define TARGET_I386_CPU_INTERNAL_H

#include "hw/core/cpu-device.h"
#include "target/i386/cpu.h"
#include "target/i386/features.h"
#include "target/i386/irqchip.h"
#include "target/i386/pmu.h"
#include "target/i386/vmstate-cpu.h"

#define X86_VENDOR_INTEL "GenuineIntel"
#define X86_VENDOR_AMD   "AuthenticAMD"
#define X86_VENDOR_HYGON "HygonGenuine"

#define MCE_BANKS 10
#define MTRR_VARIABLE 8

enum { /* numbers of general registers, as instructions encode them */
    X86_RAX, X86_RCX, X86_RDX, X86_RBX, X86_RSP, X86_RBP, X86_RSI, X86_RDI,
    X86_R8,
};

typedef struct X86Segment {
    uint64_t base;
    uint32_t limit;
    uint16_t selector;
    uint16_t attr; /* VMX access rights: type, S, DPL, P, AVL, L, DB, G */
} X86Segment;

#define SEG_S         BIT(4)
#define SEG_DPL_SHIFT 5
#define SEG_P         BIT(7)
#define SEG_AVL       BIT(12)
#define SEG_L         BIT(13)
#define SEG_DB        BIT(14)
#define SEG_G         BIT(15)

typedef struct X86Table {
    uint64_t base;
    uint16_t limit;
} X86Table;

typedef struct X86Events {
    uint8_t exception_injected, exception_nr, exception_has_error,
        exception_pending, exception_has_payload;
    uint32_t exception_error;
    uint64_t exception_payload;
    uint8_t interrupt_injected, interrupt_nr, interrupt_soft, shadow;
    uint8_t nmi_injected, nmi_pending, nmi_masked;
    uint32_t sipi_vector;
    bool smm, smm_pending, smm_inside_nmi, smm_latched_init;
    bool triple_fault;
} X86Events;

/* Everything that a vCPU keeps; moved from and to KVM as a whole. */
typedef struct X86Regs {
    uint64_t gpr[16], rip, rflags;
    X86Segment es, cs, ss, ds, fs, gs, ldt, tr;
    X86Table gdt, idt;
    uint64_t cr0, cr2, cr3, cr4, cr8, efer, apic_base, xcr0;
    uint64_t dr[8];
    uint8_t *xsave; /* XSAVE image of xsave_size bytes */
    uint8_t lapic[1024]; /* registers in the APIC page's order */
    uint32_t mp_state;   /* KVM_MP_STATE_* */
    X86Events events;

    /* MSRs. */
    uint64_t tsc, tsc_adjust, tsc_aux, tsc_deadline;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t star, lstar, cstar, fmask, kernel_gs_base;
    uint64_t smbase, pat, misc_enable, feature_control, smi_count;
    uint64_t vm_hsave_pa, virt_ssbd, spec_ctrl, tsx_ctrl, umwait, xss, pkrs;
    uint64_t bndcfgs, xfd, xfd_err, ucode_rev, arch_caps;
    uint64_t system_time, wall_clock, async_pf, async_pf_int, pv_eoi,
        steal_time, poll_control;
    uint64_t mtrr_deftype, mtrr_fixed[11], mtrr_var[2 * MTRR_VARIABLE];
    uint64_t mcg_status, mcg_ctl, mce_banks[4 * MCE_BANKS];
    X86Pmu pmu;
} X86Regs;

typedef struct X86Model X86Model;
typedef struct X86Apic X86Apic;

QOM_DECLARE_TYPE(X86Cpu, x86_cpu)
struct X86Cpu {
    CpuDevice parent;

    /* Properties; const after realize. */
    uint64_t features[FEAT__MAX];
    uint64_t user_features[FEAT__MAX]; /* bits that the user set or cleared */
    uint64_t filtered[FEAT__MAX];      /* asked for but not possible */
    int64_t family, model, stepping;
    char *vendor, *model_id;
    uint32_t level, xlevel, xlevel2, level_func7;
    uint32_t min_level, min_xlevel, min_xlevel2;
    uint32_t phys_bits;
    uint8_t host_phys_bits_limit;
    bool host_phys_bits, check, enforce, expose_kvm, migratable, pmu;
    bool cpuid_0xb, l3_cache, host_cache_info, full_cpuid_auto_level;
    bool enforce_pv;
    int64_t tsc_frequency; /* Hz; 0: the host's */
    uint64_t ucode_rev;
    uint32_t apic_id;
    int32_t node_id, socket_id, die_id, core_id, thread_id;
    CpuTopology topo; /* of the machine; all 1 without */

    /* Worked out at realize. */
    uint64_t xcr0_mask, xss_mask; /* state components */
    size_t xsave_size;
    uint64_t tsc_khz; /* what KVM runs it with */
    uint64_t mcg_cap; /* machine-check banks and abilities */

    X86Wire wire; /* while state is saved or loaded */
    int64_t tsc_khz_wanted; /* by a loaded state; 0: none */

    X86Regs regs; /* valid as cpu.dirty says */
    X86Apic *apic;      /* child "lapic", or NULL */
    X86BootState *boot; /* start here instead of the reset vector */
    int pic_level; /* split: the PIC's output; atomic */
};

static inline X86Cpu *x86_of(Cpu *cpu)
{
    return (X86Cpu *)cpu_device_of(cpu);
}

/* cpu.c */
void x86_cpu_set_feature(X86Cpu *cpu, FeatureWord w, unsigned bit, bool on);
/* Turn model and user settings into features, once. */
bool x86_cpu_expand(X86Cpu *cpu, Vm *vm, Error **errp);
/* Then take away, and report, what is not possible; work out the rest. */
bool x86_cpu_finish(X86Cpu *cpu, Vm *vm, Error **errp);
static inline bool x86_has(const X86Cpu *cpu, FeatureWord w, uint64_t bits)
{
    return (cpu->features[w] & bits) == bits;
}
bool x86_is_intel(const X86Cpu *cpu);
bool x86_is_amd(const X86Cpu *cpu);

/* models.c: values of named models, applied when a CPU is made. */
struct X86Model {
    const char *id; /* model-id */
    const char *vendor;
    uint16_t family, model, stepping;
    uint32_t level, xlevel;
    uint64_t features[FEAT__MAX];
};
extern const DeviceClass x86_device_class; /* cpu.c */

/* Class of the CPU types. */
typedef struct X86CpuClass {
    DeviceClass parent;
    const X86Model *model; /* NULL: "max", "host" and "base" */
    bool host;             /* takes everything that the host has */
    bool needs_kvm;
    const char *label;     /* for -cpu help */
    const char *alias_of;  /* "qemu64-v1" */
    bool is_static, migration_safe;
} X86CpuClass;

static inline const X86CpuClass *x86_class(const X86Cpu *cpu)
{
    return object_class(cpu);
}

/* cpuid.c: the guest's CPUID, except KVM's own leaves. */
typedef struct CpuidRegs {
    uint32_t r[4];
} CpuidRegs;
CpuidRegs x86_cpuid(const X86Cpu *cpu, uint32_t leaf, uint32_t subleaf);

/* host.c: what the accelerator can do. Without KVM: everything, and leaves of
 * zeros. */
uint64_t x86_supported(Vm *vm, FeatureWord w);
CpuidRegs x86_supported_cpuid(Vm *vm, uint32_t leaf, uint32_t subleaf);
/* What the CPUID instruction says here: the host CPU's name and caches, which
 * are not KVM's to offer. Zeros on hosts of other architectures. */
CpuidRegs x86_host_cpuid(uint32_t leaf, uint32_t subleaf);

/* kernel-irqchip=split: whom vCPUs tell. Machine lock. */
typedef struct X86Split {
    X86PicAck *pic_ack;
    void *pic;
    X86IoapicEoi *eoi;
    void *ioapic;
} X86Split;

/* Results: 0 or -errno. As the functions in irqchip.h. */
typedef struct X86IrqchipOps {
    int (*get_pic)(Accel *accel, bool master, X86PicRegs *r);
    int (*put_pic)(Accel *accel, bool master, const X86PicRegs *r);
    int (*get_ioapic)(Accel *accel, uint64_t base, X86IoapicRegs *r);
    int (*put_ioapic)(Accel *accel, uint64_t base, const X86IoapicRegs *r);
    int (*create_pit)(Accel *accel, bool reinject);
    int (*get_pit)(Accel *accel, X86PitChannel ch[3]);
    int (*put_pit)(Accel *accel, const X86PitChannel ch[3], bool replaced);
    int (*get_clock)(Accel *accel, uint64_t *ns, bool *reliable);
    int (*set_clock)(Accel *accel, uint64_t ns);
    void (*clock_paused)(Cpu *cpu);
    X86Split *(*split)(Accel *accel);
} X86IrqchipOps;

/* Accel.arch_ops of accelerators that run x86 code. */
typedef struct X86AccelOps {
    const X86IrqchipOps *irqchip;
    CpuidRegs (*cpuid)(Accel *accel, uint32_t leaf, uint32_t subleaf);
    uint64_t (*feature_msr)(Accel *accel, uint32_t msr);
} X86AccelOps;
const X86AccelOps *x86_accel_ops(Vm *vm); /* or NULL */

/* reset.c */
void x86_cpu_reset_regs(X86Cpu *cpu);
bool x86_cpu_is_bsp(const X86Cpu *cpu);
/* dump.c: "info registers". */
char *x86_cpu_dump(X86Cpu *cpu);

/* xsave.c: sizes by the host's CPUID leaf Dh. */
size_t x86_xsave_size(uint64_t components);
size_t x86_xsave_compacted_size(uint64_t components);
/* Of component @i from 2 on in the standard form; 0: the host has it not. */
size_t x86_xsave_offset(unsigned i);

/* vmstate-cpu.c: of an X86Cpu */
extern const VmState x86_cpu_vmstate;
/* vmstate-wire.c: fill cpu->wire; take it over, or say what is wrong. */
void x86_wire_from_regs(X86Cpu *cpu);
bool x86_regs_from_wire(X86Cpu *cpu, Error **errp);

#endif
