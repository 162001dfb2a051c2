/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of options, and taking a command line apart by it. */
#include "util/osdep.h"

#include "softmmu/options.h"
#include "util/error.h"

static const OptionDef defs[] = {
    { "h", OPT_HELP, NULL, NULL },
    { "help", OPT_HELP, NULL, "show this help and exit" },
    { "version", OPT_VERSION, NULL, "show the version and exit" },
    { "machine", OPT_MACHINE, "[type=]name[,prop=value...]",
      "the machine ('-machine help' lists them) and its properties" },
    { "M", OPT_MACHINE, "[type=]name[,prop=value...]", NULL },
    { "accel", OPT_ACCEL, "[accel=]name[,prop=value...]",
      "the accelerator: kvm or qtest; given again, the next to try" },
    { "enable-kvm", OPT_ENABLE_KVM, NULL, "same as -accel kvm" },
    { "cpu", OPT_CPU, "model[,feature=on|off...]",
      "CPU model ('-cpu help' lists them)" },
    { "smp", OPT_SMP,
      "[cpus=]n[,maxcpus=n][,sockets=n][,dies=n][,cores=n][,threads=n]",
      "number and topology of CPUs" },
    { "m", OPT_M, "[size=]megs[,slots=n,maxmem=size]",
      "size of RAM, and room to add to it" },
    { "mem-path", OPT_MEM_PATH, "path", "back RAM by files there" },
    { "mem-prealloc", OPT_MEM_PREALLOC, NULL, "allocate RAM at start" },
    { "numa", OPT_NUMA,
      "node[,memdev=id][,cpus=first[-last]][,nodeid=n]"
      "|dist,src=n,dst=n,val=distance|cpu,node-id=n[,socket-id=n...]",
      "NUMA nodes, their memory, CPUs and distances" },
    { "name", OPT_NAME, "[guest=]name[,process=name][,debug-threads=on|off]",
      "the guest's name; names of the process and its threads" },
    { "uuid", OPT_UUID, "uuid", "the machine's UUID" },
    { "boot", OPT_BOOT,
      "[order=drives][,once=drives][,menu=on|off][,strict=on|off]",
      "what firmware boots from" },
    { "kernel", OPT_KERNEL, "file", "boot this kernel directly" },
    { "initrd", OPT_INITRD, "file", "initial RAM disk of the kernel" },
    { "append", OPT_APPEND, "text", "command line of the kernel" },
    { "dtb", OPT_DTB, "file", "device tree blob" },
    { "bios", OPT_BIOS, "file", "firmware image" },
    { "L", OPT_L, "path", "where firmware files are ('help' lists)" },
    { "rtc", OPT_RTC,
      "[base=utc|localtime|datetime][,clock=host|rt|vm][,driftfix=none|slew]",
      "the real-time clock" },
    { "smbios", OPT_SMBIOS, "file=path|type=n[,field=value...]",
      "SMBIOS tables or fields" },
    { "fw_cfg", OPT_FW_CFG, "[name=]name,file=path|string=text",
      "add a file for firmware and guest" },
    { "no-hpet", OPT_NO_HPET, NULL, "same as -machine hpet=off" },
    { "no-acpi", OPT_NO_ACPI, NULL, "same as -machine acpi=off" },
    { "usb", OPT_USB, NULL, "same as -machine usb=on" },
    { "overcommit", OPT_OVERCOMMIT, "[mem-lock=on|off][,cpu-pm=on|off]",
      "lock memory; let the guest put CPUs to sleep" },
    { "object", OPT_OBJECT, "type,id=id[,prop=value...]",
      "make an object ('-object help' lists types)" },
    { "device", OPT_DEVICE, "driver[,id=id][,bus=bus][,prop=value...]",
      "add a device ('-device help' lists models)" },
    { "global", OPT_GLOBAL, "driver.prop=value",
      "set a property of all devices of a kind" },
    { "chardev", OPT_CHARDEV, "backend,id=id[,option=value...]",
      "add a character device ('-chardev help' lists backends)" },
    { "serial", OPT_SERIAL, "dev", "connect a serial port" },
    { "parallel", OPT_PARALLEL, "none", "machines have no parallel ports" },
    { "debugcon", OPT_DEBUGCON, "dev", "connect a debug console at port 0xe9" },
    { "blockdev", OPT_BLOCKDEV, "[driver=]driver[,node-name=name...]",
      "add a block node" },
    { "drive", OPT_DRIVE, "[file=path][,if=type][,id=id][,format=format...]",
      "add a drive" },
    { "iscsi", OPT_ISCSI,
      "[user=name][,password=text|,password-secret=id]"
      "[,header-digest=CRC32C|CRC32C-NONE|NONE-CRC32C|NONE]"
      "[,initiator-name=iqn][,id=target][,timeout=seconds]",
      "how to log in to the iSCSI targets of -drive file=iscsi://..." },
    { "snapshot", OPT_SNAPSHOT, NULL,
      "write to temporary files instead of the images of -drive" },
    { "netdev", OPT_NETDEV, "type,id=id[,option=value...]",
      "add a network backend ('-netdev help' lists types)" },
    { "nic", OPT_NIC, "type[,option=value...]|none",
      "add a network backend and a device on it" },
    { "net", OPT_NET, "none", "machines have no default network device" },
    { "audiodev", OPT_AUDIODEV, "[driver=]none,id=id", "add an audio backend" },
    { "display", OPT_DISPLAY, "none", "there is no display" },
    { "vga", OPT_VGA, "none", "there is no VGA adapter" },
    { "nographic", OPT_NOGRAPHIC, NULL,
      "first serial port and monitor on standard input and output" },
    { "nodefaults", OPT_NODEFAULTS, NULL, "no default devices" },
    { "qmp", OPT_QMP, "dev", "QMP monitor" },
    { "qmp-pretty", OPT_QMP_PRETTY, "dev", "QMP monitor, indented replies" },
    { "monitor", OPT_MONITOR, "dev", "human monitor" },
    { "mon", OPT_MON, "[chardev=]id[,mode=readline|control][,pretty=on|off]",
      "monitor on a chardev" },
    { "echr", OPT_ECHR, "chr",
      "the character that commands begin with where the terminal is shared" },
    { "qtest", OPT_QTEST, "dev", "qtest server" },
    { "qtest-log", OPT_QTEST_LOG, "file", "log of the qtest server" },
    { "add-fd", OPT_ADD_FD, "fd=fd,set=set[,opaque=text]",
      "put a file descriptor into a set" },
    { "S", OPT_S, NULL, "do not start the CPUs ('cont' does)" },
    { "preconfig", OPT_PRECONFIG, NULL,
      "wait for 'x-exit-preconfig' before the machine is built" },
    { "no-reboot", OPT_NO_REBOOT, NULL, "end when the guest reboots" },
    { "no-shutdown", OPT_NO_SHUTDOWN, NULL, "stay when the guest powers off" },
    { "action", OPT_ACTION,
      "[reboot=reset|shutdown][,shutdown=poweroff|pause]"
      "[,panic=pause|shutdown|exit-failure|none][,watchdog=...]",
      "what follows an event in the guest" },
    { "daemonize", OPT_DAEMONIZE, NULL, "go to the background when ready" },
    { "pidfile", OPT_PIDFILE, "file", "write the process id there" },
    { "runas", OPT_RUNAS, "user|uid:gid", "change user when ready" },
    { "chroot", OPT_CHROOT, "dir", "change root directory when ready" },
    { "sandbox", OPT_SANDBOX,
      "on[,obsolete=allow|deny][,elevateprivileges=allow|deny|children]"
      "[,spawn=allow|deny][,resourcecontrol=allow|deny]",
      "restrict system calls" },
    { "msg", OPT_MSG, "[timestamp=on|off][,guest-name=on|off]",
      "form of messages" },
    { "dump-vmstate", OPT_DUMP_VMSTATE, "file",
      "write the form of saved states there, as JSON, and exit" },
    { "D", OPT_D_FILE, "file", "write the log there" },
    { "d", OPT_D_ITEMS, "item1,...", "what to log ('-d help' lists)" },
    { "trace", OPT_TRACE, "[[enable=]pattern][,events=file][,file=file]",
      "switch trace points on" },
    { "readconfig", OPT_READCONFIG, "file", "read options from a file" },
    { "set", OPT_SET, "group.id.arg=value", "change an option given before" },
    { "no-user-config", OPT_NO_USER_CONFIG, NULL,
      "there are no user configuration files" },
};

const OptionDef *option_def(OptionId id)
{
    for (size_t i = 0; i < ARRAY_SIZE(defs); i++) {
        if (defs[i].id == id && defs[i].help) {
            return &defs[i];
        }
    }
    return NULL;
}

const OptionDef *option_by_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(defs); i++) {
        if (g_str_equal(defs[i].name, name)) {
            return &defs[i];
        }
    }
    return NULL;
}

void options_help(const char *prog)
{
    printf("QEMU emulator version " CONFIG_VERSION " (NEMU)\n"
           "usage: %s [options]\n\n", prog);
    for (size_t i = 0; i < ARRAY_SIZE(defs); i++) {
        if (defs[i].help) {
            printf("-%s%s%s\n                %s\n", defs[i].name,
                   defs[i].arg ? " " : "", defs[i].arg ?: "", defs[i].help);
        }
    }
}

void options_add(Options *o, OptionId id, const char *text)
{
    Option opt = { id, g_strdup(text) };

    if (!o->list) {
        o->list = g_array_new(false, false, sizeof(Option));
    }
    g_array_append_val(o->list, opt);
}

const char *options_next(const Options *o, OptionId id, unsigned *pos)
{
    while (o->list && *pos < o->list->len) {
        const Option *opt = &g_array_index(o->list, Option, (*pos)++);

        if (opt->id == id) {
            return opt->text ?: "";
        }
    }
    return NULL;
}

bool options_have(const Options *o, OptionId id)
{
    unsigned pos = 0;

    return options_next(o, id, &pos);
}

const char *options_last(const Options *o, OptionId id)
{
    const char *text, *last = NULL;
    unsigned pos = 0;

    while ((text = options_next(o, id, &pos))) {
        last = text;
    }
    return last;
}

static bool unknown_option(const char *arg, Error **errp)
{
    const char *names[ARRAY_SIZE(defs) + 1] = { NULL };

    for (size_t i = 0; i < ARRAY_SIZE(defs); i++) {
        names[i] = defs[i].name;
    }
    error_set(errp, "%s: invalid option", arg);
    error_hint_nearest(errp, arg + strspn(arg, "-"), names);
    return false;
}

bool options_parse(Options *o, int argc, char **argv, Error **errp)
{
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        const OptionDef *def;

        if (*arg != '-' || !arg[1]) {
            /* A bare argument is a disk image. */
            g_autofree char *escaped = NULL;
            g_auto(GStrv) parts = g_strsplit(arg, ",", -1);

            escaped = g_strjoinv(",,", parts);
            g_autofree char *drive = g_strdup_printf("file=%s", escaped);

            options_add(o, OPT_DRIVE, drive);
            continue;
        }
        def = option_by_name(arg + (arg[1] == '-' ? 2 : 1));
        if (!def) {
            return unknown_option(arg, errp);
        }
        if (def->arg && i + 1 >= argc) {
            return error_set(errp, "%s: requires an argument", arg);
        }
        options_add(o, def->id, def->arg ? argv[++i] : NULL);
    }
    return true;
}

void options_clear(Options *o)
{
    for (guint i = 0; o->list && i < o->list->len; i++) {
        g_free(g_array_index(o->list, Option, i).text);
    }
    if (o->list) {
        g_array_free(o->list, TRUE);
        o->list = NULL;
    }
}
