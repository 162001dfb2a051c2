/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-serial: the device with its bus, and the ports on it. All on the main
 * loop with the machine lock held. */
#ifndef HW_CHAR_VIRTIO_SERIAL_H
#define HW_CHAR_VIRTIO_SERIAL_H

#include <linux/virtio_console.h>

#include "chardev/char.h"
#include "hw/virtio/virtio-pci.h"

#define SERIAL_PORT_AUTO UINT32_MAX

typedef struct VirtioSerial VirtioSerial;

typedef struct SerialPort {
    Device dev;

    /* properties */
    uint32_t nr; /* queue number; SERIAL_PORT_AUTO until realize */
    char *name;
    CharFrontend chr;

    /* const while realized */
    VirtioSerial *serial;
    VirtQueue *rx, *tx;

    /* guest and host state */
    bool guest_open, host_open;
    VqChain *in; /* being filled for the guest */
    size_t in_used;
    VqChain *out; /* the host did not take all of it yet */
    size_t out_done;
} SerialPort;

typedef struct SerialPortClass {
    DeviceClass device;
    bool is_console;
} SerialPortClass;

struct VirtioSerial {
    VirtioDevice parent;

    /* properties */
    uint32_t max_ports;
    bool emergency_write;

    /* const after realize */
    Bus *bus;
    VirtQueue *ctrl_rx, *ctrl_tx;
    SerialPort **ports; /* max_ports; NULL: free */

    /* for the guest, until it has buffers: struct virtio_console_control */
    GArray *pending;
};

QOM_DECLARE_TYPE(VirtioSerial, virtio_serial)
QOM_DECLARE_TYPE(SerialPort, virtio_serial_port)
extern const ObjectType virtio_serial_bus_type;

static inline bool serial_is_console(const SerialPort *p)
{
    return ((const SerialPortClass *)object_class(p))->is_console;
}

extern const VmState virtio_serial_state; /* virtio-serial-state.c */

/* virtio-serial.c, for ports. */
/* Take number @p->nr (or a free one) and its queues; tell the guest. */
bool virtio_serial_add_port(VirtioSerial *s, SerialPort *p, Error **errp);
void virtio_serial_remove_port(SerialPort *p);
void virtio_serial_send(SerialPort *p, uint16_t event, uint16_t value);

/* virtio-serial-port.c, for the device. */
void serial_port_rx_kick(SerialPort *p);
void serial_port_tx_kick(SerialPort *p);
/* The guest opened or closed its end. */
void serial_port_guest_open(SerialPort *p, bool open);
/* The guest is there: tell it about the port. */
void serial_port_introduce(SerialPort *p);
/* Forget chains, and what the guest opened. */
void serial_port_reset(SerialPort *p);
void serial_port_drop_chains(SerialPort *p, const VirtQueue *vq);

#endif
