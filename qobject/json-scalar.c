/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values of JSON's scalar tokens (RFC 8259, sections 3, 6 and 7). */
#include "util/osdep.h"

#include <math.h>

#include "qobject/json-lexer.h"
#include "qobject/qobject.h"

/* The 4 hex digits at @s, or -1. */
static int hex4(const char *s, const char *end)
{
    int v = 0;

    if (end - s < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        int d = g_ascii_xdigit_value(s[i]);

        if (d < 0) {
            return -1;
        }
        v = v * 16 + d;
    }
    return v;
}

/* Decode \uXXXX (a pair for a surrogate) at *s, just after "\u". */
static bool decode_unicode(GString *out, const char **s, const char *end)
{
    int hi = hex4(*s, end), lo;

    if (hi < 0) {
        return false;
    }
    *s += 4;
    if (!hi) {
        g_string_append(out, "\xc0\x80"); /* NUL, as modified UTF-8 */
        return true;
    }
    if (hi >= 0xd800 && hi <= 0xdbff) {
        if (end - *s < 6 || (*s)[0] != '\\' || (*s)[1] != 'u') {
            return false;
        }
        lo = hex4(*s + 2, end);
        if (lo < 0xdc00 || lo > 0xdfff) {
            return false;
        }
        *s += 6;
        hi = 0x10000 + ((hi - 0xd800) << 10) + (lo - 0xdc00);
    }
    if ((hi >= 0xdc00 && hi <= 0xdfff) || (hi >= 0xfdd0 && hi <= 0xfdef) ||
        (hi & 0xfffe) == 0xfffe) {
        return false; /* lone surrogate, noncharacter */
    }
    g_string_append_unichar(out, (gunichar)hi);
    return true;
}

static bool decode_escape(GString *out, const char **s, const char *end)
{
    static const char letters[] = "bfnrt\"'\\/";
    static const char values[] = "\b\f\n\r\t\"'\\/";
    const char *found;

    if (**s == 'u') {
        (*s)++;
        return decode_unicode(out, s, end);
    }
    found = strchr(letters, **s);
    if (!found || !**s) {
        return false;
    }
    g_string_append_c(out, values[found - letters]);
    (*s)++;
    return true;
}

const char *json_decode_string(const JsonToken *tok, GString *out)
{
    const char *s = tok->text, *end = s + tok->len;

    g_string_truncate(out, 0);
    while (s < end) {
        const char *stop = memchr(s, '\\', (size_t)(end - s));

        stop = stop ? stop : end;
        g_string_append_len(out, s, stop - s);
        if (stop == end) {
            break;
        }
        s = stop + 1;
        if (!decode_escape(out, &s, end)) {
            return stop;
        }
    }
    return NULL;
}

QObject *json_number_value(const JsonToken *tok)
{
    g_autofree char *text = g_strndup(tok->text, tok->len);
    double d;

    if (!strpbrk(text, ".eE")) {
        int64_t i;
        uint64_t u;

        errno = 0;
        i = g_ascii_strtoll(text, NULL, 10);
        if (!errno) {
            return qint_new(i);
        }
        errno = 0;
        u = g_ascii_strtoull(text, NULL, 10);
        if (!errno && text[0] != '-') {
            return quint_new(u);
        }
    }
    d = g_ascii_strtod(text, NULL);
    return isfinite(d) ? qdouble_new(d) : NULL;
}

QObject *json_keyword_value(const JsonToken *tok)
{
    if (tok->len == 4 && !memcmp(tok->text, "true", 4)) {
        return qbool_new(true);
    }
    if (tok->len == 5 && !memcmp(tok->text, "false", 5)) {
        return qbool_new(false);
    }
    if (tok->len == 4 && !memcmp(tok->text, "null", 4)) {
        return qnull();
    }
    return NULL;
}
