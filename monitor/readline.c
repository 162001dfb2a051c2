/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Line editing with the usual control keys and the arrows of ECMA-48
 * terminals.
 */
#include "util/osdep.h"

#include "monitor/readline.h"

#define LINE_MAX_LEN 4095
#define HISTORY_MAX  64

enum { CTRL_A = 1, CTRL_B = 2, CTRL_C = 3, CTRL_D = 4, CTRL_E = 5, CTRL_F = 6,
       CTRL_H = 8, TAB = 9, LF = 10, CTRL_K = 11, CTRL_L = 12, CR = 13,
       CTRL_N = 14, CTRL_P = 16, CTRL_U = 21, CTRL_W = 23, ESC = 27,
       DEL = 127 };

struct Readline {
    char *prompt;
    const ReadlineOps *ops;
    void *opaque;
    GString *line;
    size_t pos;     /* of the cursor, in bytes */
    GPtrArray *history;
    guint at;       /* in the history; its length: the new line */
    uint8_t escape; /* 0, ESC, '[' or 'O' */
    uint8_t param;  /* of an escape sequence */
    bool last_cr;   /* the LF of a CR LF pair is no second line */
};

static void put(Readline *r, const char *text, size_t len)
{
    r->ops->write(r->opaque, text, len);
}

Readline *readline_new(const char *prompt, const ReadlineOps *ops, void *opaque)
{
    Readline *r = g_new0(Readline, 1);

    r->prompt = g_strdup(prompt);
    r->ops = ops;
    r->opaque = opaque;
    r->line = g_string_new(NULL);
    r->history = g_ptr_array_new_with_free_func(g_free);
    return r;
}

void readline_free(Readline *r)
{
    g_string_free(r->line, TRUE);
    g_ptr_array_free(r->history, TRUE);
    g_free(r->prompt);
    g_free(r);
}

const GPtrArray *readline_history(const Readline *r)
{
    return r->history;
}

void readline_reset(Readline *r)
{
    g_string_truncate(r->line, 0);
    r->pos = 0;
    r->at = r->history->len;
    r->escape = 0;
}

void readline_prompt(Readline *r)
{
    readline_reset(r);
    put(r, r->prompt, strlen(r->prompt));
}

/* Paint the line again: prompt, text, erase the rest, cursor back. */
static void repaint(Readline *r)
{
    g_autoptr(GString) s = g_string_new("\r");
    size_t behind = r->line->len - r->pos;

    g_string_append_printf(s, "%s%s\033[K", r->prompt, r->line->str);
    if (behind) {
        g_string_append_printf(s, "\033[%zuD", behind);
    }
    put(r, s->str, s->len);
}

static void insert(Readline *r, const char *text, size_t len)
{
    if (r->line->len + len > LINE_MAX_LEN) {
        return;
    }
    g_string_insert_len(r->line, r->pos, text, len);
    r->pos += len;
    if (r->pos == r->line->len) {
        put(r, text, len);
    } else {
        repaint(r);
    }
}

static void erase(Readline *r, size_t from, size_t len)
{
    if (len) {
        g_string_erase(r->line, from, len);
        r->pos = from;
        repaint(r);
    }
}

static void move_to(Readline *r, size_t pos)
{
    r->pos = pos;
    repaint(r);
}

static void erase_word(Readline *r)
{
    size_t from = r->pos;

    while (from && g_ascii_isspace(r->line->str[from - 1])) {
        from--;
    }
    while (from && !g_ascii_isspace(r->line->str[from - 1])) {
        from--;
    }
    erase(r, from, r->pos - from);
}

/* History ---------------------------------------------------------------------------- */

static void recall(Readline *r, guint at)
{
    if (at > r->history->len) {
        return;
    }
    r->at = at;
    g_string_assign(r->line,
                    at < r->history->len ? r->history->pdata[at] : "");
    r->pos = r->line->len;
    repaint(r);
}

static void remember(Readline *r, const char *line)
{
    if (!*line) {
        return;
    }
    for (guint i = 0; i < r->history->len; i++) {
        if (!strcmp(r->history->pdata[i], line)) {
            g_ptr_array_remove_index(r->history, i);
            break;
        }
    }
    if (r->history->len == HISTORY_MAX) {
        g_ptr_array_remove_index(r->history, 0);
    }
    g_ptr_array_add(r->history, g_strdup(line));
}

/* Completion --------------------------------------------------------------------------- */

/* How many bytes all words have in common. */
static size_t common_prefix(const GPtrArray *list)
{
    const char *first = list->pdata[0];
    size_t len = strlen(first);

    for (guint i = 1; i < list->len; i++) {
        const char *word = list->pdata[i];
        size_t n = 0;

        while (n < len && word[n] == first[n]) {
            n++;
        }
        len = n;
    }
    return len;
}

static void show_candidates(Readline *r, const GPtrArray *list)
{
    g_autoptr(GString) s = g_string_new("\r\n");

    for (guint i = 0; i < list->len; i++) {
        g_string_append_printf(s, "%s\r\n", (char *)list->pdata[i]);
    }
    put(r, s->str, s->len);
    repaint(r);
}

static void complete(Readline *r)
{
    g_autofree char *before = g_strndup(r->line->str, r->pos);
    g_autoptr(GPtrArray) list = NULL;
    size_t typed = 0, common;

    list = r->ops->complete(r->opaque, before, &typed);
    if (!list->len) {
        return;
    }
    common = common_prefix(list);
    if (common > typed) {
        insert(r, (char *)list->pdata[0] + typed, common - typed);
    }
    if (list->len == 1) {
        insert(r, " ", 1);
    } else if (common <= typed) {
        show_candidates(r, list);
    }
}

/* Keys ------------------------------------------------------------------------------------ */

static char *enter(Readline *r)
{
    char *line = g_strdup(r->line->str);

    put(r, "\r\n", 2);
    remember(r, line);
    readline_reset(r);
    return line;
}

static void left(Readline *r)
{
    if (r->pos) {
        move_to(r, r->pos - 1);
    }
}

static void right(Readline *r)
{
    if (r->pos < r->line->len) {
        move_to(r, r->pos + 1);
    }
}

static void delete_here(Readline *r)
{
    if (r->pos < r->line->len) {
        erase(r, r->pos, 1);
    }
}

/* The last byte of ESC [ ... or ESC O ... */
static void sequence(Readline *r, uint8_t c)
{
    switch (c) {
    case 'A':
        recall(r, r->at ? r->at - 1 : 0);
        break;
    case 'B':
        recall(r, r->at + 1);
        break;
    case 'C':
        right(r);
        break;
    case 'D':
        left(r);
        break;
    case 'H':
        move_to(r, 0);
        break;
    case 'F':
        move_to(r, r->line->len);
        break;
    case '~':
        if (r->param == 3) {
            delete_here(r);
        } else if (r->param == 1 || r->param == 7) {
            move_to(r, 0);
        } else if (r->param == 4 || r->param == 8) {
            move_to(r, r->line->len);
        }
        break;
    }
}

static void escape(Readline *r, uint8_t c)
{
    if (r->escape == ESC) {
        r->escape = c == '[' || c == 'O' ? c : 0;
        r->param = 0;
    } else if (g_ascii_isdigit(c)) {
        r->param = MIN(r->param * 10 + c - '0', 100);
    } else if (c != ';') {
        r->escape = 0;
        sequence(r, c);
    }
}

static void edit(Readline *r, uint8_t c)
{
    switch (c) {
    case CTRL_A:
        move_to(r, 0);
        break;
    case CTRL_E:
        move_to(r, r->line->len);
        break;
    case CTRL_B:
        left(r);
        break;
    case CTRL_F:
        right(r);
        break;
    case CTRL_D:
        delete_here(r);
        break;
    case CTRL_H:
    case DEL:
        if (r->pos) {
            erase(r, r->pos - 1, 1);
        }
        break;
    case CTRL_K:
        erase(r, r->pos, r->line->len - r->pos);
        break;
    case CTRL_U:
        erase(r, 0, r->pos);
        break;
    case CTRL_W:
        erase_word(r);
        break;
    case CTRL_C:
        put(r, "\r\n", 2);
        readline_prompt(r);
        break;
    case CTRL_L:
        put(r, "\033[2J\033[H", 7);
        repaint(r);
        break;
    case CTRL_P:
        recall(r, r->at ? r->at - 1 : 0);
        break;
    case CTRL_N:
        recall(r, r->at + 1);
        break;
    case TAB:
        complete(r);
        break;
    case ESC:
        r->escape = ESC;
        break;
    default:
        if (c >= ' ') {
            insert(r, (const char *)&c, 1);
        }
    }
}

char *readline_byte(Readline *r, uint8_t c)
{
    bool after_cr = r->last_cr;

    r->last_cr = c == CR;
    if (r->escape) {
        escape(r, c);
    } else if (c == CR || (c == LF && !after_cr)) {
        return enter(r);
    } else if (c != LF) {
        edit(r, c);
    }
    return NULL;
}
