/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-net's packets: virtio 1.2, 5.1.6.2 "Packet Transmission" and 5.1.6.4
 * "Processing of Incoming Packets". The guest's and the host's header have the
 * same form, so that packets pass as they are.
 */
#include "util/osdep.h"

#include <endian.h>

#include "util/error.h"
#include "util/iov.h"
#include "util/trace.h"
#include "virtio-net.h"

TRACE_POINT(virtio_net_receive);
TRACE_POINT(virtio_net_transmit);

/* Buffers that one received packet may be spread over. */
#define RX_CHAINS_MAX 128

/* To the guest ----------------------------------------------------------- */

void virtio_net_rx_kick(NetPair *p)
{
    net_ready(&p->nc); /* there are buffers again */
}

/* Chains for @size bytes at @chains; how many, or 0 when too few wait. */
static unsigned rx_gather(NetPair *p, size_t size, VqChain **chains)
{
    bool mergeable = virtio_has(&p->net->parent, VIRTIO_NET_F_MRG_RXBUF);
    size_t have = 0;
    unsigned n = 0;

    while (have < size && n < RX_CHAINS_MAX) {
        VqChain *c = vq_pop(p->rx);

        if (!c) {
            break;
        }
        chains[n++] = c;
        have += c->in_len;
        if (!mergeable) {
            break;
        }
    }
    if (have >= size || (n && !mergeable)) {
        return n;
    }
    while (n) {
        vq_unpop(p->rx, chains[--n]);
    }
    return 0;
}

/* Copy @size bytes of @v over the chains and give them to the guest. */
static bool rx_fill(NetPair *p, const IoVec *v, size_t size, VqChain **chains,
                    unsigned n)
{
    size_t off = 0;

    for (unsigned i = 0; i < n; i++) {
        VqChain *c = chains[i];
        IoVec in = { c->in, c->n_in, c->in_len };
        size_t len = MIN(size - off, c->in_len), done = 0;
        IoVec part;
        struct iovec piece[IOVEC_MAX];

        if (iov_slice(v, off, len, piece, IOVEC_MAX, &part)) {
            for (int j = 0; j < part.niov; j++) {
                done += iov_from_buf(&in, done, part.iov[j].iov_base,
                                     part.iov[j].iov_len);
            }
        }
        off += len;
    }
    return off == size;
}

static bool rx_push(NetPair *p, const IoVec *v, VqChain **chains, unsigned n)
{
    bool ok = rx_fill(p, v, v->size, chains, n);
    size_t left = v->size;

    if (ok && p->net->hdr_len == sizeof(struct virtio_net_hdr_mrg_rxbuf)) {
        uint16_t count = htole16(n);

        vq_write(chains[0],
                 offsetof(struct virtio_net_hdr_mrg_rxbuf, num_buffers), &count,
                 sizeof(count));
    }
    if (!ok) {
        /* One buffer, too small, no merging: the packet is lost. */
        vq_unpop(p->rx, chains[0]);
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        size_t len = MIN(left, chains[i]->in_len);

        left -= len;
        vq_fill(p->rx, chains[i], len, i);
    }
    vq_flush(p->rx, n);
    vq_notify(p->rx);
    return true;
}

static bool rx_open(const NetPair *p)
{
    const VirtioNet *n = p->net;

    return n->parent.status & VIRTIO_STATUS_DRIVER_OK && p->rx->mapped &&
           p->nc.queue < n->active_pairs &&
           !__atomic_load_n(&n->parent.broken, __ATOMIC_RELAXED);
}

ssize_t virtio_net_receive(NetClient *nc, const struct iovec *iov, int n_iov)
{
    NetPair *p = container_of(nc, NetPair, nc);
    VirtioNet *n = p->net;
    struct virtio_net_hdr_mrg_rxbuf none = {};
    struct iovec with_hdr[IOVEC_MAX];
    VqChain *chains[RX_CHAINS_MAX];
    uint8_t eth[18]; /* addresses and a VLAN tag */
    IoVec v = IOVEC_OF((struct iovec *)iov, n_iov);
    size_t size = v.size, got;
    unsigned count;

    trace(virtio_net_receive, "net %p bytes %zu", n, size);
    if (!rx_open(p) || !net_link_up(nc)) {
        return size;
    }
    if (!vq_ready(p->rx)) {
        return 0; /* the machine stands still */
    }
    if (!n->vnet_hdr) {
        if (n_iov >= IOVEC_MAX) {
            return size;
        }
        with_hdr[0] = (struct iovec){ &none, n->hdr_len };
        memcpy(with_hdr + 1, iov, n_iov * sizeof(*iov));
        v = (IoVec){ with_hdr, n_iov + 1, size + n->hdr_len };
    }
    got = iov_to_buf(&v, n->hdr_len, eth, sizeof(eth));
    if (!virtio_net_filter_passes(n, eth, got)) {
        return size;
    }
    count = rx_gather(p, v.size, chains);
    if (!count) {
        /* Wait for buffers; look again in case they came meanwhile. */
        vq_mute(p->rx, false);
        count = rx_gather(p, v.size, chains);
        if (!count) {
            return 0;
        }
    }
    vq_mute(p->rx, true);
    rx_push(p, &v, chains, count);
    return size;
}

/* From the guest --------------------------------------------------------- */

/* Give the packet to the peer. False: it does not take it now. */
static bool tx_send(NetPair *p, VqChain *c)
{
    VirtioNet *n = p->net;
    struct iovec part[IOVEC_MAX];
    IoVec all = { c->out, c->n_out, c->out_len }, packet;

    trace(virtio_net_transmit, "net %p queue %u bytes %zu", n, p->tx->index,
          c->out_len);
    if (c->out_len <= n->hdr_len || c->out_len > NET_PACKET_MAX || c->n_in) {
        virtio_broken(&n->parent, "queue %u: packet of %zu bytes", p->tx->index,
                      c->out_len);
        return true;
    }
    if (n->vnet_hdr) {
        return net_send(&p->nc, c->out, c->n_out) != 0;
    }
    if (!iov_slice(&all, n->hdr_len, c->out_len - n->hdr_len, part, IOVEC_MAX,
                   &packet)) {
        return true;
    }
    return net_send(&p->nc, packet.iov, packet.niov) != 0;
}

void virtio_net_tx_kick(NetPair *p)
{
    bool any = false;
    VqChain *c;

    while (!p->tx_waits && (c = vq_pop(p->tx))) {
        if (!tx_send(p, c)) {
            p->tx_waits = c; /* until the peer is ready */
            break;
        }
        vq_push(p->tx, c, 0);
        any = true;
    }
    if (any) {
        vq_notify(p->tx);
    }
}

void virtio_net_ready(NetClient *nc)
{
    NetPair *p = container_of(nc, NetPair, nc);
    VqChain *c = p->tx_waits;

    if (!c || !vq_ready(p->tx)) {
        return;
    }
    if (tx_send(p, c)) {
        p->tx_waits = NULL;
        vq_push(p->tx, c, 0);
        vq_notify(p->tx);
        virtio_queue_kick(p->tx); /* for those behind it */
    }
}

void virtio_net_drop_tx(NetPair *p)
{
    if (p->tx_waits) {
        vq_drop(p->tx, p->tx_waits);
        p->tx_waits = NULL;
    }
}
