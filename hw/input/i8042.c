/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "i8042": keyboard controller. IBM Personal System/2 Hardware Interface
 * Technical Reference, "Keyboard and Auxiliary Device Controller".
 *
 * The output buffer shows one source at a time: a reply of the controller, the
 * keyboard, or the mouse, in this order. Devices' bytes are fetched when read.
 */
#include "util/osdep.h"

#include "hw/acpi/aml.h"
#include "hw/input/i8042.h"
#include "hw/input/ps2.h"
#include "softmmu/vm.h"
#include "util/error.h"

enum {
    STAT_OBF = 0x01,
    STAT_SELFTEST = 0x04,
    STAT_CMD = 0x08,
    STAT_UNLOCKED = 0x10,
    STAT_MOUSE_OBF = 0x20,

    MODE_KBD_INT = 0x01,
    MODE_MOUSE_INT = 0x02,
    MODE_DISABLE_KBD = 0x10,
    MODE_DISABLE_MOUSE = 0x20,
    MODE_TRANSLATE = 0x40,

    OUT_RESET = 0x01,
    OUT_A20 = 0x02,
    OUT_OBF = 0x10,
    OUT_MOUSE_OBF = 0x20,
    OUT_ONES = 0xcc,

    /* What waits; and where the output buffer's byte is from. */
    PENDING_CTRL_KBD = 0x04,
    PENDING_CTRL_AUX = 0x08,
    PENDING_KBD = 0x10,
    PENDING_AUX = 0x20,
    SOURCE_KBD = 0x01,
    SOURCE_MOUSE = 0x02,
    SOURCE_CTRL = 0x04,

    CMD_READ_MODE = 0x20,
    CMD_WRITE_MODE = 0x60,
    CMD_DISABLE_MOUSE = 0xa7,
    CMD_ENABLE_MOUSE = 0xa8,
    CMD_TEST_MOUSE = 0xa9,
    CMD_SELF_TEST = 0xaa,
    CMD_TEST_KBD = 0xab,
    CMD_DISABLE_KBD = 0xad,
    CMD_ENABLE_KBD = 0xae,
    CMD_READ_INPUT_PORT = 0xc0,
    CMD_READ_OUTPUT_PORT = 0xd0,
    CMD_WRITE_OUTPUT_PORT = 0xd1,
    CMD_WRITE_KBD_BUFFER = 0xd2,
    CMD_WRITE_AUX_BUFFER = 0xd3,
    CMD_WRITE_MOUSE = 0xd4,
    CMD_A20_OFF = 0xdd,
    CMD_A20_ON = 0xdf,
    CMD_PULSE_NONE = 0xff,
    CMD_PULSE_FIRST = 0xf0, /* low bits clear: pulse these lines; 0: reset */

    THROTTLE_NS = 1000000,
};

typedef struct I8042 {
    IsaDevice parent;
    MemRegion data_io, cmd_io;
    IrqLine *irq_kbd, *irq_mouse, *a20; /* not owned */
    Ps2Kbd *kbd;
    Ps2Mouse *mouse;
    /* Properties. */
    uint8_t kbd_irq, mouse_irq;
    bool extended_state, kbd_throttle;
    VmTimer throttle; /* keyboard bytes wait for it */

    /* Guest state. */
    uint8_t write_cmd; /* command whose argument comes next; 0: none */
    uint8_t status, mode, outport;
    uint8_t pending;   /* PENDING_* */
    uint32_t source;   /* SOURCE_* of the output buffer */
    uint8_t out_data;  /* what was read last */
    uint8_t ctrl_data; /* the controller's reply */
    bool extended_loaded;
    uint32_t migration_flags;
} I8042;

QOM_DECLARE_TYPE(I8042, i8042)

/* Output buffer ------------------------------------------------------------ */

static void update_irqs(I8042 *s)
{
    bool full = s->status & STAT_OBF, mouse = s->status & STAT_MOUSE_OBF;

    irq_set(s->irq_kbd, full && !mouse && (s->mode & MODE_KBD_INT) &&
                            !(s->mode & MODE_DISABLE_KBD));
    irq_set(s->irq_mouse, full && mouse && (s->mode & MODE_MOUSE_INT));
}

static void drop_irqs(I8042 *s)
{
    irq_lower(s->irq_kbd);
    irq_lower(s->irq_mouse);
}

static void fill(I8042 *s, uint32_t source, bool mouse)
{
    s->source = source;
    s->status |= STAT_OBF | (mouse ? STAT_MOUSE_OBF : 0);
    s->outport |= mouse ? OUT_MOUSE_OBF : OUT_OBF;
}

/* Show the next waiting byte, unless one is being shown. */
static void update(I8042 *s)
{
    if (s->status & STAT_OBF) {
        return;
    }
    s->status &= ~STAT_MOUSE_OBF;
    s->outport &= ~(OUT_OBF | OUT_MOUSE_OBF);
    s->source = 0;
    if (s->pending & (PENDING_CTRL_KBD | PENDING_CTRL_AUX)) {
        fill(s, SOURCE_CTRL, s->pending & PENDING_CTRL_AUX);
    } else if ((s->pending & PENDING_KBD) && !(s->mode & MODE_DISABLE_KBD) &&
               !vm_timer_pending(&s->throttle)) {
        fill(s, SOURCE_KBD, false);
    } else if ((s->pending & PENDING_AUX) && !(s->mode & MODE_DISABLE_MOUSE)) {
        fill(s, SOURCE_MOUSE, true);
    }
    update_irqs(s);
}

static void set_pending(I8042 *s, uint8_t bit, bool on)
{
    s->pending = on ? s->pending | bit : s->pending & ~bit;
}

/* The devices tell that their queues changed. */
static void kbd_changed(void *opaque, int n, int level)
{
    I8042 *s = opaque;

    set_pending(s, PENDING_KBD, level);
    update(s);
}

static void mouse_changed(void *opaque, int n, int level)
{
    I8042 *s = opaque;

    set_pending(s, PENDING_AUX, level);
    update(s);
}

static void throttle_over(void *opaque)
{
    update(opaque);
}

/* A reply of the controller replaces what is shown; that comes again later. */
static void reply(I8042 *s, uint8_t byte, bool mouse)
{
    set_pending(s, PENDING_CTRL_KBD | PENDING_CTRL_AUX, false);
    set_pending(s, mouse ? PENDING_CTRL_AUX : PENDING_CTRL_KBD, true);
    s->ctrl_data = byte;
    s->status &= ~STAT_OBF;
    drop_irqs(s);
    update(s);
}

static uint64_t data_read(void *opaque, hwaddr addr, unsigned size)
{
    I8042 *s = opaque;
    uint32_t source = s->source;

    if (!(s->status & STAT_OBF)) {
        return s->out_data;
    }
    s->status &= ~STAT_OBF;
    drop_irqs(s);
    switch (source) {
    case SOURCE_KBD:
        if (s->kbd_throttle) {
            vm_timer_set(&s->throttle,
                         vm_clock_ns(s->parent.dev.vm, VM_CLOCK_VIRTUAL) +
                             THROTTLE_NS);
        }
        s->out_data = ps2_read(&s->kbd->parent);
        break;
    case SOURCE_MOUSE:
        s->out_data = ps2_read(&s->mouse->parent);
        break;
    default:
        set_pending(s, PENDING_CTRL_KBD | PENDING_CTRL_AUX, false);
        s->out_data = s->ctrl_data;
        break;
    }
    update(s);
    return s->out_data;
}

/* Commands ----------------------------------------------------------------- */

static void write_outport(I8042 *s, uint8_t value)
{
    s->outport = value;
    irq_set(s->a20, !!(value & OUT_A20));
    if (!(value & OUT_RESET)) {
        vm_reset_request(s->parent.dev.vm, SHUTDOWN_CAUSE_GUEST_RESET);
    }
}

static void set_mode(I8042 *s, uint8_t mode)
{
    s->mode = mode;
    ps2_kbd_set_translation(s->kbd, mode & MODE_TRANSLATE);
    update(s);
    update_irqs(s);
}

static void pulse(I8042 *s, uint8_t lines)
{
    if (!(lines & 1)) {
        vm_reset_request(s->parent.dev.vm, SHUTDOWN_CAUSE_GUEST_RESET);
    }
}

static void command(I8042 *s, uint8_t cmd)
{
    switch (cmd) {
    case CMD_READ_MODE:
        reply(s, s->mode, false);
        break;
    case CMD_WRITE_MODE:
    case CMD_WRITE_OUTPUT_PORT:
    case CMD_WRITE_KBD_BUFFER:
    case CMD_WRITE_AUX_BUFFER:
    case CMD_WRITE_MOUSE:
        s->write_cmd = cmd;
        break;
    case CMD_DISABLE_MOUSE:
        set_mode(s, s->mode | MODE_DISABLE_MOUSE);
        break;
    case CMD_ENABLE_MOUSE:
        set_mode(s, s->mode & ~MODE_DISABLE_MOUSE);
        break;
    case CMD_TEST_MOUSE:
    case CMD_TEST_KBD:
        reply(s, 0, false);
        break;
    case CMD_SELF_TEST:
        s->status |= STAT_SELFTEST;
        reply(s, 0x55, false);
        break;
    case CMD_DISABLE_KBD:
        set_mode(s, s->mode | MODE_DISABLE_KBD);
        break;
    case CMD_ENABLE_KBD:
        set_mode(s, s->mode & ~MODE_DISABLE_KBD);
        break;
    case CMD_READ_INPUT_PORT:
        reply(s, 0x80, false); /* keyboard not locked */
        break;
    case CMD_READ_OUTPUT_PORT:
        reply(s, s->outport, false);
        break;
    case CMD_A20_OFF:
        write_outport(s, s->outport & ~OUT_A20);
        break;
    case CMD_A20_ON:
        write_outport(s, s->outport | OUT_A20);
        break;
    case CMD_PULSE_FIRST ... CMD_PULSE_NONE:
        pulse(s, cmd & 0xf);
        break;
    default:
        break;
    }
}

static void argument(I8042 *s, uint8_t cmd, uint8_t byte)
{
    switch (cmd) {
    case CMD_WRITE_MODE:
        set_mode(s, byte);
        break;
    case CMD_WRITE_OUTPUT_PORT:
        write_outport(s, byte);
        break;
    case CMD_WRITE_KBD_BUFFER:
        reply(s, byte, false);
        break;
    case CMD_WRITE_AUX_BUFFER:
        reply(s, byte, true);
        break;
    case CMD_WRITE_MOUSE:
        ps2_mouse_write(s->mouse, byte);
        break;
    default:
        ps2_kbd_write(s->kbd, byte);
        break;
    }
}

static void data_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    I8042 *s = opaque;
    uint8_t cmd = s->write_cmd;

    s->write_cmd = 0;
    s->status &= ~STAT_CMD;
    if (cmd == 0 || cmd == CMD_WRITE_MOUSE) {
        /* Talking to a device switches its clock on again. */
        set_mode(s, s->mode & ~(cmd ? MODE_DISABLE_MOUSE : MODE_DISABLE_KBD));
    }
    argument(s, cmd, value);
}

static uint64_t status_read(void *opaque, hwaddr addr, unsigned size)
{
    return ((I8042 *)opaque)->status;
}

static void command_write(void *opaque, hwaddr addr, uint64_t value,
                          unsigned size)
{
    I8042 *s = opaque;

    s->status |= STAT_CMD;
    s->write_cmd = 0;
    command(s, value);
}

static const MemOps data_ops = {
    .read = data_read,
    .write = data_write,
    .impl = { 1, 1 },
};

static const MemOps command_ops = {
    .read = status_read,
    .write = command_write,
    .impl = { 1, 1 },
};

/* Life --------------------------------------------------------------------- */

static Ps2Device *add_device(I8042 *s, const ObjectType *type, const char *name,
                             IrqHandler *fn, Error **errp)
{
    Device *dev = &s->parent.dev, *d = device_new(dev->vm, type);
    g_autofree char *pin = g_strdup_printf("ps2-%s-input-irq", name + 3);

    device_irqs_in(dev, pin, fn, s, 1);
    if (!object_add_child(&dev->obj, name, d, errp) ||
        !device_realize_and_unref(d, system_bus(dev->vm), errp)) {
        return NULL;
    }
    device_connect_out(d, NULL, 0, device_irq_in(dev, pin, 0));
    return (Ps2Device *)d;
}

static bool i8042_realize(Device *dev, Error **errp)
{
    I8042 *s = i8042(dev);
    Vm *vm = dev->vm;

    s->irq_kbd = isa_irq(&s->parent, s->kbd_irq, errp);
    if (!s->irq_kbd) {
        return false;
    }
    s->irq_mouse = isa_irq(&s->parent, s->mouse_irq, errp);
    if (!s->irq_mouse) {
        return false;
    }
    device_irqs_out(dev, "a20", &s->a20, 1);
    vm_timer_init(&s->throttle, vm, VM_CLOCK_VIRTUAL, throttle_over, s);
    s->kbd =
        (Ps2Kbd *)add_device(s, &ps2_kbd_type, "ps2kbd", kbd_changed, errp);
    s->mouse = s->kbd ? (Ps2Mouse *)add_device(s, &ps2_mouse_type, "ps2mouse",
                                               mouse_changed, errp)
                      : NULL;
    if (!s->mouse) {
        return false;
    }
    mem_region_init_io(&s->data_io, &dev->obj, &data_ops, s, "i8042-data", 1);
    mem_region_init_io(&s->cmd_io, &dev->obj, &command_ops, s, "i8042-cmd", 1);
    return isa_add_io(&s->parent, &s->data_io, 0x60, errp) &&
           isa_add_io(&s->parent, &s->cmd_io, 0x64, errp);
}

static void i8042_reset(Device *dev)
{
    I8042 *s = i8042(dev);

    s->mode = MODE_KBD_INT | MODE_MOUSE_INT;
    s->status = STAT_CMD | STAT_UNLOCKED;
    s->outport = OUT_RESET | OUT_A20 | OUT_ONES;
    s->pending = s->write_cmd = s->out_data = s->ctrl_data = 0;
    s->source = 0;
    vm_timer_cancel(&s->throttle);
    drop_irqs(s);
}

void i8042_direct_boot(Device *dev)
{
    I8042 *s = i8042(dev);

    set_mode(s, s->mode | MODE_TRANSLATE);
}

static void i8042_build_aml(Device *dev, Aml *a)
{
    I8042 *s = i8042(dev);

    aml_device(a, "KBD");
    aml_name_eisaid(a, "_HID", "PNP0303");
    aml_name_int(a, "_STA", 0xf);
    aml_name(a, "_CRS");
    aml_resources(a);
    aml_res_io(a, 0x60, 0x60, 1, 1);
    aml_res_io(a, 0x64, 0x64, 1, 1);
    aml_res_irq(a, s->kbd_irq);
    aml_end(a);
    aml_end(a);

    aml_device(a, "MOU");
    aml_name_eisaid(a, "_HID", "PNP0F13");
    aml_name_int(a, "_STA", 0xf);
    aml_name(a, "_CRS");
    aml_resources(a);
    aml_res_irq(a, s->mouse_irq);
    aml_end(a);
    aml_end(a);
}

/* State -------------------------------------------------------------------- */

static bool outport_needed(const void *state)
{
    const I8042 *s = state;
    uint8_t expected = OUT_RESET | OUT_A20 | OUT_ONES;

    if (s->status & STAT_OBF) {
        expected |= s->status & STAT_MOUSE_OBF ? OUT_MOUSE_OBF : OUT_OBF;
    }
    return s->outport != expected;
}

static const VmState outport_vmstate = {
    .name = "pckbd_outport",
    .version = 1,
    .needed = outport_needed,
    .fields = (const VmField[]){ VMS(I8042, outport), {} },
};

static bool extended_needed(const void *state)
{
    return ((const I8042 *)state)->extended_state;
}

static bool extended_loaded(void *state, int version, Error **errp)
{
    ((I8042 *)state)->extended_loaded = true;
    return true;
}

static const VmState extended_vmstate = {
    .name = "pckbd/extended_state",
    .needed = extended_needed,
    .post_load = extended_loaded,
    .fields =
        (const VmField[]){
            VMS(I8042, migration_flags),
            VMS_N(I8042, source, "obsrc"),
            VMS_N(I8042, out_data, "obdata"),
            VMS_N(I8042, ctrl_data, "cbdata"),
            {},
        },
};

static bool i8042_pre_load(void *state, Error **errp)
{
    I8042 *s = state;

    s->extended_loaded = false;
    s->outport = OUT_RESET | OUT_A20 | OUT_ONES;
    return true;
}

static bool i8042_post_load(void *state, int version, Error **errp)
{
    I8042 *s = state;

    /* Old streams: bits 0 and 1 say which device has bytes. */
    if (!s->extended_loaded) {
        s->pending = (s->pending & 1 ? PENDING_KBD : 0) |
                     (s->pending & 2 ? PENDING_AUX : 0);
        s->source = !(s->status & STAT_OBF)        ? 0
                    : (s->status & STAT_MOUSE_OBF) ? SOURCE_MOUSE
                                                   : SOURCE_KBD;
    }
    s->pending &=
        PENDING_CTRL_KBD | PENDING_CTRL_AUX | PENDING_KBD | PENDING_AUX;
    update(s);
    update_irqs(s);
    return true;
}

static const VmState kbd_vmstate = {
    .name = "pckbd",
    .version = 3,
    .pre_load = i8042_pre_load,
    .post_load = i8042_post_load,
    .fields =
        (const VmField[]){
            VMS(I8042, write_cmd),
            VMS(I8042, status),
            VMS(I8042, mode),
            VMS_N(I8042, pending, "pending_tmp"),
            {},
        },
    .subsections =
        (const VmState *const[]){
            &outport_vmstate,
            &extended_vmstate,
            NULL,
        },
};

static const VmState i8042_vmstate = {
    .name = "pckbd",
    .version = 3,
    .fields =
        (const VmField[]){
            { .name = "kbd",
              .kind = &vmk_struct,
              .offset = 0,
              .size = sizeof(I8042),
              .num = 1,
              .flags = VMF_STRUCT,
              .sub = &kbd_vmstate },
            {},
        },
};

static const Prop i8042_props[] = {
    PROP(I8042, extended_state, "extended-state", true),
    PROP(I8042, kbd_throttle, "kbd-throttle", false),
    PROP(I8042, kbd_irq, "kbd-irq", 1),
    PROP(I8042, mouse_irq, "mouse-irq", 12),
    {},
};

static const IsaDeviceClass i8042_class = {
    .device = {
        .props = i8042_props,
        .category = DEVICE_CATEGORY_INPUT,
        .bus_type = &isa_bus_type,
        .no_hotplug = true,
        .realize = i8042_realize,
        .reset = i8042_reset,
        .vmstate = &i8042_vmstate,
        .build_aml = i8042_build_aml,
    },
};

QOM_DEFINE(I8042, i8042, .name = "i8042", .parent = &isa_device_type,
           .class = &i8042_class);
