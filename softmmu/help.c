/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -help, -version, and "help" as the argument of other options. */
#include "util/osdep.h"

#include "accel/accel.h"
#include "chardev/char.h"
#include "hw/core/device-info.h"
#include "hw/core/machine.h"
#include "net/net.h"
#include "softmmu/launch.h"
#include "softmmu/user-object.h"
#include "util/error.h"
#include "util/log.h"
#include "util/trace.h"

static bool is_help(const char *text)
{
    return text && (g_str_equal(text, "help") || g_str_equal(text, "?"));
}

/* "X,help": the X, or NULL. */
static char *help_subject(const char *text)
{
    const char *comma = strrchr(text, ',');

    return comma && is_help(comma + 1)
               ? g_strndup(text, strcspn(text, ","))
               : NULL;
}

static bool runs_here(const MachineClass *mc, const char *target)
{
    return !mc->target || g_str_equal(mc->target, target);
}

static void machine_list(Launch *l, GString *out)
{
    g_autofree const char **names = type_names(&machine_type);

    g_string_append(out, "Supported machines are:\n");
    for (const char **n = names; *n; n++) {
        const MachineClass *mc = type_class(type_find(*n));

        if (!runs_here(mc, l->target)) {
            continue;
        }
        if (mc->alias) {
            g_string_append_printf(out, "%-20s %s (alias of %s)\n", mc->alias,
                                   mc->desc, mc->name);
        }
        g_string_append_printf(out, "%-20s %s%s\n", mc->name, mc->desc,
                               mc->is_default ? " (default)" : "");
    }
}

static bool machine_help(Launch *l, const char *text, GString *out,
                         Error **errp)
{
    g_autofree char *subject = help_subject(text);
    const ObjectType *t;

    if (is_help(text)) {
        machine_list(l, out);
        return true;
    }
    if (!subject) {
        return false;
    }
    t = machine_find(g_str_has_prefix(subject, "type=") ? subject + 5 : subject,
                     l->target, errp);
    if (t) {
        g_string_append_printf(
            out, "%s options:\n", t->name);
        type_props_help(t, out);
    }
    return t;
}

static bool device_option_help(Launch *l, const char *text, GString *out,
                               Error **errp)
{
    g_autofree char *subject = help_subject(text);

    if (is_help(text)) {
        device_list_help(out);
        return true;
    }
    return subject && device_help(subject, out, errp);
}

static bool object_option_help(Launch *l, const char *text, GString *out,
                               Error **errp)
{
    g_autofree char *subject = help_subject(text);

    return (is_help(text) || subject) && user_object_help(subject, out, errp);
}

static bool cpu_help(Launch *l, const char *text, GString *out, Error **errp)
{
    const char *arch = g_str_equal(l->target, "aarch64") ? "arm" : "x86_64";
    g_autofree char *base = g_strdup_printf("%s-cpu", arch);
    const ObjectType *t = type_find(base);
    g_autofree const char **names = NULL;

    if (!is_help(text)) {
        return false;
    }
    g_string_append(out, "Available CPUs:\n");
    names = t ? type_names(t) : g_new0(const char *, 1);
    for (const char **n = names; *n; n++) {
        const DeviceClass *dc = type_class(type_find(*n));
        g_autofree char *model =
            g_strndup(*n, strlen(*n) - strlen(base) - 1);

        if (g_str_equal(arch, "arm")) {
            g_string_append_printf(out, "  %s\n", model);
        } else {
            g_string_append_printf(out, "x86 %-20s  %s\n", model,
                                   dc->desc ?: "");
        }
    }
    return true;
}

static bool accel_help(Launch *l, const char *text, GString *out, Error **errp)
{
    g_autofree const char **names = NULL;

    if (!is_help(text)) {
        return false;
    }
    g_string_append(out, "Accelerators supported in QEMU binary:\n");
    names = type_names(&accel_type);
    for (const char **n = names; *n; n++) {
        g_string_append_printf(out, "%.*s\n",
                               (int)(strlen(*n) - strlen("-accel")), *n);
    }
    return true;
}

static bool chardev_option_help(Launch *l, const char *text, GString *out,
                                Error **errp)
{
    g_autofree char *subject = help_subject(text);
    g_autofree char *list = NULL;

    if (subject) {
        return option_params_help("chardev", out);
    }
    if (!is_help(text)) {
        return false;
    }
    list = chardev_help();
    g_string_append_printf(out, "Available chardev backend types: \n%s", list);
    return true;
}

static bool netdev_option_help(Launch *l, const char *text, GString *out,
                               Error **errp)
{
    if (!is_help(text)) {
        return false;
    }
    g_string_append(out, "Available netdev backend types:\n");
    for (int i = 0; i < NET_CLIENT_DRIVER__MAX; i++) {
        if (i != NET_CLIENT_DRIVER_NONE && i != NET_CLIENT_DRIVER_NIC) {
            g_string_append_printf(
                out, "%s\n", qapi_enum_name(&qapi_type_NetClientDriver, i));
        }
    }
    return true;
}

static bool log_option_help(Launch *l, const char *text, GString *out,
                            Error **errp)
{
    g_autofree char *list = NULL;

    if (!is_help(text)) {
        return false;
    }
    list = log_help();
    g_string_append(out, list);
    return true;
}

static bool trace_option_help(Launch *l, const char *text, GString *out,
                              Error **errp)
{
    g_autofree char *list = NULL;

    if (!is_help(text)) {
        return false;
    }
    list = trace_help();
    g_string_append(out, list);
    return true;
}

static bool display_help(Launch *l, const char *text, GString *out,
                         Error **errp)
{
    if (!is_help(text)) {
        return false;
    }
    g_string_append(out, "Available display backend types:\nnone\n");
    return true;
}

static bool vga_help(Launch *l, const char *text, GString *out, Error **errp)
{
    if (!is_help(text)) {
        return false;
    }
    g_string_append(out, "none                 no graphic card\n");
    return true;
}

static bool audiodev_help(Launch *l, const char *text, GString *out,
                          Error **errp)
{
    if (!is_help(text)) {
        return false;
    }
    g_string_append(out, "Available audio drivers:\nnone\n");
    return true;
}

static bool path_option_help(Launch *l, const char *text, GString *out,
                             Error **errp)
{
    if (!is_help(text)) {
        return false;
    }
    g_string_append(out, CONFIG_DATADIR "\n/usr/share/seabios\n");
    return true;
}

static const struct {
    OptionId id;
    bool (*fn)(Launch *l, const char *text, GString *out, Error **errp);
} helpers[] = {
    { OPT_MACHINE, machine_help },       { OPT_DEVICE, device_option_help },
    { OPT_OBJECT, object_option_help },  { OPT_CPU, cpu_help },
    { OPT_ACCEL, accel_help },           { OPT_CHARDEV, chardev_option_help },
    { OPT_NETDEV, netdev_option_help },  { OPT_D_ITEMS, log_option_help },
    { OPT_TRACE, trace_option_help },    { OPT_L, path_option_help },
    { OPT_DISPLAY, display_help },       { OPT_VGA, vga_help },
    { OPT_AUDIODEV, audiodev_help },
};

/* Options whose parameters are listed, and what their group is called. */
static const struct {
    OptionId id;
    const char *group;
} grouped[] = {
    { OPT_SMP, "smp-opts" },     { OPT_BOOT, "boot-opts" },
    { OPT_M, "memory" },         { OPT_ACTION, "action" },
    { OPT_MSG, "msg" },          { OPT_OVERCOMMIT, "overcommit" },
    { OPT_GLOBAL, "global" },    { OPT_RTC, "rtc" },
    { OPT_ADD_FD, "add-fd" },
};

/* True when an option of a group asked for its parameters. */
static bool group_help(Launch *l)
{
    for (size_t i = 0; i < ARRAY_SIZE(grouped); i++) {
        const char *text;
        unsigned pos = 0;

        while ((text = options_next(&l->options, grouped[i].id, &pos))) {
            g_autoptr(GString) out = g_string_new(NULL);

            if (is_help(text)) {
                option_params_help(grouped[i].group, out);
                fputs(out->str, stdout);
                return true;
            }
        }
    }
    return false;
}

bool launch_help(Launch *l, int *status)
{
    *status = 0;
    if (options_have(&l->options, OPT_HELP)) {
        options_help(l->prog);
        return true;
    }
    if (options_have(&l->options, OPT_VERSION)) {
        printf("QEMU emulator version " CONFIG_VERSION " (NEMU)\n"
               "A KVM-only, QEMU-compatible virtual machine monitor\n");
        return true;
    }
    for (size_t i = 0; i < ARRAY_SIZE(helpers); i++) {
        const char *text;
        unsigned pos = 0;

        while ((text = options_next(&l->options, helpers[i].id, &pos))) {
            g_autoptr(GString) out = g_string_new(NULL);
            autoerr Error *err = NULL;

            if (helpers[i].fn(l, text, out, &err)) {
                fputs(out->str, stdout);
                return true;
            }
            if (err) {
                error_prefix(&err, "-%s %s", option_def(helpers[i].id)->name,
                             text);
                error_report_err(g_steal_pointer(&err));
                *status = 1;
                return true;
            }
        }
    }
    return group_help(l);
}
