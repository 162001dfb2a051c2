/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-net in the migration stream, after the rings. Fields follow each other
 * as QEMU 7.2 writes them; those of more than one queue pair and of guest
 * offloads are there only where the device has them.
 */
#include "util/osdep.h"

#include "util/error.h"
#include "virtio-net.h"

static void state_save(VmWriter *w, const void *elem, const VmField *f)
{
    VirtioNet *n = (VirtioNet *)elem;
    const NetFilter *t = &n->filter;

    vm_put_bytes(w, t->mac, 6);
    vm_put_be32(w, 0); /* packets that wait: the ring still has them */
    vm_put_be32(w, virtio_has(&n->parent, VIRTIO_NET_F_MRG_RXBUF));
    vm_put_be16(w, n->status);
    vm_put_u8(w, t->promisc);
    vm_put_u8(w, t->allmulti);
    vm_put_be32(w, t->table.in_use);
    vm_put_bytes(w, t->table.macs, 6 * (size_t)t->table.in_use);
    vm_put_bytes(w, t->vlans, sizeof(t->vlans));
    vm_put_be32(w, n->vnet_hdr);
    vm_put_u8(w, t->table.multi_overflow);
    vm_put_u8(w, t->table.uni_overflow);
    vm_put_u8(w, t->alluni);
    vm_put_u8(w, t->nomulti);
    vm_put_u8(w, t->nouni);
    vm_put_u8(w, t->nobcast);
    vm_put_u8(w, !!(n->parent.host_features & BIT(VIRTIO_NET_F_HOST_UFO)));
    if (n->peers.n > 1) {
        vm_put_be16(w, n->peers.n);
        vm_put_be16(w, n->active_pairs);
        for (unsigned i = 1; i < n->active_pairs; i++) {
            vm_put_be32(w, 0);
        }
    }
    if (virtio_has(&n->parent, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS)) {
        vm_put_be64(w, n->offloads);
    }
}

static bool load_table(VmReader *r, NetFilter *t, Error **errp)
{
    if (!vm_get_be32(r, &t->table.in_use, errp)) {
        return false;
    }
    if (t->table.in_use > MAC_TABLE_ENTRIES) {
        /* As when the guest gives too many: take them all. */
        uint8_t mac[6];

        if (t->table.in_use > 65536) {
            return error_set(errp, "%u MAC addresses", t->table.in_use);
        }
        for (uint32_t i = 0; i < t->table.in_use; i++) {
            if (!vm_get_bytes(r, mac, 6, errp)) {
                return false;
            }
        }
        t->table.in_use = 0;
        t->alluni = t->allmulti = 1;
        return true;
    }
    return vm_get_bytes(r, t->table.macs, 6 * (size_t)t->table.in_use, errp);
}

static bool load_flags(VmReader *r, NetFilter *t, uint8_t *has_ufo,
                       Error **errp)
{
    return vm_get_u8(r, &t->table.multi_overflow, errp) &&
           vm_get_u8(r, &t->table.uni_overflow, errp) &&
           vm_get_u8(r, &t->alluni, errp) && vm_get_u8(r, &t->nomulti, errp) &&
           vm_get_u8(r, &t->nouni, errp) && vm_get_u8(r, &t->nobcast, errp) &&
           vm_get_u8(r, has_ufo, errp);
}

static bool load_pairs(VirtioNet *n, VmReader *r, Error **errp)
{
    uint16_t max, pairs;
    uint32_t waiting;

    if (n->peers.n <= 1) {
        return true;
    }
    if (!vm_get_be16(r, &max, errp) || !vm_get_be16(r, &pairs, errp)) {
        return false;
    }
    if (max != n->peers.n || pairs < 1 || pairs > n->max_pairs) {
        return error_set(errp, "%u of %u queue pairs, this device has %u",
                         pairs, max, n->max_pairs);
    }
    for (unsigned i = 1; i < pairs; i++) {
        if (!vm_get_be32(r, &waiting, errp)) {
            return false;
        }
    }
    virtio_net_set_pairs(n, pairs);
    return true;
}

static void first_multicast(NetFilter *t)
{
    for (t->table.first_multi = 0; t->table.first_multi < t->table.in_use;
         t->table.first_multi++) {
        if (t->table.macs[6 * t->table.first_multi] & 1) {
            break;
        }
    }
}

static bool state_load(VmReader *r, void *elem, const VmField *f, Error **errp)
{
    VirtioNet *n = elem;
    NetFilter *t = &n->filter;
    uint32_t waiting, mergeable, vnet_hdr;
    uint64_t offloads;
    uint8_t has_ufo;

    if (!vm_get_bytes(r, t->mac, 6, errp) || !vm_get_be32(r, &waiting, errp) ||
        !vm_get_be32(r, &mergeable, errp) ||
        !vm_get_be16(r, &n->status, errp) || !vm_get_u8(r, &t->promisc, errp) ||
        !vm_get_u8(r, &t->allmulti, errp) || !load_table(r, t, errp) ||
        !vm_get_bytes(r, t->vlans, sizeof(t->vlans), errp) ||
        !vm_get_be32(r, &vnet_hdr, errp) || !load_flags(r, t, &has_ufo, errp) ||
        !load_pairs(n, r, errp)) {
        return false;
    }
    if (vnet_hdr && !n->vnet_hdr) {
        return error_set(errp, "virtio-net: saved image requires vnet_hdr=on");
    }
    first_multicast(t);
    if (virtio_has(&n->parent, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS)) {
        if (!vm_get_be64(r, &offloads, errp)) {
            return false;
        }
        n->saved_offloads = offloads;
        n->have_saved_offloads = true;
    }
    return true;
}

static const VmFieldKind state_kind = { "virtio-net", 0, state_save,
                                        state_load };

const VmState virtio_net_state = {
    .name = "virtio-net-device",
    .version = 11,
    .fields =
        (const VmField[]){
            { .name = "state",
              .kind = &state_kind,
              .size = sizeof(VirtioNet),
              .num = 1 },
            {},
        },
};
