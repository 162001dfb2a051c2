/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Editing a line on a terminal, with history and completion. */
#ifndef MONITOR_READLINE_H
#define MONITOR_READLINE_H

typedef struct Readline Readline;

typedef struct ReadlineOps {
    void (*write)(void *opaque, const char *text, size_t len);
    /* As hmp_complete(). */
    GPtrArray *(*complete)(void *opaque, const char *line, size_t *typed);
} ReadlineOps;

Readline *readline_new(const char *prompt, const ReadlineOps *ops,
                       void *opaque);
void readline_free(Readline *r);
/* Start a new line and show the prompt. */
void readline_prompt(Readline *r);
/* Forget what was typed. */
void readline_reset(Readline *r);
/* One byte from the terminal. A whole line, to be freed, when it is the last
 * of one; else NULL. */
char *readline_byte(Readline *r, uint8_t c);
/* Lines entered, oldest first. */
const GPtrArray *readline_history(const Readline *r);

#endif
