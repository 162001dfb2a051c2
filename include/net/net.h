/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Network clients: the NIC of a device on one side, a backend (tap) on the
 * other, joined in pairs. A multi-queue NIC has one client per queue pair, as
 * has its backend.
 *
 * Back-pressure: receive() may refuse a packet by returning 0. The sender then
 * keeps it and stops, until the receiver calls net_ready(), which calls the
 * sender's ready() to go on. Nothing is queued in between.
 *
 * All of this runs on the main loop under the machine lock.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include <sys/uio.h>

#include "qapi/qapi-types-net.h"
#include "qom/object.h"

#define NET_QUEUES_MAX 256
/* Largest packet with its virtio-net header. */
#define NET_PACKET_MAX (65536 + 64)

typedef struct NetClientOps {
    NetClientDriver type;
    /* Take one packet (with the agreed header): its size, 0 for "not now", or
     * -errno when it is lost. Also takes packets while the link is down, to
     * drop them. */
    ssize_t (*receive)(NetClient *nc, const struct iovec *iov, int n);
    /* The peer takes packets again. */
    void (*ready)(NetClient *nc);
    void (*link_changed)(NetClient *nc);
    /* Peer came or went: nc->peer. */
    void (*peer_changed)(NetClient *nc);
    void (*destroy)(NetClient *nc);

    /* Backends: virtio-net headers before packets. NULL: none. */
    bool (*has_vnet_hdr)(NetClient *nc);
    void (*set_vnet_hdr_len)(NetClient *nc, unsigned len); /* 10 or 12 */
    bool (*has_ufo)(NetClient *nc);
    /* What may come from the backend: bits NET_OFFLOAD_*. */
    void (*set_offload)(NetClient *nc, unsigned bits);
    /* One queue of several: is it in use? 0 or -errno. */
    int (*set_enabled)(NetClient *nc, bool on);

    /* NICs: what query-rx-filter says. */
    RxFilterInfo *(*rx_filter)(NetClient *nc);
    /* NICs: tell the network where we are, as after a migration. */
    void (*announce)(NetClient *nc);
} NetClientOps;

enum {
    NET_OFFLOAD_CSUM = 1,
    NET_OFFLOAD_TSO4 = 2,
    NET_OFFLOAD_TSO6 = 4,
    NET_OFFLOAD_ECN = 8,
    NET_OFFLOAD_UFO = 16,
};

struct NetClient {
    const NetClientOps *ops;
    Vm *vm;
    char *name;  /* the id; the same for all queues */
    char *model; /* "tap", "virtio-net" */
    char *info;  /* for people */
    unsigned queue;
    NetClient *peer; /* or NULL */
    bool link_down;
    Object *nic;    /* the device of a NIC's client */
    bool is_netdev; /* made by -netdev */
};

/* For kinds of clients: fill in a zeroed struct and make it known. */
void net_client_init(NetClient *nc, const NetClientOps *ops, Vm *vm,
                     const char *model, const char *name, unsigned queue);
void net_client_set_info(NetClient *nc, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Part from the peer and forget it. The struct stays the caller's. */
void net_client_cleanup(NetClient *nc);

/* Send a packet to the peer: as its receive(). Without a peer, or with the
 * link down, it is dropped. */
ssize_t net_send(NetClient *nc, const struct iovec *iov, int n);
/* @nc takes packets again. */
void net_ready(NetClient *nc);

/* Is the link of both ends up? */
bool net_link_up(const NetClient *nc);

/* "-netdev" and netdev_add. Takes nothing over. */
bool netdev_add(Vm *vm, const Netdev *opts, Error **errp);
/* The argument of -netdev, as text. */
bool netdev_add_opts(Vm *vm, const char *text, Error **errp);
/* The first client of that id, or NULL. */
NetClient *net_find(Vm *vm, const char *id);
void net_cleanup(Vm *vm);
/* Warn of NICs and netdevs that the command line left without a peer. */
void net_warn_alone(Vm *vm);
/* "info network": free. */
char *net_info(Vm *vm);
/* All NICs, or those in @names (NULL-terminated): once, now. Nothing while the
 * machine stands still. */
void net_announce(Vm *vm, const char *const *names);
/* For NICs: broadcast a reverse ARP request with @mac through the peer, which
 * wants @hdr_len bytes of a header before packets. */
void net_send_rarp(NetClient *nic, const uint8_t mac[6], unsigned hdr_len);

/* NICs ------------------------------------------------------------------- */

/* A device's netdev: an id until the device is realized. */
typedef struct NicPeers {
    char *id;
    NetClient **queues; /* those of the netdev; owned array */
    unsigned n;
} NicPeers;

extern const PropKind prop_kind_netdev;
#define PROP_NETDEV(T, f, nam)                                             \
    {                                                                      \
        .name = nam, .kind = &prop_kind_netdev,                            \
        .offset = offsetof(T, f) +                                         \
                  0 * sizeof((__typeof__(&((T *)0)->f)){ (NicPeers *)0 }), \
        .help = "ID of a netdev to use as a backend"                       \
    }

/* Look up the clients of the property; none when it was not given. */
bool nic_peers_find(NicPeers *p, Vm *vm, Error **errp);
/* Join @nic with queue @i. */
void nic_connect(NetClient *nic, NicPeers *p, unsigned i);
void nic_peers_clear(NicPeers *p);
/* A default for an all-zero address: 52:54:00:12:34:56 and up. */
void nic_default_mac(Vm *vm, uint8_t mac[6]);

/* Only for kinds of netdevs: make the clients of @opts. */
bool tap_netdev_add(Vm *vm, const Netdev *opts, Error **errp);
bool bridge_netdev_add(Vm *vm, const Netdev *opts, Error **errp);

#endif
