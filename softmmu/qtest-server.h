/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server side of the qtest text protocol; -qtest and -qtest-log. */
#ifndef SOFTMMU_QTEST_SERVER_H
#define SOFTMMU_QTEST_SERVER_H

#include "chardev/char.h"

/* Serve on @chr until the end of the program. @log: a file, "none", or NULL
 * for stderr. */
bool qtest_server_start(Vm *vm, Chardev *chr, const char *log, Error **errp);

#endif
