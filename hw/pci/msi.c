/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Capability MSI. PCI Local Bus 3.0, 6.8.1. */
#include "util/osdep.h"

#include "hw/pci/msi.h"
#include "softmmu/vm.h"
#include "util/error.h"

static bool is_wide(const PciDevice *d)
{
    return pci_get_word(d->config + d->msi_cap + PCI_MSI_FLAGS) &
           PCI_MSI_FLAGS_64BIT;
}

static bool is_maskable(const PciDevice *d)
{
    return pci_get_word(d->config + d->msi_cap + PCI_MSI_FLAGS) &
           PCI_MSI_FLAGS_MASKBIT;
}

static unsigned data_offset(const PciDevice *d)
{
    return d->msi_cap + (is_wide(d) ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32);
}

static unsigned mask_offset(const PciDevice *d)
{
    return d->msi_cap + (is_wide(d) ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32);
}

static unsigned pending_offset(const PciDevice *d)
{
    return d->msi_cap + (is_wide(d) ? PCI_MSI_PENDING_64 : PCI_MSI_PENDING_32);
}

static uint8_t cap_size(bool addr64, bool maskable)
{
    if (maskable) {
        return addr64 ? PCI_MSI_PENDING_64 + 4 : PCI_MSI_PENDING_32 + 4;
    }
    return addr64 ? PCI_MSI_DATA_64 + 2 : PCI_MSI_DATA_32 + 2;
}

bool msi_init(PciDevice *d, uint8_t offset, unsigned vectors, bool addr64,
              bool maskable, Error **errp)
{
    unsigned log2 = g_bit_nth_msf(vectors, -1);
    uint16_t flags = log2 << 1;
    uint8_t at;

    assert(is_power_of_2(vectors) && vectors <= 32);
    if (addr64) {
        flags |= PCI_MSI_FLAGS_64BIT;
    }
    if (maskable) {
        flags |= PCI_MSI_FLAGS_MASKBIT;
    }
    at = pci_cap_add_checked(d, PCI_CAP_ID_MSI, offset,
                             cap_size(addr64, maskable), errp);
    if (!at) {
        return false;
    }
    d->msi_cap = at;
    d->msi_vectors = vectors;
    pci_set_word(d->config + at + PCI_MSI_FLAGS, flags);
    pci_set_word(d->wmask + at + PCI_MSI_FLAGS,
                 PCI_MSI_FLAGS_ENABLE | (log2 ? PCI_MSI_FLAGS_QSIZE : 0));
    pci_set_long(d->wmask + at + PCI_MSI_ADDRESS_LO, 0xfffffffc);
    if (addr64) {
        pci_set_long(d->wmask + at + PCI_MSI_ADDRESS_HI, 0xffffffff);
    }
    pci_set_word(d->wmask + data_offset(d), 0xffff);
    if (maskable) {
        pci_set_long(d->wmask + mask_offset(d), UINT32_MAX >> (32 - vectors));
        /* Pending bits are state. */
        pci_set_long(d->cmask + pending_offset(d), 0);
    }
    return true;
}

void msi_uninit(PciDevice *d)
{
    if (d->msi_cap) {
        pci_cap_del(d, PCI_CAP_ID_MSI, cap_size(is_wide(d), is_maskable(d)));
        d->msi_cap = 0;
        d->msi_vectors = 0;
    }
}

bool msi_enabled(const PciDevice *d)
{
    return d->msi_cap && (pci_get_word(d->config + d->msi_cap + PCI_MSI_FLAGS) &
                          PCI_MSI_FLAGS_ENABLE);
}

unsigned msi_vectors_enabled(const PciDevice *d)
{
    uint16_t flags = pci_get_word(d->config + d->msi_cap + PCI_MSI_FLAGS);

    return MIN(1u << ((flags & PCI_MSI_FLAGS_QSIZE) >> 4), d->msi_vectors);
}

bool msi_is_masked(const PciDevice *d, unsigned vector)
{
    return is_maskable(d) &&
           (pci_get_long(d->config + mask_offset(d)) & BIT(vector));
}

MsiMessage msi_message(const PciDevice *d, unsigned vector)
{
    const uint8_t *cap = d->config + d->msi_cap;
    unsigned n = msi_vectors_enabled(d);
    MsiMessage msg = {
        .addr = pci_get_long(cap + PCI_MSI_ADDRESS_LO),
        .data = pci_get_word(d->config + data_offset(d)),
        .device_id = pci_requester_id(d),
    };

    if (is_wide(d)) {
        msg.addr |= (uint64_t)pci_get_long(cap + PCI_MSI_ADDRESS_HI) << 32;
    }
    /* Several vectors differ in the low bits of the data. */
    msg.data = (msg.data & ~(n - 1)) | (vector & (n - 1));
    return msg;
}

static void set_pending(PciDevice *d, unsigned vector, bool pending)
{
    uint8_t *p = d->config + pending_offset(d);
    uint32_t bits = pci_get_long(p);

    pci_set_long(p, pending ? bits | BIT(vector) : bits & ~BIT(vector));
}

void msi_notify(PciDevice *d, unsigned vector)
{
    MsiMessage msg;

    if (!msi_enabled(d) || vector >= d->msi_vectors) {
        return;
    }
    if (msi_is_masked(d, vector)) {
        set_pending(d, vector, true);
        return;
    }
    msg = msi_message(d, vector);
    pci_send_msi(d, &msg);
}

void msi_reset(PciDevice *d)
{
    uint8_t *cap = d->config + d->msi_cap;

    if (!d->msi_cap) {
        return;
    }
    pci_set_word(cap + PCI_MSI_FLAGS,
                 pci_get_word(cap + PCI_MSI_FLAGS) &
                     ~(PCI_MSI_FLAGS_QSIZE | PCI_MSI_FLAGS_ENABLE));
    pci_set_long(cap + PCI_MSI_ADDRESS_LO, 0);
    if (is_wide(d)) {
        pci_set_long(cap + PCI_MSI_ADDRESS_HI, 0);
    }
    pci_set_word(d->config + data_offset(d), 0);
    if (is_maskable(d)) {
        pci_set_long(d->config + mask_offset(d), 0);
        pci_set_long(d->config + pending_offset(d), 0);
    }
}

void msi_config_written(PciDevice *d, uint32_t addr, unsigned len)
{
    uint32_t pending;

    if (!msi_enabled(d) ||
        !pci_touches(addr, len, d->msi_cap,
                     cap_size(is_wide(d), is_maskable(d)))) {
        return;
    }
    /* A function that signals by message keeps its pin low. */
    pci_irq_deassert(d);
    if (!is_maskable(d)) {
        return;
    }
    pending = pci_get_long(d->config + pending_offset(d));
    for (unsigned v = 0; v < msi_vectors_enabled(d); v++) {
        if ((pending & BIT(v)) && !msi_is_masked(d, v)) {
            set_pending(d, v, false);
            msi_notify(d, v);
        }
    }
}

void pci_send_msi(PciDevice *d, const MsiMessage *msg)
{
    Vm *vm = d->dev.vm;

    if (!pci_is_bus_master(d)) {
        return;
    }
    if (vm->accel && vm->accel->irqchip != IRQCHIP_NONE) {
        accel_send_msi(vm, msg);
    } else {
        /* A message is a write of 32 bits; nothing takes it from the bus. */
        as_store(pci_dma_as(d), msg->addr, msg->data, 4, pci_dma_attrs(d));
    }
}
