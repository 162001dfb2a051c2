/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * query-command-line-options: the options whose parameters are not in the QMP
 * schema, and those parameters.
 */
#include "util/osdep.h"

#include "qapi/qapi-commands-misc.h"
#include "softmmu/options.h"
#include "softmmu/vm.h"
#include "util/error.h"

#define S COMMAND_LINE_PARAMETER_TYPE_STRING
#define B COMMAND_LINE_PARAMETER_TYPE_BOOLEAN
#define N COMMAND_LINE_PARAMETER_TYPE_NUMBER
#define Z COMMAND_LINE_PARAMETER_TYPE_SIZE

typedef struct ParamDef {
    const char *name;
    CommandLineParameterType type;
} ParamDef;

typedef struct GroupDef {
    const char *option;
    const ParamDef *params; /* NULL: none known here */
} GroupDef;

static const ParamDef machine_params[] = {
    { "hpet", B },         { "suppress-vmdesc", B },
    { "firmware", S },     { "usb", B },
    { "mem-merge", B },    { "dump-guest-core", B },
    { "dtb", S },          { "append", S },
    { "initrd", S },       { "kernel", S },
    { "kvm_shadow_mem", Z }, { "kernel_irqchip", B },
    { "accel", S },        { "type", S },
    {},
};
static const ParamDef sandbox_params[] = {
    { "resourcecontrol", S }, { "spawn", S }, { "elevateprivileges", S },
    { "obsolete", S },        { "enable", B }, {},
};
static const ParamDef action_params[] = {
    { "watchdog", S }, { "panic", S }, { "reboot", S }, { "shutdown", S }, {},
};
static const ParamDef fw_cfg_params[] = {
    { "string", S }, { "file", S }, { "name", S }, {},
};
static const ParamDef name_params[] = {
    { "debug-threads", B }, { "process", S }, { "guest", S }, {},
};
static const ParamDef msg_params[] = {
    { "guest-name", B }, { "timestamp", B }, {},
};
static const ParamDef overcommit_params[] = {
    { "cpu-pm", B }, { "mem-lock", B }, {},
};
static const ParamDef add_fd_params[] = {
    { "opaque", S }, { "set", N }, { "fd", N }, {},
};
static const ParamDef boot_params[] = {
    { "strict", B }, { "reboot-timeout", N }, { "splash-time", N },
    { "splash", S }, { "menu", B }, { "once", S }, { "order", S }, {},
};
static const ParamDef smp_params[] = {
    { "maxcpus", N }, { "threads", N }, { "cores", N }, { "clusters", N },
    { "dies", N },    { "sockets", N }, { "cpus", N },  {},
};
static const ParamDef memory_params[] = {
    { "maxmem", Z }, { "slots", N }, { "size", Z }, {},
};
static const ParamDef trace_params[] = {
    { "file", S }, { "events", S }, { "enable", S }, {},
};
static const ParamDef mon_params[] = {
    { "pretty", B }, { "chardev", S }, { "mode", S }, {},
};
static const ParamDef global_params[] = {
    { "value", S }, { "property", S }, { "driver", S }, {},
};
static const ParamDef rtc_params[] = {
    { "driftfix", S }, { "clock", S }, { "base", S }, {},
};
static const ParamDef chardev_params[] = {
    { "abstract", B }, { "logappend", B }, { "logfile", S }, { "append", B },
    { "chardev", S },  { "size", Z },      { "signal", B },  { "mux", B },
    { "telnet", B },   { "reconnect", N }, { "nodelay", B }, { "delay", B },
    { "server", B },   { "wait", B },      { "ipv6", B },    { "ipv4", B },
    { "to", N },       { "fd", S },        { "port", S },    { "host", S },
    { "path", S },     { "backend", S },   {},
};
static const ParamDef drive_params[] = {
    { "werror", S },        { "rerror", S },       { "read-only", B },
    { "file", S },          { "if", S },           { "media", S },
    { "index", N },         { "detect-zeroes", S }, { "format", S },
    { "cache.writeback", B }, { "aio", S },        { "force-share", B },
    { "discard", S },       { "auto-read-only", B }, { "cache.no-flush", B },
    { "cache.direct", B },  { "driver", S },       { "node-name", S },
    {},
};

static const ParamDef iscsi_params[] = {
    { "timeout", N },
    { "initiator-name", S },
    { "header-digest", S },
    { "password-secret", S },
    { "password", S },
    { "user", S },
    {},
};

static const GroupDef groups[] = {
    { "machine", machine_params },
    { "sandbox", sandbox_params },
    { "smbios", NULL },
    { "action", action_params },
    { "fw_cfg", fw_cfg_params },
    { "name", name_params },
    { "msg", msg_params },
    { "overcommit", overcommit_params },
    { "object", NULL },
    { "add-fd", add_fd_params },
    { "boot-opts", boot_params },
    { "smp-opts", smp_params },
    { "memory", memory_params },
    { "accel", NULL },
    { "trace", trace_params },
    { "mon", mon_params },
    { "global", global_params },
    { "rtc", rtc_params },
    { "numa", NULL },
    { "net", NULL },
    { "nic", NULL },
    { "netdev", NULL },
    { "device", NULL },
    { "chardev", chardev_params },
    { "drive", drive_params },
    { "iscsi", iscsi_params },
};

static CommandLineOptionInfo *group_info(const GroupDef *g)
{
    CommandLineOptionInfo *info = g_new0(CommandLineOptionInfo, 1);
    CommandLineParameterInfoList **tail = &info->parameters;

    info->option = g_strdup(g->option);
    for (const ParamDef *p = g->params; p && p->name; p++) {
        CommandLineParameterInfo *param = g_new0(CommandLineParameterInfo, 1);

        param->name = g_strdup(p->name);
        param->type = p->type;
        QAPI_LIST_APPEND(tail, param);
    }
    return info;
}

CommandLineOptionInfoList *qmp_query_command_line_options(Vm *vm,
                                                          const char *option,
                                                          Error **errp)
{
    CommandLineOptionInfoList *list = NULL, **tail = &list;

    for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
        if (!option || g_str_equal(option, groups[i].option)) {
            QAPI_LIST_APPEND(tail, group_info(&groups[i]));
        }
    }
    if (!list) {
        error_set(errp, "invalid option name: %s", option);
    }
    return list;
}

static int compare_params(gconstpointer a, gconstpointer b)
{
    const ParamDef *pa = *(const ParamDef *const *)a;
    const ParamDef *pb = *(const ParamDef *const *)b;

    return strcmp(pa->name, pb->name);
}

static void params_help(const GroupDef *g, GString *out)
{
    static const char *const types[] = {
        [S] = "str",
        [B] = "bool (on/off)",
        [N] = "num",
        [Z] = "size",
    };
    g_autoptr(GPtrArray) params = g_ptr_array_new();

    for (const ParamDef *p = g->params; p->name; p++) {
        g_ptr_array_add(params, (void *)p);
    }
    g_ptr_array_sort(params, compare_params);
    g_string_append_printf(out, "%s options:\n", g->option);
    for (guint i = 0; i < params->len; i++) {
        const ParamDef *p = params->pdata[i];

        g_string_append_printf(out, "  %s=<%s>\n", p->name, types[p->type]);
    }
}

bool option_params_help(const char *group, GString *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
        if (groups[i].params && g_str_equal(group, groups[i].option)) {
            params_help(&groups[i], out);
            return true;
        }
    }
    return false;
}
