/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starting a VM: the order of all steps, each one a call. What names something
 * else (a device its drive, a machine its memory backend) comes after it,
 * whatever the order on the command line.
 */
#include "util/osdep.h"

#include <sys/prctl.h>

#include "accel/accel.h"
#include "block/block-options.h"
#include "chardev/char.h"
#include "hw/core/machine.h"
#include "hw/core/numa.h"
#include "hw/firmware/smbios.h"
#include "hw/nvram/fw_cfg.h"
#include "monitor/monitor.h"
#include "net/net.h"
#include "softmmu/launch.h"
#include "softmmu/qtest-server.h"
#include "softmmu/user-object.h"
#include "softmmu/vm.h"
#include "util/error.h"
#include "util/fdset.h"
#include "util/log.h"
#include "util/thread.h"
#include "util/trace.h"

typedef bool OptionFn(Launch *l, Vm *vm, const char *text, Error **errp);

/* Call @fn with each option of @id; errors name the option. */
static bool each(Launch *l, Vm *vm, OptionId id, OptionFn *fn, Error **errp)
{
    const char *text;
    unsigned pos = 0;

    while ((text = options_next(&l->options, id, &pos))) {
        if (!fn(l, vm, text, errp)) {
            return error_prefix(errp, "-%s %s", option_def(id)->name, text);
        }
    }
    return true;
}

/* Before anything exists: how we talk and what we are called. ------------------- */

static QDict *parse_keys(const char *text, const char *implied,
                         const char *const *keys, Error **errp)
{
    bool help;
    QapiMode mode;
    g_autoptr(QDict) d =
        qapi_parse_opts_dict(text, implied, &help, &mode, errp);

    if (!d) {
        return NULL;
    }
    qapi_opts_keep_last(d);
    QDICT_FOREACH(d, e) {
        if (!g_strv_contains(keys, e->key)) {
            error_set(errp, "Invalid parameter '%s'", e->key);
            error_hint_nearest(errp, e->key, keys);
            return NULL;
        }
    }
    return g_steal_pointer(&d);
}

static bool get_bool(const QDict *d, const char *key, bool *v, Error **errp)
{
    QObject *o = qdict_get(d, key);

    return !o ||
           qapi_read_named(&qapi_type_bool, key, o, v, QAPI_KEYVAL, errp);
}

static bool do_msg(Launch *l, Vm *vm, const char *text, Error **errp)
{
    static const char *const keys[] = { "timestamp", "guest-name", NULL };
    g_autoptr(QDict) d = parse_keys(text, "timestamp", keys, errp);
    bool stamp = false, name = false;

    if (!d || !get_bool(d, "timestamp", &stamp, errp) ||
        !get_bool(d, "guest-name", &name, errp)) {
        return false;
    }
    report_set_timestamps(stamp);
    l->msg_guest_name = name;
    return true;
}

static bool do_log_file(Launch *l, Vm *vm, const char *text, Error **errp)
{
    return log_set_file(text, errp);
}

static bool do_log_items(Launch *l, Vm *vm, const char *text, Error **errp)
{
    return log_set_items(text, errp);
}

static bool do_trace(Launch *l, Vm *vm, const char *text, Error **errp)
{
    return trace_parse(text, errp);
}

static bool do_readconfig(Launch *l, Vm *vm, const char *text, Error **errp)
{
    return options_read_config(&l->options, text, errp);
}

static bool do_set(Launch *l, Vm *vm, const char *text, Error **errp)
{
    return options_set(&l->options, text, errp);
}

static bool do_sandbox(Launch *l, Vm *vm, const char *text, Error **errp)
{
    return sandbox_enter(l, text, errp);
}

static bool launch_early(Launch *l, Error **errp)
{
    if (options_have(&l->options, OPT_PRECONFIG) &&
        options_have(&l->options, OPT_DAEMONIZE)) {
        return error_set(errp, "'preconfig' and 'daemonize' options are "
                               "mutually exclusive");
    }
    l->nographic = options_have(&l->options, OPT_NOGRAPHIC);
    l->nodefaults = options_have(&l->options, OPT_NODEFAULTS);
    return each(l, NULL, OPT_READCONFIG, do_readconfig, errp) &&
           each(l, NULL, OPT_SET, do_set, errp) &&
           each(l, NULL, OPT_MSG, do_msg, errp) &&
           displays_check(l, errp) && nics_check(l, errp) &&
           machine_options_collect(l, errp) && process_daemonize(l, errp) &&
           each(l, NULL, OPT_D_FILE, do_log_file, errp) &&
           each(l, NULL, OPT_D_ITEMS, do_log_items, errp) &&
           each(l, NULL, OPT_TRACE, do_trace, errp) &&
           each(l, NULL, OPT_SANDBOX, do_sandbox, errp);
}

/* The VM's own settings ------------------------------------------------------------ */

static bool do_name(Launch *l, Vm *vm, const char *text, Error **errp)
{
    static const char *const keys[] = { "guest", "process", "debug-threads",
                                        NULL };
    g_autoptr(QDict) d = parse_keys(text, "guest", keys, errp);
    bool threads = false;

    if (!d || !get_bool(d, "debug-threads", &threads, errp)) {
        return false;
    }
    if (qdict_has(d, "guest")) {
        g_free(vm->name);
        vm->name = g_strdup(qdict_get_str(d, "guest"));
    }
    if (qdict_has(d, "debug-threads")) {
        thread_set_naming(threads);
    }
    if (qdict_has(d, "process")) {
        prctl(PR_SET_NAME, qdict_get_str(d, "process"));
    }
    if (l->msg_guest_name) {
        report_set_guest_name(vm->name);
    }
    return true;
}

static bool do_uuid(Launch *l, Vm *vm, const char *text, Error **errp)
{
    const char *c = text;

    for (int i = 0; i < 16; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && *c == '-') {
            c++;
        }
        if (!g_ascii_isxdigit(c[0]) || !g_ascii_isxdigit(c[1])) {
            return error_set(errp, "failed to parse UUID string: wrong format");
        }
        vm->uuid[i] = g_ascii_xdigit_value(c[0]) << 4 |
                      g_ascii_xdigit_value(c[1]);
        c += 2;
    }
    vm->uuid_set = true;
    return !*c || error_set(errp, "failed to parse UUID string: wrong format");
}

static bool do_global(Launch *l, Vm *vm, const char *text, Error **errp)
{
    static const char *const keys[] = { "driver", "property", "value", NULL };
    const char *dot = strchr(text, '.'), *eq = strchr(text, '=');
    GlobalProp *g = g_new0(GlobalProp, 1);

    if (!vm->globals) {
        vm->globals = g_ptr_array_new();
    }
    g_ptr_array_add(vm->globals, g);
    if (dot && eq && dot < eq) {
        g->driver = g_strndup(text, dot - text);
        g->property = g_strndup(dot + 1, eq - dot - 1);
        g->value = g_strdup(eq + 1);
    } else {
        g_autoptr(QDict) d = parse_keys(text, NULL, keys, errp);

        if (!d) {
            return false;
        }
        g->driver = g_strdup(qdict_get_str(d, "driver"));
        g->property = g_strdup(qdict_get_str(d, "property"));
        g->value = g_strdup(qdict_get_str(d, "value"));
    }
    return (g->driver && g->property && g->value) ||
           error_set(errp, "expected 'driver.property=value'");
}

static bool do_action(Launch *l, Vm *vm, const char *text, Error **errp)
{
    static const char *const keys[] = { "reboot", "shutdown", "panic",
                                        "watchdog", NULL };
    g_autoptr(QDict) d = parse_keys(text, NULL, keys, errp);
    VmActions *a = vm_actions(vm);
    const struct {
        const QapiType *type;
        void *slot;
    } to[] = {
        { &qapi_type_RebootAction, &a->reboot },
        { &qapi_type_ShutdownAction, &a->shutdown },
        { &qapi_type_PanicAction, &a->panic },
        { &qapi_type_WatchdogAction, &a->watchdog },
    };

    for (size_t i = 0; d && i < ARRAY_SIZE(to); i++) {
        QObject *v = qdict_get(d, keys[i]);

        if (v && !qapi_read_named(to[i].type, keys[i], v, to[i].slot,
                                  QAPI_KEYVAL, errp)) {
            return false;
        }
    }
    if (d && a->watchdog == WATCHDOG_ACTION_INJECT_NMI) {
        return error_set(errp, "watchdog=inject-nmi is not supported");
    }
    return d;
}

static bool do_rtc(Launch *l, Vm *vm, const char *text, Error **errp)
{
    return rtc_option_apply(vm, text, errp);
}

static bool do_add_fd(Launch *l, Vm *vm, const char *text, Error **errp)
{
    static const char *const keys[] = { "fd", "set", "opaque", NULL };
    g_autoptr(QDict) d = parse_keys(text, NULL, keys, errp);
    int64_t fd = -1, set = -1;
    int dup;

    if (!d) {
        return false;
    }
    if (!qapi_read_named(&qapi_type_int, "fd", qdict_get(d, "fd"), &fd,
                         QAPI_KEYVAL, errp) ||
        !qapi_read_named(&qapi_type_int, "set", qdict_get(d, "set"), &set,
                         QAPI_KEYVAL, errp)) {
        return false;
    }
    if (fd <= STDERR_FILENO || fd > INT_MAX) {
        return error_set(errp, "fd cannot be a standard I/O stream");
    }
    if (set < 0) {
        return error_set(errp, "set ID must be a non-negative integer");
    }
    dup = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (dup < 0) {
        return error_errno(errp, errno, "cannot duplicate fd %" PRId64, fd);
    }
    if (fdsets_add(vm->fdsets, set, dup, qdict_get_str(d, "opaque"), errp) <
        0) {
        return false;
    }
    close(fd); /* the set has it now */
    return true;
}

/* The UUID of type 1 is the VM's. */
static bool do_smbios(Launch *l, Vm *vm, const char *text, Error **errp)
{
    Machine *m = vm->machine;

    if (!m->smbios) {
        m->smbios = smbios_new();
    }
    if (!smbios_add(m->smbios, text, errp)) {
        return false;
    }
    if (smbios_uuid(m->smbios, vm->uuid)) {
        vm->uuid_set = true;
    }
    return true;
}

static bool do_fw_cfg(Launch *l, Vm *vm, const char *text, Error **errp)
{
    if (!vm->machine->fw_cfg) {
        return error_set(errp, "the machine has no fw_cfg device");
    }
    return fw_cfg_add_option(vm->machine->fw_cfg, text, errp);
}

static bool do_fw_path(Launch *l, Vm *vm, const char *text, Error **errp)
{
    if (!vm->data_dirs) {
        vm->data_dirs = g_ptr_array_new();
    }
    g_ptr_array_add(vm->data_dirs, (char *)text);
    return true;
}

/* A number, as in "0x14" or "20" for Ctrl-T. */
static bool do_echr(Launch *l, Vm *vm, const char *text, Error **errp)
{
    char *end;
    unsigned long c = strtoul(text, &end, 0);

    if (end == text || *end || c > UINT8_MAX) {
        return error_set(errp, "expected the number of a character");
    }
    vm->mux_escape = c;
    return true;
}

static bool launch_settings(Launch *l, Vm *vm, Error **errp)
{
    VmActions *a = vm_actions(vm);

    if (options_have(&l->options, OPT_NO_REBOOT)) {
        a->reboot = REBOOT_ACTION_SHUTDOWN;
    }
    if (options_have(&l->options, OPT_NO_SHUTDOWN)) {
        a->shutdown = SHUTDOWN_ACTION_PAUSE;
    }
    vm->fdsets = fdsets_new();
    return each(l, vm, OPT_NAME, do_name, errp) &&
           each(l, vm, OPT_UUID, do_uuid, errp) &&
           each(l, vm, OPT_GLOBAL, do_global, errp) &&
           each(l, vm, OPT_ACTION, do_action, errp) &&
           each(l, vm, OPT_RTC, do_rtc, errp) &&
           each(l, vm, OPT_ECHR, do_echr, errp) &&
           each(l, vm, OPT_ADD_FD, do_add_fd, errp) &&
           each(l, vm, OPT_L, do_fw_path, errp) &&
           process_overcommit(l, vm, errp) && process_signals(vm, errp);
}

/* Back ends, machine, devices -------------------------------------------------------- */

static bool do_object(Launch *l, Vm *vm, const char *text, Error **errp)
{
    QapiMode mode;
    bool help;
    g_autoptr(QDict) d =
        qapi_parse_opts_dict(text, "qom-type", &help, &mode, errp);

    return d && user_object_add(vm, d, mode, errp);
}

static bool do_chardev(Launch *l, Vm *vm, const char *text, Error **errp)
{
    return chardev_add_opts(vm, text, errp);
}

static bool do_blockdev(Launch *l, Vm *vm, const char *text, Error **errp)
{
    return block_add_blockdev_option(vm, text, errp);
}

static bool do_drive(Launch *l, Vm *vm, const char *text, Error **errp)
{
    return block_add_drive_option(
        vm, text, options_have(&l->options, OPT_SNAPSHOT), errp);
}

static bool do_iscsi(Launch *l, Vm *vm, const char *text, Error **errp)
{
    return block_add_iscsi_option(block_vm_graph(vm), text, errp);
}

static bool do_netdev(Launch *l, Vm *vm, const char *text, Error **errp)
{
    return netdev_add_opts(vm, text, errp);
}

static bool do_device(Launch *l, Vm *vm, const char *text, Error **errp)
{
    QapiMode mode;
    bool help;
    g_autoptr(QDict) d =
        qapi_parse_opts_dict(text, "driver", &help, &mode, errp);

    if (d && mode == QAPI_OPTS) {
        qapi_opts_keep_last(d);
    }
    return d && device_add_opts(vm, d, mode, errp);
}

static bool launch_backends(Launch *l, Vm *vm, Error **errp)
{
    return each(l, vm, OPT_OBJECT, do_object, errp) &&
           each(l, vm, OPT_CHARDEV, do_chardev, errp) &&
           monitors_launch(l, vm, errp) &&
           each(l, vm, OPT_ISCSI, do_iscsi, errp) &&
           each(l, vm, OPT_BLOCKDEV, do_blockdev, errp) &&
           each(l, vm, OPT_DRIVE, do_drive, errp) &&
           each(l, vm, OPT_NETDEV, do_netdev, errp) &&
           serials_launch(l, vm, errp);
}

/* A -global that fitted nothing is most likely a slip. */
static void warn_unused_globals(Vm *vm)
{
    for (guint i = 0; vm->globals && i < vm->globals->len; i++) {
        GlobalProp *g = vm->globals->pdata[i];
        const ObjectType *t = type_find(g->driver);

        if (g->used) {
            continue;
        }
        if (!t) {
            warn_report("global %s.%s has invalid class name", g->driver,
                        g->property);
        } else {
            warn_report("global %s.%s=%s not used", g->driver, g->property,
                        g->value);
        }
    }
}

static bool launch_qtest(Launch *l, Vm *vm, Error **errp)
{
    const char *text = options_last(&l->options, OPT_QTEST);
    Chardev *chr = NULL;

    if (!text) {
        return true;
    }
    if (!chardev_add_legacy(vm, "qtest", text, &chr, NULL, errp)) {
        return error_prefix(errp, "-qtest %s", text);
    }
    return !chr ||
           qtest_server_start(vm, chr, options_last(&l->options, OPT_QTEST_LOG),
                              errp);
}

static bool do_numa(Launch *l, Vm *vm, const char *text, Error **errp)
{
    QapiMode mode;
    bool help;
    g_autoptr(QDict) d = qapi_parse_opts_dict(text, "type", &help, &mode, errp);
    g_autoptr(NumaOptions) options =
        d ? qapi_from_qobject(&qapi_type_NumaOptions, (QObject *)d, mode, errp)
          : NULL;

    return options && numa_add(vm->machine, options, errp);
}

/* Clients may say more of the machine. False without an error: it ended. */
static bool preconfig(Launch *l, Vm *vm)
{
    if (!options_have(&l->options, OPT_PRECONFIG)) {
        return true;
    }
    machine_make_cpu_slots(vm->machine);
    return vm_run_preconfig(vm);
}

static bool launch_machine(Launch *l, Vm *vm, Error **errp)
{
    return accel_options_apply(l, vm, errp) &&
           each(l, vm, OPT_SMBIOS, do_smbios, errp) &&
           each(l, vm, OPT_NUMA, do_numa, errp) && preconfig(l, vm) &&
           machine_build(vm->machine, errp) &&
           each(l, vm, OPT_FW_CFG, do_fw_cfg, errp) &&
           debugcons_launch(l, vm, errp) && nics_launch(l, vm, errp) &&
           each(l, vm, OPT_DEVICE, do_device, errp) &&
           drives_launch(vm, errp) && machine_run_done(vm->machine, errp) &&
           accel_machine_done(vm, errp) && launch_qtest(l, vm, errp);
}

static bool launch_all(Launch *l, Vm **vmp, Error **errp)
{
    Vm *vm;

    if (!launch_early(l, errp)) {
        return false;
    }
    if (!l->sandbox_resources) {
        thread_share_cpu();
    }
    vm = vm_new(l->target, errp);
    if (!vm) {
        return false;
    }
    *vmp = vm;
    vm->launch = l;
    vm->daemonized = options_have(&l->options, OPT_DAEMONIZE);
    if (!launch_settings(l, vm, errp)) {
        return false;
    }
    machine_new(vm, l->machine_type);
    if (!machine_options_apply(l, vm->machine, errp) ||
        !launch_backends(l, vm, errp) || !launch_machine(l, vm, errp)) {
        return false;
    }
    warn_unused_globals(vm);
    net_warn_alone(vm);
    vm_system_reset(vm, SHUTDOWN_CAUSE_NONE);
    if (!process_write_pidfile(l, errp) || !process_ready(l, errp)) {
        return false;
    }
    if (!options_have(&l->options, OPT_S) && !vm_start(vm, errp)) {
        return false;
    }
    monitors_go_on(vm);
    return true;
}

/* -dump-vmstate: all there is to do. */
static bool dump_vmstate(Launch *l, int *status)
{
    const char *path = options_last(&l->options, OPT_DUMP_VMSTATE);
    autoerr Error *err = NULL;

    if (!path) {
        return false;
    }
    *status = 0;
    if (!launch_early(l, &err) ||
        !dump_vmstate_file(l->machine_type, path, &err)) {
        error_report_err(g_steal_pointer(&err));
        *status = 1;
    }
    return true;
}

bool launch_vm(Launch *l, Vm **vm, int *status)
{
    autoerr Error *err = NULL;

    if (launch_help(l, status) || dump_vmstate(l, status)) {
        return false;
    }
    *vm = NULL;
    if (!launch_all(l, vm, &err)) {
        *status = err ? 1 : vm_run(*vm); /* without one: ended already */
        if (err) {
            error_report_err(g_steal_pointer(&err));
        }
        if (*vm) {
            vm_shutdown(*vm);
        }
        return false;
    }
    return true;
}
