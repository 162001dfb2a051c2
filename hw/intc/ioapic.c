/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The 82093AA I/O APIC: "ioapic" when it is outside of KVM (split irqchip,
 * qtest), "kvm-ioapic" to hold the state of KVM's. Intel 82093AA data sheet.
 */
#include "util/osdep.h"

#include "accel/accel.h"
#include "hw/intc/ioapic.h"
#include "softmmu/vm.h"
#include "util/error.h"

/* Redirection entries. */
#define R_VECTOR      UINT64_C(0xff)
#define R_MODE        UINT64_C(0x700)
#define R_LOGICAL     BIT(11)
#define R_STATUS      BIT(12)
#define R_REMOTE_IRR  BIT(14)
#define R_LEVEL       BIT(15)
#define R_MASKED      BIT(16)
#define R_READ_ONLY   (R_STATUS | R_REMOTE_IRR)

enum { REG_ID = 0, REG_VERSION = 1, REG_ARB = 2, REG_TABLE = 0x10 };
enum { MMIO_SELECT = 0, MMIO_WINDOW = 0x10, MMIO_EOI = 0x40 };

static void reset_regs(Ioapic *s)
{
    s->r = (X86IoapicRegs){ .id = 0 };
    for (unsigned i = 0; i < IOAPIC_PINS; i++) {
        s->r.ioredtbl[i] = R_MASKED;
    }
}

/* Delivery ---------------------------------------------------------------------- */

static MsiMessage message(uint64_t entry)
{
    return (MsiMessage){
        .addr = 0xfee00000 | (entry >> 56) << 12 |
                (entry & R_LOGICAL ? 4 : 0),
        .data = (entry & (R_VECTOR | R_MODE)) |
                (entry & R_LEVEL ? 0xc000 : 0),
    };
}

static void deliver(Ioapic *s, unsigned pin)
{
    uint64_t *entry = &s->r.ioredtbl[pin];
    MsiMessage msg = message(*entry);
    Vm *vm = s->dev.vm;

    if (*entry & R_LEVEL) {
        if (*entry & R_REMOTE_IRR) {
            return; /* until the CPU's end of interrupt */
        }
        *entry |= R_REMOTE_IRR;
        irq_routes_commit(vm); /* or nobody would tell of the end */
    } else {
        s->r.irr &= ~(1u << pin);
    }
    accel_send_msi(vm, &msg);
}

static void serve(Ioapic *s)
{
    for (unsigned i = 0; i < IOAPIC_PINS; i++) {
        if (s->r.irr & 1u << i && !(s->r.ioredtbl[i] & R_MASKED)) {
            deliver(s, i);
        }
    }
}

static void input(void *opaque, int n, int level)
{
    Ioapic *s = opaque;
    /* The timer is on pin 2, where the PIC's output would be. */
    uint32_t bit = 1u << (n == 0 ? 2 : n);
    bool rises = level && !(s->levels & bit);

    s->levels = level ? s->levels | bit : s->levels & ~bit;
    if (rises) {
        s->r.irr |= bit;
        serve(s);
    } else if (!level &&
               s->r.ioredtbl[__builtin_ctz(bit)] & R_LEVEL) {
        s->r.irr &= ~bit;
    }
}

static void end_of_interrupt(void *opaque, int vector)
{
    Ioapic *s = opaque;

    for (unsigned i = 0; i < IOAPIC_PINS; i++) {
        uint64_t *entry = &s->r.ioredtbl[i];

        if (*entry & R_LEVEL && (int)(*entry & R_VECTOR) == vector) {
            *entry &= ~R_REMOTE_IRR;
        }
    }
    serve(s);
}

static void update_route(Ioapic *s, unsigned pin)
{
    MsiMessage msg = message(s->r.ioredtbl[pin]);
    bool masked = s->r.ioredtbl[pin] & R_MASKED;

    irq_route_gsi_msi(s->dev.vm, pin, masked ? NULL : &msg);
}

/* Registers ---------------------------------------------------------------------- */

static void write_entry(Ioapic *s, unsigned pin, bool high, uint32_t v)
{
    uint64_t old = s->r.ioredtbl[pin], new;

    if (high) {
        new = (old & UINT32_MAX) | (uint64_t)v << 32;
    } else {
        new = (old & ~(uint64_t)UINT32_MAX) | (v & ~R_READ_ONLY) |
              (old & R_READ_ONLY);
    }
    if (!(new & R_LEVEL)) {
        new &= ~R_REMOTE_IRR;
    }
    s->r.ioredtbl[pin] = new;
    if (new != old) {
        update_route(s, pin);
        serve(s);
    }
}

static uint32_t read_window(const Ioapic *s)
{
    unsigned reg = s->r.ioregsel, pin = (reg - REG_TABLE) / 2;

    switch (reg) {
    case REG_ID:
    case REG_ARB:
        return (uint32_t)s->r.id << 24;
    case REG_VERSION:
        return s->version | (IOAPIC_PINS - 1) << 16;
    default:
        if (reg < REG_TABLE || pin >= IOAPIC_PINS) {
            return 0;
        }
        return s->r.ioredtbl[pin] >> (reg & 1 ? 32 : 0);
    }
}

static void write_window(Ioapic *s, uint32_t v)
{
    unsigned reg = s->r.ioregsel, pin = (reg - REG_TABLE) / 2;

    if (reg == REG_ID) {
        s->r.id = v >> 24 & 0xf;
    } else if (reg >= REG_TABLE && pin < IOAPIC_PINS) {
        write_entry(s, pin, reg & 1, v);
    }
}

static uint64_t mmio_read(void *opaque, hwaddr addr, unsigned size)
{
    const Ioapic *s = opaque;

    switch (addr & 0xff) {
    case MMIO_SELECT:
        return s->r.ioregsel;
    case MMIO_WINDOW:
        return read_window(s);
    default:
        return 0;
    }
}

static void mmio_write(void *opaque, hwaddr addr, uint64_t v, unsigned size)
{
    Ioapic *s = opaque;

    switch (addr & 0xff) {
    case MMIO_SELECT:
        s->r.ioregsel = v;
        break;
    case MMIO_WINDOW:
        write_window(s, v);
        break;
    case MMIO_EOI:
        if (s->version >= 0x20) {
            end_of_interrupt(s, v & 0xff);
        }
        break;
    default:
        break;
    }
}

static const MemOps ioapic_ops = {
    .read = mmio_read,
    .write = mmio_write,
    .impl = { 4, 4 },
};

/* State ------------------------------------------------------------------------------ */

static void ioapic_pre_save(void *state)
{
    Ioapic *s = state;

    if (x86_irqchip_in_kernel(s->dev.vm)) {
        x86_irqchip_get_ioapic(s->dev.vm, s->base, &s->r);
    }
}

static bool ioapic_post_load(void *state, int version, Error **errp)
{
    Ioapic *s = state;

    if (x86_irqchip_in_kernel(s->dev.vm)) {
        x86_irqchip_put_ioapic(s->dev.vm, s->base, &s->r);
        return true;
    }
    for (unsigned i = 0; i < IOAPIC_PINS; i++) {
        update_route(s, i);
    }
    irq_routes_commit(s->dev.vm);
    return true;
}

static const VmState ioapic_vmstate = {
    .name = "ioapic",
    .version = 3,
    .min_version = 1,
    .pre_save = ioapic_pre_save,
    .post_load = ioapic_post_load,
    .fields = (const VmField[]) {
        VMS_N(Ioapic, r.id, "id"),
        VMS_N(Ioapic, r.ioregsel, "ioregsel"),
        VMS_UNUSED_V(2, 8),
        VMS_V(Ioapic, r.irr, "irr", 2),
        VMS_ARRAY(Ioapic, r.ioredtbl, "ioredtbl"),
        {},
    },
};

/* Types -------------------------------------------------------------------------------- */

static const DeviceClass ioapic_common_class = {
    .vmstate = &ioapic_vmstate,
    .internal = true,
    .no_hotplug = true,
};
extern const ObjectType ioapic_common_type;
QOM_DEFINE(Ioapic, ioapic_common, .name = "ioapic-common",
           .parent = &device_type, .class = &ioapic_common_class,
           .abstract = true);

static bool ioapic_realize(Device *dev, Error **errp)
{
    Ioapic *s = ioapic(dev);

    mem_region_init_io(&s->mmio, &dev->obj, &ioapic_ops, s, "ioapic", 0x1000);
    mem_region_add(dev->vm->system_memory, s->base, &s->mmio);
    device_irqs_in(dev, NULL, input, s, IOAPIC_PINS);
    x86_split_connect_ioapic(dev->vm, end_of_interrupt, s);
    return true;
}

static void ioapic_reset(Device *dev)
{
    Ioapic *s = ioapic(dev);

    reset_regs(s);
    for (unsigned i = 0; i < IOAPIC_PINS; i++) {
        update_route(s, i);
    }
    irq_routes_commit(dev->vm);
}

static void ioapic_finalize(Object *obj)
{
    mem_region_cleanup(&ioapic(obj)->mmio);
}

static const Prop ioapic_props[] = {
    PROP(Ioapic, version, "version", 0x20),
    {},
};

static const DeviceClass ioapic_class = {
    .props = ioapic_props,
    .realize = ioapic_realize,
    .reset = ioapic_reset,
    .internal = true,
    .no_hotplug = true,
};
QOM_DEFINE(Ioapic, ioapic, .name = "ioapic", .parent = &ioapic_common_type,
           .class = &ioapic_class, .finalize = ioapic_finalize);

static void kvm_input(void *opaque, int n, int level)
{
    const Ioapic *s = opaque;

    accel_set_gsi(s->dev.vm, s->gsi_base + n, level);
}

static bool kvm_ioapic_realize(Device *dev, Error **errp)
{
    device_irqs_in(dev, NULL, kvm_input, dev, IOAPIC_PINS);
    return true;
}

static void kvm_ioapic_reset(Device *dev)
{
    Ioapic *s = (Ioapic *)dev;

    reset_regs(s);
    x86_irqchip_put_ioapic(dev->vm, s->base, &s->r);
}

static const Prop kvm_ioapic_props[] = {
    PROP(Ioapic, gsi_base, "gsi_base", 0),
    {},
};

static const DeviceClass kvm_ioapic_class = {
    .props = kvm_ioapic_props,
    .realize = kvm_ioapic_realize,
    .reset = kvm_ioapic_reset,
    .internal = true,
    .no_hotplug = true,
};
extern const ObjectType kvm_ioapic_type;
QOM_DEFINE(Ioapic, kvm_ioapic, .name = "kvm-ioapic",
           .parent = &ioapic_common_type, .class = &kvm_ioapic_class);

Device *ioapic_create(Vm *vm, Object *parent, uint64_t base, Error **errp)
{
    bool kvm = x86_irqchip_in_kernel(vm);
    Device *dev = device_new(vm, kvm ? &kvm_ioapic_type : &ioapic_type);

    ((Ioapic *)dev)->base = base;
    object_add_child(parent, "ioapic", dev, error_abort);
    return device_realize_and_unref(dev, system_bus(vm), errp) ? dev : NULL;
}
