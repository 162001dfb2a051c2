/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HMP: commands that are QMP commands by another name. */
#include "util/osdep.h"

#include "qapi/hmp.h"

static bool run_closefd(Hmp *hmp, const QDict *args, Error **errp)
{
    QDict *qmp = qdict_new();

    qdict_put_str(qmp, "fdname", qdict_get_str(args, "name"));
    return hmp_qmp_void(hmp, "closefd", qmp, errp);
}

static const HmpArg fd_args[] = { { "name", HMP_WORD }, {} };

static const HmpCommand run_commands[] = {
    { .name = "quit|q",
      .help = "quit the emulator",
      .needs = "quit",
      .run = hmp_run_same },
    { .name = "exit_preconfig",
      .help = "exit the preconfig state",
      .needs = "x-exit-preconfig",
      .run = hmp_run_same },
    { .name = "stop|s",
      .help = "stop emulation",
      .needs = "stop",
      .run = hmp_run_same },
    { .name = "cont|c",
      .help = "resume emulation",
      .needs = "cont",
      .run = hmp_run_same },
    { .name = "system_reset",
      .help = "reset the system",
      .needs = "system_reset",
      .run = hmp_run_same },
    { .name = "system_powerdown",
      .help = "send system power down event",
      .needs = "system_powerdown",
      .run = hmp_run_same },
    { .name = "system_wakeup",
      .help = "wakeup guest from suspend",
      .needs = "system_wakeup",
      .run = hmp_run_same },
    { .name = "closefd",
      .args = fd_args,
      .help = "close a file descriptor previously passed via SCM rights",
      .needs = "closefd",
      .run = run_closefd },
};
HMP_COMMANDS(run_commands);
