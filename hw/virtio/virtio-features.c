/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of feature and status bits, for people: virtio 1.2, 2.1, 5 and 6. */
#include "util/osdep.h"

#include <linux/virtio_blk.h>
#include <linux/virtio_console.h>
#include <linux/virtio_net.h>

#include "virtio-internal.h"

#define BIT_NAME(bit, text) \
    {                       \
        bit, #bit ": " text \
    }
/* Newer than the kernel header. */
#define NAMED(bit, name, text) \
    {                          \
        bit, name ": " text    \
    }

const VirtioBitName virtio_status_names[] = {
    NAMED(0, "VIRTIO_CONFIG_S_ACKNOWLEDGE", "the driver saw the device"),
    NAMED(1, "VIRTIO_CONFIG_S_DRIVER", "the driver knows the device"),
    NAMED(3, "VIRTIO_CONFIG_S_FEATURES_OK", "features are agreed on"),
    NAMED(2, "VIRTIO_CONFIG_S_DRIVER_OK", "the driver is ready"),
    NAMED(6, "VIRTIO_CONFIG_S_NEEDS_RESET", "the device gave up"),
    NAMED(7, "VIRTIO_CONFIG_S_FAILED", "the driver gave up"),
    {},
};

const VirtioBitName virtio_transport_names[] = {
    BIT_NAME(VIRTIO_F_NOTIFY_ON_EMPTY, "interrupt when all chains are used"),
    BIT_NAME(VIRTIO_F_ANY_LAYOUT, "requests may be cut anywhere"),
    NAMED(28, "VIRTIO_RING_F_INDIRECT_DESC", "tables of descriptors"),
    NAMED(29, "VIRTIO_RING_F_EVENT_IDX", "kicks and interrupts on demand"),
    BIT_NAME(VIRTIO_F_BAD_FEATURE, "legacy trap for careless drivers"),
    BIT_NAME(VIRTIO_F_VERSION_1, "modern device"),
    NAMED(33, "VIRTIO_F_IOMMU_PLATFORM", "memory behind an IOMMU"),
    BIT_NAME(VIRTIO_F_RING_PACKED, "packed rings"),
    NAMED(35, "VIRTIO_F_IN_ORDER", "chains come back in order"),
    BIT_NAME(VIRTIO_F_ORDER_PLATFORM, "barriers as for hardware"),
    BIT_NAME(VIRTIO_F_SR_IOV, "virtual functions"),
    NAMED(38, "VIRTIO_F_NOTIFICATION_DATA", "kicks tell positions"),
    NAMED(40, "VIRTIO_F_RING_RESET", "single queues can be reset"),
    {},
};

static const VirtioBitName net_names[] = {
    BIT_NAME(VIRTIO_NET_F_CSUM, "checksums left to the device"),
    BIT_NAME(VIRTIO_NET_F_GUEST_CSUM, "checksums left to the driver"),
    BIT_NAME(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, "offloads can be switched"),
    BIT_NAME(VIRTIO_NET_F_MTU, "the device tells an MTU"),
    BIT_NAME(VIRTIO_NET_F_MAC, "the device has an address"),
    BIT_NAME(VIRTIO_NET_F_GUEST_TSO4, "the driver takes TSO over IPv4"),
    BIT_NAME(VIRTIO_NET_F_GUEST_TSO6, "the driver takes TSO over IPv6"),
    BIT_NAME(VIRTIO_NET_F_GUEST_ECN, "the driver takes TSO with ECN"),
    BIT_NAME(VIRTIO_NET_F_GUEST_UFO, "the driver takes UFO"),
    BIT_NAME(VIRTIO_NET_F_HOST_TSO4, "the device takes TSO over IPv4"),
    BIT_NAME(VIRTIO_NET_F_HOST_TSO6, "the device takes TSO over IPv6"),
    BIT_NAME(VIRTIO_NET_F_HOST_ECN, "the device takes TSO with ECN"),
    BIT_NAME(VIRTIO_NET_F_HOST_UFO, "the device takes UFO"),
    BIT_NAME(VIRTIO_NET_F_MRG_RXBUF, "packets over several buffers"),
    BIT_NAME(VIRTIO_NET_F_STATUS, "state of the link"),
    BIT_NAME(VIRTIO_NET_F_CTRL_VQ, "control queue"),
    BIT_NAME(VIRTIO_NET_F_CTRL_RX, "receive modes"),
    BIT_NAME(VIRTIO_NET_F_CTRL_VLAN, "VLAN filter"),
    BIT_NAME(VIRTIO_NET_F_CTRL_RX_EXTRA, "more receive modes"),
    BIT_NAME(VIRTIO_NET_F_GUEST_ANNOUNCE, "the driver announces itself"),
    BIT_NAME(VIRTIO_NET_F_MQ, "several pairs of queues"),
    BIT_NAME(VIRTIO_NET_F_CTRL_MAC_ADDR, "the address can be set"),
    BIT_NAME(VIRTIO_NET_F_HASH_REPORT, "packets come with a hash"),
    BIT_NAME(VIRTIO_NET_F_RSS, "receive side scaling"),
    BIT_NAME(VIRTIO_NET_F_RSC_EXT, "details of coalesced packets"),
    BIT_NAME(VIRTIO_NET_F_STANDBY, "stand-in for another device"),
    BIT_NAME(VIRTIO_NET_F_SPEED_DUPLEX, "speed and duplex"),
    {},
};

static const VirtioBitName blk_names[] = {
    BIT_NAME(VIRTIO_BLK_F_SIZE_MAX, "limit of a piece"),
    BIT_NAME(VIRTIO_BLK_F_SEG_MAX, "limit of the number of pieces"),
    BIT_NAME(VIRTIO_BLK_F_GEOMETRY, "cylinders, heads, sectors"),
    BIT_NAME(VIRTIO_BLK_F_RO, "cannot be written"),
    BIT_NAME(VIRTIO_BLK_F_BLK_SIZE, "block size"),
    NAMED(7, "VIRTIO_BLK_F_SCSI", "SCSI commands"),
    NAMED(9, "VIRTIO_BLK_F_FLUSH", "flush command"),
    BIT_NAME(VIRTIO_BLK_F_TOPOLOGY, "sizes for best effect"),
    NAMED(11, "VIRTIO_BLK_F_CONFIG_WCE", "the cache can be switched"),
    BIT_NAME(VIRTIO_BLK_F_MQ, "several queues"),
    BIT_NAME(VIRTIO_BLK_F_DISCARD, "discard command"),
    BIT_NAME(VIRTIO_BLK_F_WRITE_ZEROES, "write zeroes command"),
    {},
};

static const VirtioBitName console_names[] = {
    BIT_NAME(VIRTIO_CONSOLE_F_SIZE, "size of the window"),
    BIT_NAME(VIRTIO_CONSOLE_F_MULTIPORT, "several ports"),
    BIT_NAME(VIRTIO_CONSOLE_F_EMERG_WRITE, "write before queues exist"),
    {},
};

const VirtioBitName *virtio_device_names(uint16_t id)
{
    static const VirtioBitName none[] = { {} };

    switch (id) {
    case VIRTIO_ID_NET:
        return net_names;
    case VIRTIO_ID_BLOCK:
        return blk_names;
    case VIRTIO_ID_CONSOLE:
        return console_names;
    default:
        return none;
    }
}
