/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupt pins: up the bridges with the usual turn of pins (PCI-to-PCI
 * Bridge Architecture 1.2, 9.1), wired-or on the lines of the root bus.
 */
#include "util/osdep.h"

#include "hw/pci/pci-internal.h"

typedef struct RootLine {
    PciBus *root;
    int line;
} RootLine;

static RootLine pin_root_line(const PciDevice *d, int pin)
{
    PciBus *bus = pci_get_bus(d);

    while (!bus->root) {
        pin = (pin + PCI_DEVFN_SLOT(d->devfn)) % PCI_NUM_PINS;
        d = pci_bus_bridge(bus);
        bus = pci_get_bus(d);
    }
    if (!bus->irq_ops) {
        return (RootLine){ bus, -1 };
    }
    return (RootLine){ bus, bus->irq_ops->map(bus->irq_opaque, d->devfn, pin) };
}

static void pin_change(PciDevice *d, int pin, int change)
{
    RootLine l = pin_root_line(d, pin);

    if (l.line < 0) {
        return;
    }
    assert(l.line < l.root->n_irqs);
    l.root->irq_counts[l.line] += change;
    assert(l.root->irq_counts[l.line] >= 0);
    l.root->irq_ops->set(l.root->irq_opaque, l.line,
                         l.root->irq_counts[l.line] != 0);
}

bool pci_irq_disabled(const PciDevice *d)
{
    return pci_get_word(d->config + PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE;
}

static void update_status(PciDevice *d)
{
    if (d->irq_state) {
        d->config[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
    } else {
        d->config[PCI_STATUS] &= ~PCI_STATUS_INTERRUPT;
    }
}

static void pin_set(PciDevice *d, int pin, int level)
{
    int change = !!level - !!(d->irq_state & BIT(pin));

    if (!change) {
        return;
    }
    d->irq_state ^= BIT(pin);
    update_status(d);
    if (!pci_irq_disabled(d)) {
        pin_change(d, pin, change);
    }
}

void pci_set_irq(PciDevice *d, int level)
{
    int pin = d->config[PCI_INTERRUPT_PIN];

    if (pin >= 1 && pin <= PCI_NUM_PINS) {
        pin_set(d, pin - 1, level);
    }
}

void pci_irqs_clear(PciDevice *d)
{
    for (int pin = 0; pin < PCI_NUM_PINS; pin++) {
        pin_set(d, pin, 0);
    }
}

void pci_irq_restore(PciDevice *d, int pin, bool level)
{
    RootLine l = pin_root_line(d, pin);

    if (!level || (d->irq_state & BIT(pin))) {
        return;
    }
    d->irq_state |= BIT(pin);
    if (l.line >= 0 && !pci_irq_disabled(d)) {
        l.root->irq_counts[l.line]++;
    }
}

void pci_intx_disable_changed(PciDevice *d, bool was_disabled)
{
    bool disabled = pci_irq_disabled(d);

    if (disabled == was_disabled) {
        return;
    }
    for (int pin = 0; pin < PCI_NUM_PINS; pin++) {
        if (d->irq_state & BIT(pin)) {
            pin_change(d, pin, disabled ? -1 : 1);
        }
    }
}

static void irq_line_set(void *opaque, int n, int level)
{
    pci_set_irq(opaque, level);
}

IrqLine *pci_irq_line(PciDevice *d)
{
    return irq_new(irq_line_set, d, 0);
}

PciIntxRoute pci_intx_route(PciDevice *d)
{
    int pin = d->config[PCI_INTERRUPT_PIN];
    RootLine l;

    if (pin < 1 || pin > PCI_NUM_PINS) {
        return (PciIntxRoute){ PCI_INTX_DISABLED, -1 };
    }
    l = pin_root_line(d, pin - 1);
    if (l.line < 0 || !l.root->irq_ops->route) {
        return (PciIntxRoute){ PCI_INTX_DISABLED, -1 };
    }
    return l.root->irq_ops->route(l.root->irq_opaque, l.line);
}

void pci_bus_intx_routes_changed(PciBus *bus)
{
    for (unsigned devfn = 0; devfn < ARRAY_SIZE(bus->devices); devfn++) {
        PciDevice *d = bus->devices[devfn];

        if (d && d->intx_route_changed) {
            d->intx_route_changed(d);
        }
    }
    for (guint i = 0; i < bus->child_buses->len; i++) {
        pci_bus_intx_routes_changed(g_ptr_array_index(bus->child_buses, i));
    }
}
