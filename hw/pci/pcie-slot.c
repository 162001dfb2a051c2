/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Slots of PCI Express ports with native hotplug: presence, attention button,
 * power controller, indicators, interlock. PCI Express Base 4.0, 6.7 and 7.8.
 */
#include "util/osdep.h"

#include "hw/pci/bridge.h"
#include "hw/pci/msi.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci-internal.h"
#include "hw/pci/pcie.h"
#include "util/error.h"

enum {
    EVENTS = PCI_EXP_SLTCTL_ABPE | PCI_EXP_SLTCTL_PDCE | PCI_EXP_SLTCTL_CCIE,
    INDICATORS = PCI_EXP_SLTCTL_AIC | PCI_EXP_SLTCTL_PIC,
};

static uint8_t *reg(PciDevice *port, unsigned offset)
{
    return port->config + port->exp_cap + offset;
}

static uint16_t get(const PciDevice *port, unsigned offset)
{
    return pci_get_word(port->config + port->exp_cap + offset);
}

static void change(PciDevice *port, unsigned offset, uint16_t clear,
                   uint16_t set)
{
    pci_set_word(reg(port, offset), (get(port, offset) & ~clear) | set);
}

static uint32_t slot_caps(const PciDevice *port)
{
    return pci_get_long(port->config + port->exp_cap + PCI_EXP_SLTCAP);
}

static PciBus *slot_bus(PciDevice *port)
{
    return pci_bridge(port)->bus;
}

/* Events --------------------------------------------------------------------------- */

static bool event_wanted(const PciDevice *port)
{
    uint16_t control = get(port, PCI_EXP_SLTCTL);

    return (control & PCI_EXP_SLTCTL_HPIE) &&
           (control & get(port, PCI_EXP_SLTSTA) & EVENTS);
}

/* A message at the change to "wanted"; the pin follows the level. */
static void send_signal(PciDevice *port, bool was_wanted)
{
    bool wanted = event_wanted(port);

    if (msix_enabled(port)) {
        if (wanted && !was_wanted) {
            msix_notify(port, 0);
        }
    } else if (msi_enabled(port)) {
        if (wanted && !was_wanted) {
            msi_notify(port, 0);
        }
    } else {
        pci_set_irq(port, wanted);
    }
}

static void event(PciDevice *port, uint16_t status)
{
    bool was = event_wanted(port);

    change(port, PCI_EXP_SLTSTA, 0, status);
    send_signal(port, was);
}

void pcie_slot_loaded(PciDevice *port)
{
    if (!msix_enabled(port) && !msi_enabled(port)) {
        pci_set_irq(port, event_wanted(port));
    }
}

/* Power and presence ----------------------------------------------------------------- */

static bool slot_occupied(PciDevice *port)
{
    return slot_bus(port)->devices[0] != NULL;
}

static void set_power(PciDevice *d, void *opaque)
{
    bool on = *(bool *)opaque;

    if (d->has_power == on) {
        return;
    }
    if (!on) {
        device_reset_tree(&d->dev);
    }
    d->has_power = on;
    pci_bars_update(d);
}

static void update_power(PciDevice *port)
{
    bool on = !(slot_caps(port) & PCI_EXP_SLTCAP_PCP) ||
              !(get(port, PCI_EXP_SLTCTL) & PCI_EXP_SLTCTL_PCC);

    pci_bus_foreach(slot_bus(port), set_power, &on);
}

/* The link's speed and width are those of what sits there. */
static void update_link(PciDevice *port, const PciDevice *d)
{
    uint32_t cap = pci_get_long(port->config + port->exp_cap + PCI_EXP_LNKCAP);
    uint16_t link = cap & (PCI_EXP_LNKCAP_SLS | PCI_EXP_LNKCAP_MLW), theirs;

    if (d && d->exp_cap) {
        theirs = pci_get_word(d->config + d->exp_cap + PCI_EXP_LNKSTA);
        link = MIN(link & PCI_EXP_LNKSTA_CLS, theirs & PCI_EXP_LNKSTA_CLS) |
               MIN(link & PCI_EXP_LNKSTA_NLW, theirs & PCI_EXP_LNKSTA_NLW);
    }
    change(port, PCI_EXP_LNKSTA, PCI_EXP_LNKSTA_CLS | PCI_EXP_LNKSTA_NLW, link);
}

static void set_present(PciDevice *port, bool present)
{
    bool dllla = port->flags & BIT(PCI_FLAG_LNKSTA_DLLLA);

    if (present) {
        change(port, PCI_EXP_LNKSTA, 0, dllla ? PCI_EXP_LNKSTA_DLLLA : 0);
        change(port, PCI_EXP_SLTSTA, 0, PCI_EXP_SLTSTA_PDS);
    } else {
        change(port, PCI_EXP_LNKSTA, PCI_EXP_LNKSTA_DLLLA, 0);
        change(port, PCI_EXP_SLTSTA, PCI_EXP_SLTSTA_PDS, 0);
    }
}

static bool check_plug(PciBus *bus, PciDevice *d, Error **errp)
{
    PciDevice *port = pci_bus_bridge(bus);

    if (get(port, PCI_EXP_SLTSTA) & PCI_EXP_SLTSTA_EIS) {
        return error_set(errp, "slot of '%s' is electromechanically locked",
                         port->dev.id ? port->dev.id : port->name);
    }
    return true;
}

/* Other functions may come before function 0, whose arrival makes the slot
 * present. */
static void plugged(PciBus *bus, PciDevice *d)
{
    PciDevice *port = pci_bus_bridge(bus);

    if (PCI_DEVFN_FUNC(d->devfn)) {
        return;
    }
    update_link(port, d);
    set_present(port, true);
    if (d->dev.hotplugged) {
        update_power(port);
        event(port, PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_ABP);
    }
}

static void unplug_all(PciDevice *port)
{
    PciBus *bus = slot_bus(port);

    for (int devfn = 255; devfn >= 0; devfn--) {
        if (bus->devices[devfn]) {
            device_unplug(&bus->devices[devfn]->dev);
        }
    }
    set_present(port, false);
    update_link(port, NULL);
    change(port, PCI_EXP_SLTSTA, 0, PCI_EXP_SLTSTA_PDC);
}

static bool slot_is_off(uint16_t control)
{
    return (control & PCI_EXP_SLTCTL_PCC) &&
           (control & PCI_EXP_SLTCTL_PIC) == PCI_EXP_SLTCTL_PWR_IND_OFF;
}

static bool unplug_request(PciBus *bus, PciDevice *d, Error **errp)
{
    PciDevice *port = pci_bus_bridge(bus);
    uint16_t control = get(port, PCI_EXP_SLTCTL);
    const char *name = d->dev.id ? d->dev.id : d->name;

    if (!check_plug(bus, d, errp)) {
        return false;
    }
    if (d->dev.unplug_pending &&
        (control & PCI_EXP_SLTCTL_PIC) == PCI_EXP_SLTCTL_PWR_IND_BLINK) {
        return error_set(errp, "Device %s is already in the process of unplug",
                         name);
    }
    if ((slot_caps(port) & PCI_EXP_SLTCAP_PCP) && slot_is_off(control)) {
        bool was = event_wanted(port);

        unplug_all(port);
        send_signal(port, was);
        return true;
    }
    if ((control & PCI_EXP_SLTCTL_PIC) == PCI_EXP_SLTCTL_PWR_IND_BLINK) {
        return error_set(errp, "guest is busy: the power indicator of the slot "
                         "of '%s' blinks", name);
    }
    d->dev.unplug_pending = true;
    event(port, PCI_EXP_SLTSTA_ABP);
    return true;
}

void pcie_slot_config_written(PciDevice *port, uint32_t addr, unsigned len,
                              uint16_t old_control, uint16_t old_status)
{
    unsigned at = port->exp_cap + PCI_EXP_SLTCTL;
    bool was = (old_control & PCI_EXP_SLTCTL_HPIE) &&
               (old_control & old_status & EVENTS);
    uint16_t control;

    if (!pci_touches(addr, len, at, 4)) {
        return;
    }
    if (!pci_touches(addr, len, at, 2)) {
        send_signal(port, was);
        return;
    }
    control = get(port, PCI_EXP_SLTCTL);
    if (control & PCI_EXP_SLTCTL_EIC) {
        pci_set_word(reg(port, PCI_EXP_SLTSTA),
                     get(port, PCI_EXP_SLTSTA) ^ PCI_EXP_SLTSTA_EIS);
        change(port, PCI_EXP_SLTCTL, PCI_EXP_SLTCTL_EIC, 0);
    }
    if ((get(port, PCI_EXP_SLTSTA) & PCI_EXP_SLTSTA_PDS) &&
        slot_is_off(control) && !slot_is_off(old_control)) {
        unplug_all(port);
    }
    update_power(port);
    /* Commands take no time. */
    change(port, PCI_EXP_SLTSTA, 0, PCI_EXP_SLTSTA_CC);
    send_signal(port, was);
}

void pcie_slot_reset(PciDevice *port)
{
    bool occupied = slot_occupied(port);
    uint16_t control = PCI_EXP_SLTCTL_ATTN_IND_OFF;

    if (slot_caps(port) & PCI_EXP_SLTCAP_PCP) {
        control |= occupied ? PCI_EXP_SLTCTL_PWR_ON : PCI_EXP_SLTCTL_PWR_OFF;
    }
    control |= occupied ? PCI_EXP_SLTCTL_PWR_IND_ON : PCI_EXP_SLTCTL_PWR_IND_OFF;
    pci_set_word(reg(port, PCI_EXP_SLTCTL), control);
    change(port, PCI_EXP_SLTSTA,
           PCI_EXP_SLTSTA_EIS | PCI_EXP_SLTSTA_CC | PCI_EXP_SLTSTA_PDC |
               PCI_EXP_SLTSTA_ABP, 0);
    update_power(port);
    pci_set_irq(port, 0);
}

static const PciHotplugOps slot_hotplug = {
    .check = check_plug,
    .plugged = plugged,
    .unplug_request = unplug_request,
};

void pcie_slot_init(PciDevice *port, uint16_t number, bool hotplug,
                    bool power_controller)
{
    uint8_t at = port->exp_cap;
    uint32_t cap = (uint32_t)number << 19 | PCI_EXP_SLTCAP_EIP |
                   PCI_EXP_SLTCAP_PIP | PCI_EXP_SLTCAP_AIP | PCI_EXP_SLTCAP_ABP;
    uint16_t writable =
        INDICATORS | PCI_EXP_SLTCTL_HPIE | EVENTS | PCI_EXP_SLTCTL_EIC;

    if (hotplug) {
        cap |= PCI_EXP_SLTCAP_HPS | PCI_EXP_SLTCAP_HPC;
    }
    if (power_controller) {
        cap |= PCI_EXP_SLTCAP_PCP;
        writable |= PCI_EXP_SLTCTL_PCC;
    }
    change(port, PCI_EXP_FLAGS, 0, PCI_EXP_FLAGS_SLOT);
    pci_set_long(reg(port, PCI_EXP_SLTCAP), cap);
    pci_set_word(port->wmask + at + PCI_EXP_SLTCTL, writable);
    pci_set_word(port->w1cmask + at + PCI_EXP_SLTSTA,
                 PCI_EXP_SLTSTA_ABP | PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_CC);
    /* What is plugged, and the interlock, are state. */
    pci_set_word(port->cmask + at + PCI_EXP_SLTSTA, 0);
    slot_bus(port)->hotplug = &slot_hotplug;
    slot_bus(port)->hotplug_enabled = hotplug;
}
