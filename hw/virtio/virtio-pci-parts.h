/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the parts of the PCI transport. */
#ifndef VIRTIO_PCI_PARTS_H
#define VIRTIO_PCI_PARTS_H

#include "hw/virtio/virtio-pci.h"

/* virtio-pci-modern.c: capabilities and BAR; then undo. */
void virtio_pci_modern_init(VirtioPci *s);
void virtio_pci_modern_cleanup(VirtioPci *s);
void virtio_pci_cfg_cap_read(VirtioPci *s, uint32_t addr, unsigned len);
void virtio_pci_cfg_cap_written(VirtioPci *s, uint32_t addr, unsigned len);
/* virtio-pci-legacy.c */
void virtio_pci_legacy_init(VirtioPci *s);
void virtio_pci_legacy_cleanup(VirtioPci *s);
/* Offset of the device configuration in the legacy registers. */
unsigned virtio_pci_legacy_config_off(const VirtioPci *s);

/* virtio-pci.c, for both */
/* Give a queue (or, with @vq NULL, configuration changes) a vector; returns
 * what the register reads then. */
uint16_t virtio_pci_set_vector(VirtioPci *s, VirtQueue *vq, uint16_t vector);
/* Read the interrupt status: clears it and lowers the pin. */
uint8_t virtio_pci_read_isr(VirtioPci *s);
/* The selected queue, or NULL beyond the last. */
VirtQueue *virtio_pci_queue(VirtioPci *s);
void virtio_pci_write_status(VirtioPci *s, uint8_t status);

/* virtio-pci-state.c */
void virtio_pci_save(void *opaque, VmWriter *w);
bool virtio_pci_load(void *opaque, VmReader *r, Error **errp);
void virtio_pci_save_queue(void *opaque, const VirtQueue *vq, VmWriter *w);
bool virtio_pci_load_queue(void *opaque, VirtQueue *vq, VmReader *r,
                           Error **errp);
uint16_t *virtio_pci_queue_sel(void *opaque);
extern const VmState virtio_pci_vmstate;

#endif
