/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI functions and buses: configuration space, base address registers,
 * interrupts by pin, bus mastering. PCI Local Bus 3.0 and PCI Express Base
 * 4.0. Register names come from the kernel's <linux/pci_regs.h>.
 *
 * A device type derives from pci_device_type (instance: PciDevice first, class:
 * PciDevClass first). When its realize runs, the function sits on its bus
 * with an empty configuration space that has the ids of the class; it adds
 * BARs and capabilities there. All of this runs under the machine lock except
 * where said.
 */
#ifndef HW_PCI_PCI_H
#define HW_PCI_PCI_H

#include <linux/pci_regs.h>

#include "hw/core/device.h"
#include "hw/pci/pci_ids.h"
#include "softmmu/memory.h"

#define PCI_DEVFN_MAKE(slot, fn) ((uint8_t)((((slot) & 0x1f) << 3) | ((fn) & 7)))
#define PCI_DEVFN_SLOT(devfn) (((devfn) >> 3) & 0x1f)
#define PCI_DEVFN_FUNC(devfn) ((devfn) & 7)

#define PCI_CONFIG_SPACE_SIZE  0x100
#define PCIE_CONFIG_SPACE_SIZE 0x1000
#define PCI_NUM_PINS 4
#define PCI_ROM_BAR  6 /* the expansion ROM's place among the BARs */
#define PCI_NUM_BARS 7
#define PCI_BAR_UNMAPPED (~(hwaddr)0)

/* Bits of PciDevice.flags, some of them properties. */
enum {
    PCI_FLAG_MULTIFUNCTION = 3,
    PCI_FLAG_LNKSTA_DLLLA = 8,
    PCI_FLAG_EXTCAP_INIT = 9,
};

typedef struct PciBar {
    MemRegion *mr; /* NULL: none */
    uint64_t size;
    hwaddr addr;   /* where the guest maps it, or PCI_BAR_UNMAPPED */
    uint8_t type;  /* PCI_BASE_ADDRESS_* flag bits */
} PciBar;

typedef struct PciMsix PciMsix; /* msix.c */

/* Where an interrupt pin ends, for devices that bind irqfds to it. */
typedef enum PciIntxMode {
    PCI_INTX_DISABLED,
    PCI_INTX_ENABLED,
    PCI_INTX_INVERTED,
} PciIntxMode;
typedef struct PciIntxRoute {
    PciIntxMode mode;
    int gsi;
} PciIntxRoute;

struct PciDevice {
    Device dev;

    /* Properties. */
    int32_t addr; /* devfn, or -1: pick one */
    uint32_t flags;
    uint32_t rombar, romsize, acpi_index;
    char *romfile, *failover_pair_id;

    /* Const after realize. */
    uint8_t devfn;
    bool express;        /* 4 KiB of configuration space */
    uint32_t config_size;
    char *name;          /* the type's */
    uint8_t pm_cap, msi_cap, msix_cap, exp_cap;
    uint16_t aer_cap;
    PciMsix *msix;       /* NULL without MSI-X */
    uint8_t msi_vectors; /* how many MSI offers; 0: no MSI */
    MemRegion *rom;

    /* Configuration space: the bytes; bits to compare on load; bits that the
     * guest writes; bits that writing 1 clears; bytes taken by capabilities. */
    uint8_t *config, *cmask, *wmask, *w1cmask, *used;
    PciBar bars[PCI_NUM_BARS];
    uint8_t irq_state;   /* levels of the four pins */
    bool has_power;      /* false in a slot that is switched off */

    /* Told when the pin's route changes (pci_intx_route()), or NULL. */
    void (*intx_route_changed)(PciDevice *d);
    int32_t vmstate_version;   /* private */
    uint32_t vmstate_irq[PCI_NUM_PINS]; /* private */
    uint8_t *vmstate_config;            /* private */
};

typedef struct PciDevClass {
    DeviceClass device;
    uint16_t vendor_id, device_id;
    uint8_t revision;
    uint16_t class_id;
    /* 0 and 0: the default subsystem ids (bridges have none). */
    uint16_t subsystem_vendor_id, subsystem_id;
    bool bridge;  /* header type 1 */
    bool express; /* a PCI Express function wherever it sits */
    /* Decides in place of .express, before realize; for functions that are
     * either. */
    bool (*is_express)(PciDevice *d);
    const char *romfile;
    /* In place of pci_config_read_default() / _write_default(), which they
     * usually call. @addr + @len stays within the configuration space. */
    uint32_t (*config_read)(PciDevice *d, uint32_t addr, unsigned len);
    void (*config_write)(PciDevice *d, uint32_t addr, uint32_t value,
                         unsigned len);
    /* The bus master bit changed: pci_dma_as() returns another space. */
    void (*dma_changed)(PciDevice *d);
} PciDevClass;

QOM_DECLARE_TYPE(PciDevice, pci_device)
extern const PropKind prop_kind_pci_addr; /* "addr": int32_t, -1 for none */

static inline const PciDevClass *pci_device_class(const PciDevice *d)
{
    return object_class(d);
}

/* Buses --------------------------------------------------------------------- */

/* How the pins of a root bus reach interrupt controllers. */
typedef struct PciIrqOps {
    /* Which of the bus's interrupt lines pin @pin of @devfn drives. */
    int (*map)(void *opaque, uint8_t devfn, int pin);
    /* Level of line @line changed. */
    void (*set)(void *opaque, int line, int level);
    PciIntxRoute (*route)(void *opaque, int line); /* or NULL: unknown */
} PciIrqOps;

/* What plugs into the slots of a bus: its bridge's hot-plug controller. */
typedef struct PciHotplugOps {
    /* Before a device is placed; d->addr may be -1. Optional. */
    bool (*check)(PciBus *bus, PciDevice *d, Error **errp);
    /* It is realized; d->dev.hotplugged says whether the guest runs. */
    void (*plugged)(PciBus *bus, PciDevice *d);
    /* Ask the guest, or device_unplug() at once. */
    bool (*unplug_request)(PciBus *bus, PciDevice *d, Error **errp);
} PciHotplugOps;

struct PciBus {
    Bus bus;
    PciDevice *devices[256];
    MemRegion *mem, *io;  /* where BARs are mapped */
    const PciIrqOps *irq_ops; /* root buses; NULL on a bridge's bus */
    void *irq_opaque;
    int n_irqs;
    int *irq_counts;      /* devices that assert each line */
    uint8_t devfn_min;    /* first that is given out by itself */
    bool express;
    bool root;
    int root_num;         /* bus number of a root bus */
    /* What devices that may not master the bus see: nothing. Root buses. */
    MemRegion no_memory;
    AddressSpace *no_dma;
    const PciHotplugOps *hotplug; /* or NULL */
    void *hotplug_opaque;
    bool hotplug_enabled;   /* while the guest runs */
    GPtrArray *child_buses; /* PciBus * of bridges on this bus */
};

QOM_DECLARE_TYPE(PciBus, pci_bus) /* "PCI" */
extern const ObjectType pcie_bus_type; /* "PCIE", derived from it */

/* A root bus provided by @host. */
PciBus *pci_root_bus_new(Device *host, const ObjectType *type,
                         const char *name, MemRegion *mem, MemRegion *io,
                         uint8_t devfn_min);
/* @n_irqs lines, given to @ops. Before any device is on the bus. */
void pci_bus_set_irqs(PciBus *bus, const PciIrqOps *ops, void *opaque,
                      int n_irqs);
/* A line's route changed: tell the devices. */
void pci_bus_intx_routes_changed(PciBus *bus);

static inline PciBus *pci_get_bus(const PciDevice *d)
{
    return (PciBus *)d->dev.bus;
}
/* The number the guest (or direct boot) gave; 0 for the root. */
int pci_bus_num(const PciBus *bus);
/* The bridge that provides @bus; NULL for a root bus. */
PciDevice *pci_bus_bridge(const PciBus *bus);
PciBus *pci_root_bus(PciBus *bus);
/* The root bus of the machine, or NULL. */
PciBus *pci_find_root_bus(Vm *vm);
/* The function at bus number @bus_num below @root, or NULL. */
PciDevice *pci_find_device(PciBus *root, int bus_num, uint8_t devfn);
typedef void PciDeviceFn(PciDevice *d, void *opaque);
/* Functions of @bus in order of devfn, not of buses behind bridges. */
void pci_bus_foreach(PciBus *bus, PciDeviceFn *fn, void *opaque);

/* Bus, device and function as DMA and MSI carry them. */
uint16_t pci_requester_id(const PciDevice *d);

/* Placing devices of a machine: @devfn -1 picks the first free slot.
 * Realizes; the tree keeps the reference. */
PciDevice *pci_create(PciBus *bus, int devfn, bool multifunction,
                      const ObjectType *type, Error **errp);
/* The same in two steps, to set properties between. */
PciDevice *pci_new(PciBus *bus, int devfn, bool multifunction,
                   const ObjectType *type);
bool pci_realize(PciDevice *d, PciBus *bus, Error **errp);

/* Configuration space ------------------------------------------------------- */

static inline uint16_t pci_get_word(const uint8_t *p)
{
    return p[0] | p[1] << 8;
}
static inline uint32_t pci_get_long(const uint8_t *p)
{
    return pci_get_word(p) | (uint32_t)pci_get_word(p + 2) << 16;
}
static inline void pci_set_word(uint8_t *p, uint16_t v)
{
    p[0] = v;
    p[1] = v >> 8;
}
static inline void pci_set_long(uint8_t *p, uint32_t v)
{
    pci_set_word(p, v);
    pci_set_word(p + 2, v >> 16);
}
static inline void pci_set_quad(uint8_t *p, uint64_t v)
{
    pci_set_long(p, v);
    pci_set_long(p + 4, v >> 32);
}

/* Guest accesses, from host bridges: any address and 1, 2 or 4 bytes. */
uint32_t pci_config_read(PciDevice *d, uint32_t addr, unsigned len);
void pci_config_write(PciDevice *d, uint32_t addr, uint32_t value,
                      unsigned len);
uint32_t pci_config_read_default(PciDevice *d, uint32_t addr, unsigned len);
void pci_config_write_default(PciDevice *d, uint32_t addr, uint32_t value,
                              unsigned len);
/* Does a write of @len at @addr touch [@first, @first + @n)? */
static inline bool pci_touches(uint32_t addr, unsigned len, uint32_t first,
                               unsigned n)
{
    return addr < first + n && first < addr + len;
}

/* Make @mr (a power of two in size) base address register @bar. @type:
 * PCI_BASE_ADDRESS_SPACE_IO, or SPACE_MEMORY with MEM_TYPE_64 and
 * MEM_PREFETCH. The region stays the caller's. */
void pci_bar_add(PciDevice *d, int bar, uint8_t type, MemRegion *mr);
/* Unmap it for good, as unrealize does with all. */
void pci_bar_del(PciDevice *d, int bar);
hwaddr pci_bar_addr(const PciDevice *d, int bar); /* PCI_BAR_UNMAPPED: none */

/* Add a capability of @size bytes at @offset (0: the first that fits) and
 * return where it is. The bytes are read-only until wmask says otherwise. */
uint8_t pci_cap_add(PciDevice *d, uint8_t id, uint8_t offset, uint8_t size);
/* The same where the host's device or a user chose the place. 0: failed. */
uint8_t pci_cap_add_checked(PciDevice *d, uint8_t id, uint8_t offset,
                            uint8_t size, Error **errp);
void pci_cap_del(PciDevice *d, uint8_t id, uint8_t size);
uint8_t pci_cap_find(const PciDevice *d, uint8_t id); /* 0: none */

/* "Power management" of version 3 with states D0 and D3hot. */
uint8_t pci_pm_init(PciDevice *d, uint8_t offset);

/* Undo what the guest set: command, BARs, MSI; part of every reset, and of a
 * function level reset together with the device's own. */
void pci_device_reset(PciDevice *d);

/* Interrupts ------------------------------------------------------------------ */

/* Level of the device's pin (register PCI_INTERRUPT_PIN must be set). */
void pci_set_irq(PciDevice *d, int level);
static inline void pci_irq_assert(PciDevice *d)
{
    pci_set_irq(d, 1);
}
static inline void pci_irq_deassert(PciDevice *d)
{
    pci_set_irq(d, 0);
}
/* The pin as a line, for embedded controllers; free by irq_free(). */
IrqLine *pci_irq_line(PciDevice *d);
PciIntxRoute pci_intx_route(PciDevice *d);
/* PCI_COMMAND_INTX_DISABLE */
bool pci_irq_disabled(const PciDevice *d);

/* DMA ------------------------------------------------------------------------- */

/* Where the device's accesses go: guest memory, what an IOMMU shows, or
 * nothing while bus mastering is off. Good until .dma_changed. */
AddressSpace *pci_dma_as(PciDevice *d);
bool pci_is_bus_master(const PciDevice *d);
MemAttrs pci_dma_attrs(const PciDevice *d);
MemResult pci_dma_read(PciDevice *d, hwaddr addr, void *buf, size_t len);
MemResult pci_dma_write(PciDevice *d, hwaddr addr, const void *buf,
                        size_t len);

/* State ------------------------------------------------------------------------ */

/* First field of every PCI device's table: "parent_obj" and so on. */
extern const VmState pci_device_vmstate;
#define VMS_PCI(T, f, nam) VMS_STRUCT(T, f, nam, &pci_device_vmstate)

#endif
