/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-net's control queue and receive filter: virtio 1.2, 5.1.6.5 "Control
 * Virtqueue".
 */
#include "util/osdep.h"

#include <endian.h>

#include "qapi/qapi-events-net.h"
#include "util/error.h"
#include "virtio-net.h"

/* Filter ----------------------------------------------------------------- */

void virtio_net_filter_features(VirtioNet *n)
{
    bool filters = virtio_has(&n->parent, VIRTIO_NET_F_CTRL_VLAN);

    memset(n->filter.vlans, filters ? 0 : 0xff, sizeof(n->filter.vlans));
}

void virtio_net_filter_reset(VirtioNet *n)
{
    n->filter = (NetFilter){ .promisc = 1 };
    memcpy(n->filter.mac, n->mac, 6);
    virtio_net_filter_features(n);
}

static bool vlan_passes(const NetFilter *f, const uint8_t *packet, size_t len)
{
    unsigned vid;

    if (len < 16 || packet[12] != 0x81 || packet[13] != 0x00) {
        return true;
    }
    vid = (packet[14] << 8 | packet[15]) & (VLAN_MAX - 1);
    return f->vlans[vid / 32] >> (vid % 32) & 1;
}

static bool in_table(const NetFilter *f, const uint8_t *mac, unsigned from,
                     unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        if (!memcmp(mac, f->table.macs + 6 * i, 6)) {
            return true;
        }
    }
    return false;
}

bool virtio_net_filter_passes(const VirtioNet *n, const uint8_t *packet,
                              size_t len)
{
    static const uint8_t bcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    const NetFilter *f = &n->filter;

    if (f->promisc) {
        return true;
    }
    if (len < 14 || !vlan_passes(f, packet, len)) {
        return false;
    }
    if (packet[0] & 1) {
        if (!memcmp(packet, bcast, 6)) {
            return !f->nobcast;
        }
        return !f->nomulti &&
               (f->allmulti || f->table.multi_overflow ||
                in_table(f, packet, f->table.first_multi, f->table.in_use));
    }
    return !f->nouni &&
           (f->alluni || f->table.uni_overflow || !memcmp(packet, f->mac, 6) ||
            in_table(f, packet, 0, f->table.first_multi));
}

static char *mac_text(const uint8_t *m)
{
    return g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2],
                           m[3], m[4], m[5]);
}

static strList *mac_list(const NetFilter *f, unsigned from, unsigned to)
{
    strList *list = NULL, **tail = &list;

    for (unsigned i = from; i < to; i++) {
        QAPI_LIST_APPEND(tail, mac_text(f->table.macs + 6 * i));
    }
    return list;
}

static intList *vlan_list(const NetFilter *f)
{
    intList *list = NULL, **tail = &list;

    for (int i = 0; i < VLAN_MAX; i++) {
        if (f->vlans[i / 32] >> (i % 32) & 1) {
            QAPI_LIST_APPEND(tail, i);
        }
    }
    return list;
}

static RxState rx_state(bool none, bool all)
{
    return none ? RX_STATE_NONE : all ? RX_STATE_ALL : RX_STATE_NORMAL;
}

RxFilterInfo *virtio_net_filter_info(VirtioNet *n)
{
    const NetFilter *f = &n->filter;
    RxFilterInfo *info = g_new0(RxFilterInfo, 1);
    bool vlans = virtio_has(&n->parent, VIRTIO_NET_F_CTRL_VLAN);

    info->name = g_strdup(n->pairs[0].nc.name);
    info->promiscuous = f->promisc;
    info->unicast = rx_state(f->nouni, f->alluni);
    info->multicast = rx_state(f->nomulti, f->allmulti);
    info->broadcast_allowed = !f->nobcast;
    info->multicast_overflow = f->table.multi_overflow;
    info->unicast_overflow = f->table.uni_overflow;
    info->main_mac = mac_text(f->mac);
    info->unicast_table = mac_list(f, 0, f->table.first_multi);
    info->multicast_table = mac_list(f, f->table.first_multi, f->table.in_use);
    info->vlan = vlans ? RX_STATE_NORMAL : RX_STATE_ALL;
    info->vlan_table = vlan_list(f);
    n->filter_told = false;
    return info;
}

/* Once until somebody asks for the filter. */
static void filter_changed(VirtioNet *n)
{
    Device *dev = &n->parent.parent;
    g_autofree char *path = NULL;

    if (n->filter_told) {
        return;
    }
    n->filter_told = true;
    path = object_path(&dev->obj);
    qapi_event_send_nic_rx_filter_changed(dev->vm->events, n->pairs[0].nc.name,
                                          path);
}

/* Commands --------------------------------------------------------------- */

/* What remains of a command's bytes. */
typedef struct CtrlData {
    const VqChain *c;
    size_t off;
} CtrlData;

static bool take(CtrlData *d, void *buf, size_t len)
{
    size_t n = vq_read(d->c, d->off, buf, len);

    d->off += n;
    return n == len;
}

static bool ctrl_rx(VirtioNet *n, uint8_t cmd, CtrlData *d)
{
    NetFilter *f = &n->filter;
    uint8_t *const modes[] = {
        [VIRTIO_NET_CTRL_RX_PROMISC] = &f->promisc,
        [VIRTIO_NET_CTRL_RX_ALLMULTI] = &f->allmulti,
        [VIRTIO_NET_CTRL_RX_ALLUNI] = &f->alluni,
        [VIRTIO_NET_CTRL_RX_NOMULTI] = &f->nomulti,
        [VIRTIO_NET_CTRL_RX_NOUNI] = &f->nouni,
        [VIRTIO_NET_CTRL_RX_NOBCAST] = &f->nobcast,
    };
    uint8_t on;

    if (cmd >= ARRAY_SIZE(modes) || !take(d, &on, 1)) {
        return false;
    }
    *modes[cmd] = !!on;
    filter_changed(n);
    return true;
}

/* One of the two lists of a table; @at is where it goes. */
static bool take_macs(CtrlData *d, NetFilter *f, unsigned at, uint8_t *overflow)
{
    uint32_t entries;

    if (!take(d, &entries, sizeof(entries))) {
        return false;
    }
    entries = le32toh(entries);
    if (entries > (d->c->out_len - d->off) / 6) {
        return false;
    }
    if (entries <= MAC_TABLE_ENTRIES - at) {
        f->table.in_use = at + entries;
        return take(d, f->table.macs + 6 * at, 6 * entries);
    }
    *overflow = 1;
    d->off += 6 * (size_t)entries;
    return true;
}

static bool ctrl_mac(VirtioNet *n, uint8_t cmd, CtrlData *d)
{
    NetFilter fresh = n->filter;

    if (cmd == VIRTIO_NET_CTRL_MAC_ADDR_SET) {
        if (d->c->out_len - d->off != 6 || !take(d, n->filter.mac, 6)) {
            return false;
        }
        filter_changed(n);
        return true;
    }
    if (cmd != VIRTIO_NET_CTRL_MAC_TABLE_SET) {
        return false;
    }
    memset(&fresh.table, 0, sizeof(fresh.table));
    if (!take_macs(d, &fresh, 0, &fresh.table.uni_overflow)) {
        return false;
    }
    fresh.table.first_multi = fresh.table.in_use;
    if (!take_macs(d, &fresh, fresh.table.in_use,
                   &fresh.table.multi_overflow) ||
        d->off != d->c->out_len) {
        return false;
    }
    n->filter = fresh;
    filter_changed(n);
    return true;
}

static bool ctrl_vlan(VirtioNet *n, uint8_t cmd, CtrlData *d)
{
    uint16_t vid;

    if (!virtio_has(&n->parent, VIRTIO_NET_F_CTRL_VLAN) ||
        !take(d, &vid, sizeof(vid))) {
        return false;
    }
    vid = le16toh(vid);
    if (vid >= VLAN_MAX) {
        return false;
    }
    if (cmd == VIRTIO_NET_CTRL_VLAN_ADD) {
        n->filter.vlans[vid / 32] |= 1u << (vid % 32);
    } else if (cmd == VIRTIO_NET_CTRL_VLAN_DEL) {
        n->filter.vlans[vid / 32] &= ~(1u << (vid % 32));
    } else {
        return false;
    }
    filter_changed(n);
    return true;
}

static bool ctrl_announce(VirtioNet *n, uint8_t cmd)
{
    if (cmd != VIRTIO_NET_CTRL_ANNOUNCE_ACK ||
        !(n->status & VIRTIO_NET_S_ANNOUNCE)) {
        return false;
    }
    n->status &= ~VIRTIO_NET_S_ANNOUNCE;
    return true;
}

static bool ctrl_mq(VirtioNet *n, uint8_t cmd, CtrlData *d)
{
    uint16_t pairs;

    if (!virtio_has(&n->parent, VIRTIO_NET_F_MQ) ||
        cmd != VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET ||
        !take(d, &pairs, sizeof(pairs))) {
        return false;
    }
    pairs = le16toh(pairs);
    if (pairs < 1 || pairs > n->max_pairs) {
        return false;
    }
    virtio_net_set_pairs(n, pairs);
    return true;
}

#define OFFLOAD_BITS                                               \
    (BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4) | \
     BIT(VIRTIO_NET_F_GUEST_TSO6) | BIT(VIRTIO_NET_F_GUEST_ECN) |  \
     BIT(VIRTIO_NET_F_GUEST_UFO))

static bool ctrl_offloads(VirtioNet *n, uint8_t cmd, CtrlData *d)
{
    uint64_t bits;

    if (!virtio_has(&n->parent, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) ||
        cmd != VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET ||
        !take(d, &bits, sizeof(bits))) {
        return false;
    }
    bits = le64toh(bits);
    if (bits & ~(n->parent.features & OFFLOAD_BITS)) {
        return false;
    }
    n->offloads = bits;
    virtio_net_apply_offloads(n);
    return true;
}

static bool ctrl_run(VirtioNet *n, VqChain *c)
{
    struct virtio_net_ctrl_hdr hdr;
    CtrlData d = { .c = c };

    if (!take(&d, &hdr, sizeof(hdr))) {
        return false;
    }
    switch (hdr.class) {
    case VIRTIO_NET_CTRL_RX:
        return ctrl_rx(n, hdr.cmd, &d);
    case VIRTIO_NET_CTRL_MAC:
        return ctrl_mac(n, hdr.cmd, &d);
    case VIRTIO_NET_CTRL_VLAN:
        return ctrl_vlan(n, hdr.cmd, &d);
    case VIRTIO_NET_CTRL_ANNOUNCE:
        return ctrl_announce(n, hdr.cmd);
    case VIRTIO_NET_CTRL_MQ:
        return ctrl_mq(n, hdr.cmd, &d);
    case VIRTIO_NET_CTRL_GUEST_OFFLOADS:
        return ctrl_offloads(n, hdr.cmd, &d);
    default:
        return false;
    }
}

void virtio_net_ctrl_kick(VirtioNet *n, VirtQueue *vq)
{
    VqChain *c;

    while ((c = vq_pop(vq))) {
        virtio_net_ctrl_ack ack;

        if (c->in_len < sizeof(ack)) {
            virtio_broken(&n->parent, "control queue: no room for an answer");
            vq_drop(vq, c);
            return;
        }
        ack = ctrl_run(n, c) ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
        vq_write(c, 0, &ack, sizeof(ack));
        vq_push(vq, c, sizeof(ack));
        vq_notify(vq);
    }
}
