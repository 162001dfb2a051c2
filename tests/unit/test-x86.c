/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x86 CPUs: what of them can be worked out without running one. */
#include "util/osdep.h"

#include "target/i386/pmu.h"

/* The MSR that @name's field goes to; 0: none. */
static uint32_t msr_of(const X86PmuMsr *m, unsigned n, size_t offset)
{
    for (unsigned i = 0; i < n; i++) {
        if (m[i].offset == offset) {
            return m[i].index;
        }
    }
    return 0;
}

static void test_pmu_intel(void)
{
    X86PmuMsr m[PMU_MAX_MSRS];
    /* Version 2, 4 counters of 48 bits; 3 fixed ones. */
    unsigned n = x86_pmu_intel(0x07300402, 0x603, m);

    g_assert_cmpint(n, ==, 2 * 4 + 3 + 4);
    g_assert_cmphex(msr_of(m, n, offsetof(X86Pmu, gp[3])), ==, 0xc4);
    g_assert_cmphex(msr_of(m, n, offsetof(X86Pmu, evtsel[3])), ==, 0x189);
    g_assert_cmphex(msr_of(m, n, offsetof(X86Pmu, gp[4])), ==, 0);
    g_assert_cmphex(msr_of(m, n, offsetof(X86Pmu, fixed[2])), ==, 0x30b);
    g_assert_cmphex(msr_of(m, n, offsetof(X86Pmu, global_status)), ==, 0x38e);
    /* What starts them comes last. */
    g_assert_cmphex(m[n - 1].index, ==, 0x38f);
    g_assert_true(m[n - 1].stop && m[n - 2].stop && !m[0].stop);
}

static void test_pmu_intel_version_1(void)
{
    X86PmuMsr m[PMU_MAX_MSRS];

    /* Fixed counters and global control came with version 2. */
    g_assert_cmpint(x86_pmu_intel(0x07280201, 0x3, m), ==, 4);
    g_assert_cmpint(x86_pmu_intel(0, 0x603, m), ==, 0);
}

static void test_pmu_intel_limits(void)
{
    X86PmuMsr m[PMU_MAX_MSRS];

    g_assert_cmpint(x86_pmu_intel(0xff05, 0x1f, m), <=, PMU_MAX_MSRS);
}

static void test_pmu_amd(void)
{
    X86PmuMsr m[PMU_MAX_MSRS];
    unsigned n = x86_pmu_amd(false, m);

    g_assert_cmpint(n, ==, 8);
    g_assert_cmphex(msr_of(m, n, offsetof(X86Pmu, evtsel[3])), ==, 0xc0010003);
    g_assert_cmphex(msr_of(m, n, offsetof(X86Pmu, gp[3])), ==, 0xc0010007);
    n = x86_pmu_amd(true, m);
    g_assert_cmpint(n, ==, 12);
    g_assert_cmphex(msr_of(m, n, offsetof(X86Pmu, evtsel[5])), ==, 0xc001020a);
    g_assert_cmphex(msr_of(m, n, offsetof(X86Pmu, gp[5])), ==, 0xc001020b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/x86/pmu/intel", test_pmu_intel);
    g_test_add_func("/x86/pmu/intel-version-1", test_pmu_intel_version_1);
    g_test_add_func("/x86/pmu/intel-limits", test_pmu_intel_limits);
    g_test_add_func("/x86/pmu/amd", test_pmu_amd);
    return g_test_run();
}
