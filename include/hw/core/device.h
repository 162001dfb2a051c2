/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices and buses: what -device and device_add make.
 *
 * Life: object_new -> properties -> device_realize -> (reset)* ->
 * device_unrealize. The core calls realize and reset parent type first,
 * unrealize child type first, over the distinct class structs of the chain; a
 * realize that fails undoes itself, and the core unrealizes the levels before
 * it. A device's children on its buses are realized after and unrealized
 * before it. Machine lock throughout.
 */
#ifndef HW_CORE_DEVICE_H
#define HW_CORE_DEVICE_H

#include "hw/core/irq.h"
#include "migration/vmstate.h"
#include "qom/object.h"

typedef struct NamedIrqs NamedIrqs;
typedef struct Aml Aml;

typedef enum DeviceCategory {
    DEVICE_CATEGORY_MISC,
    DEVICE_CATEGORY_BRIDGE,
    DEVICE_CATEGORY_USB,
    DEVICE_CATEGORY_STORAGE,
    DEVICE_CATEGORY_NETWORK,
    DEVICE_CATEGORY_INPUT,
    DEVICE_CATEGORY_DISPLAY,
    DEVICE_CATEGORY_SOUND,
    DEVICE_CATEGORY_CPU,
    DEVICE_CATEGORY_WATCHDOG,
    DEVICE_CATEGORY__MAX,
} DeviceCategory;

struct Device {
    Object obj;
    Vm *vm;
    const char *id; /* the user's, or NULL; owned */
    Bus *bus;       /* where it sits; NULL for bus-less devices */
    GPtrArray *buses; /* Bus * that it provides, or NULL */
    NamedIrqs *irqs_in, *irqs_out; /* private */
    QDict *opts;    /* what the user gave, or NULL */
    Error *global_err; /* a -global that does not fit; realize reports it */
    bool realized;
    bool hotplugged;  /* added after the machine was ready */
    bool unplug_pending;
    int32_t instance_id; /* for vmstate */
};

typedef struct DeviceClass {
    OBJECT_CLASS_FIELDS
    const char *desc;
    DeviceCategory category;
    const ObjectType *bus_type; /* must be plugged there; NULL: the parent
                                 * type's; see device_bus_type() */
    bool internal;   /* not for -device: a machine or device places it */
    bool no_hotplug;
    const VmState *vmstate;
    bool (*realize)(Device *dev, Error **errp);
    void (*unrealize)(Device *dev);
    void (*reset)(Device *dev);
    /* Add this device's objects to @scope of the DSDT. Nearest one wins. */
    void (*build_aml)(Device *dev, Aml *scope);
    const char *fw_name; /* Open Firmware node name, for bootorder */
} DeviceClass;

struct Bus {
    Object obj;
    Vm *vm;
    Device *parent; /* NULL for the machine's main bus */
    char *name;     /* "pcie.0" */
    GPtrArray *children; /* Device *, in order of plugging */
    bool realized;
    bool full;
    int max_devices; /* 0: no limit */
};

typedef struct BusClass {
    OBJECT_CLASS_FIELDS
    /* Before the device is put on the bus and realized: may refuse. */
    bool (*check)(Bus *bus, Device *dev, Error **errp);
    /* After realize of a hot-plugged (or any) device. */
    bool (*plug)(Bus *bus, Device *dev, Error **errp);
    /* device_del: ask the guest, or unplug at once by device_unplug(). */
    bool (*unplug_request)(Bus *bus, Device *dev, Error **errp);
    bool hotplug; /* takes devices while the machine runs; see bus_can_hotplug */
    bool (*can_hotplug)(Bus *bus, Error **errp);
    char *(*device_path)(Device *dev); /* for vmstate ids: "0000:00:03.0" */
    char *(*fw_device_path)(Device *dev); /* bootorder: "scsi@3" */
    void (*reset)(Bus *bus);
} BusClass;

QOM_DECLARE_CAST(Device, device_type, device_cast)
QOM_DECLARE_CAST(Bus, bus_type, bus_cast)

static inline const DeviceClass *device_class(const Device *dev)
{
    return object_class(dev);
}
/* The bus type that the nearest level names; NULL: such devices have no bus. */
const ObjectType *device_bus_type(const ObjectType *type);
static inline const BusClass *bus_class(const Bus *bus)
{
    return object_class(bus);
}

/* Making devices from code (machines, composite devices): a new unrealized
 * device with one reference. */
Device *device_new(Vm *vm, const ObjectType *type);
/* For devices that an object's init made by object_new(): give them their VM
 * and the -global properties. */
void device_setup(Device *dev, Vm *vm);
/* Plug into @bus (may be NULL), put below /machine/unattached unless it has a
 * parent, and realize. On failure the device is as before. */
bool device_realize(Device *dev, Bus *bus, Error **errp);
/* The same for devices that cannot fail by user input; drops the caller's
 * reference: the tree keeps it. */
bool device_realize_and_unref(Device *dev, Bus *bus, Error **errp);
void device_unrealize(Device *dev);
/* Devices and everything on their buses. */
void device_reset_tree(Device *dev);

/* From user options ("driver", "id", "bus", and properties). */
Device *device_add_opts(Vm *vm, const QDict *opts, QapiMode mode, Error **errp);
/* The end of a hot-unplug: unrealize, take out of the tree, emit
 * DEVICE_DELETED. */
void device_unplug(Device *dev);
Device *device_find(Vm *vm, const char *id); /* by id; or NULL */
/* Path for vmstate sections and errors: bus path plus own; free. */
char *device_path(Device *dev);
char *device_fw_path(Device *dev);

/* Buses: child object @name of the parent device, which holds it. Without a
 * name: "ID.N" when the device has an id, else "TYPE.N" in lower case. */
Bus *bus_new(const ObjectType *type, Vm *vm, Device *parent,
             const char *name_or_null);
void bus_unparent(Bus *bus);
Bus *bus_find(Vm *vm, const char *path_or_name, Error **errp);
Bus *bus_lookup(Vm *vm, const char *name); /* or NULL */
/* The first bus of @type with room, for devices without "bus=". */
Bus *bus_find_type(Vm *vm, const ObjectType *type);
/* Visit devices (depth first, parents before children); stops on false. */
typedef bool DeviceFn(Device *dev, void *opaque);
bool bus_foreach(Bus *bus, DeviceFn *fn, void *opaque);

/* The main system bus: root of the device tree; holds devices that sit at
 * fixed addresses. */
extern const ObjectType system_bus_type; /* "System" */
Bus *system_bus(Vm *vm);

/* Named interrupt pins (NULL name: unnamed), which qtest can intercept. */
void device_irqs_in(Device *dev, const char *name, IrqHandler *fn,
                    void *opaque, int n);
void device_irqs_out(Device *dev, const char *name, IrqLine **pins, int n);
IrqLine *device_irq_in(Device *dev, const char *name, int n); /* not owned */
/* The same, or NULL when there is no such pin. */
IrqLine *device_irq_in_find(Device *dev, const char *name, int n);
void device_connect_out(Device *dev, const char *name, int n, IrqLine *irq);
/* qtest: hear of every change of the pins. */
typedef void IrqInterceptFn(void *opaque, int n, int level);
bool device_intercept_in(Device *dev, const char *name, IrqInterceptFn *fn,
                         void *opaque, Error **errp);
bool device_intercept_out(Device *dev, const char *name, IrqInterceptFn *fn,
                          void *opaque, Error **errp);

/* Property kinds for devices, defined in hw/core. Those of chardevs, netdevs
 * and drives are their subsystems'. */
extern const PropKind prop_kind_macaddr, prop_kind_uuid, prop_kind_blocksize;
/* uint8_t f[6]; all zero means "make one up". */
#define PROP_MACADDR(T, f, nam, ...)                                           \
    { .name = nam, .kind = &prop_kind_macaddr,                                 \
      .offset = PROP_OFFSET_SIZED_(T, f, 6), __VA_ARGS__ }
/* A power of two from 512 to 2 MiB, or 0 for the device to choose. */
#define PROP_BLOCKSIZE(T, f, nam, dflt, ...)                                   \
    { .name = nam, .kind = &prop_kind_blocksize,                               \
      .offset = PROP_OFFSET_(T, f, uint32_t), .def.u = dflt, .has_def = true,  \
      __VA_ARGS__ }
#define PROP_ON_OFF_AUTO(T, f, nam, dflt, ...)                                 \
    PROP_ENUM(T, f, nam, &qapi_type_OnOffAuto, dflt, __VA_ARGS__)

#endif
