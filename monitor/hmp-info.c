/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HMP: what QMP's query commands say, for people. */
#include "util/osdep.h"

#include "qapi/hmp.h"
#include "qobject/json.h"
#include "util/error.h"

static QDict *query(Hmp *hmp, const char *command, Error **errp)
{
    QObject *ret = hmp_qmp(hmp, command, NULL, errp);

    return qobject_to_dict(ret);
}

static QList *query_list(Hmp *hmp, const char *command, Error **errp)
{
    return qobject_to_list(hmp_qmp(hmp, command, NULL, errp));
}

static bool info_version(Hmp *hmp, const QDict *args, Error **errp)
{
    g_autoptr(QDict) d = query(hmp, "query-version", errp);
    QDict *v = d ? qdict_get_dict(d, "qemu") : NULL;

    if (v) {
        hmp_printf(hmp, "%" PRId64 ".%" PRId64 ".%" PRId64 "%s\n",
                   qdict_get_int(v, "major", 0), qdict_get_int(v, "minor", 0),
                   qdict_get_int(v, "micro", 0), qdict_get_str(d, "package"));
    }
    return d;
}

static bool info_status(Hmp *hmp, const QDict *args, Error **errp)
{
    g_autoptr(QDict) d = query(hmp, "query-status", errp);
    bool running;
    const char *status;

    if (!d) {
        return false;
    }
    running = qdict_get_bool(d, "running", false);
    status = qdict_get_str(d, "status");
    hmp_printf(hmp, "VM status: %s", running ? "running" : "paused");
    if (!running && strcmp(status, "paused")) {
        hmp_printf(hmp, " (%s)", status);
    }
    hmp_printf(hmp, "\n");
    return true;
}

static bool info_name(Hmp *hmp, const QDict *args, Error **errp)
{
    g_autoptr(QDict) d = query(hmp, "query-name", errp);
    const char *name = d ? qdict_get_str(d, "name") : NULL;

    if (name) {
        hmp_printf(hmp, "%s\n", name);
    }
    return d;
}

static bool info_uuid(Hmp *hmp, const QDict *args, Error **errp)
{
    g_autoptr(QDict) d = query(hmp, "query-uuid", errp);

    if (d) {
        hmp_printf(hmp, "%s\n", qdict_get_str(d, "UUID"));
    }
    return d;
}

/* "  poll-max-ns=0" for each of @keys (NULL ends) that @d has. */
static void print_ints(Hmp *hmp, const QDict *d, const char *const *keys)
{
    for (; *keys; keys++) {
        g_autofree char *shown = g_strdup(*keys);

        if (qdict_has(d, *keys)) {
            if (!strcmp(shown, "thread-id")) {
                g_strdelimit(shown, "-", '_');
            }
            hmp_printf(hmp, "  %s=%" PRId64 "\n", shown,
                       qdict_get_int(d, *keys, 0));
        }
    }
}

static bool info_iothreads(Hmp *hmp, const QDict *args, Error **errp)
{
    static const char *const keys[] = { "thread-id",     "poll-max-ns",
                                        "poll-grow",     "poll-shrink",
                                        "aio-max-batch", NULL };
    g_autoptr(QList) list = query_list(hmp, "query-iothreads", errp);

    for (size_t i = 0; list && i < qlist_size(list); i++) {
        const QDict *d = qobject_to_dict(qlist_get(list, i));

        hmp_printf(hmp, "%s:\n", qdict_get_str(d, "id"));
        print_ints(hmp, d, keys);
    }
    return list;
}

static void print_bool(Hmp *hmp, const QDict *d, const char *key)
{
    if (qdict_has(d, key)) {
        hmp_printf(hmp, "  %s: %s\n", key,
                   qdict_get_bool(d, key, false) ? "true" : "false");
    }
}

static void print_memdev(Hmp *hmp, const QDict *d)
{
    static const char *const flags[] = { "merge", "dump",    "prealloc",
                                         "share", "reserve", NULL };
    const QList *nodes = qdict_get_list(d, "host-nodes");

    hmp_printf(hmp, "memory backend: %s\n", qdict_get_str(d, "id") ?: "");
    hmp_printf(hmp, "  size:  %" PRIu64 "\n", qdict_get_uint(d, "size", 0));
    for (const char *const *f = flags; *f; f++) {
        print_bool(hmp, d, *f);
    }
    hmp_printf(hmp, "  policy: %s\n  host nodes:", qdict_get_str(d, "policy"));
    for (size_t i = 0; nodes && i < qlist_size(nodes); i++) {
        int64_t node = 0;

        qobject_get_int(qlist_get(nodes, i), &node);
        hmp_printf(hmp, " %" PRId64, node);
    }
    hmp_printf(hmp, "\n");
}

static bool info_memdev(Hmp *hmp, const QDict *args, Error **errp)
{
    g_autoptr(QList) list = query_list(hmp, "query-memdev", errp);

    for (size_t i = 0; list && i < qlist_size(list); i++) {
        print_memdev(hmp, qobject_to_dict(qlist_get(list, i)));
    }
    return list;
}

static bool info_memory_size(Hmp *hmp, const QDict *args, Error **errp)
{
    g_autoptr(QDict) d = query(hmp, "query-memory-size-summary", errp);

    if (d) {
        hmp_printf(hmp, "base memory: %" PRIu64 "\n",
                   qdict_get_uint(d, "base-memory", 0));
        if (qdict_has(d, "plugged-memory")) {
            hmp_printf(hmp, "plugged memory: %" PRIu64 "\n",
                       qdict_get_uint(d, "plugged-memory", 0));
        }
    }
    return d;
}

static void print_hotpluggable(Hmp *hmp, const QDict *d)
{
    static const char *const ids[] = { "node-id",   "socket-id", "die-id",
                                       "cluster-id", "core-id",  "thread-id" };
    const QDict *props = qdict_get_dict(d, "props");
    const char *path = qdict_get_str(d, "qom-path");

    hmp_printf(hmp, "  type: \"%s\"\n  vcpus_count: \"%" PRId64 "\"\n",
               qdict_get_str(d, "type"), qdict_get_int(d, "vcpus-count", 0));
    if (path) {
        hmp_printf(hmp, "  qom_path: \"%s\"\n", path);
    }
    hmp_printf(hmp, "  CPUInstance Properties:\n");
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        if (props && qdict_has(props, ids[i])) {
            hmp_printf(hmp, "    %s: \"%" PRId64 "\"\n", ids[i],
                       qdict_get_int(props, ids[i], 0));
        }
    }
}

static bool info_hotpluggable(Hmp *hmp, const QDict *args, Error **errp)
{
    g_autoptr(QList) list = query_list(hmp, "query-hotpluggable-cpus", errp);

    if (list) {
        hmp_printf(hmp, "Hotpluggable CPUs:\n");
    }
    for (size_t i = 0; list && i < qlist_size(list); i++) {
        print_hotpluggable(hmp, qobject_to_dict(qlist_get(list, i)));
    }
    return list;
}

static bool info_memory_devices(Hmp *hmp, const QDict *args, Error **errp)
{
    g_autoptr(QList) list = query_list(hmp, "query-memory-devices", errp);

    for (size_t i = 0; list && i < qlist_size(list); i++) {
        const QDict *e = qobject_to_dict(qlist_get(list, i));
        const QDict *d = qdict_get_dict(e, "data");

        hmp_printf(hmp, "Memory device [%s]: \"%s\"\n",
                   qdict_get_str(e, "type"), qdict_get_str(d, "id") ?: "");
        QDICT_FOREACH(d, m) {
            g_autofree char *text = qobject_to_json(m->value);

            if (strcmp(m->key, "id")) {
                hmp_printf(hmp, "  %s: %s\n", m->key, text);
            }
        }
    }
    return list;
}

static const HmpCommand info_commands[] = {
    { .name = "info version", .help = "show the version of the emulator",
      .needs = "query-version", .run = info_version },
    { .name = "info status",
      .help = "show the current VM status (running|paused)",
      .needs = "query-status", .run = info_status },
    { .name = "info name", .help = "show the current VM name",
      .needs = "query-name", .run = info_name },
    { .name = "info uuid", .help = "show the current VM UUID",
      .needs = "query-uuid", .run = info_uuid },
    { .name = "info iothreads", .help = "show iothreads",
      .needs = "query-iothreads", .run = info_iothreads },
    { .name = "info memdev", .help = "show memory backends",
      .needs = "query-memdev", .run = info_memdev },
    { .name = "info memory_size_summary",
      .help = "show the amount of initially allocated and present hotpluggable "
              "(if enabled) memory in bytes",
      .needs = "query-memory-size-summary", .run = info_memory_size },
    { .name = "info memory-devices", .help = "show memory devices",
      .needs = "query-memory-devices", .run = info_memory_devices },
    { .name = "info hotpluggable-cpus",
      .help = "show information about hotpluggable CPUs",
      .needs = "query-hotpluggable-cpus", .run = info_hotpluggable },
};
HMP_COMMANDS(info_commands);
