/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words of CPU feature bits: where each lives in CPUID or which MSR it is. */
#ifndef TARGET_I386_FEATURES_H
#define TARGET_I386_FEATURES_H

#include "qom/object.h"

typedef enum FeatureWord {
    FEAT_1_EDX,
    FEAT_1_ECX,
    FEAT_7_0_EBX,
    FEAT_7_0_ECX,
    FEAT_7_0_EDX,
    FEAT_7_1_EAX,
    FEAT_8000_0001_EDX,
    FEAT_8000_0001_ECX,
    FEAT_8000_0007_EDX,
    FEAT_8000_0008_EBX,
    FEAT_KVM,
    FEAT_KVM_HINTS,
    FEAT_SVM,
    FEAT_XSAVE,
    FEAT_6_EAX,
    FEAT_ARCH_CAPS,
    FEAT_CORE_CAPS,
    FEAT__MAX,
} FeatureWord;

typedef enum CpuidReg { R_EAX, R_EBX, R_ECX, R_EDX } CpuidReg;

typedef struct FeatureWordInfo {
    uint32_t leaf, subleaf;
    CpuidReg reg;
    bool has_subleaf;
    uint32_t msr;          /* not 0: an MSR, not CPUID */
    uint64_t unmigratable; /* bits that a migratable CPU does not take over */
    uint64_t no_auto;      /* bits that "host" and "max" leave off */
} FeatureWordInfo;

extern const FeatureWordInfo feature_words[FEAT__MAX];

/* Bits that code looks at; the rest exists only as names. */
#define F1_EDX_APIC           BIT(9)
#define F1_EDX_HTT           BIT(28)
#define F1_ECX_MONITOR       BIT(3)
#define F1_ECX_VMX           BIT(5)
#define F1_ECX_PCID          BIT(17)
#define F1_ECX_X2APIC        BIT(21)
#define F1_ECX_TSC_DEADLINE  BIT(24)
#define F1_ECX_XSAVE         BIT(26)
#define F1_ECX_OSXSAVE       BIT(27)
#define F1_ECX_HYPERVISOR    BIT(31)
#define F7_EBX_TSC_ADJUST    BIT(1)
#define F7_EBX_MPX           BIT(14)
#define F7_EDX_SPEC_CTRL     BIT(26)
#define F7_EDX_ARCH_CAPS     BIT(29)
#define F7_EDX_CORE_CAPS     BIT(30)
#define F7_ECX_PKU           BIT(3)
#define F7_ECX_WAITPKG       BIT(5)
#define F7_ECX_LA57          BIT(16)
#define F7_ECX_PKS           BIT(31)
#define F7_EDX_AMX_TILE      BIT(24)
#define F8_1_EDX_LM          BIT(29)
#define F8_1_EDX_RDTSCP      BIT(27)
#define F8_1_ECX_CMP_LEGACY  BIT(1)
#define F8_1_ECX_SVM         BIT(2)
#define F8_1_ECX_TOPOEXT     BIT(22)
#define F8_1_ECX_PERFCTR_CORE BIT(23)
#define F8_7_EDX_INVTSC      BIT(8)
#define FKVM_CLOCKSOURCE     BIT(0)
#define FKVM_CLOCKSOURCE2    BIT(3)
#define FKVM_ASYNC_PF        BIT(4)
#define FKVM_STEAL_TIME      BIT(5)
#define FKVM_PV_EOI          BIT(6)
#define FKVM_PV_UNHALT       BIT(7)
#define FKVM_POLL_CONTROL    BIT(12)
#define FKVM_ASYNC_PF_INT    BIT(14)
#define FKVM_MSI_EXT_DEST_ID BIT(15)
#define FKVM_HINT_REALTIME   BIT(0)
#define FXSAVE_XSAVES        BIT(3)
#define FXSAVE_XFD           BIT(4)

/* Properties of one feature: prop->offset is the word, prop->bit the bit. */
extern const PropKind prop_kind_feature;
/* All properties of "x86_64-cpu", those of features among them. */
extern const Prop x86_cpu_props[];

/* What the property of @bit sets: "kvmclock" means two bits. */
uint64_t feature_bits(FeatureWord w, unsigned bit);
/* The property's name, or NULL for bits that have none. */
const char *feature_name(FeatureWord w, unsigned bit);
/* Bits of @w that have names. */
uint64_t feature_named_bits(FeatureWord w);
/* "CPUID.01H:ECX.pni [bit 0]"; to be g_free()d. */
char *feature_describe(FeatureWord w, unsigned bit);

#endif
