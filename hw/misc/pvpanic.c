/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "pvpanic": the guest's kernel tells that it panicked, or that it boots a
 * crash kernel. QEMU's manual, docs/specs/pvpanic.
 */
#include "util/osdep.h"

#include "hw/acpi/aml.h"
#include "hw/isa/isa.h"
#include "hw/nvram/fw_cfg.h"
#include "qapi/qapi-events-run-state.h"
#include "softmmu/vm.h"
#include "util/error.h"

enum {
    EVENT_PANICKED = 1,
    EVENT_CRASH_LOADED = 2,
};

typedef struct PvPanic {
    IsaDevice parent;
    MemRegion io;
    /* Properties. */
    uint16_t ioport;
    uint8_t events; /* what the device offers */
} PvPanic;

QOM_DECLARE_TYPE(PvPanic, pvpanic)

static uint64_t pvpanic_read(void *opaque, hwaddr addr, unsigned size)
{
    return ((PvPanic *)opaque)->events;
}

static void pvpanic_write(void *opaque, hwaddr addr, uint64_t value,
                          unsigned size)
{
    PvPanic *s = opaque;
    Vm *vm = s->parent.dev.vm;

    value &= s->events;
    if (value & EVENT_PANICKED) {
        vm_panic_request(vm, NULL);
    } else if (value & EVENT_CRASH_LOADED) {
        qapi_event_send_guest_crashloaded(vm->events, GUEST_PANIC_ACTION_RUN,
                                          NULL);
    }
}

static const MemOps pvpanic_ops = {
    .read = pvpanic_read,
    .write = pvpanic_write,
    .valid = { 1, 1 },
};

static bool pvpanic_realize(Device *dev, Error **errp)
{
    PvPanic *s = pvpanic(dev);
    FwCfg *fw_cfg = fw_cfg_find(dev->vm);
    uint16_t port = GUINT16_TO_LE(s->ioport);

    mem_region_init_io(&s->io, &dev->obj, &pvpanic_ops, s, "pvpanic", 1);
    if (!isa_add_io(&s->parent, &s->io, s->ioport, errp)) {
        return false;
    }
    return !fw_cfg || fw_cfg_has_file(fw_cfg, "etc/pvpanic-port") ||
           fw_cfg_add_file(fw_cfg, "etc/pvpanic-port", &port, sizeof(port),
                           errp);
}

static void pvpanic_build_aml(Device *dev, Aml *a)
{
    PvPanic *s = pvpanic(dev);

    aml_device(a, "PEVT");
    aml_name_str(a, "_HID", "QEMU0001");
    aml_name(a, "_CRS");
    aml_resources(a);
    aml_res_io(a, s->ioport, s->ioport, 1, 1);
    aml_end(a);
    aml_region(a, "PEOR", AML_SYSTEM_IO, s->ioport, 1);
    aml_field(a, "PEOR", AML_BYTE_ACC | AML_PRESERVE);
    aml_field_unit(a, "PEPT", 8);
    aml_end(a);
    aml_name_int(a, "_STA", 0xb);
    aml_method(a, "RDPT", 0, false);
    aml_op(a, AML_RETURN);
    aml_ref(a, "PEPT");
    aml_end(a);
    aml_method(a, "WRPT", 1, false);
    aml_op(a, AML_STORE);
    aml_arg(a, 0);
    aml_ref(a, "PEPT");
    aml_end(a);
    aml_end(a);
}

static const Prop pvpanic_props[] = {
    PROP(PvPanic, ioport, "ioport", 0x505),
    PROP(PvPanic, events, "events", EVENT_PANICKED | EVENT_CRASH_LOADED),
    {},
};

static const IsaDeviceClass pvpanic_class = {
    .device = {
        .props = pvpanic_props,
        .category = DEVICE_CATEGORY_MISC,
        .bus_type = &isa_bus_type,
        .no_hotplug = true,
        .realize = pvpanic_realize,
        .build_aml = pvpanic_build_aml,
    },
};

QOM_DEFINE(PvPanic, pvpanic, .name = "pvpanic", .parent = &isa_device_type,
           .class = &pvpanic_class);
