/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-net, between its parts. All on the main loop, machine lock held. */
#ifndef HW_NET_VIRTIO_NET_H
#define HW_NET_VIRTIO_NET_H

#include <linux/virtio_net.h>

#include "hw/virtio/virtio-pci.h"
#include "net/net.h"

/* Feature bits newer than the kernel header. */
enum {
    NET_F_HASH_REPORT = 57,
    NET_F_RSS = 60,
    NET_F_RSC_EXT = 61,
};

enum {
    MAC_TABLE_ENTRIES = 64,
    VLAN_MAX = 4096,
    CTRL_QUEUE_SIZE = 64,
};

typedef struct VirtioNet VirtioNet;

/* One queue pair and the client behind it. */
typedef struct NetPair {
    NetClient nc;
    VirtioNet *net;
    VirtQueue *rx, *tx;
    VqChain *tx_waits; /* the peer did not take it yet */
} NetPair;

/* What the driver wants to receive (virtio 1.2, 5.1.6.5.1 to .3). */
typedef struct NetFilter {
    uint8_t promisc, allmulti, alluni, nomulti, nouni, nobcast;
    uint8_t mac[6];
    struct {
        uint32_t in_use;
        uint32_t first_multi;
        uint8_t multi_overflow, uni_overflow;
        uint8_t macs[MAC_TABLE_ENTRIES * 6];
    } table;
    uint32_t vlans[VLAN_MAX / 32];
} NetFilter;

struct VirtioNet {
    VirtioDevice parent;

    /* properties */
    uint8_t mac[6];
    NicPeers peers;
    uint64_t wanted; /* feature bits */
    uint16_t rx_queue_size, tx_queue_size, mtu;
    int32_t speed, tx_burst, bootindex;
    uint32_t tx_timer, rsc_interval;
    char *duplex, *tx;
    bool failover, mtu_bypass;

    /* const after realize */
    NetPair *pairs;
    unsigned max_pairs;
    uint8_t duplex_code;

    /* guest state */
    NetFilter filter;
    unsigned active_pairs;
    uint16_t status;
    uint64_t offloads;       /* guest offload bits in force */
    unsigned hdr_len;        /* 10 or 12 */
    bool vnet_hdr;           /* the peer takes and gives headers */
    uint64_t saved_offloads; /* from a stream, until features are known */
    bool have_saved_offloads;
    bool filter_told; /* NIC_RX_FILTER_CHANGED went out, nobody asked yet */
};

QOM_DECLARE_TYPE(VirtioNet, virtio_net)

/* virtio-net-data.c */
void virtio_net_rx_kick(NetPair *p);
void virtio_net_tx_kick(NetPair *p);
ssize_t virtio_net_receive(NetClient *nc, const struct iovec *iov, int n);
void virtio_net_ready(NetClient *nc);
/* Forget a packet that waits. */
void virtio_net_drop_tx(NetPair *p);

/* virtio-net-ctrl.c */
void virtio_net_ctrl_kick(VirtioNet *n, VirtQueue *vq);
/* To what a driver finds after reset. */
void virtio_net_filter_reset(VirtioNet *n);
/* A driver that does not filter VLANs takes all of them. */
void virtio_net_filter_features(VirtioNet *n);
bool virtio_net_filter_passes(const VirtioNet *n, const uint8_t *packet,
                              size_t len);
RxFilterInfo *virtio_net_filter_info(VirtioNet *n);

/* virtio-net-state.c */
extern const VmState virtio_net_state;

/* virtio-net.c */
void virtio_net_apply_offloads(VirtioNet *n);
void virtio_net_set_pairs(VirtioNet *n, unsigned pairs);
static inline NetPair *virtio_net_pair(VirtioNet *n, const VirtQueue *vq)
{
    return &n->pairs[vq->index / 2];
}

#endif
