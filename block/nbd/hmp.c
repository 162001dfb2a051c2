/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HMP: the NBD server. */
#include "util/osdep.h"

#include "qapi/hmp.h"
#include "qobject/qobject.h"
#include "util/error.h"

static bool add(Hmp *hmp, const char *device, const char *name, bool writable,
                Error **errp)
{
    QDict *qmp = qdict_new();

    qdict_put_str(qmp, "device", device);
    if (name) {
        qdict_put_str(qmp, "name", name);
    }
    qdict_put_bool(qmp, "writable", writable);
    return hmp_qmp_void(hmp, "nbd-server-add", qmp, errp);
}

/* Every device that has an image. */
static bool add_all(Hmp *hmp, bool writable, Error **errp)
{
    g_autoptr(QObject) blocks = hmp_qmp(hmp, "query-block", NULL, errp);
    const QList *list = qobject_to_list(blocks);

    for (size_t i = 0; list && i < qlist_size(list); i++) {
        const QDict *block = qobject_to_dict(qlist_get(list, i));
        const char *device = qdict_get_str(block, "device");

        if (*device && qdict_get(block, "inserted") &&
            !add(hmp, device, NULL, writable, errp)) {
            return false;
        }
    }
    return list;
}

static bool start(Hmp *hmp, const char *where, Error **errp)
{
    const char *colon = strrchr(where, ':');
    QDict *qmp, *addr, *data;
    g_autofree char *host = NULL;

    if (!colon) {
        return error_set(errp, "'%s' is not HOST:PORT", where);
    }
    /* "[::1]:10809" */
    host = *where == '[' && colon > where + 1 && colon[-1] == ']'
               ? g_strndup(where + 1, colon - where - 2)
               : g_strndup(where, colon - where);
    data = qdict_new();
    qdict_put_str(data, "host", host);
    qdict_put_str(data, "port", colon + 1);
    addr = qdict_new();
    qdict_put_str(addr, "type", "inet");
    qdict_put(addr, "data", data);
    qmp = qdict_new();
    qdict_put(qmp, "addr", addr);
    return hmp_qmp_void(hmp, "nbd-server-start", qmp, errp);
}

static bool nbd_server_start(Hmp *hmp, const QDict *args, Error **errp)
{
    bool all = qdict_get_bool(args, "a", false);
    bool writable = qdict_get_bool(args, "w", false);

    if (writable && !all) {
        return error_set(errp, "-w only valid together with -a");
    }
    if (!start(hmp, qdict_get_str(args, "uri"), errp)) {
        return false;
    }
    if (all && !add_all(hmp, writable, errp)) {
        hmp_qmp_void(hmp, "nbd-server-stop", NULL, NULL);
        return false;
    }
    return true;
}

static bool nbd_server_add(Hmp *hmp, const QDict *args, Error **errp)
{
    return add(hmp, qdict_get_str(args, "device"), qdict_get_str(args, "name"),
               qdict_get_bool(args, "w", false), errp);
}

static bool nbd_server_remove(Hmp *hmp, const QDict *args, Error **errp)
{
    QDict *qmp = qdict_new();

    qdict_put_str(qmp, "name", qdict_get_str(args, "name"));
    qdict_put_str(qmp, "mode",
                  qdict_get_bool(args, "f", false) ? "hard" : "safe");
    return hmp_qmp_void(hmp, "nbd-server-remove", qmp, errp);
}

static const HmpCommand nbd_commands[] = {
    { .name = "nbd_server_start",
      .args = (const HmpArg[]){ { "a", HMP_FLAG, true },
                                { "w", HMP_FLAG, true },
                                { "uri", HMP_WORD, false },
                                {} },
      .params = "[-a] [-w] host:port",
      .help = "serve block devices over NBD (-a: all there are; -w: for "
              "writing, too)",
      .needs = "nbd-server-start",
      .run = nbd_server_start },
    { .name = "nbd_server_add",
      .args = (const HmpArg[]){ { "w", HMP_FLAG, true },
                                { "device", HMP_WORD, false },
                                { "name", HMP_WORD, true },
                                {} },
      .params = "[-w] device [name]",
      .help = "export a block device over NBD (-w: for writing, too)",
      .needs = "nbd-server-add",
      .run = nbd_server_add },
    { .name = "nbd_server_remove",
      .args = (const HmpArg[]){ { "f", HMP_FLAG, true },
                                { "name", HMP_WORD, false },
                                {} },
      .params = "[-f] name",
      .help = "end an export (-f: though clients use it)",
      .needs = "nbd-server-remove",
      .run = nbd_server_remove },
    { .name = "nbd_server_stop",
      .help = "end the NBD server and all of its exports",
      .needs = "nbd-server-stop",
      .run = hmp_run_same },
};
HMP_COMMANDS(nbd_commands);
