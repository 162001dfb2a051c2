/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers of a guest's performance counters. */
#ifndef TARGET_I386_PMU_H
#define TARGET_I386_PMU_H

#include "util/osdep.h"

#define PMU_MAX_GP    18 /* general counters that a CPU may have */
#define PMU_MAX_FIXED 3
#define PMU_MAX_MSRS  (2 * PMU_MAX_GP + PMU_MAX_FIXED + 5)

/* Part of X86Regs. */
typedef struct X86Pmu {
    uint64_t fixed_ctrl, global_ctrl, global_status, global_ovf_ctrl;
    uint64_t fixed[PMU_MAX_FIXED], gp[PMU_MAX_GP], evtsel[PMU_MAX_GP];
} X86Pmu;

typedef struct X86PmuMsr {
    uint32_t index;
    uint16_t offset; /* in X86Pmu */
    bool stop;       /* written as 0 first, to stop counters */
} X86PmuMsr;

/*
 * What there is of Intel's architectural counters by CPUID leaf Ah
 * (@eax, @edx), in the order of writing: counters, then what starts them.
 * Returns how many; at most PMU_MAX_MSRS.
 */
unsigned x86_pmu_intel(uint32_t eax, uint32_t edx,
                       X86PmuMsr out[PMU_MAX_MSRS]);
/* AMD's: six with @perfctr_core, else the four that each CPU has. */
unsigned x86_pmu_amd(bool perfctr_core, X86PmuMsr out[PMU_MAX_MSRS]);

#endif
