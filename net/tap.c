/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "-netdev tap" and "-netdev bridge": packets to and from the host's tun/tap
 * driver. */
#include "util/osdep.h"

#include "net/net.h"
#include "softmmu/vm.h"
#include "tap.h"
#include "util/error.h"
#include "util/fdset.h"

#define DEFAULT_SCRIPT      CONFIG_SYSCONFDIR "/qemu-ifup"
#define DEFAULT_DOWN_SCRIPT CONFIG_SYSCONFDIR "/qemu-ifdown"
#define DEFAULT_HELPER      "/usr/lib/qemu/qemu-bridge-helper"
#define DEFAULT_BRIDGE      "br0"

/* Packets read in one go before other work of the loop gets its turn. */
#define TAP_BURST 64

typedef struct Tap {
    NetClient nc;
    int fd;
    LoopFd *watch;
    char *down_script; /* run when the last queue goes; or NULL */
    char ifname[16];
    bool vnet_hdr, has_ufo, enabled;
    unsigned hdr_len; /* of what the driver puts before packets */
    bool peer_full;   /* it refused the packet in buf */
    bool want_write;  /* we refused one */
    size_t len;
    uint8_t buf[NET_PACKET_MAX];
} Tap;

static Tap *tap_of(NetClient *nc)
{
    return container_of(nc, Tap, nc);
}

static void tap_update_watch(Tap *s)
{
    unsigned events = s->want_write ? LOOP_OUT : 0;

    if (s->enabled && !s->peer_full && s->nc.peer) {
        events |= LOOP_IN;
    }
    loop_fd_set_events(s->watch, events);
}

/* Host to peer. False: the peer keeps us waiting. */
static bool tap_forward(Tap *s)
{
    struct iovec iov = { s->buf, s->len };

    s->peer_full = net_send(&s->nc, &iov, 1) == 0;
    return !s->peer_full;
}

static void tap_read(Tap *s)
{
    for (int i = 0; i < TAP_BURST; i++) {
        ssize_t n = read(s->fd, s->buf, sizeof(s->buf));

        if (n <= 0) {
            break;
        }
        s->len = n;
        if ((size_t)n > s->hdr_len && !tap_forward(s)) {
            break;
        }
    }
    tap_update_watch(s);
}

static void tap_event(void *opaque, unsigned events)
{
    Tap *s = opaque;

    if (events & LOOP_OUT && s->want_write) {
        s->want_write = false;
        tap_update_watch(s);
        net_ready(&s->nc);
    }
    if (events & LOOP_IN && s->enabled && !s->peer_full && s->nc.peer) {
        tap_read(s);
    }
}

/* Peer to host. */
static ssize_t tap_receive(NetClient *nc, const struct iovec *iov, int n)
{
    Tap *s = tap_of(nc);
    ssize_t ret = RETRY_ON_EINTR(writev(s->fd, iov, n));

    if (ret >= 0) {
        return ret ? ret : -EIO;
    }
    if (errno == EAGAIN) {
        s->want_write = true;
        tap_update_watch(s);
        return 0;
    }
    return -errno;
}

static void tap_ready(NetClient *nc)
{
    Tap *s = tap_of(nc);

    if (s->peer_full && tap_forward(s)) {
        tap_update_watch(s);
    }
}

static void tap_peer_changed(NetClient *nc)
{
    Tap *s = tap_of(nc);

    s->peer_full = s->want_write = false;
    tap_update_watch(s);
}

static bool tap_has_vnet_hdr(NetClient *nc)
{
    return tap_of(nc)->vnet_hdr;
}

static void tap_set_vnet_hdr_len(NetClient *nc, unsigned len)
{
    Tap *s = tap_of(nc);

    if (s->vnet_hdr && s->hdr_len != len) {
        tap_fd_set_vnet_hdr_len(s->fd, len);
        s->hdr_len = len;
        s->peer_full = false; /* what we hold has the old header */
        tap_update_watch(s);
    }
}

static bool tap_has_ufo(NetClient *nc)
{
    return tap_of(nc)->has_ufo;
}

static void tap_set_offload(NetClient *nc, unsigned bits)
{
    tap_fd_set_offload(tap_of(nc)->fd, bits);
}

static int tap_set_enabled(NetClient *nc, bool on)
{
    Tap *s = tap_of(nc);
    int ret;

    if (s->enabled == on) {
        return 0;
    }
    ret = tap_fd_set_enabled(s->fd, on);
    if (ret == 0) {
        s->enabled = on;
        tap_update_watch(s);
    }
    return ret;
}

static void tap_destroy(NetClient *nc)
{
    Tap *s = tap_of(nc);
    g_autofree char *script = g_steal_pointer(&s->down_script);

    net_client_cleanup(nc);
    loop_fd_del(s->watch);
    close(s->fd);
    if (script) {
        autoerr Error *err = NULL;

        if (!tap_run_script(script, s->ifname, &err)) {
            warn_report("%s", error_text(err));
        }
    }
    g_free(s);
}

static const NetClientOps tap_ops = {
    .type = NET_CLIENT_DRIVER_TAP,
    .receive = tap_receive,
    .ready = tap_ready,
    .peer_changed = tap_peer_changed,
    .destroy = tap_destroy,
    .has_vnet_hdr = tap_has_vnet_hdr,
    .set_vnet_hdr_len = tap_set_vnet_hdr_len,
    .has_ufo = tap_has_ufo,
    .set_offload = tap_set_offload,
    .set_enabled = tap_set_enabled,
};

static const NetClientOps bridge_ops = {
    .type = NET_CLIENT_DRIVER_BRIDGE,
    .receive = tap_receive,
    .ready = tap_ready,
    .peer_changed = tap_peer_changed,
    .destroy = tap_destroy,
    .has_vnet_hdr = tap_has_vnet_hdr,
    .set_vnet_hdr_len = tap_set_vnet_hdr_len,
    .has_ufo = tap_has_ufo,
    .set_offload = tap_set_offload,
    .set_enabled = tap_set_enabled,
};

/* Takes over @fd. */
static Tap *tap_new(Vm *vm, const NetClientOps *ops, const char *model,
                    const char *id, unsigned queue, int fd, bool vnet_hdr,
                    const char *ifname)
{
    Tap *s = g_new0(Tap, 1);

    s->fd = fd;
    s->vnet_hdr = vnet_hdr;
    s->enabled = true;
    g_strlcpy(s->ifname, ifname, sizeof(s->ifname));
    net_client_init(&s->nc, ops, vm, model, id, queue);
    s->nc.is_netdev = true;
    s->watch = loop_fd_add(vm->loop, fd, 0, tap_event, s);
    if (vnet_hdr) {
        s->hdr_len = 10;
        tap_fd_set_vnet_hdr_len(fd, s->hdr_len);
        s->has_ufo = tap_fd_has_ufo(fd);
        tap_fd_set_offload(fd, 0);
    }
    return s;
}

/* Options ---------------------------------------------------------------- */

static bool is_script(const char *name)
{
    return name && *name && strcmp(name, "no");
}

static bool refuse_with(Error **errp, bool present, const char *opt,
                        const char *other)
{
    if (!present) {
        return true;
    }
    return error_set(errp, "%s= is invalid with %s=", opt, other);
}

/* What describes an interface of ours has no place beside a descriptor. */
static bool check_fd_opts(const NetdevTapOptions *o, const char *with,
                          Error **errp)
{
    return refuse_with(errp, o->ifname, "ifname", with) &&
           refuse_with(errp, o->script, "script", with) &&
           refuse_with(errp, o->downscript, "downscript", with) &&
           refuse_with(errp, o->has_vnet_hdr, "vnet_hdr", with) &&
           refuse_with(errp, o->helper, "helper", with) &&
           refuse_with(errp, o->has_queues, "queues", with);
}

static bool check_opts(const NetdevTapOptions *o, Error **errp)
{
    if ((o->has_vhost && o->vhost) || (o->has_vhostforce && o->vhostforce)) {
        return error_set(errp, "vhost=on is not supported yet");
    }
    if (o->vhostfd || o->vhostfds) {
        return error_set(errp, "vhostfd= and vhostfds= need vhost=on, which is "
                               "not supported yet");
    }
    if (o->has_poll_us && o->poll_us) {
        return error_set(errp, "poll-us= needs vhost=on, which is not "
                               "supported yet");
    }
    if (o->fd && o->fds) {
        return error_set(errp, "fd= and fds= exclude each other");
    }
    if (o->has_queues && (o->queues < 1 || o->queues > NET_QUEUES_MAX)) {
        return error_set(errp,
                         "Invalid number of queues: at least 1, at most "
                         "%d",
                         NET_QUEUES_MAX);
    }
    return true;
}

/* One descriptor by number or name, checked. -1: failed. */
static int take_fd(Vm *vm, const char *text, bool *vnet_hdr, char ifname[16],
                   Error **errp)
{
    autofd int fd = fdsets_param(vm->fdsets, text, errp);

    if (fd < 0) {
        return -1;
    }
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0) {
        error_errno(errp, errno, "cannot make FD %d non-blocking", fd);
        return -1;
    }
    if (!tap_fd_check(fd, vnet_hdr, ifname, errp)) {
        return -1;
    }
    return steal_fd(&fd);
}

static Tap *add_queue(Vm *vm, const Netdev *opts, unsigned queue, int fd,
                      bool vnet_hdr, const char *ifname, Error **errp)
{
    const NetdevTapOptions *o = &opts->u.tap;

    if (!tap_fd_set_sndbuf(fd, o->has_sndbuf ? o->sndbuf : 0, errp)) {
        close(fd);
        return NULL;
    }
    return tap_new(vm, &tap_ops, "tap", opts->id, queue, fd, vnet_hdr, ifname);
}

static bool add_from_fds(Vm *vm, const Netdev *opts, const char *list,
                         Error **errp)
{
    /* A colon between them; a comma too, as some clients write. */
    g_auto(GStrv) names = g_strsplit_set(list, ":,", -1);
    bool first_hdr = false;

    if (g_strv_length(names) > NET_QUEUES_MAX || !names[0]) {
        return error_set(errp, "fds=: 1 to %d descriptors", NET_QUEUES_MAX);
    }
    for (unsigned i = 0; names[i]; i++) {
        char ifname[16] = "";
        bool vnet_hdr;
        Tap *s;
        int fd = take_fd(vm, names[i], &vnet_hdr, ifname, errp);

        if (fd < 0) {
            return false;
        }
        if (i == 0) {
            first_hdr = vnet_hdr;
        } else if (vnet_hdr != first_hdr) {
            close(fd);
            return error_set(errp, "vnet_hdr not consistent across given tap "
                                   "fds");
        }
        s = add_queue(vm, opts, i, fd, vnet_hdr, ifname, errp);
        if (!s) {
            return false;
        }
        net_client_set_info(&s->nc, "fd=%d", fd);
    }
    return true;
}

static bool add_from_helper(Vm *vm, const Netdev *opts, const NetClientOps *ops,
                            const char *model, const char *helper,
                            const char *br, Error **errp)
{
    char ifname[16];
    bool vnet_hdr;
    autofd int fd = -1;
    Tap *s;

    if (!helper) {
        helper = DEFAULT_HELPER;
    }
    if (!br) {
        br = DEFAULT_BRIDGE;
    }
    fd = tap_from_helper(helper, br, errp);
    if (fd < 0) {
        return false;
    }
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ||
        !tap_fd_check(fd, &vnet_hdr, ifname, errp)) {
        return false;
    }
    s = tap_new(vm, ops, model, opts->id, 0, steal_fd(&fd), vnet_hdr, ifname);
    net_client_set_info(&s->nc, "helper=%s,br=%s", helper, br);
    return true;
}

static bool add_own(Vm *vm, const Netdev *opts, Error **errp)
{
    const NetdevTapOptions *o = &opts->u.tap;
    const char *script = o->script ? o->script : DEFAULT_SCRIPT;
    const char *down = o->downscript ? o->downscript : DEFAULT_DOWN_SCRIPT;
    unsigned queues = o->has_queues ? o->queues : 1;
    bool vnet_hdr = o->has_vnet_hdr ? o->vnet_hdr : true;
    char ifname[16] = "tap%d";

    if (o->ifname) {
        if (strlen(o->ifname) >= sizeof(ifname)) {
            return error_set(errp, "ifname=%s: name too long", o->ifname);
        }
        g_strlcpy(ifname, o->ifname, sizeof(ifname));
    }
    for (unsigned i = 0; i < queues; i++) {
        int fd = tap_open(ifname, &vnet_hdr, o->has_vnet_hdr && o->vnet_hdr,
                          queues > 1, errp);

        Tap *s =
            fd < 0 ? NULL : add_queue(vm, opts, i, fd, vnet_hdr, ifname, errp);

        if (!s) {
            return false;
        }
        if (i == 0) {
            if (is_script(script) && !tap_run_script(script, ifname, errp)) {
                return false;
            }
            s->down_script = is_script(down) ? g_strdup(down) : NULL;
        }
        net_client_set_info(&s->nc, "ifname=%s,script=%s,downscript=%s", ifname,
                            script, down);
    }
    return true;
}

/* Nothing half-made stays behind. */
static bool undo_unless(bool ok, Vm *vm, const Netdev *opts)
{
    NetClient *nc;

    while (!ok && (nc = net_find(vm, opts->id))) {
        g_clear_pointer(&tap_of(nc)->down_script, g_free);
        tap_destroy(nc);
    }
    return ok;
}

bool tap_netdev_add(Vm *vm, const Netdev *opts, Error **errp)
{
    const NetdevTapOptions *o = &opts->u.tap;
    bool ok;

    if (!check_opts(o, errp)) {
        return false;
    }
    if (o->fd || o->fds) {
        ok = check_fd_opts(o, o->fd ? "fd" : "fds", errp) &&
             add_from_fds(vm, opts, o->fd ? o->fd : o->fds, errp);
    } else if (o->helper) {
        ok = refuse_with(errp, o->ifname, "ifname", "helper") &&
             refuse_with(errp, o->script, "script", "helper") &&
             refuse_with(errp, o->downscript, "downscript", "helper") &&
             refuse_with(errp, o->has_queues, "queues", "helper") &&
             refuse_with(errp, o->has_vnet_hdr, "vnet_hdr", "helper") &&
             add_from_helper(vm, opts, &tap_ops, "tap", o->helper, o->br, errp);
    } else if (o->br) {
        ok = error_set(errp, "br= needs helper=");
    } else {
        ok = add_own(vm, opts, errp);
    }
    return undo_unless(ok, vm, opts);
}

bool bridge_netdev_add(Vm *vm, const Netdev *opts, Error **errp)
{
    const NetdevBridgeOptions *o = &opts->u.bridge;

    return undo_unless(add_from_helper(vm, opts, &bridge_ops, "bridge",
                                       o->helper, o->br, errp),
                       vm, opts);
}
