/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI Express: capability structure, extended capabilities, slots with native
 * hotplug (PCI Express Base 4.0, chapters 6 and 7). Machine lock.
 */
#ifndef HW_PCI_PCIE_H
#define HW_PCI_PCIE_H

#include "hw/pci/pci.h"

#define PCIE_AER_VERSION 2
#define PCIE_ACS_VERSION 1
#define PCIE_ARI_VERSION 1
#define PCIE_DSN_VERSION 1

/* The capability, version 2. @type: PCI_EXP_TYPE_*; @port: link port number.
 * Returns its offset. */
uint8_t pcie_cap_init(PciDevice *d, uint8_t offset, uint8_t type,
                      uint8_t port);
/* An endpoint; an integrated one when it sits on the root bus. */
uint8_t pcie_endpoint_cap_init(PciDevice *d, uint8_t offset);
/* Version 1, as older emulated endpoints have. */
uint8_t pcie_endpoint_cap_v1_init(PciDevice *d, uint8_t offset);
/* PCI_EXP_TYPE_* */
uint8_t pcie_type(const PciDevice *d);
bool pcie_is_port(const PciDevice *d); /* root port or downstream port */

/* Forwarding of alternative routing ids, for ports. */
void pcie_arifwd_init(PciDevice *d);
/* Bits that reset clears in the capability: control registers, not slots. */
void pcie_reset(PciDevice *d);
/* The fastest link of a port: @speed 1 (2.5 GT/s) to 4 (16), @width lanes. */
void pcie_port_link_init(PciDevice *d, unsigned speed, unsigned width);

/* Offer function level reset; a write of the bit resets the device. */
void pcie_flr_init(PciDevice *d);
/* "Device control" and "status" bits that every function has. */
void pcie_deverr_init(PciDevice *d);

/* An extended capability of @size bytes at @offset of the 4 KiB. */
void pcie_ext_cap_add(PciDevice *d, uint16_t id, uint8_t version,
                      uint16_t offset, uint16_t size);
uint16_t pcie_ext_cap_find(const PciDevice *d, uint16_t id); /* 0: none */
void pcie_ari_init(PciDevice *d, uint16_t offset);
void pcie_acs_init(PciDevice *d, uint16_t offset);
void pcie_ats_init(PciDevice *d, uint16_t offset, bool aligned);
void pcie_serial_number_init(PciDevice *d, uint16_t offset, uint64_t serial);
/* Advanced error reporting: registers only; NEMU never reports errors. */
void pcie_aer_init(PciDevice *d, uint8_t version, uint16_t offset,
                   uint16_t size);

/* Slots of ports ------------------------------------------------------------- */

/* Slot registers of a port; @number: physical slot number. */
void pcie_slot_init(PciDevice *port, uint16_t number, bool hotplug,
                    bool power_controller);
void pcie_slot_reset(PciDevice *port);
/* After a write: act on the controls and send events. The old values are those
 * of PCI_EXP_SLTCTL and PCI_EXP_SLTSTA before. */
void pcie_slot_config_written(PciDevice *port, uint32_t addr, unsigned len,
                              uint16_t old_control, uint16_t old_status);
/* After loading: forget what was signalled. */
void pcie_slot_loaded(PciDevice *port);

/* The error log of AER: always empty here, with the shape it travels in. */
typedef struct PcieAerError {
    uint32_t status;
    uint16_t source_id, flags;
    uint32_t header[4], prefix[4];
} PcieAerError;
enum { PCIE_AER_LOG_DEFAULT = 8, PCIE_AER_LOG_LIMIT = 128 };
typedef struct PcieAerLog {
    uint16_t log_num, log_max;
    PcieAerError *log;
} PcieAerLog;
extern const VmState pcie_aer_log_vmstate;
bool pcie_aer_log_init(PcieAerLog *log, Error **errp); /* log_max is set */
void pcie_aer_log_free(PcieAerLog *log);

#endif
