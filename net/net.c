/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Network clients and their commands; see the header for the contract. */
#include "util/osdep.h"

#include "net/net-int.h"
#include "qapi/qapi-commands-net.h"
#include "softmmu/vm.h"
#include "util/error.h"

struct NetClients {
    GPtrArray *all; /* NetClient *, not owned, in order of making */
    unsigned next_mac;
    NetAnnouncer *announcers;
};

static struct NetClients *net_clients(Vm *vm)
{
    if (!vm->net) {
        vm->net = g_new0(struct NetClients, 1);
        vm->net->all = g_ptr_array_new();
    }
    return vm->net;
}

NetAnnouncer **net_announcers(Vm *vm)
{
    return &net_clients(vm)->announcers;
}

static unsigned n_clients(Vm *vm)
{
    return vm->net ? vm->net->all->len : 0;
}

static NetClient *client_at(Vm *vm, unsigned i)
{
    return g_ptr_array_index(vm->net->all, i);
}

/* Clients ---------------------------------------------------------------- */

void net_client_init(NetClient *nc, const NetClientOps *ops, Vm *vm,
                     const char *model, const char *name, unsigned queue)
{
    nc->ops = ops;
    nc->vm = vm;
    nc->model = g_strdup(model);
    nc->name = g_strdup(name);
    nc->queue = queue;
    g_ptr_array_add(net_clients(vm)->all, nc);
}

void net_client_set_info(NetClient *nc, const char *fmt, ...)
{
    va_list ap;

    g_free(nc->info);
    va_start(ap, fmt);
    nc->info = g_strdup_vprintf(fmt, ap);
    va_end(ap);
}

static void set_peer(NetClient *nc, NetClient *peer)
{
    nc->peer = peer;
    if (nc->ops->peer_changed) {
        nc->ops->peer_changed(nc);
    }
}

void net_client_cleanup(NetClient *nc)
{
    NetClient *peer = nc->peer;

    if (peer) {
        nc->peer = NULL;
        set_peer(peer, NULL);
    }
    g_ptr_array_remove(net_clients(nc->vm)->all, nc);
    g_clear_pointer(&nc->model, g_free);
    g_clear_pointer(&nc->name, g_free);
    g_clear_pointer(&nc->info, g_free);
}

bool net_link_up(const NetClient *nc)
{
    return !nc->link_down && nc->peer && !nc->peer->link_down;
}

static ssize_t packet_size(const struct iovec *iov, int n)
{
    ssize_t size = 0;

    for (int i = 0; i < n; i++) {
        size += iov[i].iov_len;
    }
    return size;
}

ssize_t net_send(NetClient *nc, const struct iovec *iov, int n)
{
    if (!net_link_up(nc)) {
        return packet_size(iov, n);
    }
    return nc->peer->ops->receive(nc->peer, iov, n);
}

void net_ready(NetClient *nc)
{
    if (nc->peer && nc->peer->ops->ready) {
        nc->peer->ops->ready(nc->peer);
    }
}

NetClient *net_find(Vm *vm, const char *id)
{
    for (unsigned i = 0; i < n_clients(vm); i++) {
        NetClient *nc = client_at(vm, i);

        if (!strcmp(nc->name, id)) {
            return nc;
        }
    }
    return NULL;
}

/* NICs ------------------------------------------------------------------- */

static QObject *netdev_prop_get(Object *obj, const Prop *prop, Error **errp)
{
    const NicPeers *p = prop_slot(obj, prop);

    return qstr_new(p->id ? p->id : "");
}

static bool netdev_prop_set(Object *obj, const Prop *prop, const QObject *value,
                            QapiMode mode, Error **errp)
{
    NicPeers *p = prop_slot(obj, prop);
    char *id = NULL;

    if (!qapi_read_named(&qapi_type_str, prop->name, value, &id, mode, errp)) {
        return false;
    }
    g_free(p->id);
    p->id = id;
    return true;
}

static void netdev_prop_release(Object *obj, const Prop *prop)
{
    nic_peers_clear(prop_slot(obj, prop));
}

const PropKind prop_kind_netdev = {
    .type = "str",
    .get = netdev_prop_get,
    .set = netdev_prop_set,
    .release = netdev_prop_release,
};

bool nic_peers_find(NicPeers *p, Vm *vm, Error **errp)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new();

    for (unsigned i = 0; p->id && i < n_clients(vm); i++) {
        NetClient *nc = client_at(vm, i);

        if (!nc->is_netdev || strcmp(nc->name, p->id)) {
            continue;
        }
        if (nc->peer) {
            return error_set(errp,
                             "Property 'netdev' can't take value '%s', "
                             "it's in use",
                             p->id);
        }
        g_ptr_array_add(found, nc);
    }
    if (p->id && !found->len) {
        return error_set(errp, "Property 'netdev' can't find value '%s'",
                         p->id);
    }
    g_free(p->queues);
    p->n = found->len;
    p->queues = g_memdup2(found->pdata, found->len * sizeof(NetClient *));
    return true;
}

void nic_connect(NetClient *nic, NicPeers *p, unsigned i)
{
    if (i < p->n) {
        nic->peer = p->queues[i];
        set_peer(p->queues[i], nic);
        if (nic->ops->peer_changed) {
            nic->ops->peer_changed(nic);
        }
    }
}

void nic_peers_clear(NicPeers *p)
{
    g_clear_pointer(&p->queues, g_free);
    g_clear_pointer(&p->id, g_free);
    p->n = 0;
}

void nic_default_mac(Vm *vm, uint8_t mac[6])
{
    static const uint8_t zero[6];
    unsigned n;

    if (memcmp(mac, zero, 6)) {
        return;
    }
    n = 0x123456 + net_clients(vm)->next_mac++;
    mac[0] = 0x52;
    mac[1] = 0x54;
    mac[2] = 0;
    mac[3] = n >> 16;
    mac[4] = n >> 8;
    mac[5] = n;
}

/* Netdevs ---------------------------------------------------------------- */

bool netdev_add(Vm *vm, const Netdev *opts, Error **errp)
{
    if (net_find(vm, opts->id)) {
        return error_set(errp, "Duplicate ID '%s' for netdev", opts->id);
    }
    switch (opts->type) {
    case NET_CLIENT_DRIVER_TAP:
        return tap_netdev_add(vm, opts, errp);
    case NET_CLIENT_DRIVER_BRIDGE:
        return bridge_netdev_add(vm, opts, errp);
    default:
        return error_set(errp,
                         "Parameter 'type' expects a netdev backend type");
    }
}

bool netdev_add_opts(Vm *vm, const char *text, Error **errp)
{
    Netdev *opts = qapi_parse_opts(&qapi_type_Netdev, text, "type", errp);
    bool ok = opts && netdev_add(vm, opts, errp);

    qapi_free(&qapi_type_Netdev, opts);
    return ok;
}

bool qmp_netdev_add(Vm *vm, Netdev *opts, Error **errp)
{
    return netdev_add(vm, opts, errp);
}

/* All queues of a netdev; the NIC stays, without a link. */
static void netdev_destroy(Vm *vm, const char *id)
{
    for (unsigned i = n_clients(vm); i-- > 0;) {
        NetClient *nc = client_at(vm, i);

        if (nc->is_netdev && !strcmp(nc->name, id)) {
            nc->ops->destroy(nc);
        }
    }
}

bool qmp_netdev_del(Vm *vm, const char *id, Error **errp)
{
    NetClient *nc = net_find(vm, id);
    g_autofree char *copy = g_strdup(id);

    if (!nc) {
        return error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                               "Device '%s' not found", id);
    }
    if (!nc->is_netdev) {
        return error_set(errp, "Device '%s' is not a netdev", id);
    }
    netdev_destroy(vm, copy);
    return true;
}

void net_cleanup(Vm *vm)
{
    if (!vm->net) {
        return;
    }
    net_announcers_free(vm);
    while (n_clients(vm)) {
        NetClient *nc = client_at(vm, n_clients(vm) - 1);

        nc->ops->destroy(nc);
    }
    g_ptr_array_free(vm->net->all, TRUE);
    g_clear_pointer(&vm->net, g_free);
}

void net_warn_alone(Vm *vm)
{
    for (unsigned i = 0; i < n_clients(vm); i++) {
        NetClient *nc = client_at(vm, i);

        if (!nc->peer && !nc->queue) {
            warn_report("%s %s has no peer",
                        nc->ops->type == NET_CLIENT_DRIVER_NIC ? "nic"
                                                               : "netdev",
                        nc->name);
        }
    }
}

/* Commands --------------------------------------------------------------- */

static void link_changed(NetClient *nc)
{
    if (nc->ops->link_changed) {
        nc->ops->link_changed(nc);
    }
}

bool qmp_set_link(Vm *vm, const char *name, bool up, Error **errp)
{
    bool found = false;

    for (unsigned i = 0; i < n_clients(vm); i++) {
        NetClient *nc = client_at(vm, i);

        if (strcmp(nc->name, name)) {
            continue;
        }
        found = true;
        nc->link_down = !up;
        link_changed(nc);
        if (nc->peer) {
            link_changed(nc->peer);
        }
    }
    if (!found) {
        return error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                               "Device '%s' not found", name);
    }
    return true;
}

RxFilterInfoList *qmp_query_rx_filter(Vm *vm, const char *name, Error **errp)
{
    RxFilterInfoList *list = NULL, **tail = &list;
    bool found = false;

    for (unsigned i = 0; i < n_clients(vm); i++) {
        NetClient *nc = client_at(vm, i);
        bool nic = nc->ops->type == NET_CLIENT_DRIVER_NIC;

        if ((name && strcmp(nc->name, name)) || nc->queue) {
            continue;
        }
        found = true;
        if (name && !nic) {
            error_set(errp, "net client(%s) isn't a NIC", name);
            return NULL;
        }
        if (nic && nc->ops->rx_filter) {
            QAPI_LIST_APPEND(tail, nc->ops->rx_filter(nc));
        } else if (name) {
            error_set(errp,
                      "net client(%s) doesn't support rx-filter "
                      "querying",
                      name);
            return NULL;
        }
    }
    if (name && !found) {
        error_set(errp, "invalid net client name: %s", name);
    }
    return list;
}

static void append_info(GString *s, const NetClient *nc)
{
    g_string_append_printf(s, "%s: index=%u,type=%s,%s\n", nc->name, nc->queue,
                           qapi_enum_name(&qapi_type_NetClientDriver,
                                          nc->ops->type),
                           nc->info ? nc->info : "");
}

char *net_info(Vm *vm)
{
    GString *s = g_string_new(NULL);

    for (unsigned i = 0; i < n_clients(vm); i++) {
        NetClient *nc = client_at(vm, i);

        /* A backend is shown below its NIC. */
        if (nc->peer && nc->ops->type != NET_CLIENT_DRIVER_NIC) {
            continue;
        }
        append_info(s, nc);
        if (nc->peer) {
            g_string_append(s, " \\ ");
            append_info(s, nc->peer);
        }
    }
    return g_string_free(s, FALSE);
}

void net_announce(Vm *vm, const char *const *names)
{
    if (!vm_is_running(vm)) {
        return; /* its addresses may be elsewhere */
    }
    for (unsigned i = 0; i < n_clients(vm); i++) {
        NetClient *nc = client_at(vm, i);

        if (nc->ops->announce && nc->queue == 0 &&
            (!names || g_strv_contains(names, nc->name))) {
            nc->ops->announce(nc);
        }
    }
}
