/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of the human monitor. */
#ifndef MONITOR_HMP_H
#define MONITOR_HMP_H

#include "qapi/hmp.h"

/* Run one line; what it printed is in hmp->out, errors too. */
void hmp_run_line(Hmp *hmp, const char *line);

/* Integer expression at *@p, which moves behind it. */
bool hmp_expr(Hmp *hmp, const char **p, int64_t *value, Error **errp);

/*
 * Candidates for the word at the end of @line: full words, to be freed. The
 * length of what is there already goes to *@typed.
 */
GPtrArray *hmp_complete(Hmp *hmp, const char *line, size_t *typed);

/* For messages of "help" and "info". @only NULL: all. */
bool hmp_print_help(Hmp *hmp, const char *only, bool info, Error **errp);

#endif
