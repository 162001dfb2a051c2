/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-net: packets over a tap, the control queue, links. Tests with a tap
 * need the right to make one.
 */
#include "util/osdep.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "tests/qtest/virtio-driver.h"

#define ETHERTYPE 0x88b5 /* local experiments */
#define MAC       "52:54:00:aa:bb:cc"

static const uint8_t guest_mac[6] = { 0x52, 0x54, 0, 0xaa, 0xbb, 0xcc };

typedef struct Nic {
    QTest *q;
    VDev *v;
    VRing *rx, *tx, *ctrl;
    uint64_t rx_buf[8], at;
} Nic;

static void post_rx(Nic *n, unsigned i)
{
    VSeg seg = { n->rx_buf[i], 2048, true };

    vring_add(n->rx, &seg, 1);
    vring_kick(n->rx);
}

static void nic_open(Nic *n, const char *args, uint64_t features)
{
    n->q = qtest_startf("-machine q35 %s", args);
    n->v = vdev_open(n->q, 4, false);
    vdev_negotiate(n->v, features | BIT(VIRTIO_NET_F_CTRL_VQ) |
                             BIT(VIRTIO_NET_F_CTRL_RX) |
                             BIT(VIRTIO_NET_F_CTRL_VLAN) |
                             BIT(VIRTIO_NET_F_STATUS) | BIT(VIRTIO_NET_F_MAC));
    n->rx = vring_new(n->v, 0);
    n->tx = vring_new(n->v, 1);
    n->ctrl = vring_new(n->v, 2);
    vdev_driver_ok(n->v);
    n->at = vdev_alloc(n->v, 4096);
}

static void nic_close(Nic *n)
{
    g_free(n->rx);
    g_free(n->tx);
    g_free(n->ctrl);
    vdev_close(n->v);
    qtest_quit(n->q);
}

/* A control command with @len bytes of @data; the device's answer. */
static uint8_t control(Nic *n, uint8_t class, uint8_t cmd, const void *data,
                       size_t len)
{
    VSeg segs[3] = { { n->at, 2, false },
                     { n->at + 16, len, false },
                     { n->at + 2048, 1, true } };

    qtest_writeb(n->q, n->at, class);
    qtest_writeb(n->q, n->at + 1, cmd);
    qtest_memwrite(n->q, n->at + 16, data, len);
    qtest_writeb(n->q, n->at + 2048, 0xee);
    vring_do(n->ctrl, segs, 3);
    return qtest_readb(n->q, n->at + 2048);
}

static QDict *rx_filter(Nic *n)
{
    g_autoptr(QObject) list = qtest_qmp_return(
        n->q, "{'execute': 'query-rx-filter', 'arguments': {'name': 'n0'}}");
    QDict *d = qobject_to_dict(qlist_get(qobject_to_list(list), 0));

    return qobject_ref(d);
}

#define PLAIN_NIC "-device virtio-net-pci,id=n0,addr=4,romfile=,mac=" MAC

static void test_configuration_has_the_address(void)
{
    uint8_t mac[6];
    uint16_t status;
    Nic n;

    nic_open(&n, PLAIN_NIC, 0);
    vdev_config(n.v, 0, mac, 6);
    vdev_config(n.v, 6, &status, 2);
    g_assert_cmpmem(mac, 6, guest_mac, 6);
    g_assert_cmpuint(status, ==, 0); /* nothing behind it */
    nic_close(&n);
}

static void test_control_queue_sets_the_filter(void)
{
    static const uint8_t table[] = {
        1, 0, 0, 0, 2, 0, 0,    0, 0, 1, /* one unicast address */
        2, 0, 0, 0, 1, 0, 0x5e, 0, 0, 1, 1, 0, 0x5e, 0, 0, 2,
    };
    g_autoptr(QDict) event = NULL, info = NULL;
    const uint8_t on = 1, off = 0;
    const uint16_t vlan = 42, bad_vlan = 4096;
    Nic n;

    nic_open(&n, PLAIN_NIC, 0);
    g_assert_cmpuint(control(&n, 0, 0, &off, 1), ==, VIRTIO_NET_OK);
    event = qtest_wait_event(n.q, "NIC_RX_FILTER_CHANGED");
    g_assert_cmpuint(control(&n, 0, 1, &on, 1), ==, VIRTIO_NET_OK);
    g_assert_cmpuint(control(&n, 0, 77, &on, 1), ==, VIRTIO_NET_ERR);
    g_assert_cmpuint(control(&n, 1, 0, table, sizeof(table)), ==,
                     VIRTIO_NET_OK);
    g_assert_cmpuint(control(&n, 1, 0, table, sizeof(table) - 1), ==,
                     VIRTIO_NET_ERR);
    g_assert_cmpuint(control(&n, 2, 0, &vlan, 2), ==, VIRTIO_NET_OK);
    g_assert_cmpuint(control(&n, 2, 0, &bad_vlan, 2), ==, VIRTIO_NET_ERR);
    g_assert_cmpuint(control(&n, 4, 0, &vlan, 2), ==, VIRTIO_NET_ERR);
    g_assert_cmpuint(control(&n, 99, 0, &on, 1), ==, VIRTIO_NET_ERR);
    info = rx_filter(&n);
    g_assert_false(qdict_get_bool(info, "promiscuous", true));
    g_assert_cmpstr(qdict_get_str(info, "multicast"), ==, "all");
    g_assert_cmpstr(qdict_get_str(info, "main-mac"), ==, MAC);
    g_assert_cmpuint(qlist_size(qdict_get_list(info, "unicast-table")), ==, 1);
    g_assert_cmpuint(qlist_size(qdict_get_list(info, "multicast-table")), ==,
                     2);
    g_assert_cmpuint(qlist_size(qdict_get_list(info, "vlan-table")), ==, 1);
    nic_close(&n);
}

static void test_too_many_addresses_overflow(void)
{
    enum { N = 100 };
    uint8_t table[4 + 6 * N + 4] = { N };
    g_autoptr(QDict) info = NULL;
    Nic n;

    nic_open(&n, PLAIN_NIC, 0);
    g_assert_cmpuint(control(&n, 1, 0, table, sizeof(table)), ==,
                     VIRTIO_NET_OK);
    info = rx_filter(&n);
    g_assert_true(qdict_get_bool(info, "unicast-overflow", false));
    table[3] = 0xff; /* far more than there are bytes */
    g_assert_cmpuint(control(&n, 1, 0, table, sizeof(table)), ==,
                     VIRTIO_NET_ERR);
    nic_close(&n);
}

static void test_tx_without_peer_is_swallowed(void)
{
    VSeg seg;
    Nic n;

    nic_open(&n, PLAIN_NIC, 0);
    seg = (VSeg){ n.at, 100, false };
    vring_do(n.tx, &seg, 1);
    nic_close(&n);
}

static void test_runt_packet_breaks_the_queue(void)
{
    int64_t start = g_get_monotonic_time();
    VSeg seg;
    Nic n;

    nic_open(&n, PLAIN_NIC, 0);
    seg = (VSeg){ n.at, 5, false };
    vring_add(n.tx, &seg, 1);
    vring_kick(n.tx);
    while (!(vdev_status(n.v) & VIRTIO_CONFIG_S_NEEDS_RESET)) {
        g_assert_cmpint(g_get_monotonic_time() - start, <, 5000000);
    }
    nic_close(&n);
}

/* With a tap ------------------------------------------------------------- */

static bool tap_allowed(void)
{
    autofd int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

    if (fd < 0 || getuid() != 0) {
        g_test_skip("no right to make a tap");
        return false;
    }
    return true;
}

/* A name of its own for each: the kernel takes time to let go of one. */
static const char *tap_name(bool next)
{
    static char name[IFNAMSIZ];
    static unsigned n;

    if (next) {
        snprintf(name, sizeof(name), "nt%u.%u", getpid() % 1000000, n++);
    }
    return name;
}

/* The host's end: the interface up and a raw socket on it. */
static int host_end(uint16_t type)
{
    struct ifreq ifr = {};
    struct sockaddr_ll addr = { .sll_family = AF_PACKET,
                                .sll_protocol = htons(type) };
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(type));
    struct timeval timeout = { 5, 0 };

    g_assert_cmpint(fd, >=, 0);
    g_strlcpy(ifr.ifr_name, tap_name(false), sizeof(ifr.ifr_name));
    g_assert_cmpint(ioctl(fd, SIOCGIFFLAGS, &ifr), ==, 0);
    ifr.ifr_flags |= IFF_UP | IFF_PROMISC;
    g_assert_cmpint(ioctl(fd, SIOCSIFFLAGS, &ifr), ==, 0);
    g_assert_cmpint(ioctl(fd, SIOCGIFINDEX, &ifr), ==, 0);
    addr.sll_ifindex = ifr.ifr_ifindex;
    g_assert_cmpint(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), ==, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    return fd;
}

static void make_packet(uint8_t *p, size_t len, uint8_t tag)
{
    memset(p, tag, len);
    memcpy(p, guest_mac, 6);
    p[12] = ETHERTYPE >> 8;
    p[13] = ETHERTYPE & 0xff;
}

static void tap_nic_open(Nic *n, uint64_t features)
{
    g_autofree char *args = g_strdup_printf(
        "-netdev tap,id=t0,ifname=%s,script=no,downscript=no "
        "-device virtio-net-pci,id=n0,addr=4,romfile=,netdev=t0,mac=" MAC,
        tap_name(true));

    nic_open(n, args, features);
    for (unsigned i = 0; i < 8; i++) {
        n->rx_buf[i] = vdev_alloc(n->v, 2048);
    }
}

/* The next packet of the test's kind that the guest got: its buffer. Others
 * (the host's own chatter) are passed over. */
static unsigned wait_rx(Nic *n, uint32_t *len)
{
    for (;;) {
        unsigned i = vring_wait(n->rx, len) % 8;
        uint64_t type = n->rx_buf[i] + 12 + 12;

        if (qtest_readb(n->q, type) == ETHERTYPE >> 8 &&
            qtest_readb(n->q, type + 1) == (ETHERTYPE & 0xff)) {
            return i;
        }
        post_rx(n, i);
    }
}

static void test_packets_go_both_ways(void)
{
    uint8_t packet[300], got[300];
    autofd int fd = -1;
    uint32_t len;
    unsigned i;
    VSeg seg;
    Nic n;

    if (!tap_allowed()) {
        return;
    }
    tap_nic_open(&n, 0);
    fd = host_end(ETHERTYPE);
    for (i = 0; i < 8; i++) {
        post_rx(&n, i);
    }
    make_packet(packet, sizeof(packet), 0x11);
    qtest_memset(n.q, n.at, 0, 12);
    qtest_memwrite(n.q, n.at + 12, packet, sizeof(packet));
    seg = (VSeg){ n.at, 12 + sizeof(packet), false };
    vring_do(n.tx, &seg, 1);
    g_assert_cmpint(recv(fd, got, sizeof(got), 0), ==, sizeof(packet));
    g_assert_cmpmem(packet, sizeof(packet), got, sizeof(packet));

    make_packet(packet, sizeof(packet), 0x22);
    g_assert_cmpint(send(fd, packet, sizeof(packet), 0), ==, sizeof(packet));
    i = wait_rx(&n, &len);
    g_assert_cmpuint(len, ==, 12 + sizeof(packet));
    qtest_memread(n.q, n.rx_buf[i] + 12, got, sizeof(got));
    g_assert_cmpmem(packet, sizeof(packet), got, sizeof(packet));
    g_assert_cmpuint(qtest_readw(n.q, n.rx_buf[i] + 10), ==, 1);
    nic_close(&n);
}

/* Packets that come before there are buffers wait for them. */
static void test_packets_wait_for_buffers(void)
{
    uint8_t packet[100];
    autofd int fd = -1;
    Nic n;

    if (!tap_allowed()) {
        return;
    }
    tap_nic_open(&n, 0);
    fd = host_end(ETHERTYPE);
    for (unsigned i = 0; i < 8; i++) {
        make_packet(packet, sizeof(packet), i);
        g_assert_cmpint(send(fd, packet, sizeof(packet), 0), ==,
                        sizeof(packet));
    }
    g_usleep(20000);
    for (unsigned i = 0; i < 8; i++) {
        post_rx(&n, i);
    }
    for (unsigned tag = 0; tag < 8; tag++) {
        unsigned i = wait_rx(&n, NULL);

        g_assert_cmpuint(qtest_readb(n.q, n.rx_buf[i] + 12 + 50), ==, tag);
        post_rx(&n, i);
    }
    nic_close(&n);
}

static void test_large_packet_is_spread_over_merged_buffers(void)
{
    uint8_t packet[1400];
    autofd int fd = -1;
    uint32_t len, sum = 0;
    Nic n;

    if (!tap_allowed()) {
        return;
    }
    tap_nic_open(&n, BIT(VIRTIO_NET_F_MRG_RXBUF));
    fd = host_end(ETHERTYPE);
    g_usleep(50000); /* the host's chatter at the start */
    for (unsigned i = 0; i < 8; i++) {
        VSeg seg = { n.rx_buf[i], 512, true };

        vring_add(n.rx, &seg, 1);
    }
    make_packet(packet, sizeof(packet), 0x33);
    g_assert_cmpint(send(fd, packet, sizeof(packet), 0), ==, sizeof(packet));
    vring_kick(n.rx);
    for (;;) {
        unsigned i = vring_wait(n.rx, &len) % 8;

        if (qtest_readw(n.q, n.rx_buf[i] + 10) == 3) {
            g_assert_cmpuint(len, ==, 512);
            sum = len;
            break;
        }
        VSeg seg = { n.rx_buf[i], 512, true };
        vring_add(n.rx, &seg, 1);
        vring_kick(n.rx);
    }
    for (int i = 0; i < 2; i++) {
        vring_wait(n.rx, &len);
        sum += len;
    }
    g_assert_cmpuint(sum, ==, 12 + sizeof(packet));
    nic_close(&n);
}

static void test_link_goes_down_and_up(void)
{
    uint16_t status;
    g_autofree char *text = NULL;
    Nic n;

    if (!tap_allowed()) {
        return;
    }
    tap_nic_open(&n, 0);
    vdev_config(n.v, 6, &status, 2);
    g_assert_cmpuint(status, ==, VIRTIO_NET_S_LINK_UP);
    qtest_qmp_ok(n.q, "{'execute': 'set_link', 'arguments': "
                      "{'name': 'n0', 'up': false}}");
    vdev_wait_isr(n.v, 2);
    vdev_config(n.v, 6, &status, 2);
    g_assert_cmpuint(status, ==, 0);
    qtest_qmp_ok(n.q, "{'execute': 'set_link', 'arguments': "
                      "{'name': 'n0', 'up': true}}");
    vdev_config(n.v, 6, &status, 2);
    g_assert_cmpuint(status, ==, VIRTIO_NET_S_LINK_UP);
    text = qtest_qmp_error(n.q, "DeviceNotFound",
                           "{'execute': 'set_link', 'arguments': "
                           "{'name': 'nonesuch', 'up': true}}");
    nic_close(&n);
}

/* Two pairs of queues, whose control queue comes after all of them. */
typedef struct MqNic {
    Nic n;
    VRing *rx1, *tx1;
} MqNic;

static void mq_open(MqNic *m, const char *netdev)
{
    uint16_t pairs;
    Nic *n = &m->n;

    n->q = qtest_startf("-machine q35 -netdev %s -device virtio-net-pci,id=n0,"
                        "addr=4,romfile=,netdev=t0,mq=on,mac=" MAC,
                        netdev);
    n->v = vdev_open(n->q, 4, false);
    vdev_negotiate(n->v, BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_MQ) |
                             BIT(VIRTIO_NET_F_MAC));
    g_assert_true(n->v->features & BIT(VIRTIO_NET_F_MQ));
    vdev_config(n->v, 8, &pairs, 2);
    g_assert_cmpuint(pairs, ==, 2);
    n->rx = vring_new(n->v, 0);
    n->tx = vring_new(n->v, 1);
    m->rx1 = vring_new(n->v, 2);
    m->tx1 = vring_new(n->v, 3);
    n->ctrl = vring_new(n->v, 4);
    vdev_driver_ok(n->v);
    n->at = vdev_alloc(n->v, 4096);
    for (unsigned i = 0; i < 8; i++) {
        n->rx_buf[i] = vdev_alloc(n->v, 2048);
    }
}

static void mq_close(MqNic *m)
{
    g_free(m->rx1);
    g_free(m->tx1);
    nic_close(&m->n);
}

static uint8_t set_pairs(MqNic *m, uint16_t pairs)
{
    return control(&m->n, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET,
                   &pairs, sizeof(pairs));
}

static void send_one(MqNic *m, VRing *tx, int fd, uint8_t tag)
{
    uint8_t packet[100], got[100];
    Nic *n = &m->n;
    VSeg seg = { n->at, 12 + sizeof(packet), false };

    make_packet(packet, sizeof(packet), tag);
    qtest_memset(n->q, n->at, 0, 12);
    qtest_memwrite(n->q, n->at + 12, packet, sizeof(packet));
    vring_do(tx, &seg, 1);
    g_assert_cmpint(recv(fd, got, sizeof(got), 0), ==, sizeof(packet));
    g_assert_cmpmem(packet, sizeof(packet), got, sizeof(packet));
}

static bool is_ours(MqNic *m, unsigned buf)
{
    uint64_t type = m->n.rx_buf[buf] + 12 + 12;

    return qtest_readb(m->n.q, type) == ETHERTYPE >> 8 &&
           qtest_readb(m->n.q, type + 1) == (ETHERTYPE & 0xff);
}

static void add_rx(MqNic *m, VRing *rx, unsigned buf)
{
    VSeg seg = { m->n.rx_buf[buf], 2048, true };

    qtest_memset(m->n.q, seg.addr, 0, 64);
    vring_add(rx, &seg, 1);
    vring_kick(rx);
}

/* Many packets: the host spreads them as it likes, or not at all. */
static void receive_many(MqNic *m, int fd, bool both)
{
    enum { N = 16 };
    unsigned got = 0, in0 = 0, in1 = 4;
    int64_t start = g_get_monotonic_time();

    for (unsigned i = 0; i < 4; i++) {
        add_rx(m, m->n.rx, i);
        if (both) {
            add_rx(m, m->rx1, 4 + i);
        }
    }
    for (unsigned i = 0; i < N; i++) {
        uint8_t packet[100];

        make_packet(packet, sizeof(packet), i);
        g_assert_cmpint(send(fd, packet, sizeof(packet), 0), ==,
                        sizeof(packet));
    }
    while (got < N) {
        g_assert_cmpint(g_get_monotonic_time() - start, <, 5000000);
        if (vring_has_used(m->n.rx)) {
            vring_wait(m->n.rx, NULL);
            got += is_ours(m, in0);
            add_rx(m, m->n.rx, in0);
            in0 = (in0 + 1) % 4;
        }
        if (both && vring_has_used(m->rx1)) {
            vring_wait(m->rx1, NULL);
            got += is_ours(m, in1);
            add_rx(m, m->rx1, in1);
            in1 = 4 + (in1 + 1) % 4;
        }
    }
}

static void use_both_pairs(MqNic *m)
{
    autofd int fd = host_end(ETHERTYPE);

    send_one(m, m->n.tx, fd, 1);
    g_assert_cmpuint(set_pairs(m, 2), ==, VIRTIO_NET_OK);
    g_assert_cmpuint(set_pairs(m, 0), ==, VIRTIO_NET_ERR);
    g_assert_cmpuint(set_pairs(m, 3), ==, VIRTIO_NET_ERR);
    send_one(m, m->n.tx, fd, 2);
    send_one(m, m->tx1, fd, 3);
    receive_many(m, fd, true);
}

static void test_two_pairs_of_queues(void)
{
    g_autofree char *netdev =
        g_strdup_printf("tap,id=t0,ifname=%s,script=no,downscript=no,queues=2",
                        tap_name(true));
    MqNic m;

    if (!tap_allowed()) {
        return;
    }
    mq_open(&m, netdev);
    use_both_pairs(&m);
    mq_close(&m);
}

/* All packets come to the one that is left. */
static void test_second_pair_is_given_up(void)
{
    g_autofree char *netdev =
        g_strdup_printf("tap,id=t0,ifname=%s,script=no,downscript=no,queues=2",
                        tap_name(true));
    autofd int fd = -1;
    MqNic m;

    if (!tap_allowed()) {
        return;
    }
    mq_open(&m, netdev);
    fd = host_end(ETHERTYPE);
    g_assert_cmpuint(set_pairs(&m, 2), ==, VIRTIO_NET_OK);
    g_assert_cmpuint(set_pairs(&m, 1), ==, VIRTIO_NET_OK);
    send_one(&m, m.n.tx, fd, 4);
    receive_many(&m, fd, false);
    mq_close(&m);
}

static int open_tap_queue(const char *name)
{
    struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR |
                                      IFF_MULTI_QUEUE };
    int fd = open("/dev/net/tun", O_RDWR); /* inherited */

    g_assert_cmpint(fd, >=, 0);
    g_strlcpy(ifr.ifr_name, name, sizeof(ifr.ifr_name));
    g_assert_cmpint(ioctl(fd, TUNSETIFF, &ifr), ==, 0);
    return fd;
}

static void test_queues_by_descriptors(void)
{
    autofd int a = -1, b = -1;
    g_autofree char *netdev = NULL;
    const char *name = tap_name(true);
    MqNic m;

    if (!tap_allowed()) {
        return;
    }
    a = open_tap_queue(name);
    b = open_tap_queue(name);
    netdev = g_strdup_printf("tap,id=t0,fds=%d:%d", a, b);
    mq_open(&m, netdev);
    close(steal_fd(&a));
    close(steal_fd(&b));
    use_both_pairs(&m);
    mq_close(&m);
}

/* The guest's address is told by reverse ARP, and the guest is asked to tell
 * more; its answer ends that. */
static void test_announcement_by_both(void)
{
    static const uint8_t head[] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 0xaa, 0xbb,
        0xcc, 0x80, 0x35, 0,    1,    8,    0,    6,    4, 0,    3,
    };
    g_autofree char *text = NULL;
    uint8_t got[100] = {};
    uint16_t status;
    autofd int fd = -1;
    Nic n;

    if (!tap_allowed()) {
        return;
    }
    tap_nic_open(&n, BIT(VIRTIO_NET_F_GUEST_ANNOUNCE));
    g_assert_true(n.v->features & BIT(VIRTIO_NET_F_GUEST_ANNOUNCE));
    fd = host_end(0x8035);
    qtest_qmp_ok(n.q, "{'execute': 'announce-self', 'arguments': {'initial': "
                      "20, 'max': 100, 'rounds': 3, 'step': 20}}");
    vdev_wait_isr(n.v, 2);
    vdev_config(n.v, 6, &status, 2);
    g_assert_cmpuint(status, ==, VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE);
    for (int i = 0; i < 3; i++) {
        g_assert_cmpint(recv(fd, got, sizeof(got), 0), ==, 60);
        g_assert_cmpmem(got, sizeof(head), head, sizeof(head));
        g_assert_cmpmem(got + 22, 6, guest_mac, 6);
    }
    g_usleep(150000);
    g_assert_cmpint(recv(fd, got, sizeof(got), MSG_DONTWAIT), ==, -1);
    g_assert_cmpuint(control(&n, VIRTIO_NET_CTRL_ANNOUNCE,
                             VIRTIO_NET_CTRL_ANNOUNCE_ACK, "", 0),
                     ==, VIRTIO_NET_OK);
    vdev_config(n.v, 6, &status, 2);
    g_assert_cmpuint(status, ==, VIRTIO_NET_S_LINK_UP);

    /* Somebody else's name; then ours, without end, until told to stop. */
    qtest_qmp_ok(n.q, "{'execute': 'announce-self', 'arguments': {'initial': "
                      "1, 'max': 1, 'rounds': 1, 'step': 1, 'interfaces': "
                      "['n1']}}");
    g_assert_cmpint(recv(fd, got, sizeof(got), MSG_DONTWAIT), ==, -1);
    text = qtest_hmp(n.q, "announce_self n0,n1 mine");
    g_assert_cmpstr(text, ==, "");
    g_assert_cmpint(recv(fd, got, sizeof(got), 0), ==, 60);
    qtest_qmp_ok(n.q, "{'execute': 'announce-self', 'arguments': {'initial': "
                      "1, 'max': 1, 'rounds': 0, 'step': 1, 'id': 'mine'}}");
    g_usleep(150000);
    g_assert_cmpint(recv(fd, got, sizeof(got), MSG_DONTWAIT), ==, -1);
    nic_close(&n);
}

static void test_netdevs_come_and_go(void)
{
    g_autofree char *dup = NULL, *gone = NULL, *vhost = NULL;
    uint16_t status;
    Nic n;

    if (!tap_allowed()) {
        return;
    }
    tap_nic_open(&n, 0);
    dup = qtest_qmp_error(n.q, "GenericError",
                          "{'execute': 'netdev_add', 'arguments': {'type': "
                          "'tap', 'id': 't0', 'script': 'no'}}");
    vhost = qtest_qmp_error(n.q, "GenericError",
                            "{'execute': 'netdev_add', 'arguments': {'type': "
                            "'tap', 'id': 't9', 'vhost': true}}");
    g_assert_nonnull(strstr(vhost, "vhost"));
    qtest_qmp_ok(n.q, "{'execute': 'netdev_del', 'arguments': {'id': 't0'}}");
    vdev_config(n.v, 6, &status, 2);
    g_assert_cmpuint(status, ==, 0);
    gone = qtest_qmp_error(n.q, "DeviceNotFound",
                           "{'execute': 'netdev_del', 'arguments': "
                           "{'id': 't0'}}");
    nic_close(&n);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-net/configuration",
                    test_configuration_has_the_address);
    vdev_add_test("/virtio-net/filter", test_control_queue_sets_the_filter);
    vdev_add_test("/virtio-net/filter-overflow",
                  test_too_many_addresses_overflow);
    vdev_add_test("/virtio-net/no-peer", test_tx_without_peer_is_swallowed);
    vdev_add_test("/virtio-net/runt", test_runt_packet_breaks_the_queue);
    vdev_add_test("/virtio-net/tap/packets", test_packets_go_both_ways);
    vdev_add_test("/virtio-net/tap/no-buffers", test_packets_wait_for_buffers);
    vdev_add_test("/virtio-net/tap/merged",
                  test_large_packet_is_spread_over_merged_buffers);
    g_test_add_func("/virtio-net/tap/link", test_link_goes_down_and_up);
    vdev_add_test("/virtio-net/tap/multiqueue", test_two_pairs_of_queues);
    vdev_add_test("/virtio-net/tap/one-pair", test_second_pair_is_given_up);
    vdev_add_test("/virtio-net/tap/fds", test_queues_by_descriptors);
    vdev_add_test("/virtio-net/tap/announce", test_announcement_by_both);
    g_test_add_func("/virtio-net/tap/netdev", test_netdevs_come_and_go);
    return g_test_run();
}
