/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ports of virtio-serial: "virtconsole" and "virtserialport", each a character
 * device on one side and a pair of queues on the other. Both sides wait for
 * the other: nothing is stored but the chain at hand.
 */
#include "util/osdep.h"

#include "qapi/qapi-events-char.h"
#include "util/error.h"
#include "virtio-serial.h"

/* Bytes that the host may hand over in one go. */
#define READ_MAX 4096

/* Guest to host ------------------------------------------------------------ */

static void out_ready(void *opaque);

/* Write what is left of the chain. False: the host is full. */
static bool out_flush(SerialPort *p)
{
    VqChain *c = p->out;

    while (p->out_done < c->out_len) {
        uint8_t buf[READ_MAX];
        size_t n = vq_read(c, p->out_done, buf, sizeof(buf));
        size_t taken = p->host_open || serial_is_console(p)
                           ? char_fe_write(&p->chr, buf, n)
                           : n; /* nobody there */

        p->out_done += taken;
        if (taken < n) {
            char_fe_watch_out(&p->chr, out_ready, p);
            return false;
        }
    }
    p->out = NULL;
    vq_push(p->tx, c, 0);
    return true;
}

void serial_port_tx_kick(SerialPort *p)
{
    bool any = false;

    while (!p->out && (p->out = vq_pop(p->tx))) {
        p->out_done = 0;
        if (!out_flush(p)) {
            break;
        }
        any = true;
    }
    if (any) {
        vq_notify(p->tx);
    }
}

static void out_ready(void *opaque)
{
    SerialPort *p = opaque;

    if (p->out && vq_ready(p->tx) && out_flush(p)) {
        vq_notify(p->tx);
        virtio_queue_kick(p->tx); /* for those behind it */
    }
}

/* Host to guest ------------------------------------------------------------ */

static size_t port_can_read(void *opaque)
{
    SerialPort *p = opaque;

    if (!vq_ready(p->rx) || !p->guest_open) {
        return 0;
    }
    if (!p->in) {
        p->in = vq_pop(p->rx);
        p->in_used = 0;
    }
    vq_mute(p->rx, p->in != NULL);
    if (!p->in) {
        p->in = vq_pop(p->rx); /* they came before we asked for kicks */
        p->in_used = 0;
    }
    return p->in ? MIN(p->in->in_len, READ_MAX) : 0;
}

static void port_read(void *opaque, const uint8_t *buf, size_t len)
{
    SerialPort *p = opaque;
    VqChain *c = p->in;

    if (!c) {
        return; /* reset since can_read */
    }
    p->in = NULL;
    len = vq_write(c, 0, buf, len);
    vq_push(p->rx, c, len);
    vq_notify(p->rx);
}

void serial_port_rx_kick(SerialPort *p)
{
    char_fe_accept_input(&p->chr);
}

/* Open and closed ---------------------------------------------------------- */

static void port_set_host_open(SerialPort *p, bool open)
{
    if (p->host_open == open) {
        return;
    }
    p->host_open = open;
    virtio_serial_send(p, VIRTIO_CONSOLE_PORT_OPEN, open);
}

static void port_event(void *opaque, CharEvent event)
{
    SerialPort *p = opaque;

    switch (event) {
    case CHAR_EVENT_OPENED:
        port_set_host_open(p, true);
        break;
    case CHAR_EVENT_CLOSED:
        /* What the guest sent is for somebody who has gone. */
        if (p->out && vq_ready(p->tx)) {
            out_ready(p);
        }
        if (!serial_is_console(p)) {
            port_set_host_open(p, false);
        }
        break;
    default:
        break;
    }
}

static const CharHandlers port_handlers;

static bool port_change(void *opaque, Error **errp)
{
    SerialPort *p = opaque;

    char_fe_set_open(&p->chr, p->guest_open);
    if (p->out) {
        out_ready(p);
    }
    return true;
}

static const CharHandlers port_handlers = {
    .can_read = port_can_read,
    .read = port_read,
    .event = port_event,
    .change = port_change,
};

void serial_port_guest_open(SerialPort *p, bool open)
{
    Device *dev = &p->dev;

    if (p->guest_open == open) {
        return;
    }
    p->guest_open = open;
    if (!serial_is_console(p)) {
        char_fe_set_open(&p->chr, open);
    }
    if (dev->id) {
        qapi_event_send_vserport_change(dev->vm->events, dev->id, open);
    }
    if (open) {
        char_fe_accept_input(&p->chr);
    }
}

void serial_port_introduce(SerialPort *p)
{
    if (serial_is_console(p)) {
        virtio_serial_send(p, VIRTIO_CONSOLE_CONSOLE_PORT, 1);
    }
    if (p->name) {
        virtio_serial_send(p, VIRTIO_CONSOLE_PORT_NAME, 1);
    }
    if (p->host_open) {
        virtio_serial_send(p, VIRTIO_CONSOLE_PORT_OPEN, 1);
    }
}

void serial_port_drop_chains(SerialPort *p, const VirtQueue *vq)
{
    if (p->in && (!vq || vq == p->rx)) {
        vq_drop(p->rx, g_steal_pointer(&p->in));
    }
    if (p->out && (!vq || vq == p->tx)) {
        char_fe_watch_out(&p->chr, NULL, NULL);
        vq_drop(p->tx, g_steal_pointer(&p->out));
    }
}

void serial_port_reset(SerialPort *p)
{
    serial_port_drop_chains(p, NULL);
    serial_port_guest_open(p, false);
}

/* Types -------------------------------------------------------------------- */

static bool port_realize(Device *dev, Error **errp)
{
    SerialPort *p = virtio_serial_port(dev);
    VirtioSerial *s = virtio_serial(dev->bus->parent);

    if (!char_fe_connect(&p->chr, dev->vm, errp)) {
        return false;
    }
    /* A console's other end counts as open, somebody there or not. */
    p->host_open = serial_is_console(p);
    if (!virtio_serial_add_port(s, p, errp)) {
        char_fe_deinit(&p->chr);
        return false;
    }
    char_fe_set_handlers(&p->chr, &port_handlers, p);
    /* Clients take it for the guest's agent being there. */
    char_fe_set_open(&p->chr, serial_is_console(p));
    return true;
}

static void port_unrealize(Device *dev)
{
    SerialPort *p = virtio_serial_port(dev);

    serial_port_drop_chains(p, NULL);
    virtio_serial_remove_port(p);
    char_fe_deinit(&p->chr);
}

static const Prop port_base_props[] = {
    PROP(SerialPort, nr, "nr", SERIAL_PORT_AUTO),
    PROP_STR(SerialPort, name, "name"),
    {},
};

static const SerialPortClass port_base_class = {
    .device = {
        .props = port_base_props,
        .bus_type = &virtio_serial_bus_type,
        .category = DEVICE_CATEGORY_INPUT,
    },
};
QOM_DEFINE(SerialPort, virtio_serial_port, .name = "virtio-serial-port",
           .parent = &device_type, .class = &port_base_class, .abstract = true);

static const Prop port_props[] = {
    PROP_CHARDEV(SerialPort, chr, "chardev"),
    {},
};

static const SerialPortClass serialport_class = {
    .device = {
        .props = port_props,
        .bus_type = &virtio_serial_bus_type,
        .category = DEVICE_CATEGORY_INPUT,
        .realize = port_realize,
        .unrealize = port_unrealize,
    },
};
QOM_DEFINE(SerialPort, virtserialport, .name = "virtserialport",
           .parent = &virtio_serial_port_type, .class = &serialport_class);

/* The realize above is the parent type's. */
static const SerialPortClass virtconsole_class = {
    .device = {
        .bus_type = &virtio_serial_bus_type,
        .category = DEVICE_CATEGORY_INPUT,
    },
    .is_console = true,
};
QOM_DEFINE(SerialPort, virtconsole, .name = "virtconsole",
           .parent = &virtserialport_type, .class = &virtconsole_class);
