/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Integer expressions of the human monitor, with C's operators and numbers. */
#include "util/osdep.h"

#include "monitor/hmp.h"
#include "util/error.h"

#define MAX_DEPTH 32

typedef struct Expr {
    Hmp *hmp;
    const char *p;
    unsigned depth;
    Error **errp;
} Expr;

static void skip_space(Expr *e)
{
    while (g_ascii_isspace(*e->p)) {
        e->p++;
    }
}

static bool expr_or(Expr *e, uint64_t *v);

static bool expr_char(Expr *e, uint64_t *v)
{
    if (!e->p[0] || !e->p[1] || e->p[1] == '\'' || e->p[2] != '\'') {
        return error_set(e->errp, "character constant expected");
    }
    *v = (uint8_t)e->p[1];
    e->p += 3;
    return true;
}

/* "$name" */
static bool expr_register(Expr *e, uint64_t *v)
{
    char name[16];
    size_t len = 0;

    e->p++;
    while (len < sizeof(name) - 1 && g_ascii_isalnum(e->p[len])) {
        name[len] = e->p[len];
        len++;
    }
    name[len] = '\0';
    if (!hmp_register(e->hmp, name, v)) {
        return error_set(e->errp, "unknown register");
    }
    e->p += len;
    return true;
}

static bool expr_primary(Expr *e, uint64_t *v)
{
    char *end;

    skip_space(e);
    if (++e->depth > MAX_DEPTH) {
        return error_set(e->errp, "expression is nested too deeply");
    }
    switch (*e->p) {
    case '(':
        e->p++;
        if (!expr_or(e, v)) {
            return false;
        }
        skip_space(e);
        if (*e->p != ')') {
            return error_set(e->errp, "')' expected");
        }
        e->p++;
        break;
    case '-':
    case '+':
    case '~': {
        char op = *e->p++;

        if (!expr_primary(e, v)) {
            return false;
        }
        *v = op == '-' ? -*v : op == '~' ? ~*v : *v;
        break;
    }
    case '\'':
        if (!expr_char(e, v)) {
            return false;
        }
        break;
    case '$':
        if (!expr_register(e, v)) {
            return false;
        }
        break;
    default:
        if (!g_ascii_isdigit(*e->p)) {
            return error_set(e->errp, *e->p ? "invalid char '%c' in expression"
                                            : "unexpected end of expression",
                             *e->p);
        }
        errno = 0;
        *v = strtoull(e->p, &end, 0);
        if (errno) {
            return error_set(e->errp, "number too large");
        }
        e->p = end;
    }
    e->depth--;
    skip_space(e);
    return true;
}

static bool expr_product(Expr *e, uint64_t *v)
{
    uint64_t r;

    if (!expr_primary(e, v)) {
        return false;
    }
    while (*e->p == '*' || *e->p == '/' || *e->p == '%') {
        char op = *e->p++;

        if (!expr_primary(e, &r)) {
            return false;
        }
        if (op != '*' && !r) {
            return error_set(e->errp, "division by zero");
        }
        *v = op == '*' ? *v * r : op == '/' ? *v / r : *v % r;
    }
    return true;
}

static bool expr_sum(Expr *e, uint64_t *v)
{
    uint64_t r;

    if (!expr_product(e, v)) {
        return false;
    }
    while (*e->p == '+' || *e->p == '-') {
        char op = *e->p++;

        if (!expr_product(e, &r)) {
            return false;
        }
        *v = op == '+' ? *v + r : *v - r;
    }
    return true;
}

static bool expr_or(Expr *e, uint64_t *v)
{
    uint64_t r;

    if (!expr_sum(e, v)) {
        return false;
    }
    while (*e->p == '&' || *e->p == '|' || *e->p == '^') {
        char op = *e->p++;

        if (!expr_sum(e, &r)) {
            return false;
        }
        *v = op == '&' ? *v & r : op == '|' ? *v | r : *v ^ r;
    }
    return true;
}

bool hmp_expr(Hmp *hmp, const char **p, int64_t *value, Error **errp)
{
    Expr e = { .hmp = hmp, .p = *p, .errp = errp };
    uint64_t v;

    if (!expr_or(&e, &v)) {
        return false;
    }
    *value = v;
    *p = e.p;
    return true;
}
