/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ISA bus: port I/O, 16 interrupt lines, memory below 16 MiB. A device
 * type derives from isa_device_type. Machine lock.
 */
#ifndef HW_ISA_ISA_H
#define HW_ISA_ISA_H

#include "hw/core/device.h"
#include "softmmu/memory.h"

#define ISA_NUM_IRQS 16

struct IsaBus {
    Bus bus;
    MemRegion *io, *mem;
    IrqLine *irqs[ISA_NUM_IRQS]; /* not owned; the bridge's GSIs */
};
QOM_DECLARE_TYPE(IsaBus, isa_bus) /* "ISA" */

typedef struct IsaDevice {
    Device dev;
    uint16_t first_port; /* of the first region, for its path; 0: none */
    MemRegion *regions[8]; /* private: what unrealize unmaps */
    unsigned n_regions;
} IsaDevice;

typedef struct IsaDeviceClass {
    DeviceClass device;
} IsaDeviceClass;
QOM_DECLARE_TYPE(IsaDevice, isa_device)

/* A bus "isa.0" provided by @bridge. */
IsaBus *isa_bus_new(Device *bridge, MemRegion *io, MemRegion *mem);
/* The machine's ISA bus, or NULL. */
IsaBus *isa_find_bus(Vm *vm);

static inline IsaBus *isa_get_bus(const IsaDevice *d)
{
    return (IsaBus *)d->dev.bus;
}

/*
 * From realize: map an initialized region at @port until unrealize. Fails when
 * the range leaves the 64 KiB of ports.
 */
bool isa_add_io(IsaDevice *d, MemRegion *mr, uint32_t port, Error **errp);
/* Line @irq, not owned; NULL with an error when there is no such line. */
IrqLine *isa_irq(IsaDevice *d, uint32_t irq, Error **errp);

/* Placing devices of a machine, as pci_new() and pci_realize(). */
IsaDevice *isa_new(IsaBus *bus, const ObjectType *type);
bool isa_realize(IsaDevice *d, IsaBus *bus, Error **errp);
IsaDevice *isa_create(IsaBus *bus, const ObjectType *type, Error **errp);

#endif
