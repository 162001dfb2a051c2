/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loadable modules: what needs a library that a bare program shall not load.
 *
 * A module NAME is a shared object NAME.so that defines a constant table of
 * functions; it calls nothing of the program. It is looked for in
 * $NEMU_MODULE_DIR, beside the running program (a build directory), and in
 * the directory where "ninja install" puts modules; the first that exists is
 * taken, and stays loaded.
 */
#ifndef UTIL_MODULE_H
#define UTIL_MODULE_H

#include "util/error.h"

/*
 * The address of @table in module @name, or NULL with an error. From any
 * thread; opens files, so it may block, and must come before chroot().
 */
const void *module_table(const char *name, const char *table, Error **errp);

#endif
