/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "isa-serial": a 16550A at the PC's COM ports. */
#include "util/osdep.h"

#include "hw/acpi/aml.h"
#include "hw/char/serial-isa.h"
#include "hw/char/serial.h"
#include "hw/core/machine.h"
#include "util/error.h"

#define MAX_PORTS 4
#define AUTO      UINT32_MAX

typedef struct IsaSerial {
    IsaDevice parent;
    Serial serial;
    /* Properties. */
    uint32_t index, iobase, irq;
    bool wakeup;
} IsaSerial;

QOM_DECLARE_TYPE(IsaSerial, isa_serial)

static const struct {
    uint16_t port;
    uint8_t irq;
} com_ports[MAX_PORTS] = {
    { 0x3f8, 4 },
    { 0x2f8, 3 },
    { 0x3e8, 4 },
    { 0x2e8, 3 },
};

/* The lowest number that no other port of the bus has. */
static uint32_t free_index(const IsaSerial *s)
{
    const Bus *bus = s->parent.dev.bus;
    uint32_t used = 0, index = 0;

    for (unsigned i = 0; i < bus->children->len; i++) {
        IsaSerial *other =
            object_dynamic_cast(bus->children->pdata[i], &isa_serial_type);

        if (other && other != s && other->parent.dev.realized &&
            other->index < MAX_PORTS) {
            used |= BIT(other->index);
        }
    }
    while (used & BIT(index)) {
        index++;
    }
    return index;
}

static bool isa_serial_realize(Device *dev, Error **errp)
{
    IsaSerial *s = isa_serial(dev);

    if (s->index == AUTO) {
        s->index = free_index(s);
    }
    if (s->wakeup) {
        return error_set(errp, "isa-serial: wakeup=on is not supported: there "
                               "is no suspend (S3) to wake from");
    }
    if (s->index >= MAX_PORTS) {
        return error_set(errp,
                         "Max. supported number of ISA serial ports is %d.",
                         MAX_PORTS);
    }
    if (s->iobase == AUTO) {
        s->iobase = com_ports[s->index].port;
    }
    if (s->irq == AUTO) {
        s->irq = com_ports[s->index].irq;
    }
    s->serial.vm = dev->vm;
    s->serial.irq = isa_irq(&s->parent, s->irq, errp);
    if (!s->serial.irq || !serial_realize(&s->serial, &dev->obj, errp)) {
        return false;
    }
    if (!isa_add_io(&s->parent, &s->serial.io, s->iobase, errp)) {
        serial_unrealize(&s->serial);
        return false;
    }
    return true;
}

static void isa_serial_unrealize(Device *dev)
{
    serial_unrealize(&isa_serial(dev)->serial);
}

static void isa_serial_reset(Device *dev)
{
    serial_reset(&isa_serial(dev)->serial);
}

static void isa_serial_build_aml(Device *dev, Aml *a)
{
    IsaSerial *s = isa_serial(dev);
    char name[5] = "COM?";

    name[3] = '1' + s->index;
    aml_device(a, name);
    aml_name_eisaid(a, "_HID", "PNP0501");
    aml_name_int(a, "_UID", s->index + 1);
    aml_name_int(a, "_STA", 0xf);
    aml_name(a, "_CRS");
    aml_resources(a);
    aml_res_io(a, s->iobase, s->iobase, 0, 8);
    aml_res_irq(a, s->irq);
    aml_end(a);
    aml_end(a);
}

static const VmState isa_serial_vmstate = {
    .name = "serial",
    .version = 3,
    .min_version = 2,
    .fields =
        (const VmField[]){
            VMS_STRUCT(IsaSerial, serial, "state", &serial_vmstate),
            {},
        },
};

static const Prop isa_serial_props[] = {
    PROP(IsaSerial, index, "index", AUTO),
    PROP(IsaSerial, iobase, "iobase", AUTO),
    PROP(IsaSerial, irq, "irq", AUTO),
    SERIAL_PROPS(IsaSerial, serial),
    PROP(IsaSerial, wakeup, "wakeup", false),
    {},
};

static const IsaDeviceClass isa_serial_class = {
    .device = {
        .props = isa_serial_props,
        .category = DEVICE_CATEGORY_INPUT,
        .bus_type = &isa_bus_type,
        .no_hotplug = true,
        .realize = isa_serial_realize,
        .unrealize = isa_serial_unrealize,
        .reset = isa_serial_reset,
        .vmstate = &isa_serial_vmstate,
        .build_aml = isa_serial_build_aml,
        .fw_name = "serial",
    },
};

QOM_DEFINE(IsaSerial, isa_serial, .name = "isa-serial",
           .parent = &isa_device_type, .class = &isa_serial_class);

bool isa_serials_create(Machine *machine, IsaBus *bus, Error **errp)
{
    GPtrArray *ids = machine->serials;

    for (unsigned i = 0; ids && i < ids->len; i++) {
        IsaDevice *d;

        if (!ids->pdata[i]) { /* "-serial none" */
            continue;
        }
        d = isa_new(bus, &isa_serial_type);
        object_prop_set_uint(&d->dev.obj, "index", i, error_abort);
        if (!object_prop_set_str(&d->dev.obj, "chardev", ids->pdata[i], errp) ||
            !isa_realize(d, bus, errp)) {
            object_unref(d);
            return false;
        }
    }
    return true;
}
