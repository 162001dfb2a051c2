/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "pic-common": properties and state of 8259A controllers, "kvm-i8259", whose
 * registers are KVM's, and the pair of them in a PC.
 */
#include "util/osdep.h"

#include "hw/intc/i8259-internal.h"
#include "softmmu/vm.h"
#include "util/error.h"

static const Prop pic_props[] = {
    PROP(Pic, iobase, "iobase", UINT32_MAX),
    PROP(Pic, elcr_addr, "elcr_addr", UINT32_MAX),
    PROP(Pic, elcr_mask, "elcr_mask", 0xff),
    PROP(Pic, master, "master", false),
    {},
};

static void pic_pre_save(void *state)
{
    Pic *s = state;

    if (x86_irqchip_in_kernel(s->parent.dev.vm)) {
        x86_irqchip_get_pic(s->parent.dev.vm, s->master, &s->r);
    }
}

static bool pic_post_load(void *state, int version, Error **errp)
{
    Pic *s = state;

    s->r.elcr_mask = s->elcr_mask;
    if (x86_irqchip_in_kernel(s->parent.dev.vm)) {
        x86_irqchip_put_pic(s->parent.dev.vm, s->master, &s->r);
    }
    return true;
}

static bool pic_check(const void *state, int version, Error **errp)
{
    const Pic *s = state;

    return (s->r.priority_add < 8 && s->r.init_state < 4) ||
           error_set(errp, "i8259: impossible state");
}

#define FIELD(f) VMS_N(Pic, r.f, #f)

static const VmState pic_vmstate = {
    .name = "i8259",
    .version = 1,
    .pre_save = pic_pre_save,
    .check = pic_check,
    .post_load = pic_post_load,
    .fields = (const VmField[]) {
        FIELD(last_irr),
        FIELD(irr),
        FIELD(imr),
        FIELD(isr),
        FIELD(priority_add),
        FIELD(irq_base),
        FIELD(read_reg_select),
        FIELD(poll),
        FIELD(special_mask),
        FIELD(init_state),
        FIELD(auto_eoi),
        FIELD(rotate_on_auto_eoi),
        FIELD(special_fully_nested_mode),
        FIELD(init4),
        FIELD(single_mode),
        FIELD(elcr),
        {},
    },
};

static const IsaDeviceClass pic_class = {
    .device = {
        .props = pic_props,
        .vmstate = &pic_vmstate,
        .internal = true,
        .no_hotplug = true,
    },
};

QOM_DEFINE(Pic, pic, .name = "pic-common", .parent = &isa_device_type,
           .class = &pic_class, .abstract = true);

void pic_reset_regs(Pic *s)
{
    s->r = (X86PicRegs){ .elcr_mask = s->elcr_mask };
}

/* kvm-i8259 --------------------------------------------------------------------- */

static void kvm_pic_reset(Device *dev)
{
    Pic *s = pic(dev);

    pic_reset_regs(s);
    x86_irqchip_put_pic(dev->vm, s->master, &s->r);
}

static const IsaDeviceClass kvm_pic_class = {
    .device = { .reset = kvm_pic_reset, .internal = true, .no_hotplug = true },
};
extern const ObjectType kvm_pic_type;
QOM_DEFINE(Pic, kvm_pic, .name = "kvm-i8259", .parent = &pic_type,
           .class = &kvm_pic_class);

/* The pair ------------------------------------------------------------------------ */

static Pic *create_one(IsaBus *bus, bool master, Error **errp)
{
    bool kvm = x86_irqchip_in_kernel(bus->bus.vm);
    IsaDevice *d = isa_new(bus, kvm ? &kvm_pic_type : &isa_pic_type);
    Pic *s = pic(d);

    s->master = master;
    s->iobase = master ? 0x20 : 0xa0;
    s->elcr_addr = master ? 0x4d0 : 0x4d1;
    /* Timer, keyboard and cascade, and clock and coprocessor, are edges. */
    s->elcr_mask = master ? 0xf8 : 0xde;
    return isa_realize(d, bus, errp) ? s : NULL;
}

bool pics_create(IsaBus *bus, IrqLine *inputs[ISA_NUM_IRQS], Error **errp)
{
    Pic *master = create_one(bus, true, errp);
    Pic *slave = master ? create_one(bus, false, errp) : NULL;

    if (!slave) {
        return false;
    }
    if (x86_irqchip_in_kernel(bus->bus.vm)) {
        return true;
    }
    for (unsigned i = 0; i < ISA_NUM_IRQS; i++) {
        Pic *s = i < 8 ? master : slave;

        inputs[i] = device_irq_in(&s->parent.dev, NULL, i % 8);
    }
    pic_connect(master, slave);
    return true;
}
