/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-serial: virtio 1.2, 5.3 "Console Device"; queues, control messages,
 * the bus of ports. */
#include "util/osdep.h"

#include <endian.h>

#include "util/error.h"
#include "virtio-serial.h"

enum {
    PORT_QUEUE_SIZE = 128,
    CTRL_QUEUE_SIZE = 32,
    PENDING_MAX = 4096, /* messages for a guest that does not fetch them */
};

/* Queues of port 0, of control, then of port 1 and up: each in, out. */
static unsigned port_queue(unsigned nr)
{
    return nr == 0 ? 0 : 2 * nr + 2;
}

static SerialPort *port_of(VirtioSerial *s, const VirtQueue *vq)
{
    unsigned nr = vq->index < 2 ? 0 : vq->index / 2 - 1;

    return nr < s->max_ports ? s->ports[nr] : NULL;
}

static bool multiport(const VirtioSerial *s)
{
    return virtio_has(&s->parent, VIRTIO_CONSOLE_F_MULTIPORT);
}

/* Control messages --------------------------------------------------------- */

/* @name follows the message when there is one. */
static bool ctrl_put(VirtioSerial *s, const struct virtio_console_control *msg,
                     const char *name)
{
    VqChain *c = vq_pop(s->ctrl_rx);
    size_t len;

    if (!c) {
        return false;
    }
    len = vq_write(c, 0, msg, sizeof(*msg));
    if (name) {
        len += vq_write(c, len, name, strlen(name) + 1);
    }
    vq_push(s->ctrl_rx, c, len);
    vq_notify(s->ctrl_rx);
    return true;
}

static const char *name_for(VirtioSerial *s,
                            const struct virtio_console_control *msg)
{
    uint32_t id = le32toh(msg->id);

    if (le16toh(msg->event) != VIRTIO_CONSOLE_PORT_NAME || id >= s->max_ports ||
        !s->ports[id]) {
        return NULL;
    }
    return s->ports[id]->name;
}

static void ctrl_flush(VirtioSerial *s)
{
    guint n = 0;

    while (n < s->pending->len) {
        struct virtio_console_control *msg =
            &g_array_index(s->pending, struct virtio_console_control, n);

        if (!ctrl_put(s, msg, name_for(s, msg))) {
            break;
        }
        n++;
    }
    g_array_remove_range(s->pending, 0, n);
}

static void ctrl_send(VirtioSerial *s, uint32_t id, uint16_t event,
                      uint16_t value)
{
    struct virtio_console_control msg = {
        .id = htole32(id),
        .event = htole16(event),
        .value = htole16(value),
    };

    if (!multiport(s) || s->pending->len >= PENDING_MAX) {
        return;
    }
    g_array_append_val(s->pending, msg);
    ctrl_flush(s);
}

void virtio_serial_send(SerialPort *p, uint16_t event, uint16_t value)
{
    ctrl_send(p->serial, p->nr, event, value);
}

static void device_ready(VirtioSerial *s, bool ok)
{
    if (!ok) {
        warn_report_ratelimited("virtio-serial: the guest could not set up its "
                                "device");
        return;
    }
    for (unsigned i = 0; i < s->max_ports; i++) {
        if (s->ports[i]) {
            ctrl_send(s, i, VIRTIO_CONSOLE_PORT_ADD, 1);
        }
    }
}

static void ctrl_message(VirtioSerial *s,
                         const struct virtio_console_control *msg)
{
    uint32_t id = le32toh(msg->id);
    uint16_t value = le16toh(msg->value);
    SerialPort *p = id < s->max_ports ? s->ports[id] : NULL;

    switch (le16toh(msg->event)) {
    case VIRTIO_CONSOLE_DEVICE_READY:
        device_ready(s, value);
        break;
    case VIRTIO_CONSOLE_PORT_READY:
        if (p && value) {
            serial_port_introduce(p);
        }
        break;
    case VIRTIO_CONSOLE_PORT_OPEN:
        if (p) {
            serial_port_guest_open(p, value);
        }
        break;
    default:
        break;
    }
}

static void ctrl_tx_kick(VirtioSerial *s, VirtQueue *vq)
{
    bool any = false;
    VqChain *c;

    while ((c = vq_pop(vq))) {
        struct virtio_console_control msg;

        if (vq_read(c, 0, &msg, sizeof(msg)) == sizeof(msg)) {
            ctrl_message(s, &msg);
        }
        vq_push(vq, c, 0);
        any = true;
    }
    if (any) {
        vq_notify(vq);
    }
}

static void serial_kick(VirtQueue *vq)
{
    VirtioSerial *s = virtio_serial(vq->vdev);
    SerialPort *p;

    if (vq == s->ctrl_rx) {
        ctrl_flush(s);
        return;
    }
    if (vq == s->ctrl_tx) {
        ctrl_tx_kick(s, vq);
        return;
    }
    p = port_of(s, vq);
    if (p && vq == p->rx) {
        serial_port_rx_kick(p);
    } else if (p) {
        serial_port_tx_kick(p);
    } else if (vq->index % 2) {
        VqChain *c;

        /* Nobody there: swallow it. */
        while ((c = vq_pop(vq))) {
            vq_push(vq, c, 0);
        }
        vq_notify(vq);
    }
}

/* Ports -------------------------------------------------------------------- */

static bool pick_number(VirtioSerial *s, SerialPort *p, Error **errp)
{
    /* Port 0 is for a console, as guests without multiport take it for one. */
    uint32_t first = serial_is_console(p) ? 0 : 1;

    if (p->nr == 0 && first) {
        return error_set(errp,
                         "Port number 0 on virtio-serial devices reserved "
                         "for virtconsole devices for backward compatibility");
    }
    if (p->nr == SERIAL_PORT_AUTO) {
        for (p->nr = first; p->nr < s->max_ports && s->ports[p->nr]; p->nr++) {
        }
        if (p->nr >= s->max_ports) {
            p->nr = SERIAL_PORT_AUTO;
            return error_set(errp, "Maximum port limit for this device "
                                   "reached");
        }
    }
    if (p->nr >= s->max_ports) {
        return error_set(errp,
                         "Out-of-range port id specified, max. allowed: "
                         "%u",
                         s->max_ports - 1);
    }
    if (s->ports[p->nr]) {
        return error_set(errp, "A port already exists at id %u", p->nr);
    }
    return true;
}

static bool name_is_free(VirtioSerial *s, const SerialPort *p, Error **errp)
{
    for (unsigned i = 0; p->name && i < s->max_ports; i++) {
        if (s->ports[i] && !g_strcmp0(s->ports[i]->name, p->name)) {
            return error_set(errp, "A port already exists by name '%s'",
                             p->name);
        }
    }
    return true;
}

bool virtio_serial_add_port(VirtioSerial *s, SerialPort *p, Error **errp)
{
    if (!name_is_free(s, p, errp) || !pick_number(s, p, errp)) {
        return false;
    }
    p->serial = s;
    p->rx = s->parent.queues[port_queue(p->nr)];
    p->tx = s->parent.queues[port_queue(p->nr) + 1];
    s->ports[p->nr] = p;
    ctrl_send(s, p->nr, VIRTIO_CONSOLE_PORT_ADD, 1);
    return true;
}

void virtio_serial_remove_port(SerialPort *p)
{
    VirtioSerial *s = p->serial;

    s->ports[p->nr] = NULL;
    ctrl_send(s, p->nr, VIRTIO_CONSOLE_PORT_REMOVE, 1);
}

/* The device --------------------------------------------------------------- */

static uint64_t serial_features(VirtioDevice *vdev, uint64_t offered,
                                Error **errp)
{
    VirtioSerial *s = virtio_serial(vdev);

    if (s->max_ports > 1) {
        offered |= BIT(VIRTIO_CONSOLE_F_MULTIPORT);
    }
    if (s->emergency_write) {
        offered |= BIT(VIRTIO_CONSOLE_F_EMERG_WRITE);
    }
    return offered;
}

static void serial_get_config(VirtioDevice *vdev)
{
    VirtioSerial *s = virtio_serial(vdev);
    struct virtio_console_config c = {
        .max_nr_ports = htole32(s->max_ports),
    };

    memcpy(vdev->config, &c, sizeof(c));
}

/* "emerg_wr": a character for the first console, before any queue works. */
static void serial_set_config(VirtioDevice *vdev, const uint8_t *config)
{
    VirtioSerial *s = virtio_serial(vdev);
    struct virtio_console_config c;
    uint8_t byte;

    memcpy(&c, config, sizeof(c));
    byte = le32toh(c.emerg_wr);
    if (!s->emergency_write || !c.emerg_wr) {
        return;
    }
    for (unsigned i = 0; i < s->max_ports; i++) {
        if (s->ports[i] && serial_is_console(s->ports[i])) {
            char_fe_write(&s->ports[i]->chr, &byte, 1);
            return;
        }
    }
}

static void serial_reset(VirtioDevice *vdev)
{
    VirtioSerial *s = virtio_serial(vdev);

    g_array_set_size(s->pending, 0);
    for (unsigned i = 0; i < s->max_ports; i++) {
        if (s->ports[i]) {
            serial_port_reset(s->ports[i]);
        }
    }
}

static void serial_status_set(VirtioDevice *vdev, uint8_t status)
{
    VirtioSerial *s = virtio_serial(vdev);

    if (!(status & VIRTIO_STATUS_DRIVER_OK)) {
        serial_reset(vdev);
    } else if (!multiport(s) && s->ports[0]) {
        /* A driver of one port does not say that it opened it. */
        serial_port_guest_open(s->ports[0], true);
    }
}

static void serial_queue_reset(VirtQueue *vq)
{
    VirtioSerial *s = virtio_serial(vq->vdev);
    SerialPort *p =
        vq == s->ctrl_rx || vq == s->ctrl_tx ? NULL : port_of(s, vq);

    if (p) {
        serial_port_drop_chains(p, vq);
    }
}

static bool serial_realize(Device *dev, Error **errp)
{
    VirtioSerial *s = virtio_serial(dev);
    Device *proxy = dev->bus ? dev->bus->parent : NULL;
    g_autofree char *name = NULL;
    unsigned most = VIRTIO_QUEUE_MAX / 2 - 1;

    if (s->max_ports == 0 || s->max_ports > most) {
        return error_set(errp, "Maximum ports supported: %u", most);
    }
    for (unsigned i = 0; i < 2 * (s->max_ports + 1); i++) {
        bool ctrl = i == 2 || i == 3;

        virtio_add_queue(&s->parent, ctrl ? CTRL_QUEUE_SIZE : PORT_QUEUE_SIZE,
                         serial_kick);
    }
    s->ctrl_rx = s->parent.queues[2];
    s->ctrl_tx = s->parent.queues[3];
    virtio_set_config_size(&s->parent, sizeof(struct virtio_console_config));
    s->ports = g_new0(SerialPort *, s->max_ports);
    s->pending =
        g_array_new(FALSE, FALSE, sizeof(struct virtio_console_control));
    if (proxy && proxy->id) {
        name = g_strdup_printf("%s.0", proxy->id);
    }
    s->bus = bus_new(&virtio_serial_bus_type, dev->vm, dev, name);
    return true;
}

static void serial_unrealize(Device *dev)
{
    VirtioSerial *s = virtio_serial(dev);

    virtio_unplug(&s->parent);
    g_clear_pointer(&s->ports, g_free);
    g_array_free(s->pending, TRUE);
    s->pending = NULL;
}

static const Prop serial_props[] = {
    PROP(VirtioSerial, max_ports, "max_ports", 31),
    PROP(VirtioSerial, emergency_write, "emergency-write", true,
         .help = "on/off"),
    {},
};

static const VirtioClass serial_class = {
    .device = {
        .desc = "Serial ports and consoles",
        .props = serial_props,
        .bus_type = &virtio_bus_type,
        .vmstate = VIRTIO_VMSTATE("virtio-console", 3),
        .internal = true,
        .category = DEVICE_CATEGORY_INPUT,
        .realize = serial_realize,
        .unrealize = serial_unrealize,
    },
    .name = "virtio-serial",
    .id = VIRTIO_ID_CONSOLE,
    .vmstate_version = 3,
    .features = serial_features,
    .get_config = serial_get_config,
    .set_config = serial_set_config,
    .status_set = serial_status_set,
    .reset = serial_reset,
    .queue_reset = serial_queue_reset,
    .state = &virtio_serial_state,
};
VIRTIO_DEFINE(VirtioSerial, virtio_serial, "virtio-serial", &serial_class);

static bool serial_bus_unplug(Bus *bus, Device *dev, Error **errp)
{
    device_unplug(dev);
    return true;
}

static const BusClass serial_bus_class = {
    .hotplug = true,
    .unplug_request = serial_bus_unplug,
};
QOM_DEFINE(Bus, virtio_serial_bus, .name = "virtio-serial-bus",
           .parent = &bus_type, .class = &serial_bus_class);

static const Prop serial_pci_props[] = {
    PROP(VirtioPci, n_vectors, "vectors", 2),
    PROP(VirtioPci, class_code, "class", 0),
    {},
};
#define SERIAL_PCI(...) \
    VIRTIO_PCI_CLASS(0x1003, PCI_CLASS_COMMUNICATION_OTHER, INPUT, __VA_ARGS__)
VIRTIO_PCI_DEFINE(virtio_serial, "virtio-serial", SERIAL_PCI, serial_pci_props);
