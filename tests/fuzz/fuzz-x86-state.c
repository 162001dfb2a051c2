/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hostile state of an x86 CPU and its local APIC: what is loaded is saved
 * again, and what was saved must load.
 */
#include "util/osdep.h"

#include "target/i386/apic.h"
#include "target/i386/cpu-internal.h"
#include "util/error.h"

enum { MAX_XSAVE = 16384 };

static bool load(const VmState *vms, void *state, const uint8_t *data,
                 size_t size)
{
    VmReader *r = vm_reader_new(data, size);
    autoerr Error *err = NULL;
    bool ok = vmstate_load(r, vms, state, vms->version, &err);

    vm_reader_free(r);
    return ok;
}

static void round_trip(const VmState *vms, void *state, const uint8_t *data,
                       size_t size)
{
    VmWriter *w = vm_writer_new();
    const uint8_t *saved;
    size_t len;

    if (load(vms, state, data, size)) {
        vmstate_save(w, vms, state);
        saved = vm_writer_data(w, &len);
        if (!load(vms, state, saved, len)) {
            abort();
        }
    }
    vm_writer_free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    X86Cpu *cpu = g_new0(X86Cpu, 1);
    X86Apic apic = { .cpu = cpu };

    cpu->pmu = true;
    cpu->phys_bits = 40;
    cpu->mcg_cap = 0x0100010a;
    cpu->xsave_size = size & 1 ? MAX_XSAVE : 576;
    cpu->regs.xsave = g_malloc0(cpu->xsave_size);
    if (size) {
        round_trip(data[0] & 1 ? &x86_apic_vmstate : &x86_cpu_vmstate,
                   data[0] & 1 ? (void *)&apic : (void *)cpu, data + 1,
                   size - 1);
    }
    g_free(cpu->regs.xsave);
    g_free(cpu);
    return 0;
}
