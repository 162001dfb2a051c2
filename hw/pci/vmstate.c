/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * State of a PCI function: the configuration space and the levels of its
 * pins. Bits that only the device decides must be the same on both sides.
 */
#include "util/osdep.h"

#include "hw/pci/pci-internal.h"
#include "util/error.h"

static void state_pre_save(void *state)
{
    PciDevice *d = state;

    g_free(d->vmstate_config);
    d->vmstate_config = g_memdup2(d->config, d->config_size);
    for (int pin = 0; pin < PCI_NUM_PINS; pin++) {
        d->vmstate_irq[pin] = !!(d->irq_state & BIT(pin));
    }
}

static bool state_pre_load(void *state, Error **errp)
{
    PciDevice *d = state;

    g_free(d->vmstate_config);
    d->vmstate_config = g_malloc0(d->config_size);
    memset(d->vmstate_irq, 0, sizeof(d->vmstate_irq));
    return true;
}

static bool state_check(const void *state, int version, Error **errp)
{
    const PciDevice *d = state;

    if (d->vmstate_version < 0) {
        return error_set(errp, "negative version_id");
    }
    for (unsigned i = 0; i < d->config_size; i++) {
        uint8_t fixed = d->cmask[i] & ~d->wmask[i] & ~d->w1cmask[i];

        if ((d->vmstate_config[i] ^ d->config[i]) & fixed) {
            return error_set(errp,
                             "configuration byte %03x is %02x, here %02x, of "
                             "which %02x must match",
                             i, d->vmstate_config[i], d->config[i], fixed);
        }
    }
    for (int pin = 0; pin < PCI_NUM_PINS; pin++) {
        if (d->vmstate_irq[pin] > 1) {
            return error_set(errp, "interrupt level %" PRIu32,
                             d->vmstate_irq[pin]);
        }
    }
    return true;
}

/* The levels reach the interrupt controllers by their own state, so only the
 * counts on the way are brought up to date. */
static bool state_post_load(void *state, int version, Error **errp)
{
    PciDevice *d = state;
    const PciDevClass *k = pci_device_class(d);
    bool was_disabled = pci_irq_disabled(d);

    pci_irqs_clear(d);
    memcpy(d->config, d->vmstate_config, d->config_size);
    g_clear_pointer(&d->vmstate_config, g_free);
    pci_intx_disable_changed(d, was_disabled);
    for (int pin = 0; pin < PCI_NUM_PINS; pin++) {
        pci_irq_restore(d, pin, d->vmstate_irq[pin]);
    }
    pci_bars_update(d);
    if (k->dma_changed) {
        k->dma_changed(d);
    }
    return true;
}

static bool has_small_config(const void *state, int version)
{
    return !((const PciDevice *)state)->express;
}

static bool has_big_config(const void *state, int version)
{
    return ((const PciDevice *)state)->express;
}

static void save_levels(VmWriter *w, const void *elem, const VmField *f)
{
    const uint32_t *levels = elem;

    for (int pin = 0; pin < PCI_NUM_PINS; pin++) {
        vm_put_be32(w, levels[pin]);
    }
}

static bool load_levels(VmReader *r, void *elem, const VmField *f,
                        Error **errp)
{
    uint32_t *levels = elem;

    for (int pin = 0; pin < PCI_NUM_PINS; pin++) {
        if (!vm_get_be32(r, &levels[pin], errp)) {
            return false;
        }
    }
    return true;
}

static const VmFieldKind vmk_levels = {
    "pci irq state", 0, save_levels, load_levels,
};

#define CONFIG_FIELD(nbytes, when)                                             \
    { .name = "config", .kind = &vmk_buffer,                                   \
      .offset = offsetof(PciDevice, vmstate_config), .size = nbytes, .num = 1, \
      .flags = VMF_POINTER, .exists = when }

const VmState pci_device_vmstate = {
    .name = "PCIDevice",
    .version = 2,
    .min_version = 1,
    .pre_save = state_pre_save,
    .pre_load = state_pre_load,
    .check = state_check,
    .post_load = state_post_load,
    .fields =
        (const VmField[]){
            VMS_N(PciDevice, vmstate_version, "version_id"),
            CONFIG_FIELD(PCI_CONFIG_SPACE_SIZE, has_small_config),
            CONFIG_FIELD(PCIE_CONFIG_SPACE_SIZE, has_big_config),
            { .name = "irq_state", .kind = &vmk_levels,
              .offset = offsetof(PciDevice, vmstate_irq),
              .size = sizeof(((PciDevice *)0)->vmstate_irq), .num = 1,
              .version = 2 },
            {},
        },
};
