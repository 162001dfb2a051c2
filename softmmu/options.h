/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line, taken apart but not yet acted upon: options in the order
 * they were given.
 */
#ifndef SOFTMMU_OPTIONS_H
#define SOFTMMU_OPTIONS_H

typedef enum OptionId {
    OPT_HELP,
    OPT_VERSION,
    /* What the machine is */
    OPT_MACHINE,
    OPT_ACCEL,
    OPT_ENABLE_KVM,
    OPT_CPU,
    OPT_SMP,
    OPT_M,
    OPT_MEM_PATH,
    OPT_MEM_PREALLOC,
    OPT_NUMA,
    OPT_NAME,
    OPT_UUID,
    OPT_BOOT,
    OPT_KERNEL,
    OPT_INITRD,
    OPT_APPEND,
    OPT_DTB,
    OPT_BIOS,
    OPT_L,
    OPT_RTC,
    OPT_SMBIOS,
    OPT_FW_CFG,
    OPT_NO_HPET,
    OPT_NO_ACPI,
    OPT_USB,
    OPT_OVERCOMMIT,
    /* What is in it */
    OPT_OBJECT,
    OPT_DEVICE,
    OPT_GLOBAL,
    OPT_CHARDEV,
    OPT_SERIAL,
    OPT_PARALLEL,
    OPT_DEBUGCON,
    OPT_BLOCKDEV,
    OPT_DRIVE,
    OPT_ISCSI,
    OPT_SNAPSHOT,
    OPT_NETDEV,
    OPT_NIC,
    OPT_NET,
    OPT_AUDIODEV,
    OPT_DISPLAY,
    OPT_VGA,
    OPT_NOGRAPHIC,
    OPT_NODEFAULTS,
    /* Talking to it */
    OPT_QMP,
    OPT_QMP_PRETTY,
    OPT_MONITOR,
    OPT_MON,
    OPT_QTEST,
    OPT_QTEST_LOG,
    OPT_ADD_FD,
    /* How it runs */
    OPT_S,
    OPT_PRECONFIG,
    OPT_ECHR,
    OPT_NO_REBOOT,
    OPT_NO_SHUTDOWN,
    OPT_ACTION,
    OPT_DAEMONIZE,
    OPT_PIDFILE,
    OPT_RUNAS,
    OPT_CHROOT,
    OPT_SANDBOX,
    OPT_MSG,
    OPT_DUMP_VMSTATE,
    OPT_D_FILE,
    OPT_D_ITEMS,
    OPT_TRACE,
    OPT_READCONFIG,
    OPT_SET,
    OPT_NO_USER_CONFIG,
    OPT__MAX,
} OptionId;

typedef struct OptionDef {
    const char *name;
    OptionId id;
    const char *arg;  /* how the help shows it; NULL: none is taken */
    const char *help;
} OptionDef;

typedef struct Option {
    OptionId id;
    char *text; /* NULL without an argument */
} Option;

typedef struct Options {
    GArray *list; /* Option */
} Options;

/* The next option of @id after *@pos, which starts at 0; NULL at the end. */
const char *options_next(const Options *o, OptionId id, unsigned *pos);
bool options_have(const Options *o, OptionId id);
/* The last one's text, or NULL. */
const char *options_last(const Options *o, OptionId id);
void options_add(Options *o, OptionId id, const char *text);
/* One or two dashes. Names unknown options and missing arguments. */
bool options_parse(Options *o, int argc, char **argv, Error **errp);
void options_clear(Options *o);

/* "-readconfig FILE": its sections become options. */
bool options_read_config(Options *o, const char *path, Error **errp);
/* "-set GROUP.ID.ARG=VALUE": append to the option that has the id. */
bool options_set(Options *o, const char *text, Error **errp);

const OptionDef *option_def(OptionId id);
const OptionDef *option_by_name(const char *name);
void options_help(const char *prog);
/* cmdline-info.c: the parameters of an option that QMP tells of; false: none
 * are known. */
bool option_params_help(const char *group, GString *out);

#endif
