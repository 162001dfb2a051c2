/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The LPC bridge of ICH9: interrupt routing, chipset configuration registers,
 * reset control, and the ISA bus. Intel I/O Controller Hub 9 datasheet (316972),
 * chapters 10 and 13.
 */
#include "util/osdep.h"

#include "hw/isa/ich9-internal.h"
#include "softmmu/vm.h"
#include "util/error.h"

enum {
    LPC_PMBASE = 0x40,
    LPC_ACPI_CTRL = 0x44,
    LPC_PIRQA = 0x60, /* A to D */
    LPC_PIRQE = 0x68, /* E to H */
    LPC_GEN_PMCON_1 = 0xa0,
    LPC_RCBA = 0xf0,
    PIRQ_DISABLED = 0x80,
    ACPI_CTRL_EN = 0x80,
    GEN_PMCON_SMI_LOCK = 0x10,
    RCBA_ENABLE = 1,
    RCRB_D31IR = 0x3140,
    RCRB_D30IR = 0x3142,
    RCRB_GCS = 0x3410,
    GCS_NO_REBOOT = 0x20,
    RST_FULL = 0x08,
    RST_CPU = 0x04,
    RST_SYSTEM = 0x02,
};

/* Interrupts ------------------------------------------------------------------------ */

static unsigned pirq_reg(unsigned pirq)
{
    return pirq < 4 ? LPC_PIRQA + pirq : LPC_PIRQE + pirq - 4;
}

/* The ISA interrupt of a PIRQ, or -1. */
static int pirq_isa_irq(const Ich9Lpc *lpc, unsigned pirq)
{
    uint8_t reg = lpc->pci.config[pirq_reg(pirq)];

    return reg & PIRQ_DISABLED ? -1 : reg & 0xf;
}

/* All sources of ISA interrupt @irq that sit in the bridge, wired-or. */
static void update_isa_irq(Ich9Lpc *lpc, int irq)
{
    bool level = lpc->sci_gsi == irq && lpc->sci_level;

    for (unsigned p = 0; p < ICH9_PIRQS; p++) {
        level |= pirq_isa_irq(lpc, p) == irq && (lpc->pirq_levels & BIT(p));
    }
    irq_set(lpc->gsi[irq], level);
}

/* PIRQ n is IOAPIC pin 16 + n, whatever the ISA side does. */
static void update_apic_pin(Ich9Lpc *lpc, unsigned pirq)
{
    bool level = lpc->pirq_levels & BIT(pirq);
    int gsi = 16 + pirq;

    level |= lpc->sci_gsi == gsi && lpc->sci_level;
    irq_set(lpc->gsi[gsi], level);
}

void ich9_update_sci(void *opaque)
{
    Ich9Lpc *lpc = opaque;
    bool level = acpi_regs_sci(&lpc->regs);

    if (lpc->sci_level == level) {
        return;
    }
    lpc->sci_level = level;
    if (lpc->sci_gsi < 16) {
        update_isa_irq(lpc, lpc->sci_gsi);
    } else {
        update_apic_pin(lpc, lpc->sci_gsi - 16);
    }
}

uint8_t ich9_lpc_pin_irq(const Ich9Lpc *lpc, PciDevice *d, int pin)
{
    PciIntxRoute route = pci_intx_route(d);
    int irq = route.gsi < 16 ? -1 : pirq_isa_irq(lpc, route.gsi - 16);

    return irq < 0 ? 0xff : irq;
}

static int pirq_map(void *opaque, uint8_t devfn, int pin)
{
    const Ich9Lpc *lpc = opaque;

    return lpc->irq_map[PCI_DEVFN_SLOT(devfn)][pin];
}

static void pirq_set(void *opaque, int pirq, int level)
{
    Ich9Lpc *lpc = opaque;
    int irq = pirq_isa_irq(lpc, pirq);

    if (level) {
        lpc->pirq_levels |= BIT(pirq);
    } else {
        lpc->pirq_levels &= ~BIT(pirq);
    }
    update_apic_pin(lpc, pirq);
    if (irq >= 0) {
        update_isa_irq(lpc, irq);
    }
}

/* With an IOAPIC, drivers use its pin; the ISA side is for the rest. */
static PciIntxRoute pirq_route(void *opaque, int pirq)
{
    return (PciIntxRoute){ PCI_INTX_ENABLED, 16 + pirq };
}

static const PciIrqOps pirq_ops = {
    .map = pirq_map,
    .set = pirq_set,
    .route = pirq_route,
};

static void pirq_regs_changed(Ich9Lpc *lpc)
{
    for (int irq = 0; irq < 16; irq++) {
        bool routed = irq == lpc->sci_gsi;

        for (unsigned p = 0; p < ICH9_PIRQS; p++) {
            routed |= pirq_isa_irq(lpc, p) == irq;
        }
        if (routed || (lpc->isa_routed & BIT(irq))) {
            update_isa_irq(lpc, irq);
        }
        lpc->isa_routed = routed ? lpc->isa_routed | BIT(irq)
                                 : lpc->isa_routed & ~BIT(irq);
    }
}

static void sci_select(Ich9Lpc *lpc)
{
    static const int8_t gsis[8] = { 9, 10, 11, -1, 20, 21, -1, -1 };
    int gsi = gsis[lpc->pci.config[LPC_ACPI_CTRL] & 7];
    bool level = lpc->sci_level;

    if (gsi < 0 || gsi == lpc->sci_gsi) {
        return; /* reserved values change nothing */
    }
    lpc->sci_level = false;
    if (lpc->sci_gsi < 16) {
        update_isa_irq(lpc, lpc->sci_gsi);
    } else {
        update_apic_pin(lpc, lpc->sci_gsi - 16);
    }
    lpc->sci_gsi = gsi;
    if (level) {
        ich9_update_sci(lpc);
    }
}

/* Chipset configuration registers: where slots' pins go. --------------------------- */

/* Slots 25 to 31 but 30 have registers; the others turn through E to H. */
static void rebuild_irq_map(Ich9Lpc *lpc)
{
    static const uint16_t regs[32] = {
        [31] = 0x3140, [29] = 0x3144, [28] = 0x3146, [27] = 0x3148,
        [26] = 0x314c, [25] = 0x3150,
    };

    for (unsigned slot = 0; slot < 32; slot++) {
        uint16_t reg = regs[slot] ? pci_get_word(lpc->chip_config + regs[slot])
                                  : 0;

        for (unsigned pin = 0; pin < PCI_NUM_PINS; pin++) {
            if (regs[slot]) {
                lpc->irq_map[slot][pin] = (reg >> (4 * pin)) & 7;
            } else {
                lpc->irq_map[slot][pin] =
                    4 + (slot == 30 ? pin : (slot + pin) % 4);
            }
        }
    }
}

static uint64_t rcrb_read(void *opaque, hwaddr addr, unsigned size)
{
    const Ich9Lpc *lpc = opaque;
    uint64_t v = 0;

    memcpy(&v, lpc->chip_config + addr, size);
    return GUINT64_FROM_LE(v);
}

/* Levels that devices hold move with the routes, so pins of held interrupts
 * keep theirs: routes change only while no pin is up. */
static void rcrb_write(void *opaque, hwaddr addr, uint64_t value,
                       unsigned size)
{
    Ich9Lpc *lpc = opaque;
    uint64_t le = GUINT64_TO_LE(value);
    bool routes = pci_touches(addr, size, RCRB_D31IR, 0x12);

    if (routes && lpc->pirq_levels) {
        return;
    }
    memcpy(lpc->chip_config + addr, &le, size);
    if (routes) {
        rebuild_irq_map(lpc);
        pci_bus_intx_routes_changed(pci_get_bus(&lpc->pci));
    }
}

static const MemOps rcrb_ops = {
    .read = rcrb_read,
    .write = rcrb_write,
    .valid = { .min = 1, .max = 4 },
};

static void reset_rcrb(Ich9Lpc *lpc)
{
    static const uint16_t routed[] = {
        0x3140, 0x3144, 0x3146, 0x3148, 0x314c, 0x3150,
    };

    memset(lpc->chip_config, 0, sizeof(lpc->chip_config));
    for (unsigned i = 0; i < ARRAY_SIZE(routed); i++) {
        pci_set_word(lpc->chip_config + routed[i], 0x3210);
    }
    if (lpc->noreboot) {
        pci_set_long(lpc->chip_config + RCRB_GCS, GCS_NO_REBOOT);
    }
    rebuild_irq_map(lpc);
}

bool ich9_lpc_no_reboot(void *opaque)
{
    const Ich9Lpc *lpc = opaque;

    return pci_get_long(lpc->chip_config + RCRB_GCS) & GCS_NO_REBOOT;
}

static void update_rcba(Ich9Lpc *lpc)
{
    uint32_t rcba = pci_get_long(lpc->pci.config + LPC_RCBA);

    if (lpc->rcrb_mapped) {
        mem_region_del(lpc->pci.dev.vm->system_memory, &lpc->rcrb);
    }
    lpc->rcrb_mapped = rcba & RCBA_ENABLE;
    if (lpc->rcrb_mapped) {
        mem_region_add_overlap(lpc->pci.dev.vm->system_memory,
                               rcba & 0xffffc000, &lpc->rcrb, 1);
    }
}

/* Reset control, port CF9h ----------------------------------------------------------- */

static uint64_t rst_read(void *opaque, hwaddr addr, unsigned size)
{
    return ((Ich9Lpc *)opaque)->rst_cnt;
}

static void rst_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Ich9Lpc *lpc = opaque;

    if (value & RST_CPU) {
        vm_reset_request(lpc->pci.dev.vm, SHUTDOWN_CAUSE_GUEST_RESET);
        return;
    }
    lpc->rst_cnt = value & (RST_FULL | RST_SYSTEM);
}

static const MemOps rst_ops = {
    .read = rst_read,
    .write = rst_write,
    .valid = { .min = 1, .max = 1 },
};

/* Configuration space ----------------------------------------------------------------- */

static void update_pmbase(Ich9Lpc *lpc)
{
    const uint8_t *config = lpc->pci.config;
    uint32_t base = pci_get_long(config + LPC_PMBASE) & 0xff80;
    bool on = config[LPC_ACPI_CTRL] & ACPI_CTRL_EN;

    ich9_pm_map(lpc, on ? base : 0);
}

static void lpc_config_write(PciDevice *d, uint32_t addr, uint32_t value,
                             unsigned len)
{
    Ich9Lpc *lpc = ich9_lpc(d);

    mem_txn_begin(d->dev.vm);
    pci_config_write_default(d, addr, value, len);
    if (pci_touches(addr, len, LPC_PMBASE, 4) ||
        pci_touches(addr, len, LPC_ACPI_CTRL, 1)) {
        update_pmbase(lpc);
        sci_select(lpc);
    }
    if (pci_touches(addr, len, LPC_RCBA, 4)) {
        update_rcba(lpc);
    }
    mem_txn_commit(d->dev.vm);
    if (pci_touches(addr, len, LPC_PIRQA, 4) ||
        pci_touches(addr, len, LPC_PIRQE, 4)) {
        pirq_regs_changed(lpc);
        pci_bus_intx_routes_changed(pci_get_bus(d));
    }
    if (pci_touches(addr, len, LPC_GEN_PMCON_1, 1) &&
        (d->config[LPC_GEN_PMCON_1] & GEN_PMCON_SMI_LOCK)) {
        d->wmask[LPC_GEN_PMCON_1] &= ~GEN_PMCON_SMI_LOCK;
        lpc->smi_locked = true;
    }
}

void ich9_lpc_direct_boot(Ich9Lpc *lpc)
{
    PciDevice *d = &lpc->pci;

    pci_config_write(d, LPC_PMBASE, ICH9_PM_BASE_DEFAULT | 1, 4);
    pci_config_write(d, LPC_ACPI_CTRL, ACPI_CTRL_EN, 1);
    pci_config_write(d, LPC_RCBA, 0xfed1c000 | RCBA_ENABLE, 4);
    for (unsigned p = 0; p < ICH9_PIRQS; p++) {
        pci_config_write(d, pirq_reg(p), p & 1 ? 11 : 10, 1);
    }
    acpi_regs_set_acpi_mode(&lpc->regs, true);
}

/* Life ------------------------------------------------------------------------------------ */

static void lpc_init(Object *obj)
{
    Ich9Lpc *lpc = ich9_lpc(obj);

    lpc->sci_gsi = ICH9_SCI_IRQ;
    lpc->regs.s4_val = 2;
}

void ich9_lpc_attach(Ich9Lpc *lpc, PciBus *bus)
{
    rebuild_irq_map(lpc);
    pci_bus_set_irqs(bus, &pirq_ops, lpc, ICH9_PIRQS);
}

static bool lpc_realize(Device *dev, Error **errp)
{
    Ich9Lpc *lpc = ich9_lpc(dev);
    PciDevice *d = &lpc->pci;
    Vm *vm = dev->vm;

    if (!ich9_pm_check(lpc, errp)) {
        return false;
    }
    pci_set_long(d->wmask + LPC_PMBASE, 0xff87);
    reset_rcrb(lpc);
    device_irqs_out(dev, "gsi", lpc->gsi, ICH9_GSIS);
    lpc->isa = isa_bus_new(dev, vm->system_io, vm->system_memory);
    mem_region_init_io(&lpc->rcrb, &dev->obj, &rcrb_ops, lpc, "lpc-rcrb-mmio",
                       ICH9_RCRB_SIZE);
    mem_region_init_io(&lpc->rst_io, &dev->obj, &rst_ops, lpc,
                       "lpc-reset-control", 1);
    mem_region_add_overlap(vm->system_io, ICH9_RESET_PORT, &lpc->rst_io, 1);
    ich9_pm_init(lpc);
    return true;
}

static void lpc_unrealize(Device *dev)
{
    Ich9Lpc *lpc = ich9_lpc(dev);

    ich9_pm_cleanup(lpc);
    mem_region_cleanup(&lpc->rst_io);
    mem_region_cleanup(&lpc->rcrb);
    bus_unparent(&lpc->isa->bus);
    lpc->isa = NULL;
}

static void lpc_reset(Device *dev)
{
    Ich9Lpc *lpc = ich9_lpc(dev);
    PciDevice *d = &lpc->pci;

    for (unsigned p = 0; p < ICH9_PIRQS; p++) {
        d->config[pirq_reg(p)] = PIRQ_DISABLED;
    }
    pirq_regs_changed(lpc);
    pci_set_long(d->config + LPC_PMBASE, 1);
    d->config[LPC_ACPI_CTRL] = 0;
    pci_set_long(d->config + LPC_RCBA, 0);
    d->config[LPC_GEN_PMCON_1] = 0;
    d->wmask[LPC_GEN_PMCON_1] = 0xff;
    lpc->smi_locked = false;
    reset_rcrb(lpc);
    mem_txn_begin(dev->vm);
    update_pmbase(lpc);
    update_rcba(lpc);
    mem_txn_commit(dev->vm);
    sci_select(lpc);
    ich9_pm_reset(lpc);
    lpc->rst_cnt = 0;
    pci_bus_intx_routes_changed(pci_get_bus(d));
}

static bool lpc_post_load(void *state, int version, Error **errp)
{
    Ich9Lpc *lpc = state;

    rebuild_irq_map(lpc);
    mem_txn_begin(lpc->pci.dev.vm);
    update_pmbase(lpc);
    update_rcba(lpc);
    mem_txn_commit(lpc->pci.dev.vm);
    sci_select(lpc);
    pirq_regs_changed(lpc);
    pci_bus_intx_routes_changed(pci_get_bus(&lpc->pci));
    return true;
}

static bool rst_cnt_needed(const void *state)
{
    return ((const Ich9Lpc *)state)->rst_cnt != 0;
}

static const VmState rst_cnt_vmstate = {
    .name = "ICH9LPC/rst_cnt",
    .version = 1,
    .needed = rst_cnt_needed,
    .fields = (const VmField[]){ VMS(Ich9Lpc, rst_cnt), {} },
};

static const VmState lpc_vmstate = {
    .name = "ICH9LPC",
    .version = 1,
    .post_load = lpc_post_load,
    .fields = (const VmField[]){
        VMS_PCI(Ich9Lpc, pci, "d"),
        VMS_SELF(Ich9Lpc, "apm", &ich9_apm_vmstate),
        VMS_SELF(Ich9Lpc, "pm", &ich9_pm_vmstate),
        VMS_ARRAY(Ich9Lpc, chip_config, "chip_config"),
        VMS(Ich9Lpc, sci_level),
        {},
    },
    .subsections = (const VmState *const[]){ &rst_cnt_vmstate, NULL },
};

static const PciDevClass lpc_class = {
    .device = {
        .props = ich9_lpc_props,
        .desc = "ICH9 LPC bridge",
        .category = DEVICE_CATEGORY_BRIDGE,
        .bus_type = &pci_bus_type,
        .internal = true,
        .no_hotplug = true,
        .vmstate = &lpc_vmstate,
        .realize = lpc_realize,
        .unrealize = lpc_unrealize,
        .reset = lpc_reset,
    },
    .vendor_id = PCI_VENDOR_ID_INTEL,
    .device_id = PCI_DEVICE_ID_INTEL_ICH9_LPC,
    .revision = 2,
    .class_id = PCI_CLASS_BRIDGE_ISA,
    .config_write = lpc_config_write,
};
QOM_DEFINE(Ich9Lpc, ich9_lpc, .name = "ICH9-LPC", .parent = &pci_device_type,
           .class = &lpc_class, .init = lpc_init);
