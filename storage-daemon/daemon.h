/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of qemu-storage-daemon share. */
#ifndef STORAGE_DAEMON_DAEMON_H
#define STORAGE_DAEMON_DAEMON_H

#include "util/error.h"

typedef struct DaemonArgs {
    bool daemonize;
    const char *pidfile;
} DaemonArgs;

/* Look at everything, without effect but help and --version, which end the
 * process. False: the user was told what is wrong. */
bool daemon_options_check(int argc, char **argv, DaemonArgs *args);
/* Do what the options say, in their order. */
bool daemon_options_run(Vm *vm, int argc, char **argv, Error **errp);

#endif
