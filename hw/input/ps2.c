/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "ps2-kbd" and "ps2-mouse": IBM Personal System/2 Hardware Interface Technical
 * Reference, "Keyboard and Auxiliary Device Controller"; the wheel mouse's id
 * by Microsoft's "IntelliMouse" sequence of sample rates.
 */
#include "util/osdep.h"

#include "hw/input/ps2.h"
#include "util/error.h"

enum {
    QUEUE_MAX = 16,

    REPLY_ACK = 0xfa,
    REPLY_RESEND = 0xfe,
    REPLY_TEST_PASSED = 0xaa,

    /* both */
    CMD_SET_RATE = 0xf3,
    CMD_ENABLE = 0xf4,
    CMD_DISABLE = 0xf5,
    CMD_DEFAULTS = 0xf6,
    CMD_GET_ID = 0xf2,
    CMD_RESEND = 0xfe,
    CMD_RESET = 0xff,
    /* keyboard */
    KBD_SET_LEDS = 0xed,
    KBD_ECHO = 0xee,
    KBD_SCANCODE_SET = 0xf0,
    KBD_TYPEMATIC_FIRST = 0xf7, /* to 0xfa: for all keys, without argument */
    KBD_TYPEMATIC_LAST = 0xfa,
    /* mouse */
    MOUSE_SCALE_1 = 0xe6,
    MOUSE_SCALE_2 = 0xe7,
    MOUSE_SET_RESOLUTION = 0xe8,
    MOUSE_GET_STATUS = 0xe9,
    MOUSE_STREAM = 0xea,
    MOUSE_POLL = 0xeb,
    MOUSE_WRAP_END = 0xec,
    MOUSE_WRAP = 0xee,
    MOUSE_REMOTE = 0xf0,

    STATUS_REMOTE = 0x40,
    STATUS_ENABLED = 0x20,
    STATUS_SCALE_2 = 0x10,
};

/* Queue -------------------------------------------------------------------- */

static void queue(Ps2Device *s, uint8_t byte)
{
    if (s->count < QUEUE_MAX) {
        s->data[(uint8_t)(s->rptr + s->count)] = byte;
        s->count++;
        s->wptr = (uint8_t)(s->rptr + s->count);
    }
    irq_raise(s->changed);
}

uint8_t ps2_read(Ps2Device *s)
{
    uint8_t byte;

    if (s->count == 0) {
        return s->data[(uint8_t)(s->rptr - 1)];
    }
    byte = s->data[s->rptr];
    s->rptr = (uint8_t)(s->rptr + 1);
    s->count--;
    irq_lower(s->changed);
    if (s->count) {
        irq_raise(s->changed);
    }
    return byte;
}

static void clear_queue(Ps2Device *s)
{
    s->rptr = s->wptr = s->count = 0;
    s->reply_end = -1;
    s->write_cmd = -1;
    irq_lower(s->changed);
}

/* Keyboard ----------------------------------------------------------------- */

static void kbd_defaults(Ps2Kbd *s)
{
    s->scan_enabled = 1;
    s->scancode_set = 2;
    s->ledstate = 0;
    s->need_high_bit = false;
}

static void kbd_argument(Ps2Kbd *s, uint8_t cmd, uint8_t byte)
{
    /* Set numbers as the controller's translation shows them. */
    static const uint8_t translated[] = { 0, 0x43, 0x41, 0x3f };

    queue(&s->parent, REPLY_ACK);
    switch (cmd) {
    case KBD_SCANCODE_SET:
        if (byte == 0) {
            queue(&s->parent,
                  s->translate ? translated[s->scancode_set] : s->scancode_set);
        } else if (byte <= 3) {
            s->scancode_set = byte;
        }
        break;
    case KBD_SET_LEDS:
        s->ledstate = byte & 7;
        break;
    default: /* typematic rate */
        break;
    }
}

static void kbd_command(Ps2Kbd *s, uint8_t byte)
{
    Ps2Device *d = &s->parent;

    switch (byte) {
    case KBD_SET_LEDS:
    case KBD_SCANCODE_SET:
    case CMD_SET_RATE:
        d->write_cmd = byte;
        queue(d, REPLY_ACK);
        break;
    case KBD_ECHO:
        queue(d, KBD_ECHO);
        break;
    case CMD_GET_ID:
        queue(d, REPLY_ACK);
        queue(d, 0xab);
        queue(d, s->translate ? 0x41 : 0x83);
        break;
    case CMD_ENABLE:
        s->scan_enabled = 1;
        queue(d, REPLY_ACK);
        break;
    case CMD_DISABLE:
        kbd_defaults(s);
        s->scan_enabled = 0;
        queue(d, REPLY_ACK);
        break;
    case CMD_DEFAULTS:
        kbd_defaults(s);
        queue(d, REPLY_ACK);
        break;
    case KBD_TYPEMATIC_FIRST ... KBD_TYPEMATIC_LAST:
        queue(d, REPLY_ACK);
        break;
    case CMD_RESET:
        clear_queue(d);
        kbd_defaults(s);
        queue(d, REPLY_ACK);
        queue(d, REPLY_TEST_PASSED);
        break;
    default: /* also CMD_RESEND, which nothing garbles here */
        queue(d, REPLY_RESEND);
        break;
    }
}

void ps2_kbd_write(Ps2Kbd *s, uint8_t byte)
{
    int32_t cmd = s->parent.write_cmd;

    s->parent.write_cmd = -1;
    /* A byte above 0xec cannot be an argument: a new command. */
    if (cmd >= 0 && byte < KBD_SET_LEDS) {
        kbd_argument(s, cmd, byte);
    } else {
        kbd_command(s, byte);
    }
}

void ps2_kbd_set_translation(Ps2Kbd *s, bool on)
{
    s->translate = on;
}

static void ps2_kbd_reset(Device *dev)
{
    Ps2Kbd *s = ps2_kbd(dev);

    clear_queue(&s->parent);
    kbd_defaults(s);
    s->translate = 0;
}

/* Mouse -------------------------------------------------------------------- */

static void mouse_defaults(Ps2Mouse *s)
{
    s->sample_rate = 100;
    s->resolution = 2;
    s->status = 0;
    s->dx = s->dy = s->dz = 0;
}

static void send_packet(Ps2Mouse *s)
{
    queue(&s->parent, 0x08 | (s->buttons & 7));
    queue(&s->parent, 0);
    queue(&s->parent, 0);
    if (s->type) {
        queue(&s->parent, 0);
    }
}

/* Rates 200, 100, 80 switch the wheel on; 200, 200, 80 two more buttons. */
static void detect_type(Ps2Mouse *s, uint8_t rate)
{
    static const struct {
        uint8_t state, rate, next, type;
    } steps[] = {
        { 0, 200, 1, 0 }, { 1, 100, 2, 0 }, { 1, 200, 3, 0 },
        { 2, 80, 0, 3 },  { 3, 80, 0, 4 },
    };
    uint8_t state = s->detect_state;

    s->detect_state = rate == 200 ? 1 : 0;
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        if (steps[i].state == state && steps[i].rate == rate) {
            s->detect_state = steps[i].next;
            s->type = steps[i].type ? steps[i].type : s->type;
        }
    }
}

static void mouse_argument(Ps2Mouse *s, uint8_t cmd, uint8_t byte)
{
    if (cmd == CMD_SET_RATE) {
        s->sample_rate = byte;
        detect_type(s, byte);
    } else {
        s->resolution = byte;
    }
    queue(&s->parent, REPLY_ACK);
}

/* Commands that only set state: what to clear and to set in the status. */
static bool mouse_simple(Ps2Mouse *s, uint8_t byte)
{
    switch (byte) {
    case MOUSE_SCALE_1:
        s->status &= ~STATUS_SCALE_2;
        break;
    case MOUSE_SCALE_2:
        s->status |= STATUS_SCALE_2;
        break;
    case MOUSE_STREAM:
        s->status &= ~STATUS_REMOTE;
        break;
    case MOUSE_REMOTE:
        s->status |= STATUS_REMOTE;
        break;
    case CMD_ENABLE:
        s->status |= STATUS_ENABLED;
        break;
    case CMD_DISABLE:
        s->status &= ~STATUS_ENABLED;
        break;
    case MOUSE_WRAP:
        s->wrap = 1;
        break;
    case MOUSE_WRAP_END:
        s->wrap = 0;
        break;
    case CMD_DEFAULTS:
        mouse_defaults(s);
        break;
    default:
        return false;
    }
    queue(&s->parent, REPLY_ACK);
    return true;
}

static void mouse_command(Ps2Mouse *s, uint8_t byte)
{
    Ps2Device *d = &s->parent;

    if (mouse_simple(s, byte)) {
        return;
    }
    switch (byte) {
    case MOUSE_SET_RESOLUTION:
    case CMD_SET_RATE:
        d->write_cmd = byte;
        queue(d, REPLY_ACK);
        break;
    case CMD_GET_ID:
        queue(d, REPLY_ACK);
        queue(d, s->type);
        break;
    case MOUSE_GET_STATUS:
        queue(d, REPLY_ACK);
        queue(d, s->status);
        queue(d, s->resolution);
        queue(d, s->sample_rate);
        break;
    case MOUSE_POLL:
        queue(d, REPLY_ACK);
        send_packet(s);
        break;
    case CMD_RESET:
        clear_queue(d);
        mouse_defaults(s);
        s->type = 0;
        queue(d, REPLY_ACK);
        queue(d, REPLY_TEST_PASSED);
        queue(d, s->type);
        break;
    default:
        queue(d, REPLY_RESEND);
        break;
    }
}

void ps2_mouse_write(Ps2Mouse *s, uint8_t byte)
{
    int32_t cmd = s->parent.write_cmd;

    s->parent.write_cmd = -1;
    if (s->wrap && byte != MOUSE_WRAP_END && byte != CMD_RESET) {
        queue(&s->parent, byte);
    } else if (cmd >= 0) {
        mouse_argument(s, cmd, byte);
    } else {
        mouse_command(s, byte);
    }
}

static void ps2_mouse_reset(Device *dev)
{
    Ps2Mouse *s = ps2_mouse(dev);

    clear_queue(&s->parent);
    mouse_defaults(s);
    s->type = s->wrap = s->detect_state = s->buttons = 0;
}

/* State and types ---------------------------------------------------------- */

static bool ps2_realize(Device *dev, Error **errp)
{
    Ps2Device *s = (Ps2Device *)dev;

    device_irqs_out(dev, NULL, &s->changed, 1);
    return true;
}

static bool ps2_check(const void *state, int version, Error **errp)
{
    const Ps2Device *s = state;

    return (s->rptr >= 0 && s->rptr < 256 && s->wptr >= 0 && s->wptr < 256 &&
            s->count >= 0 && s->count <= 256 && s->write_cmd >= -1 &&
            s->write_cmd < 256) ||
           error_set(errp, "ps2: bad queue (%d, %d, %d)", s->rptr, s->wptr,
                     s->count);
}

static const VmState ps2_common_vmstate = {
    .name = "PS2 Common State",
    .version = 3,
    .min_version = 2,
    .check = ps2_check,
    .fields =
        (const VmField[]){
            VMS(Ps2Device, write_cmd),
            VMS_N(Ps2Device, rptr, "queue.rptr"),
            VMS_N(Ps2Device, wptr, "queue.wptr"),
            VMS_N(Ps2Device, count, "queue.count"),
            VMS_BUFFER(Ps2Device, data, "queue.data"),
            {},
        },
};

static bool led_needed(const void *state)
{
    return ((const Ps2Kbd *)state)->ledstate != 0;
}

static const VmState led_vmstate = {
    .name = "ps2kbd/ledstate",
    .version = 3,
    .min_version = 2,
    .needed = led_needed,
    .fields = (const VmField[]){ VMS(Ps2Kbd, ledstate), {} },
};

static bool high_bit_needed(const void *state)
{
    return ((const Ps2Kbd *)state)->need_high_bit;
}

static const VmState high_bit_vmstate = {
    .name = "ps2kbd/need_high_bit",
    .version = 1,
    .needed = high_bit_needed,
    .fields = (const VmField[]){ VMS(Ps2Kbd, need_high_bit), {} },
};

/* Where QEMU's replies end in the queue; here everything is a reply. */
static bool reply_needed(const void *state)
{
    return ((const Ps2Kbd *)state)->parent.reply_end >= 0;
}

static const VmState reply_vmstate = {
    .name = "ps2kbd/command_reply_queue",
    .needed = reply_needed,
    .fields =
        (const VmField[]){
            VMS_N(Ps2Kbd, parent.reply_end, "parent_obj.queue.cwptr"),
            {},
        },
};

static bool kbd_check(const void *state, int version, Error **errp)
{
    const Ps2Kbd *s = state;

    return (s->scancode_set >= 0 && s->scancode_set <= 3) ||
           error_set(errp, "ps2kbd: scan code set %d", s->scancode_set);
}

static bool kbd_post_load(void *state, int version, Error **errp)
{
    Ps2Kbd *s = state;

    s->parent.reply_end = -1;
    if (version == 2 || s->scancode_set == 0) {
        s->scancode_set = 2;
    }
    return true;
}

static const VmState ps2_kbd_vmstate = {
    .name = "ps2kbd",
    .version = 3,
    .min_version = 2,
    .check = kbd_check,
    .post_load = kbd_post_load,
    .fields =
        (const VmField[]){
            VMS_STRUCT(Ps2Kbd, parent, "parent_obj", &ps2_common_vmstate),
            VMS(Ps2Kbd, scan_enabled),
            VMS(Ps2Kbd, translate),
            VMS_V(Ps2Kbd, scancode_set, "scancode_set", 3),
            {},
        },
    .subsections =
        (const VmState *const[]){
            &led_vmstate,
            &high_bit_vmstate,
            &reply_vmstate,
            NULL,
        },
};

static const VmState ps2_mouse_vmstate = {
    .name = "ps2mouse",
    .version = 2,
    .fields =
        (const VmField[]){
            VMS_STRUCT(Ps2Mouse, parent, "parent_obj", &ps2_common_vmstate),
            VMS_N(Ps2Mouse, status, "mouse_status"),
            VMS_N(Ps2Mouse, resolution, "mouse_resolution"),
            VMS_N(Ps2Mouse, sample_rate, "mouse_sample_rate"),
            VMS_N(Ps2Mouse, wrap, "mouse_wrap"),
            VMS_N(Ps2Mouse, type, "mouse_type"),
            VMS_N(Ps2Mouse, detect_state, "mouse_detect_state"),
            VMS_N(Ps2Mouse, dx, "mouse_dx"),
            VMS_N(Ps2Mouse, dy, "mouse_dy"),
            VMS_N(Ps2Mouse, dz, "mouse_dz"),
            VMS_N(Ps2Mouse, buttons, "mouse_buttons"),
            {},
        },
};

static const DeviceClass ps2_device_class = {
    .category = DEVICE_CATEGORY_INPUT,
    .bus_type = &system_bus_type,
    .internal = true,
    .no_hotplug = true,
    .realize = ps2_realize,
};
QOM_DEFINE(Ps2Device, ps2_device, .name = "ps2-device", .parent = &device_type,
           .class = &ps2_device_class, .abstract = true);

static const DeviceClass ps2_kbd_class = {
    .category = DEVICE_CATEGORY_INPUT,
    .bus_type = &system_bus_type,
    .internal = true,
    .no_hotplug = true,
    .reset = ps2_kbd_reset,
    .vmstate = &ps2_kbd_vmstate,
};
QOM_DEFINE(Ps2Kbd, ps2_kbd, .name = "ps2-kbd", .parent = &ps2_device_type,
           .class = &ps2_kbd_class);

static const DeviceClass ps2_mouse_class = {
    .category = DEVICE_CATEGORY_INPUT,
    .bus_type = &system_bus_type,
    .internal = true,
    .no_hotplug = true,
    .reset = ps2_mouse_reset,
    .vmstate = &ps2_mouse_vmstate,
};
QOM_DEFINE(Ps2Mouse, ps2_mouse, .name = "ps2-mouse", .parent = &ps2_device_type,
           .class = &ps2_mouse_class);
