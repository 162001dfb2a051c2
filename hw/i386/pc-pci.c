/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PCI windows of the Q35 machine, and what firmware would set up there
 * before an OS starts.
 */
#include "util/osdep.h"

#include "hw/i386/pc.h"
#include "hw/input/i8042.h"
#include "hw/pci/assign.h"
#include "softmmu/vm.h"

enum {
    ASSIGN_IO_FIRST = 0x1000,
    IO_LAST = 0xffff,
    HOLE_LAST = 0xfebfffff,
    ECAM_END = Q35_ECAM_BASE + PCIE_ECAM_MAX_SIZE,
};

static PciRange hole64(const PcMachine *pc)
{
    hwaddr base = q35_hole64_base(pc->host, pc->device_memory_end);

    return (PciRange){ base, base + pc->host->hole64_size - 1 };
}

static unsigned add_window(AcpiPciWindow *out, unsigned n, unsigned max,
                           int kind, bool cacheable, uint64_t first,
                           uint64_t last)
{
    if (first > last) {
        return n;
    }
    assert(n < max);
    out[n] = (AcpiPciWindow){ kind, cacheable, first, last };
    return n + 1;
}

unsigned pc_pci_windows(void *opaque, AcpiPciWindow *out, unsigned max)
{
    const PcMachine *pc = opaque;
    PciRange high = hole64(pc);
    unsigned n = 0;

    n = add_window(out, n, max, ACPI_WINDOW_IO, false, 0, 0xcf7);
    n = add_window(out, n, max, ACPI_WINDOW_IO, false, 0xd00, IO_LAST);
    n = add_window(out, n, max, ACPI_WINDOW_MEM, true, 0xa0000, 0xbffff);
    n = add_window(out, n, max, ACPI_WINDOW_MEM, false, pc->below_4g,
                   Q35_ECAM_BASE - 1);
    n = add_window(out, n, max, ACPI_WINDOW_MEM, false,
                   MAX(pc->below_4g, ECAM_END), HOLE_LAST);
    if (pc->host->hole64_size) {
        n = add_window(out, n, max, ACPI_WINDOW_MEM, true, high.base,
                       high.limit);
    }
    return n;
}

/* The ISA interrupt that the pin's PIRQ has in PIC mode. */
static uint8_t irq_line(void *opaque, PciDevice *d, int pin)
{
    return ich9_lpc_pin_irq(opaque, d, pin);
}

unsigned pc_setup(void *opaque)
{
    PcMachine *pc = opaque;
    PciAssign a = {
        .io = { ASSIGN_IO_FIRST, IO_LAST },
        .mem32 = { MAX(pc->below_4g, ECAM_END), HOLE_LAST },
        .mem64 = hole64(pc),
        .irq_line = irq_line,
        .opaque = pc->lpc,
    };
    unsigned last_bus;

    mem_txn_begin(pc->parent.vm);
    mch_pam_open(pc->host->mch);
    mch_ecam_enable(pc->host->mch);
    ich9_lpc_direct_boot(pc->lpc);
    if (pc->kbd) {
        i8042_direct_boot(&pc->kbd->dev);
    }
    last_bus = pci_assign_all(pc->host->parent.bus, &a);
    mem_txn_commit(pc->parent.vm);
    return last_bus;
}
