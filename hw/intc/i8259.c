/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "isa-i8259": the 8259A interrupt controller. Intel 8259A data sheet; edge or
 * level control registers as in the ICH9 data sheet, 13.4.
 */
#include "util/osdep.h"

#include "hw/intc/i8259-internal.h"
#include "softmmu/vm.h"

enum { CASCADE = 2, SPURIOUS = 7, NONE = 8 };

/* How far the most urgent of @inputs is from the top; NONE: there is none. */
static unsigned rank(const X86PicRegs *r, uint8_t inputs)
{
    unsigned p = 0;

    while (p < NONE && !(inputs & 1 << ((p + r->priority_add) & 7))) {
        p++;
    }
    return p;
}

/* The input to serve, or -1. */
static int pending(const Pic *s)
{
    const X86PicRegs *r = &s->r;
    uint8_t busy = r->isr;
    unsigned p = rank(r, r->irr & ~r->imr);

    if (r->special_mask) {
        busy &= ~r->imr;
    }
    if (r->special_fully_nested_mode && s->master) {
        busy &= ~(1 << CASCADE);
    }
    return p < rank(r, busy) ? (int)((p + r->priority_add) & 7) : -1;
}

static void update(Pic *s)
{
    irq_set(s->out, pending(s) >= 0);
}

static void pic_input(void *opaque, int n, int level)
{
    Pic *s = opaque;
    uint8_t bit = 1 << n;

    if (level) {
        if (s->r.elcr & bit || !(s->r.last_irr & bit)) {
            s->r.irr |= bit;
        }
        s->r.last_irr |= bit;
    } else {
        if (s->r.elcr & bit) {
            s->r.irr &= ~bit;
        }
        s->r.last_irr &= ~bit;
    }
    update(s);
}

static void acknowledge(Pic *s, int n)
{
    X86PicRegs *r = &s->r;

    if (!r->auto_eoi) {
        r->isr |= 1 << n;
    } else if (r->rotate_on_auto_eoi) {
        r->priority_add = (n + 1) & 7;
    }
    if (!(r->elcr & 1 << n)) {
        r->irr &= ~(1 << n);
    }
    update(s);
}

/* The two INTA cycles of the CPU. */
static int take_vector(Pic *s)
{
    int n = pending(s), vector;

    if (n < 0) {
        return s->r.irq_base + SPURIOUS;
    }
    if (n == CASCADE && s->slave) {
        vector = take_vector(s->slave);
    } else {
        vector = s->r.irq_base + n;
    }
    acknowledge(s, n);
    return vector;
}

static int acknowledge_cpu(void *opaque)
{
    Pic *s = opaque;

    return pending(s) >= 0 ? take_vector(s) : -1;
}

/* Commands -------------------------------------------------------------------- */

static void init_word_1(Pic *s, uint8_t v)
{
    X86PicRegs old = s->r;

    pic_reset_regs(s);
    s->r.elcr = old.elcr;
    s->r.irr = old.irr & old.elcr; /* edges are forgotten */
    s->r.init_state = 1;
    s->r.init4 = v & 1;
    s->r.single_mode = v & 2;
    update(s);
}

static void end_of_interrupt(Pic *s, int n, bool rotate)
{
    s->r.isr &= ~(1 << n);
    if (rotate) {
        s->r.priority_add = (n + 1) & 7;
    }
    update(s);
}

static void operation_word_2(Pic *s, uint8_t v)
{
    X86PicRegs *r = &s->r;
    bool rotate = v & 0x80, specific = v & 0x40, eoi = v & 0x20;
    unsigned p;

    if (!specific && !eoi) {
        r->rotate_on_auto_eoi = rotate;
    } else if (!specific) {
        p = rank(r, r->isr);
        if (p < NONE) {
            end_of_interrupt(s, (p + r->priority_add) & 7, rotate);
        }
    } else if (eoi) {
        end_of_interrupt(s, v & 7, rotate);
    } else if (rotate) {
        r->priority_add = (v + 1) & 7;
        update(s);
    }
}

static void operation_word_3(Pic *s, uint8_t v)
{
    if (v & 4) {
        s->r.poll = 1;
    }
    if (v & 2) {
        s->r.read_reg_select = v & 1;
    }
    if (v & 0x40) {
        s->r.special_mask = v >> 5 & 1;
    }
}

static void write_data(Pic *s, uint8_t v)
{
    X86PicRegs *r = &s->r;

    switch (r->init_state) {
    case 0:
        r->imr = v;
        update(s);
        break;
    case 1:
        r->irq_base = v & 0xf8;
        r->init_state = !r->single_mode ? 2 : r->init4 ? 3 : 0;
        break;
    case 2:
        r->init_state = r->init4 ? 3 : 0;
        break;
    default:
        r->special_fully_nested_mode = v >> 4 & 1;
        r->auto_eoi = v >> 1 & 1;
        r->init_state = 0;
    }
}

static void pic_write(void *opaque, hwaddr addr, uint64_t v, unsigned size)
{
    Pic *s = opaque;

    if (addr) {
        write_data(s, v);
    } else if (v & 0x10) {
        init_word_1(s, v);
    } else if (v & 8) {
        operation_word_3(s, v);
    } else {
        operation_word_2(s, v);
    }
}

static uint64_t pic_read(void *opaque, hwaddr addr, unsigned size)
{
    Pic *s = opaque;

    if (s->r.poll) {
        int n = pending(s);

        s->r.poll = 0;
        if (n >= 0) {
            acknowledge(s, n);
        }
        return n >= 0 ? n | 0x80 : 0;
    }
    if (addr) {
        return s->r.imr;
    }
    return s->r.read_reg_select ? s->r.isr : s->r.irr;
}

static const MemOps pic_ops = {
    .read = pic_read,
    .write = pic_write,
    .impl = { 1, 1 },
};

static void elcr_write(void *opaque, hwaddr addr, uint64_t v, unsigned size)
{
    Pic *s = opaque;

    s->r.elcr = v & s->elcr_mask;
}

static uint64_t elcr_read(void *opaque, hwaddr addr, unsigned size)
{
    const Pic *s = opaque;

    return s->r.elcr;
}

static const MemOps elcr_ops = {
    .read = elcr_read,
    .write = elcr_write,
    .impl = { 1, 1 },
};

/* Life -------------------------------------------------------------------------- */

static bool pic_realize(Device *dev, Error **errp)
{
    Pic *s = pic(dev);

    mem_region_init_io(&s->io, &dev->obj, &pic_ops, s, "pic", 2);
    mem_region_init_io(&s->elcr_io, &dev->obj, &elcr_ops, s, "elcr", 1);
    device_irqs_in(dev, NULL, pic_input, s, 8);
    device_irqs_out(dev, NULL, &s->out, 1);
    return isa_add_io(&s->parent, &s->io, s->iobase, errp) &&
           isa_add_io(&s->parent, &s->elcr_io, s->elcr_addr, errp);
}

static void pic_reset(Device *dev)
{
    Pic *s = pic(dev);

    pic_reset_regs(s);
    update(s);
}

static void cpu_input(void *opaque, int n, int level)
{
    x86_split_pic_output(opaque, level);
}

void pic_connect(Pic *master, Pic *slave)
{
    Vm *vm = master->parent.dev.vm;

    master->slave = slave;
    device_connect_out(&slave->parent.dev, NULL, 0,
                       device_irq_in(&master->parent.dev, NULL, CASCADE));
    device_connect_out(&master->parent.dev, NULL, 0,
                       irq_new(cpu_input, vm, 0));
    x86_split_connect_pic(vm, acknowledge_cpu, master);
}

static void pic_finalize(Object *obj)
{
    Pic *s = pic(obj);

    mem_region_cleanup(&s->io);
    mem_region_cleanup(&s->elcr_io);
}

static const IsaDeviceClass isa_pic_class = {
    .device = {
        .realize = pic_realize,
        .reset = pic_reset,
        .internal = true,
        .no_hotplug = true,
    },
};
QOM_DEFINE(Pic, isa_pic, .name = "isa-i8259", .parent = &pic_type,
           .class = &isa_pic_class, .finalize = pic_finalize);
