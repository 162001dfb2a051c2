/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x86 CPUs: what of them can be worked out without running one. */
#include "util/osdep.h"

#include "accel/accel.h"
#include "softmmu/vm.h"
#include "target/i386/apic.h"
#include "target/i386/cpu-internal.h"
#include "util/error.h"
#include "x86-cpu-stream.h"

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

/* State ------------------------------------------------------------------------- */

/* Hexadecimal digits; "[n]" stands for n zeros. */
static GByteArray *stream_bytes(const char *text)
{
    static const uint8_t zeros[512];
    GByteArray *bytes = g_byte_array_new();

    while (*text) {
        if (*text == '[') {
            char *end;

            g_byte_array_append(bytes, zeros, strtoul(text + 1, &end, 10));
            text = end + 1;
        } else {
            uint8_t byte = g_ascii_xdigit_value(text[0]) << 4 |
                           g_ascii_xdigit_value(text[1]);

            g_byte_array_append(bytes, &byte, 1);
            text += 2;
        }
    }
    return bytes;
}

static X86Cpu *new_cpu(void)
{
    X86Cpu *cpu = g_new0(X86Cpu, 1);

    cpu->phys_bits = 52;
    cpu->mcg_cap = 0x0100010a;
    cpu->xsave_size = 4096;
    cpu->regs.xsave = g_malloc0(cpu->xsave_size);
    return cpu;
}

static void free_cpu(X86Cpu *cpu)
{
    g_free(cpu->regs.xsave);
    g_free(cpu);
}

static bool load(X86Cpu *cpu, const GByteArray *bytes, size_t len, Error **errp)
{
    VmReader *r = vm_reader_new(bytes->data, len);
    bool ok = vmstate_load(r, &x86_cpu_vmstate, cpu, 12, errp);

    ok = ok && !vm_reader_left(r);
    vm_reader_free(r);
    return ok;
}

static void test_state_loads_from_qemu(void)
{
    g_autoptr(GByteArray) bytes = stream_bytes(x86_cpu_stream);
    X86Cpu *cpu = new_cpu();
    const X86Regs *r = &cpu->regs;
    uint64_t mantissa;
    uint32_t lane;

    g_assert_true(load(cpu, bytes, bytes->len, error_abort));
    g_assert_cmpint(cpu->parent.cpu.dirty, ==, CPU_DIRTY_FULL);
    g_assert_cmphex(r->rip, ==, 0x30);
    g_assert_cmphex(r->gpr[X86_RAX], ==, 0x11223378);
    g_assert_cmphex(r->gpr[X86_RDX], ==, 0x60402);
    g_assert_cmphex(r->cr0, ==, 0x60000012);
    g_assert_cmphex(r->cr4, ==, 0x600);
    g_assert_cmphex(r->cs.selector, ==, 0xf000);
    g_assert_cmphex(r->cs.base, ==, 0xf0000);
    g_assert_cmphex(r->cs.attr, ==, SEG_P | SEG_S | 0xb);
    g_assert_cmphex(r->tr.attr, ==, SEG_P | 0xb);
    g_assert_cmphex(r->idt.limit, ==, 0xffff);
    g_assert_cmphex(r->smbase, ==, 0x30000);
    g_assert_cmphex(r->pat, ==, 0x0007040600070406);
    g_assert_cmphex(r->mce_banks[4], ==, UINT64_MAX);
    g_assert_cmphex(r->misc_enable, ==, 0x40001);
    g_assert_cmphex(r->poll_control, ==, 0);
    g_assert_false(r->events.interrupt_injected || r->events.exception_injected);
    /* The x87 stack's top is 6: pi; XMM3. */
    g_assert_cmphex(r->xsave[3], ==, 0x30);
    g_assert_cmphex(r->xsave[4], ==, 0xc0);
    memcpy(&mantissa, r->xsave + 32 + 6 * 16, 8);
    g_assert_cmphex(mantissa, ==, 0xc90fdaa22168c235);
    memcpy(&lane, r->xsave + 160 + 3 * 16, 4);
    g_assert_cmphex(lane, ==, 0x11223344);
    free_cpu(cpu);
}

static void test_state_is_saved_as_qemu_does(void)
{
    g_autoptr(GByteArray) bytes = stream_bytes(x86_cpu_stream);
    X86Cpu *cpu = new_cpu();
    VmWriter *w = vm_writer_new();
    const uint8_t *data;
    size_t len;

    g_assert_true(load(cpu, bytes, bytes->len, error_abort));
    memset(&cpu->wire, 0xff, sizeof(cpu->wire)); /* nothing comes from there */
    vmstate_save(w, &x86_cpu_vmstate, cpu);
    data = vm_writer_data(w, &len);
    g_assert_cmpmem(data, len, bytes->data, bytes->len);
    vm_writer_free(w);
    free_cpu(cpu);
}

/* Everything that has a place in a subsection comes back. */
static void test_state_round_trip(void)
{
    X86Cpu *a = new_cpu(), *b = new_cpu();
    VmWriter *w = vm_writer_new();
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    const uint8_t *data;
    size_t len;

    a->pmu = b->pmu = true;
    a->phys_bits = b->phys_bits = 40;
    a->regs.mtrr_var[1] = 0xffc0000800;
    a->regs.pmu.gp[17] = 5;
    a->regs.pkrs = 7;
    a->regs.tsx_ctrl = 3;
    a->regs.xfd_err = 9;
    a->regs.steal_time = 0x1001;
    a->regs.rflags = BIT(9);
    a->regs.events = (X86Events){
        .exception_pending = 1, .exception_nr = 14,
        .exception_has_payload = 1, .exception_payload = 0x1234,
        .nmi_masked = 1, .shadow = 2, .smm = true, .triple_fault = true,
    };
    vmstate_save(w, &x86_cpu_vmstate, a);
    data = vm_writer_data(w, &len);
    g_byte_array_append(bytes, data, len);
    /* The widths of MTRR masks of others. */
    g_assert_true(load(b, bytes, bytes->len, error_abort));
    g_free(b->regs.xsave);
    b->regs.xsave = a->regs.xsave;
    g_assert_cmpmem(&b->regs, sizeof(b->regs), &a->regs, sizeof(a->regs));
    b->regs.xsave = NULL;
    vm_writer_free(w);
    free_cpu(a);
    free_cpu(b);
}

static void test_truncated_state_is_refused(void)
{
    g_autoptr(GByteArray) bytes = stream_bytes(x86_cpu_stream);

    for (size_t len = 0; len < bytes->len; len += 7) {
        X86Cpu *cpu = new_cpu();
        autoerr Error *err = NULL;
        bool ok = load(cpu, bytes, len, &err);

        /* It may end where a subsection begins. */
        g_assert_true(!ok || len >= 1817);
        free_cpu(cpu);
    }
}

static void test_nested_guest_is_refused(void)
{
    g_autoptr(GByteArray) bytes = stream_bytes(x86_cpu_stream);
    const size_t hflags = 16 * 8 + 8 + 8;
    X86Cpu *cpu = new_cpu();
    autoerr Error *err = NULL;

    bytes->data[hflags + 1] |= 0x20; /* bit 21 */
    g_assert_false(load(cpu, bytes, bytes->len, &err));
    g_assert_nonnull(strstr(error_text(err), "nested"));
    free_cpu(cpu);
}

/* Section "apic" of QEMU's stream after reset, without the times at its end. */
static const char apic_stream[] =
    "fee00900000000000000ff000f[96]000100000001000000010000000100000001000000"
    "010000[16]00000001[20]ffffffffffffffff";

static void test_apic_loads_and_saves(void)
{
    g_autoptr(GByteArray) bytes = stream_bytes(apic_stream);
    X86Cpu *cpu = new_cpu();
    X86Apic apic = { .cpu = cpu };
    VmReader *r = vm_reader_new(bytes->data, bytes->len);
    VmWriter *w = vm_writer_new();
    const uint8_t *data;
    size_t len;

    g_assert_true(vmstate_load(r, &x86_apic_vmstate, &apic, 3, error_abort));
    g_assert_cmpint(vm_reader_left(r), ==, 0);
    g_assert_cmphex(cpu->regs.apic_base, ==, 0xfee00900);
    g_assert_cmphex(cpu->regs.lapic[0xf0], ==, 0xff);
    g_assert_cmphex(cpu->regs.lapic[0xe3], ==, 0xff);
    g_assert_cmphex(cpu->regs.lapic[0x352], ==, 1); /* LINT0 is masked */
    memset(&apic.s, 0xff, sizeof(apic.s));
    vmstate_save(w, &x86_apic_vmstate, &apic);
    data = vm_writer_data(w, &len);
    g_assert_cmpmem(data, len, bytes->data, bytes->len);
    vm_writer_free(w);
    vm_reader_free(r);
    free_cpu(cpu);
}

static void test_apic_registers_have_their_place(void)
{
    uint8_t page[1024], back[1024] = { 0 };
    X86ApicState s;

    memset(page, 0, sizeof(page));
    page[0x23] = 7;     /* id */
    page[0x80] = 0x30;  /* TPR */
    page[0x101] = 0x80; /* in service: vector 15 */
    page[0x271] = 0x01; /* requested: vector 232 */
    page[0x313] = 0x05; /* destination */
    page[0x360] = 0x0f; /* LINT1 */
    page[0x3e0] = 0x0b; /* divide by 1 */
    x86_apic_state_from_page(&s, page);
    g_assert_cmpint(s.id, ==, 7);
    g_assert_cmphex(s.isr[0], ==, 0x8000);
    g_assert_cmphex(s.irr[7], ==, 0x100);
    g_assert_cmphex(s.icr[1], ==, 0x05000000);
    g_assert_cmphex(s.lvt[4], ==, 0x0f);
    g_assert_cmpint(s.count_shift, ==, 0);
    g_assert_true(x86_apic_state_to_page(&s, back, error_abort));
    page[0xe0] = page[0xe1] = page[0xe2] = 0xff; /* DFR's lower bits are set */
    page[0xe3] = 0x0f;
    g_assert_cmpmem(back, sizeof(back), page, sizeof(page));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/x86/pmu/intel", test_pmu_intel);
    g_test_add_func("/x86/pmu/intel-version-1", test_pmu_intel_version_1);
    g_test_add_func("/x86/pmu/intel-limits", test_pmu_intel_limits);
    g_test_add_func("/x86/pmu/amd", test_pmu_amd);
    g_test_add_func("/x86/state/load", test_state_loads_from_qemu);
    g_test_add_func("/x86/state/save", test_state_is_saved_as_qemu_does);
    g_test_add_func("/x86/state/round-trip", test_state_round_trip);
    g_test_add_func("/x86/state/truncated", test_truncated_state_is_refused);
    g_test_add_func("/x86/state/nested", test_nested_guest_is_refused);
    g_test_add_func("/x86/apic/stream", test_apic_loads_and_saves);
    g_test_add_func("/x86/apic/registers",
                    test_apic_registers_have_their_place);
    return g_test_run();
}
