/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls of the tun/tap driver: Linux Documentation/networking/tuntap.rst. */
#include "util/osdep.h"

#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include "net/net.h"
#include "tap.h"
#include "util/error.h"

static unsigned tun_features(int fd)
{
    unsigned features = 0;

    if (ioctl(fd, TUNGETFEATURES, &features) < 0) {
        return 0;
    }
    return features;
}

int tap_open(char name[16], bool *vnet_hdr, bool required, bool multiqueue,
             Error **errp)
{
    autofd int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
    unsigned features;

    if (fd < 0) {
        error_errno(errp, errno, "could not open /dev/net/tun");
        return -1;
    }
    features = tun_features(fd);
    if (*vnet_hdr && !(features & IFF_VNET_HDR)) {
        if (required) {
            error_set(errp, "vnet_hdr=1 requested, but no kernel support for "
                            "IFF_VNET_HDR available");
            return -1;
        }
        *vnet_hdr = false;
    }
    if (*vnet_hdr) {
        ifr.ifr_flags |= IFF_VNET_HDR;
    }
    if (multiqueue) {
        if (!(features & IFF_MULTI_QUEUE)) {
            error_set(errp, "multiqueue required, but no kernel support for "
                            "IFF_MULTI_QUEUE available");
            return -1;
        }
        ifr.ifr_flags |= IFF_MULTI_QUEUE;
    }
    g_strlcpy(ifr.ifr_name, name, IFNAMSIZ);
    if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
        error_errno(errp, errno, "could not configure /dev/net/tun (%s)", name);
        return -1;
    }
    g_strlcpy(name, ifr.ifr_name, IFNAMSIZ);
    return steal_fd(&fd);
}

bool tap_fd_check(int fd, bool *vnet_hdr, char name[16], Error **errp)
{
    struct ifreq ifr = {};

    if (ioctl(fd, TUNGETIFF, &ifr) < 0) {
        return error_errno(errp, errno, "Unable to query TUNGETIFF on FD %d",
                           fd);
    }
    if (!(ifr.ifr_flags & IFF_TAP)) {
        return error_set(errp, "FD %d is not a tap interface", fd);
    }
    *vnet_hdr = ifr.ifr_flags & IFF_VNET_HDR;
    g_strlcpy(name, ifr.ifr_name, IFNAMSIZ);
    return true;
}

bool tap_fd_set_sndbuf(int fd, uint64_t size, Error **errp)
{
    int v = size ? MIN(size, INT_MAX) : INT_MAX;

    /* Without the option a lack of support does not matter. */
    if (ioctl(fd, TUNSETSNDBUF, &v) < 0 && size) {
        return error_errno(errp, errno, "TUNSETSNDBUF ioctl failed");
    }
    return true;
}

bool tap_fd_has_ufo(int fd)
{
    return ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_UFO) == 0;
}

void tap_fd_set_vnet_hdr_len(int fd, unsigned len)
{
    int v = len;

    if (ioctl(fd, TUNSETVNETHDRSZ, &v) < 0) {
        warn_report_ratelimited("tap: cannot set a header of %u bytes: %s", len,
                                g_strerror(errno));
    }
}

void tap_fd_set_offload(int fd, unsigned bits)
{
    unsigned v = 0;

    if (bits & NET_OFFLOAD_CSUM) {
        v |= TUN_F_CSUM;
        v |= bits & NET_OFFLOAD_TSO4 ? TUN_F_TSO4 : 0;
        v |= bits & NET_OFFLOAD_TSO6 ? TUN_F_TSO6 : 0;
        v |= bits & (NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6) &&
                     bits & NET_OFFLOAD_ECN
                 ? TUN_F_TSO_ECN
                 : 0;
        v |= bits & NET_OFFLOAD_UFO ? TUN_F_UFO : 0;
    }
    if (ioctl(fd, TUNSETOFFLOAD, v) < 0 &&
        ioctl(fd, TUNSETOFFLOAD, v & ~TUN_F_UFO) < 0) {
        warn_report_ratelimited("tap: TUNSETOFFLOAD failed: %s",
                                g_strerror(errno));
    }
}

int tap_fd_set_enabled(int fd, bool on)
{
    struct ifreq ifr = {
        .ifr_flags = on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE,
    };

    return ioctl(fd, TUNSETQUEUE, &ifr) < 0 ? -errno : 0;
}
