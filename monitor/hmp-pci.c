/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HMP: "info pci", from what query-pci says. */
#include "util/osdep.h"

#include "qapi/hmp.h"

static uint64_t num(const QDict *d, const char *key)
{
    uint64_t v = 0;
    int64_t i = 0;

    if (!qobject_get_uint(qdict_get(d, key), &v) &&
        qobject_get_int(qdict_get(d, key), &i)) {
        v = i; /* -1: the address is not set */
    }
    return v;
}

static void print_range(Hmp *hmp, const QDict *bus, const char *key,
                        const char *name, int width)
{
    const QDict *r = qdict_get_dict(bus, key);

    if (r) {
        hmp_printf(hmp, "      %s range [0x%0*" PRIx64 ", 0x%0*" PRIx64 "]\n",
                   name, width, num(r, "base"), width, num(r, "limit"));
    }
}

static void print_region(Hmp *hmp, const QDict *r)
{
    uint64_t addr = num(r, "address"), size = num(r, "size");

    hmp_printf(hmp, "      BAR%" PRIu64 ": ", num(r, "bar"));
    if (!g_strcmp0(qdict_get_str(r, "type"), "io")) {
        hmp_printf(hmp, "I/O at 0x%04" PRIx64 " [0x%04" PRIx64 "].\n", addr,
                   addr + size - 1);
        return;
    }
    hmp_printf(hmp,
               "%d bit%s memory at 0x%08" PRIx64 " [0x%08" PRIx64 "].\n",
               qdict_get_bool(r, "mem_type_64", false) ? 64 : 32,
               qdict_get_bool(r, "prefetch", false) ? " prefetchable" : "",
               addr, addr + size - 1);
}

static void print_devices(Hmp *hmp, const QList *devices);

static void print_bridge(Hmp *hmp, const QDict *bridge)
{
    const QDict *bus = qdict_get_dict(bridge, "bus");

    if (!bus) {
        return;
    }
    hmp_printf(hmp,
               "      BUS %" PRIu64 ".\n      secondary bus %" PRIu64
               ".\n      subordinate bus %" PRIu64 ".\n",
               num(bus, "number"), num(bus, "secondary"),
               num(bus, "subordinate"));
    print_range(hmp, bus, "io_range", "IO", 4);
    print_range(hmp, bus, "memory_range", "memory", 8);
    print_range(hmp, bus, "prefetchable_range", "prefetchable memory", 8);
}

static void print_device(Hmp *hmp, const QDict *d)
{
    const QDict *class = qdict_get_dict(d, "class_info");
    const QDict *id = qdict_get_dict(d, "id");
    const QDict *bridge = qdict_get_dict(d, "pci_bridge");
    const QList *regions = qdict_get_list(d, "regions");
    const char *desc = qdict_get_str(class, "desc");

    hmp_printf(hmp,
               "  Bus %2" PRIu64 ", device %3" PRIu64 ", function %" PRIu64
               ":\n    ",
               num(d, "bus"), num(d, "slot"), num(d, "function"));
    if (desc) {
        hmp_printf(hmp, "%s", desc);
    } else {
        hmp_printf(hmp, "Class %04" PRIu64, num(class, "class"));
    }
    hmp_printf(hmp, ": PCI device %04" PRIx64 ":%04" PRIx64 "\n",
               num(id, "vendor"), num(id, "device"));
    if (qdict_has(id, "subsystem-vendor") && qdict_has(id, "subsystem")) {
        hmp_printf(hmp,
                   "      PCI subsystem %04" PRIx64 ":%04" PRIx64 "\n",
                   num(id, "subsystem-vendor"), num(id, "subsystem"));
    }
    if (qdict_has(d, "irq")) {
        hmp_printf(hmp, "      IRQ %" PRIu64 ", pin %c\n", num(d, "irq"),
                   (char)('A' + (num(d, "irq_pin") - 1) % 4));
    }
    if (bridge) {
        print_bridge(hmp, bridge);
    }
    for (size_t i = 0; regions && i < qlist_size(regions); i++) {
        print_region(hmp, qobject_to_dict(qlist_get(regions, i)));
    }
    hmp_printf(hmp, "      id \"%s\"\n", qdict_get_str(d, "qdev_id") ?: "");
    if (bridge) {
        print_devices(hmp, qdict_get_list(bridge, "devices"));
    }
}

static void print_devices(Hmp *hmp, const QList *devices)
{
    for (size_t i = 0; devices && i < qlist_size(devices); i++) {
        print_device(hmp, qobject_to_dict(qlist_get(devices, i)));
    }
}

static bool info_pci(Hmp *hmp, const QDict *args, Error **errp)
{
    g_autoptr(QObject) ret = hmp_qmp(hmp, "query-pci", NULL, errp);
    const QList *buses = qobject_to_list(ret);

    for (size_t i = 0; buses && i < qlist_size(buses); i++) {
        print_devices(hmp, qdict_get_list(qobject_to_dict(qlist_get(buses, i)),
                                          "devices"));
    }
    return ret;
}

static const HmpCommand pci_command = {
    .name = "info pci",
    .help = "show PCI info",
    .needs = "query-pci",
    .run = info_pci,
};
HMP_COMMANDS(pci_command);
