/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-serial in the migration stream, after the rings: configuration, the
 * ports there are, and which ends are open. As QEMU 7.2 writes it. */
#include "util/osdep.h"

#include "util/error.h"
#include "virtio-serial.h"

static void state_save(VmWriter *w, const void *elem, const VmField *f)
{
    const VirtioSerial *s = elem;
    unsigned n = 0;

    vm_put_be16(w, 0); /* columns and rows: never set */
    vm_put_be16(w, 0);
    vm_put_be32(w, s->max_ports);
    for (unsigned word = 0; word < DIV_ROUND_UP(s->max_ports, 32); word++) {
        uint32_t map = 0;

        for (unsigned i = 0; i < 32; i++) {
            unsigned nr = 32 * word + i;

            if (nr < s->max_ports && s->ports[nr]) {
                map |= 1u << i;
                n++;
            }
        }
        vm_put_be32(w, map);
    }
    vm_put_be32(w, n);
    for (unsigned i = 0; i < s->max_ports; i++) {
        if (s->ports[i]) {
            vm_put_be32(w, i);
            vm_put_u8(w, s->ports[i]->guest_open);
            vm_put_u8(w, s->ports[i]->host_open);
            vm_put_be32(w, 0); /* chains at hand are taken again */
        }
    }
}

static bool load_port(VirtioSerial *s, VmReader *r, Error **errp)
{
    uint32_t id, popped;
    uint8_t guest_open, host_open;
    SerialPort *p;

    if (!vm_get_be32(r, &id, errp) || !vm_get_u8(r, &guest_open, errp) ||
        !vm_get_u8(r, &host_open, errp) || !vm_get_be32(r, &popped, errp)) {
        return false;
    }
    p = id < s->max_ports ? s->ports[id] : NULL;
    if (!p) {
        return error_set(errp, "port %u does not exist here", id);
    }
    if (popped) {
        return error_set(errp,
                         "port %u: output in the middle of a buffer "
                         "cannot be loaded",
                         id);
    }
    serial_port_guest_open(p, guest_open);
    if (!!host_open != p->host_open) {
        /* The guest knows another state of our end. */
        virtio_serial_send(p, VIRTIO_CONSOLE_PORT_OPEN, p->host_open);
    }
    return true;
}

static bool state_load(VmReader *r, void *elem, const VmField *f, Error **errp)
{
    VirtioSerial *s = elem;
    uint16_t cols, rows;
    uint32_t max_ports, map, n;

    if (!vm_get_be16(r, &cols, errp) || !vm_get_be16(r, &rows, errp) ||
        !vm_get_be32(r, &max_ports, errp)) {
        return false;
    }
    if (max_ports > s->max_ports) {
        return error_set(errp, "%u ports, this device has %u", max_ports,
                         s->max_ports);
    }
    for (unsigned word = 0; word < DIV_ROUND_UP(max_ports, 32); word++) {
        if (!vm_get_be32(r, &map, errp)) {
            return false;
        }
        for (unsigned i = 0; i < 32; i++) {
            unsigned nr = 32 * word + i;

            if (nr < s->max_ports && (map >> i & 1) != (s->ports[nr] != NULL)) {
                return error_set(errp, "port %u is on one side only", nr);
            }
        }
    }
    if (!vm_get_be32(r, &n, errp)) {
        return false;
    }
    if (n > s->max_ports) {
        return error_set(errp, "%u active ports", n);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!load_port(s, r, errp)) {
            return false;
        }
    }
    return true;
}

static const VmFieldKind state_kind = { "virtio-console", 0, state_save,
                                        state_load };

const VmState virtio_serial_state = {
    .name = "virtio-console-device",
    .version = 3,
    .fields =
        (const VmField[]){
            { .name = "state",
              .kind = &state_kind,
              .size = sizeof(VirtioSerial),
              .num = 1 },
            {},
        },
};
