/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-net: virtio 1.2, 5.1 "Network Device"; features and configuration. */
#include "util/osdep.h"

#include <endian.h>

#include "hw/core/boot-order.h"
#include "util/error.h"
#include "virtio-net.h"

/* Queues: rx and tx by turns, then the control queue. Its place depends on
 * whether the driver knows of more than one pair (5.1.2). */
static unsigned ctrl_index(const VirtioNet *n)
{
    return virtio_has(&n->parent, VIRTIO_NET_F_MQ) ? 2 * n->max_pairs : 2;
}

static void net_kick(VirtQueue *vq)
{
    VirtioNet *n = virtio_net(vq->vdev);

    if (vq->index == ctrl_index(n)) {
        virtio_net_ctrl_kick(n, vq);
    } else if (vq->index >= 2 * n->max_pairs) {
        return;
    } else if (vq->index % 2) {
        virtio_net_tx_kick(virtio_net_pair(n, vq));
    } else {
        virtio_net_rx_kick(virtio_net_pair(n, vq));
    }
}

/* The peer --------------------------------------------------------------- */

static const NetClientOps *peer_ops(const VirtioNet *n)
{
    return n->pairs[0].nc.peer ? n->pairs[0].nc.peer->ops : NULL;
}

void virtio_net_apply_offloads(VirtioNet *n)
{
    static const struct {
        unsigned feature, bit;
    } map[] = {
        { VIRTIO_NET_F_GUEST_CSUM, NET_OFFLOAD_CSUM },
        { VIRTIO_NET_F_GUEST_TSO4, NET_OFFLOAD_TSO4 },
        { VIRTIO_NET_F_GUEST_TSO6, NET_OFFLOAD_TSO6 },
        { VIRTIO_NET_F_GUEST_ECN, NET_OFFLOAD_ECN },
        { VIRTIO_NET_F_GUEST_UFO, NET_OFFLOAD_UFO },
    };
    unsigned bits = 0;

    if (!n->vnet_hdr) {
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(map); i++) {
        if (n->offloads >> map[i].feature & 1) {
            bits |= map[i].bit;
        }
    }
    for (unsigned i = 0; i < n->max_pairs; i++) {
        NetClient *peer = n->pairs[i].nc.peer;

        if (peer && peer->ops->set_offload) {
            peer->ops->set_offload(peer, bits);
        }
    }
}

static void apply_hdr_len(VirtioNet *n)
{
    for (unsigned i = 0; i < n->max_pairs; i++) {
        NetClient *peer = n->pairs[i].nc.peer;

        if (n->vnet_hdr && peer && peer->ops->set_vnet_hdr_len) {
            peer->ops->set_vnet_hdr_len(peer, n->hdr_len);
        }
    }
}

void virtio_net_set_pairs(VirtioNet *n, unsigned pairs)
{
    n->active_pairs = pairs;
    for (unsigned i = 0; i < n->max_pairs && n->max_pairs > 1; i++) {
        NetClient *peer = n->pairs[i].nc.peer;

        if (peer && peer->ops->set_enabled) {
            int ret = peer->ops->set_enabled(peer, i < pairs);

            if (ret < 0) {
                warn_report_ratelimited("%s: queue %u: %s", peer->name, i,
                                        g_strerror(-ret));
            }
        }
    }
}

static void link_changed(NetClient *nc)
{
    VirtioNet *n = container_of(nc, NetPair, nc)->net;
    uint16_t old = n->status;

    if (nc->queue) {
        return;
    }
    if (nc->link_down || (nc->peer && nc->peer->link_down) || !nc->peer) {
        n->status &= ~VIRTIO_NET_S_LINK_UP;
    } else {
        n->status |= VIRTIO_NET_S_LINK_UP;
    }
    if (n->status != old) {
        virtio_notify_config(&n->parent);
    }
}

static void peer_changed(NetClient *nc)
{
    NetPair *p = container_of(nc, NetPair, nc);

    if (!nc->peer) {
        virtio_net_ready(nc); /* a waiting packet goes nowhere */
    }
    if (p->net->parent.transport) {
        link_changed(nc);
    }
}

static RxFilterInfo *rx_filter(NetClient *nc)
{
    return virtio_net_filter_info(container_of(nc, NetPair, nc)->net);
}

static void announce(NetClient *nc)
{
    VirtioNet *n = container_of(nc, NetPair, nc)->net;

    net_send_rarp(nc, n->filter.mac, n->vnet_hdr ? n->hdr_len : 0);
    if (virtio_has(&n->parent, VIRTIO_NET_F_GUEST_ANNOUNCE) &&
        virtio_has(&n->parent, VIRTIO_NET_F_CTRL_VQ)) {
        n->status |= VIRTIO_NET_S_ANNOUNCE;
        virtio_notify_config(&n->parent);
    }
}

static const NetClientOps nic_ops = {
    .type = NET_CLIENT_DRIVER_NIC,
    .receive = virtio_net_receive,
    .ready = virtio_net_ready,
    .link_changed = link_changed,
    .peer_changed = peer_changed,
    .rx_filter = rx_filter,
    .announce = announce,
};

/* Features and configuration --------------------------------------------- */

/* What only works with headers to and from the peer. */
#define VNET_HDR_FEATURES                                          \
    (BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) |       \
     BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) |   \
     BIT(VIRTIO_NET_F_HOST_ECN) | BIT(VIRTIO_NET_F_HOST_UFO) |     \
     BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6) | \
     BIT(VIRTIO_NET_F_GUEST_ECN) | BIT(VIRTIO_NET_F_GUEST_UFO))
#define UFO_FEATURES (BIT(VIRTIO_NET_F_HOST_UFO) | BIT(VIRTIO_NET_F_GUEST_UFO))

static uint64_t net_features(VirtioDevice *vdev, uint64_t offered, Error **errp)
{
    VirtioNet *n = virtio_net(vdev);
    const NetClientOps *ops = peer_ops(n);

    offered |= n->wanted | BIT(VIRTIO_NET_F_MAC);
    n->vnet_hdr =
        ops && ops->has_vnet_hdr && ops->has_vnet_hdr(n->pairs[0].nc.peer);
    if (!n->vnet_hdr) {
        offered &= ~VNET_HDR_FEATURES;
    } else if (!ops->has_ufo || !ops->has_ufo(n->pairs[0].nc.peer)) {
        offered &= ~UFO_FEATURES;
    }
    if (n->max_pairs == 1) {
        offered &= ~BIT(VIRTIO_NET_F_MQ);
    }
    if (n->mtu) {
        offered |= BIT(VIRTIO_NET_F_MTU);
    }
    if (n->speed >= 0 || n->duplex) {
        offered |= BIT(VIRTIO_NET_F_SPEED_DUPLEX);
    }
    return offered;
}

static void net_features_set(VirtioDevice *vdev)
{
    VirtioNet *n = virtio_net(vdev);

    n->hdr_len = virtio_has(vdev, VIRTIO_F_VERSION_1) ||
                         virtio_has(vdev, VIRTIO_NET_F_MRG_RXBUF)
                     ? sizeof(struct virtio_net_hdr_mrg_rxbuf)
                     : sizeof(struct virtio_net_hdr);
    n->offloads = vdev->features;
    if (n->have_saved_offloads) {
        n->offloads = n->saved_offloads & vdev->features;
        n->have_saved_offloads = false;
    }
    apply_hdr_len(n);
    virtio_net_apply_offloads(n);
    if (!vdev->loading) {
        virtio_net_filter_features(n);
    }
}

static void net_get_config(VirtioDevice *vdev)
{
    VirtioNet *n = virtio_net(vdev);
    struct virtio_net_config c = {
        .status = htole16(n->status),
        .max_virtqueue_pairs = htole16(n->max_pairs),
        .mtu = htole16(n->mtu),
        .speed = htole32(n->speed),
        .duplex = n->duplex_code,
    };

    memcpy(c.mac, n->filter.mac, 6);
    memcpy(vdev->config, &c, MIN(sizeof(c), vdev->config_size));
}

static void net_set_config(VirtioDevice *vdev, const uint8_t *config)
{
    VirtioNet *n = virtio_net(vdev);

    /* Only old drivers set the address here (5.1.4.1). */
    if (!virtio_has(vdev, VIRTIO_NET_F_CTRL_MAC_ADDR) &&
        !virtio_has(vdev, VIRTIO_F_VERSION_1)) {
        memcpy(n->filter.mac, config, 6);
    }
}

static void net_forget(VirtioNet *n)
{
    for (unsigned i = 0; i < n->max_pairs; i++) {
        virtio_net_drop_tx(&n->pairs[i]);
    }
}

static void net_status_set(VirtioDevice *vdev, uint8_t status)
{
    VirtioNet *n = virtio_net(vdev);

    if (!(status & VIRTIO_STATUS_DRIVER_OK)) {
        net_forget(n);
    }
}

static void net_reset(VirtioDevice *vdev)
{
    VirtioNet *n = virtio_net(vdev);

    net_forget(n);
    virtio_net_set_pairs(n, 1);
    n->status &= ~VIRTIO_NET_S_ANNOUNCE;
    virtio_net_filter_reset(n);
    /* A packet that waits for buffers is dropped once there are none. */
    for (unsigned i = 0; i < n->max_pairs; i++) {
        net_ready(&n->pairs[i].nc);
    }
}

static void net_queue_reset(VirtQueue *vq)
{
    VirtioNet *n = virtio_net(vq->vdev);

    if (vq->index < 2 * n->max_pairs && vq->index % 2) {
        virtio_net_drop_tx(virtio_net_pair(n, vq));
    }
}

/* Life ------------------------------------------------------------------- */

static bool check_queue_size(const char *prop, unsigned size, Error **errp)
{
    if (size < 256 || size > VIRTQUEUE_MAX_SIZE || !is_power_of_2(size)) {
        return error_set(errp,
                         "Invalid %s (= %u), must be a power of 2 "
                         "between 256 and %d",
                         prop, size, VIRTQUEUE_MAX_SIZE);
    }
    return true;
}

static bool refuse(Error **errp, const char *prop)
{
    return error_set(errp, "property '%s' is not supported yet", prop);
}

static bool check_unsupported(VirtioNet *n, Error **errp)
{
    if (n->wanted & BIT(NET_F_RSS)) {
        return refuse(errp, "rss");
    }
    if (n->wanted & BIT(NET_F_HASH_REPORT)) {
        return refuse(errp, "hash");
    }
    if (n->wanted & BIT(NET_F_RSC_EXT)) {
        return refuse(errp, "guest_rsc_ext");
    }
    if (n->failover) {
        return refuse(errp, "failover");
    }
    if (n->tx && strcmp(n->tx, "bh")) {
        return error_set(errp, "property 'tx': only 'bh' is supported");
    }
    if (n->tx_timer != 150000 || n->tx_burst != 256) {
        return error_set(errp, "properties 'x-txtimer' and 'x-txburst': only "
                               "their default values are supported");
    }
    return true;
}

static bool check_props(VirtioNet *n, Error **errp)
{
    if (!check_unsupported(n, errp) ||
        !check_queue_size("rx_queue_size", n->rx_queue_size, errp) ||
        !check_queue_size("tx_queue_size", n->tx_queue_size, errp)) {
        return false;
    }
    n->duplex_code = 0xff;
    if (n->duplex) {
        if (strcmp(n->duplex, "half") && strcmp(n->duplex, "full")) {
            return error_set(errp, "'duplex' must be 'half' or 'full'");
        }
        n->duplex_code = !strcmp(n->duplex, "full");
    }
    if (n->speed < -1) {
        return error_set(errp, "'speed' must be between 0 and INT_MAX");
    }
    return true;
}

/* As long as the features need (and a migrated device has). */
static size_t config_size(const VirtioNet *n)
{
    if (n->speed >= 0 || n->duplex) {
        return offsetof(struct virtio_net_config, duplex) + 1;
    }
    if (n->mtu) {
        return offsetof(struct virtio_net_config, mtu) + 2;
    }
    if (n->wanted & BIT(VIRTIO_NET_F_MQ)) {
        return offsetof(struct virtio_net_config, max_virtqueue_pairs) + 2;
    }
    if (n->wanted & BIT(VIRTIO_NET_F_STATUS)) {
        return offsetof(struct virtio_net_config, status) + 2;
    }
    return 6;
}

/* The id of the device, or a free name made of its type. */
static char *nic_name(Vm *vm, const Device *dev)
{
    const Device *proxy = dev->bus ? dev->bus->parent : NULL;
    const char *type = proxy ? proxy->obj.type->name : "virtio-net";

    if (proxy && proxy->id) {
        return g_strdup(proxy->id);
    }
    for (unsigned i = 0;; i++) {
        g_autofree char *name = g_strdup_printf("%s.%u", type, i);

        if (!net_find(vm, name)) {
            return g_steal_pointer(&name);
        }
    }
}

static void make_pairs(VirtioNet *n, const char *name)
{
    VirtioDevice *vdev = &n->parent;
    Vm *vm = vdev->parent.vm;

    n->pairs = g_new0(NetPair, n->max_pairs);
    for (unsigned i = 0; i < n->max_pairs; i++) {
        NetPair *p = &n->pairs[i];

        p->net = n;
        p->rx = virtio_add_queue(vdev, n->rx_queue_size, net_kick);
        p->tx = virtio_add_queue(vdev, n->tx_queue_size, net_kick);
        net_client_init(&p->nc, &nic_ops, vm, "virtio-net", name, i);
        p->nc.nic = &vdev->parent.obj;
        nic_connect(&p->nc, &n->peers, i);
    }
    virtio_add_queue(vdev, CTRL_QUEUE_SIZE, net_kick);
    net_client_set_info(&n->pairs[0].nc,
                        "model=virtio-net-pci,macaddr="
                        "%02x:%02x:%02x:%02x:%02x:%02x",
                        n->mac[0], n->mac[1], n->mac[2], n->mac[3], n->mac[4],
                        n->mac[5]);
}

static bool net_realize(Device *dev, Error **errp)
{
    VirtioNet *n = virtio_net(dev);
    g_autofree char *name = NULL;

    if (!check_props(n, errp) || !nic_peers_find(&n->peers, dev->vm, errp)) {
        return false;
    }
    n->max_pairs = n->wanted & BIT(VIRTIO_NET_F_MQ) ? MAX(n->peers.n, 1) : 1;
    if (2 * n->max_pairs + 1 > VIRTIO_QUEUE_MAX) {
        return error_set(errp, "at most %d queue pairs",
                         (VIRTIO_QUEUE_MAX - 1) / 2);
    }
    nic_default_mac(dev->vm, n->mac);
    memcpy(n->filter.mac, n->mac, 6);
    name = nic_name(dev->vm, dev);
    make_pairs(n, name);
    virtio_set_config_size(&n->parent, config_size(n));
    n->status = n->peers.n ? VIRTIO_NET_S_LINK_UP : 0;
    virtio_net_set_pairs(n, 1);
    virtio_net_filter_reset(n);
    return true;
}

static void net_unrealize(Device *dev)
{
    VirtioNet *n = virtio_net(dev);

    virtio_unplug(&n->parent);
    for (unsigned i = 0; i < n->max_pairs; i++) {
        net_client_cleanup(&n->pairs[i].nc);
    }
    g_clear_pointer(&n->pairs, g_free);
    n->max_pairs = 0;
}

#define NET_BIT(nam, bit, dflt) PROP_BIT64(VirtioNet, wanted, nam, bit, dflt)

static const Prop net_props[] = {
    NET_BIT("csum", VIRTIO_NET_F_CSUM, true),
    NET_BIT("guest_csum", VIRTIO_NET_F_GUEST_CSUM, true),
    NET_BIT("gso", VIRTIO_NET_F_GSO, true),
    NET_BIT("guest_tso4", VIRTIO_NET_F_GUEST_TSO4, true),
    NET_BIT("guest_tso6", VIRTIO_NET_F_GUEST_TSO6, true),
    NET_BIT("guest_ecn", VIRTIO_NET_F_GUEST_ECN, true),
    NET_BIT("guest_ufo", VIRTIO_NET_F_GUEST_UFO, true),
    NET_BIT("guest_announce", VIRTIO_NET_F_GUEST_ANNOUNCE, true),
    NET_BIT("host_tso4", VIRTIO_NET_F_HOST_TSO4, true),
    NET_BIT("host_tso6", VIRTIO_NET_F_HOST_TSO6, true),
    NET_BIT("host_ecn", VIRTIO_NET_F_HOST_ECN, true),
    NET_BIT("host_ufo", VIRTIO_NET_F_HOST_UFO, true),
    NET_BIT("mrg_rxbuf", VIRTIO_NET_F_MRG_RXBUF, true),
    NET_BIT("status", VIRTIO_NET_F_STATUS, true),
    NET_BIT("ctrl_vq", VIRTIO_NET_F_CTRL_VQ, true),
    NET_BIT("ctrl_rx", VIRTIO_NET_F_CTRL_RX, true),
    NET_BIT("ctrl_vlan", VIRTIO_NET_F_CTRL_VLAN, true),
    NET_BIT("ctrl_rx_extra", VIRTIO_NET_F_CTRL_RX_EXTRA, true),
    NET_BIT("ctrl_mac_addr", VIRTIO_NET_F_CTRL_MAC_ADDR, true),
    NET_BIT("ctrl_guest_offloads", VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, true),
    NET_BIT("mq", VIRTIO_NET_F_MQ, false),
    NET_BIT("rss", NET_F_RSS, false),
    NET_BIT("hash", NET_F_HASH_REPORT, false),
    NET_BIT("guest_rsc_ext", NET_F_RSC_EXT, false),
    PROP(VirtioNet, rsc_interval, "rsc_interval", 300000),
    PROP_MACADDR(VirtioNet, mac, "mac",
                 .help = "Ethernet 6-byte MAC Address, example: "
                         "52:54:00:12:34:56"),
    PROP_NETDEV(VirtioNet, peers, "netdev"),
    PROP_BOOTINDEX(VirtioNet, bootindex, "/ethernet-phy@0"),
    PROP(VirtioNet, tx_timer, "x-txtimer", 150000),
    PROP(VirtioNet, tx_burst, "x-txburst", 256),
    PROP_STR(VirtioNet, tx, "tx"),
    PROP(VirtioNet, rx_queue_size, "rx_queue_size", 256),
    PROP(VirtioNet, tx_queue_size, "tx_queue_size", 256),
    PROP(VirtioNet, mtu, "host_mtu", 0),
    PROP(VirtioNet, mtu_bypass, "x-mtu-bypass-backend", true),
    PROP(VirtioNet, speed, "speed", -1),
    PROP_STR(VirtioNet, duplex, "duplex"),
    PROP(VirtioNet, failover, "failover", false),
    {},
};

static const VirtioClass net_class = {
    .device = {
        .desc = "Network card",
        .props = net_props,
        .bus_type = &virtio_bus_type,
        .vmstate = VIRTIO_VMSTATE("virtio-net", 11),
        .internal = true,
        .category = DEVICE_CATEGORY_NETWORK,
        .realize = net_realize,
        .unrealize = net_unrealize,
    },
    .name = "virtio-net",
    .id = VIRTIO_ID_NET,
    .vmstate_version = 11,
    .legacy_features = BIT(VIRTIO_NET_F_GSO),
    .features = net_features,
    .features_set = net_features_set,
    .get_config = net_get_config,
    .set_config = net_set_config,
    .status_set = net_status_set,
    .reset = net_reset,
    .queue_reset = net_queue_reset,
    .state = &virtio_net_state,
};
QOM_DEFINE(VirtioNet, virtio_net, .name = "virtio-net-device",
           .parent = &virtio_device_type, .class = &net_class);

#define NET_PCI(...) \
    VIRTIO_PCI_CLASS(0x1000, PCI_CLASS_NETWORK_ETHERNET, NETWORK, __VA_ARGS__)
VIRTIO_PCI_DEFINE(virtio_net, "virtio-net", NET_PCI, NULL);
