/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starting a VM from options. launch.c is the one place that knows the order;
 * the other files each act on one group of options.
 */
#ifndef SOFTMMU_LAUNCH_H
#define SOFTMMU_LAUNCH_H

#include "qobject/qobject.h"
#include "softmmu/options.h"

typedef struct Launch {
    Options options;
    const char *prog;
    const char *target;

    const ObjectType *machine_type; /* const after machine_options_collect() */
    QDict *machine_props;           /* to set on the machine */
    char *accel_list;               /* "kvm:tcg" of -machine, or NULL */
    QDict *accel_props;             /* of -machine: kernel-irqchip ... */

    bool nographic, nodefaults;
    bool msg_guest_name;
    bool sandbox_after_runas; /* elevateprivileges=deny is still to do */
    bool sandbox_resources;   /* scheduling policies are forbidden */
    char *pidfile; /* to remove at the end, or NULL */
    int ready_fd;  /* to the parent of -daemonize, or -1 */
} Launch;

/* False: *status is the exit status (after help, or an error reported). */
bool launch_vm(Launch *l, Vm **vm, int *status);

/* machine-options.c */
bool machine_options_collect(Launch *l, Error **errp);
bool machine_options_apply(Launch *l, Machine *machine, Error **errp);
bool accel_options_apply(Launch *l, Vm *vm, Error **errp);

/* device-options.c: what -nodefaults, -nographic, -serial, -nic ... come to */
bool monitors_launch(Launch *l, Vm *vm, Error **errp);
bool serials_launch(Launch *l, Vm *vm, Error **errp);
bool nics_check(Launch *l, Error **errp);
bool nics_launch(Launch *l, Vm *vm, Error **errp);
bool displays_check(Launch *l, Error **errp);

bool debugcons_launch(Launch *l, Vm *vm, Error **errp);

/* rtc-options.c */
bool rtc_option_apply(Vm *vm, const char *text, Error **errp);

/* drives.c: the devices of -drive if=virtio; after -device */
bool drives_launch(Vm *vm, Error **errp);

/* help.c: true when an option asked for help, which was printed. */
bool launch_help(Launch *l, int *status);

/* process.c */
bool process_daemonize(Launch *l, Error **errp);
/* -pidfile; removed at exit by process_cleanup(). */
bool process_write_pidfile(Launch *l, Error **errp);
/* -chroot, -runas, and telling the waiting parent that all is well. */
bool process_ready(Launch *l, Error **errp);
bool process_overcommit(Launch *l, Vm *vm, Error **errp);
/* SIGINT, SIGTERM and SIGHUP shut the VM down. */
bool process_signals(Vm *vm, Error **errp);
void process_cleanup(Launch *l);

/* dump-vmstate.c: write all state tables to the file @path; @machine is only
 * named there. */
bool dump_vmstate_file(const ObjectType *machine, const char *path,
                       Error **errp);

/* sandbox.c */
bool sandbox_enter(Launch *l, const char *text, Error **errp);
/* What -runas needs itself is denied only now. */
bool sandbox_after_runas(Launch *l, Error **errp);

#endif
