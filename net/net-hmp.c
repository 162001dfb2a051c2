/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HMP: network clients. */
#include "util/osdep.h"

#include "net/net.h"
#include "qapi/hmp.h"

static bool info_network(Hmp *hmp, const QDict *args, Error **errp)
{
    g_autofree char *text = net_info(hmp->vm);

    hmp_printf(hmp, "%s", text);
    return true;
}

static bool hmp_netdev_add(Hmp *hmp, const QDict *args, Error **errp)
{
    return netdev_add_opts(hmp->vm, qdict_get_str(args, "netdev"), errp);
}

static bool hmp_netdev_del(Hmp *hmp, const QDict *args, Error **errp)
{
    QDict *qmp = qdict_new();

    qdict_put_str(qmp, "id", qdict_get_str(args, "id"));
    return hmp_qmp_void(hmp, "netdev_del", qmp, errp);
}

static bool hmp_set_link(Hmp *hmp, const QDict *args, Error **errp)
{
    QDict *qmp = qdict_new();

    qdict_put_str(qmp, "name", qdict_get_str(args, "name"));
    qdict_put_bool(qmp, "up", qdict_get_bool(args, "up", false));
    return hmp_qmp_void(hmp, "set_link", qmp, errp);
}

static const HmpArg netdev_add_args[] = { { "netdev", HMP_REST }, {} };
static const HmpArg netdev_del_args[] = { { "id", HMP_WORD }, {} };
static const HmpArg set_link_args[] = {
    { "name", HMP_WORD },
    { "up", HMP_BOOL },
    {},
};

static const HmpCommand net_commands[] = {
    { .name = "info network", .help = "show the network state",
      .run = info_network },
    { .name = "netdev_add", .args = netdev_add_args,
      .params = "type,id=str[,prop=value][,...]",
      .help = "add host network device", .run = hmp_netdev_add },
    { .name = "netdev_del", .args = netdev_del_args,
      .help = "remove host network device", .needs = "netdev_del",
      .run = hmp_netdev_del },
    { .name = "set_link", .args = set_link_args, .params = "name on|off",
      .help = "change the link status of a network adapter",
      .needs = "set_link", .run = hmp_set_link },
};
HMP_COMMANDS(net_commands);
