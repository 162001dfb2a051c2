/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options that stand for devices: monitors, serial ports, network cards,
 * displays; and what -nodefaults and -nographic do to their defaults.
 */
#include "util/osdep.h"

#include "chardev/char.h"
#include "hw/core/machine.h"
#include "monitor/monitor.h"
#include "net/net.h"
#include "qapi/qapi.h"
#include "softmmu/launch.h"
#include "softmmu/vm.h"
#include "util/error.h"

/* Monitors ----------------------------------------------------------------------- */

static bool add_monitor(Vm *vm, const char *stem, unsigned *n,
                        const char *text, bool qmp, bool pretty, Error **errp)
{
    g_autofree char *id = NULL;
    Chardev *chr = NULL;

    if (g_str_equal(text, "none")) {
        return true;
    }
    id = *n ? g_strdup_printf("compat_monitor%u", *n)
            : g_strdup("compat_monitor0");
    (*n)++;
    if (!chardev_add_legacy(vm, id, text, &chr, NULL, errp)) {
        return error_prefix(errp, "-%s %s", stem, text);
    }
    return !chr || (qmp ? monitor_add_qmp(vm, chr, pretty, errp)
                        : monitor_add_hmp(vm, chr, errp));
}

static bool add_mon(Vm *vm, const char *text, Error **errp)
{
    static const char *const keys[] = { "chardev", "mode", "pretty", "id",
                                        NULL };
    bool help, pretty = false, qmp;
    QapiMode qmode;
    g_autoptr(QDict) d =
        qapi_parse_opts_dict(text, "chardev", &help, &qmode, errp);
    const char *mode, *id;
    Chardev *chr;

    if (!d) {
        return false;
    }
    qapi_opts_keep_last(d);
    mode = qdict_get_str(d, "mode") ?: "readline";
    id = qdict_get_str(d, "chardev");
    qmp = g_str_equal(mode, "control");
    QDICT_FOREACH(d, e) {
        if (!g_strv_contains(keys, e->key)) {
            error_set(errp, "-mon %s: Invalid parameter '%s'", text, e->key);
            error_hint_nearest(errp, e->key, keys);
            return false;
        }
    }
    if (!qmp && !g_str_equal(mode, "readline")) {
        return error_set(errp, "-mon %s: invalid mode '%s' (valid: readline, "
                         "control)", text, mode);
    }
    if (qdict_has(d, "pretty") &&
        !qapi_read_named(&qapi_type_bool, "pretty", qdict_get(d, "pretty"),
                         &pretty, QAPI_KEYVAL, errp)) {
        return false;
    }
    chr = id ? chardev_find(vm, id) : NULL;
    if (!chr) {
        return error_set(errp, "-mon %s: chardev \"%s\" not found", text,
                         id ?: "");
    }
    return qmp ? monitor_add_qmp(vm, chr, pretty, errp)
               : monitor_add_hmp(vm, chr, errp);
}

bool monitors_launch(Launch *l, Vm *vm, Error **errp)
{
    const char *text;
    unsigned pos = 0, n = 0;

    while ((text = options_next(&l->options, OPT_QMP, &pos))) {
        if (!add_monitor(vm, "qmp", &n, text, true, false, errp)) {
            return false;
        }
    }
    pos = 0;
    while ((text = options_next(&l->options, OPT_QMP_PRETTY, &pos))) {
        if (!add_monitor(vm, "qmp-pretty", &n, text, true, true, errp)) {
            return false;
        }
    }
    pos = 0;
    while ((text = options_next(&l->options, OPT_MONITOR, &pos))) {
        if (!add_monitor(vm, "monitor", &n, text, false, false, errp)) {
            return false;
        }
    }
    pos = 0;
    while ((text = options_next(&l->options, OPT_MON, &pos))) {
        if (!add_mon(vm, text, errp)) {
            return false;
        }
    }
    return true;
}

/* Serial ports --------------------------------------------------------------------- */

static bool add_serial(Vm *vm, const char *text, Error **errp)
{
    Machine *m = vm->machine;
    g_autofree char *id = g_strdup_printf("serial%u", m->serials->len);
    Chardev *chr = NULL;
    bool monitor = false;

    if (!chardev_add_legacy(vm, id, text, &chr, &monitor, errp)) {
        return error_prefix(errp, "-serial %s", text);
    }
    g_ptr_array_add(m->serials, chr ? g_strdup(chardev_id(chr)) : NULL);
    return !monitor || monitor_add_hmp(vm, chr, errp);
}

bool serials_launch(Launch *l, Vm *vm, Error **errp)
{
    bool daemonized = options_have(&l->options, OPT_DAEMONIZE);
    const char *text;
    unsigned pos = 0;

    vm->machine->serials = g_ptr_array_new();
    text = options_last(&l->options, OPT_PARALLEL);
    if (text && !g_str_equal(text, "none")) {
        return error_set(errp, "-parallel %s: machines have no parallel "
                         "ports; 'none' is the only value", text);
    }
    while ((text = options_next(&l->options, OPT_SERIAL, &pos))) {
        if (!add_serial(vm, text, errp)) {
            return false;
        }
    }
    if (vm->machine->serials->len || l->nodefaults ||
        !machine_class(vm->machine)->default_ram_id ||
        !machine_class(vm->machine)->init) {
        return true;
    }
    return add_serial(vm, l->nographic && !daemonized &&
                              !options_have(&l->options, OPT_MONITOR)
                          ? "mon:stdio"
                          : "null", errp);
}

/* -debugcon is a device with the port that firmware writes to. */
bool debugcons_launch(Launch *l, Vm *vm, Error **errp)
{
    const char *text;
    unsigned pos = 0, n = 0;

    while ((text = options_next(&l->options, OPT_DEBUGCON, &pos))) {
        g_autofree char *id = g_strdup_printf("debugcon%u", n++);
        g_autoptr(QDict) d = qdict_new();
        Chardev *chr = NULL;

        if (!chardev_add_legacy(vm, id, text, &chr, NULL, errp)) {
            return error_prefix(errp, "-debugcon %s", text);
        }
        if (!chr) {
            continue;
        }
        qdict_put_str(d, "driver", "isa-debugcon");
        qdict_put_str(d, "iobase", "0xe9");
        qdict_put_str(d, "chardev", chardev_id(chr));
        if (!device_add_opts(vm, d, QAPI_KEYVAL, errp)) {
            return false;
        }
    }
    return true;
}

/* Network cards --------------------------------------------------------------------- */

bool nics_check(Launch *l, Error **errp)
{
    const char *text;
    unsigned pos = 0;

    while ((text = options_next(&l->options, OPT_NET, &pos))) {
        if (!g_str_equal(text, "none")) {
            return error_set(errp, "-net %s: only 'none' is supported; use "
                             "-netdev and -device, or -nic", text);
        }
    }
    return true;
}

/* "-nic TYPE,model=M,mac=A,...": a netdev and a device on it. */
static bool add_nic(Vm *vm, const char *text, unsigned n, Error **errp)
{
    static const char *const nic_keys[] = { "model", "mac", "addr" };
    const char *default_model = machine_class(vm->machine)->default_nic;
    bool help;
    QapiMode mode;
    g_autoptr(QDict) net =
        qapi_parse_opts_dict(text, "type", &help, &mode, errp);
    g_autoptr(QDict) dev = qdict_new();
    g_autoptr(Netdev) netdev = NULL;
    g_autofree char *id = NULL;

    if (!net) {
        return false;
    }
    qapi_opts_keep_last(net);
    if (!g_strcmp0(qdict_get_str(net, "type"), "none")) {
        return true;
    }
    if (!default_model) {
        return error_set(errp, "-nic %s: this machine has no default network "
                         "card; use -netdev and -device", text);
    }
    for (size_t i = 0; i < ARRAY_SIZE(nic_keys); i++) {
        QObject *v = qdict_take(net, nic_keys[i]);

        if (v) {
            qdict_put(dev, i == 0 ? "driver" : nic_keys[i], v);
        }
    }
    if (!qdict_has(net, "id")) {
        g_autofree char *made = g_strdup_printf("__org.qemu.net%u", n);

        qdict_put_str(net, "id", made);
    }
    id = g_strdup(qdict_get_str(net, "id"));
    if (!g_strcmp0(qdict_get_str(dev, "driver"), "virtio")) {
        qdict_put_str(dev, "driver", "virtio-net-pci");
    }
    if (!qdict_has(dev, "driver")) {
        qdict_put_str(dev, "driver", default_model);
    }
    qdict_put_str(dev, "netdev", id);
    netdev = qapi_from_qobject(&qapi_type_Netdev, (QObject *)net, mode, errp);
    return netdev && netdev_add(vm, netdev, errp) &&
           device_add_opts(vm, dev, mode, errp);
}

bool nics_launch(Launch *l, Vm *vm, Error **errp)
{
    const char *text;
    unsigned pos = 0, n = 0;

    while ((text = options_next(&l->options, OPT_NIC, &pos))) {
        if (!add_nic(vm, text, n++, errp)) {
            return error_prefix(errp, "-nic %s", text);
        }
    }
    return true;
}

/* Displays and sound ------------------------------------------------------------------- */

static bool check_only(Launch *l, OptionId id, const char *value, Error **errp)
{
    const char *text;
    unsigned pos = 0;

    while ((text = options_next(&l->options, id, &pos))) {
        if (!g_str_equal(text, value)) {
            return error_set(errp, "-%s %s: there is no such thing here; '%s' "
                             "is the only value", option_def(id)->name, text,
                             value);
        }
    }
    return true;
}

static bool check_audiodev(const char *text, Error **errp)
{
    bool help;
    QapiMode mode;
    g_autoptr(QDict) d =
        qapi_parse_option_dict(text, "driver", &help, &mode, errp);

    if (!d) {
        return false;
    }
    QDICT_FOREACH(d, e) {
        if (!g_str_equal(e->key, "driver") && !g_str_equal(e->key, "id")) {
            return error_set(errp, "-audiodev %s: Invalid parameter '%s'",
                             text, e->key);
        }
    }
    if (!qdict_get_str(d, "id")) {
        return error_set(errp, "-audiodev %s: Parameter 'id' is missing", text);
    }
    if (g_strcmp0(qdict_get_str(d, "driver"), "none")) {
        return error_set(errp, "-audiodev %s: Parameter 'driver' does not "
                         "accept value '%s'; 'none' is the only driver", text,
                         qdict_get_str(d, "driver") ?: "");
    }
    return true;
}

bool displays_check(Launch *l, Error **errp)
{
    const char *text;
    unsigned pos = 0;

    while ((text = options_next(&l->options, OPT_AUDIODEV, &pos))) {
        if (!check_audiodev(text, errp)) {
            return false;
        }
    }
    return check_only(l, OPT_DISPLAY, "none", errp) &&
           check_only(l, OPT_VGA, "none", errp);
}
