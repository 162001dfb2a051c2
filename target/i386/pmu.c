/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which MSRs a guest's performance counters have: Intel SDM volume 3,
 * "Architectural Performance Monitoring"; AMD APM volume 2, "Performance
 * Monitoring Counters".
 */
#include "util/osdep.h"

#include "target/i386/pmu.h"

enum {
    INTEL_PMC = 0xc1,
    INTEL_EVTSEL = 0x186,
    INTEL_FIXED = 0x309,
    INTEL_FIXED_CTRL = 0x38d,
    INTEL_GLOBAL_STATUS = 0x38e,
    INTEL_GLOBAL_CTRL = 0x38f,
    INTEL_GLOBAL_OVF_CTRL = 0x390,
};
#define AMD_EVTSEL      0xc0010000
#define AMD_CTR         0xc0010004
#define AMD_CORE_EVTSEL 0xc0010200
#define AMD_CORE_CTR    0xc0010201

typedef struct List {
    X86PmuMsr *out;
    unsigned n;
} List;

#define AT(field, i) (offsetof(X86Pmu, field) + 8 * (i))

static void add(List *l, uint32_t index, size_t offset)
{
    l->out[l->n++] = (X86PmuMsr){ .index = index, .offset = offset };
}

static void add_stop(List *l, uint32_t index, size_t offset)
{
    add(l, index, offset);
    l->out[l->n - 1].stop = true;
}

unsigned x86_pmu_intel(uint32_t eax, uint32_t edx, X86PmuMsr out[PMU_MAX_MSRS])
{
    unsigned version = eax & 0xff;
    unsigned gp = MIN(eax >> 8 & 0xff, PMU_MAX_GP);
    unsigned fixed = version > 1 ? MIN(edx & 0x1f, PMU_MAX_FIXED) : 0;
    List l = { out };

    if (!version) {
        return 0;
    }
    for (unsigned i = 0; i < fixed; i++) {
        add(&l, INTEL_FIXED + i, AT(fixed, i));
    }
    for (unsigned i = 0; i < gp; i++) {
        add(&l, INTEL_PMC + i, AT(gp, i));
        add(&l, INTEL_EVTSEL + i, AT(evtsel, i));
    }
    if (version > 1) {
        add(&l, INTEL_GLOBAL_STATUS, AT(global_status, 0));
        add(&l, INTEL_GLOBAL_OVF_CTRL, AT(global_ovf_ctrl, 0));
        add_stop(&l, INTEL_FIXED_CTRL, AT(fixed_ctrl, 0));
        add_stop(&l, INTEL_GLOBAL_CTRL, AT(global_ctrl, 0));
    }
    return l.n;
}

unsigned x86_pmu_amd(bool perfctr_core, X86PmuMsr out[PMU_MAX_MSRS])
{
    List l = { out };

    for (unsigned i = 0; i < (perfctr_core ? 6 : 4); i++) {
        add(&l, perfctr_core ? AMD_CORE_CTR + 2 * i : AMD_CTR + i, AT(gp, i));
        add_stop(&l, perfctr_core ? AMD_CORE_EVTSEL + 2 * i : AMD_EVTSEL + i,
                 AT(evtsel, i));
    }
    return l.n;
}
