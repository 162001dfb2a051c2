/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON text, written in one pass. See qobject/json.h. */
#include "util/osdep.h"

#include <math.h>

#include "qobject/json.h"

static void reserve(JsonWriter *w, size_t more)
{
    size_t need = w->len + more + 1;

    if (need > w->cap) {
        w->cap = MAX(need, MAX(w->cap * 2, 256));
        w->buf = g_realloc(w->buf, w->cap);
    }
}

static void put(JsonWriter *w, const char *bytes, size_t len)
{
    reserve(w, len);
    memcpy(w->buf + w->len, bytes, len);
    w->len += len;
    w->buf[w->len] = 0;
}

static void put_c(JsonWriter *w, char c)
{
    put(w, &c, 1);
}

static void newline(JsonWriter *w)
{
    size_t n = (size_t)w->depth * 4;

    reserve(w, n + 1);
    w->buf[w->len++] = '\n';
    memset(w->buf + w->len, ' ', n);
    w->len += n;
    w->buf[w->len] = 0;
}

/* Separator and white space before a key, or a value without one. */
static void begin(JsonWriter *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->comma && w->depth) {
        put(w, ", ", w->pretty ? 1 : 2);
    }
    if (w->pretty && w->depth) {
        newline(w);
    }
}

void json_writer_clear(JsonWriter *w)
{
    g_free(w->buf);
    *w = (JsonWriter){ .pretty = w->pretty };
}

void json_writer_rewind(JsonWriter *w)
{
    w->len = 0;
    w->depth = 0;
    w->comma = w->after_key = false;
}

char *json_writer_steal(JsonWriter *w)
{
    char *text = w->buf ? w->buf : g_strdup("");

    w->buf = NULL;
    w->cap = 0;
    json_writer_rewind(w);
    return text;
}

JsonMark json_mark(const JsonWriter *w)
{
    return (JsonMark){ w->len, w->depth, w->comma, w->after_key };
}

void json_rollback(JsonWriter *w, JsonMark mark)
{
    w->len = mark.len;
    w->depth = mark.depth;
    w->comma = mark.comma;
    w->after_key = mark.after_key;
    if (w->buf) {
        w->buf[w->len] = 0;
    }
}

void json_open(JsonWriter *w, char bracket)
{
    begin(w);
    put_c(w, bracket);
    w->depth++;
    w->comma = false;
}

void json_close(JsonWriter *w, char bracket)
{
    w->depth--;
    if (w->pretty) {
        newline(w);
    }
    put_c(w, bracket);
    w->comma = true;
}

/* Decode one UTF-8 sequence of a valid string. */
static uint32_t decode(const unsigned char **p)
{
    uint32_t c = g_utf8_get_char((const char *)*p);

    *p = (const unsigned char *)g_utf8_next_char((const char *)*p);
    return c;
}

static void put_escaped(JsonWriter *w, uint32_t c)
{
    static const char short_for[] = "\b\t\n\f\r\"\\";
    static const char letters[] = "btnfr\"\\";
    const char *s = c && c < 0x80 ? strchr(short_for, (int)c) : NULL;
    char text[16];

    if (s) {
        put_c(w, '\\');
        put_c(w, letters[s - short_for]);
        return;
    }
    if (c > 0xffff) {
        c -= 0x10000;
        snprintf(text, sizeof(text), "\\u%04X\\u%04X", 0xd800 + (c >> 10),
                 0xdc00 + (c & 0x3ff));
    } else {
        snprintf(text, sizeof(text), "\\u%04X", c);
    }
    put(w, text, strlen(text));
}

static bool plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void put_string(JsonWriter *w, const char *s)
{
    const unsigned char *p = (const unsigned char *)s;

    put_c(w, '"');
    while (*p) {
        const unsigned char *run = p;

        while (plain(*p)) {
            p++;
        }
        put(w, (const char *)run, (size_t)(p - run));
        if (!*p) {
            break;
        }
        if (*p < 0x80) {
            put_escaped(w, *p++);
        } else if (p[0] == 0xc0 && p[1] == 0x80) { /* how we hold \u0000 */
            put_escaped(w, 0);
            p += 2;
        } else if (g_utf8_get_char_validated((const char *)p, -1) >=
                   (gunichar)-2) {
            put_escaped(w, 0xfffd);
            p++;
        } else {
            put_escaped(w, decode(&p));
        }
    }
    put_c(w, '"');
}

void json_key(JsonWriter *w, const char *key)
{
    begin(w);
    put_string(w, key);
    put(w, ": ", 2);
    w->after_key = true;
}

static void literal(JsonWriter *w, const char *text)
{
    begin(w);
    put(w, text, strlen(text));
    w->comma = true;
}

void json_null(JsonWriter *w)
{
    literal(w, "null");
}

void json_bool(JsonWriter *w, bool v)
{
    literal(w, v ? "true" : "false");
}

void json_uint(JsonWriter *w, uint64_t v)
{
    char text[24], *p = text + sizeof(text) - 1;

    *p = 0;
    do {
        *--p = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    literal(w, p);
}

void json_int(JsonWriter *w, int64_t v)
{
    char text[24];

    if (v >= 0) {
        json_uint(w, (uint64_t)v);
        return;
    }
    snprintf(text, sizeof(text), "%" PRId64, v);
    literal(w, text);
}

void json_double(JsonWriter *w, double v)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    if (!isfinite(v)) {
        json_null(w);
        return;
    }
    if (v == 0 && signbit(v)) {
        literal(w, "-0.0"); /* "-0" would be read as the integer 0 */
        return;
    }
    literal(w, g_ascii_formatd(text, sizeof(text), "%.17g", v));
}

void json_str(JsonWriter *w, const char *s)
{
    begin(w);
    put_string(w, s);
    w->comma = true;
}

void json_append(JsonWriter *w, const char *bytes, size_t len)
{
    put(w, bytes, len);
}

/* Length of the scalar at @p: a string with its quotes, or a bare word. */
static size_t scalar_len(const char *p, const char *end)
{
    const char *start = p;

    if (*p != '"') {
        while (p < end && !strchr(",:]} \t\r\n", *p)) {
            p++;
        }
        return (size_t)(p - start);
    }
    for (p++; p < end && *p != '"'; p++) {
        p += *p == '\\';
    }
    return (size_t)MIN(p + 1, end) - (size_t)start;
}

void json_raw(JsonWriter *w, const char *text, size_t len)
{
    const char *p = text, *end = text + len;

    if (!w->pretty) {
        begin(w);
        put(w, text, len);
        w->comma = true;
        return;
    }
    while (p < end) {
        size_t n = 1;

        if (*p == '{' || *p == '[') {
            json_open(w, *p);
        } else if (*p == '}' || *p == ']') {
            json_close(w, *p);
        } else if (*p == ':') {
            put(w, ": ", 2);
            w->after_key = true;
        } else if (!strchr(", \t\r\n", *p)) {
            n = scalar_len(p, end);
            begin(w);
            put(w, p, n);
            w->comma = true;
        }
        p += MAX(n, 1);
    }
}

static void write_num(JsonWriter *w, const QObject *obj)
{
    int64_t i;
    uint64_t u;
    double d;

    if (qobject_get_int(obj, &i)) {
        json_int(w, i);
    } else if (qobject_get_uint(obj, &u)) {
        json_uint(w, u);
    } else if (qobject_get_double(obj, &d)) {
        json_double(w, d);
    }
}

void json_value(JsonWriter *w, const QObject *obj)
{
    switch (qobject_type(obj)) {
    case QTYPE_QBOOL:
        json_bool(w, obj->boolean);
        break;
    case QTYPE_QNUM:
        write_num(w, obj);
        break;
    case QTYPE_QSTRING:
        json_str(w, qobject_get_str(obj));
        break;
    case QTYPE_QDICT:
        json_open(w, '{');
        QDICT_FOREACH(qobject_to_dict(obj), e) {
            json_key(w, e->key);
            json_value(w, e->value);
        }
        json_close(w, '}');
        break;
    case QTYPE_QLIST:
        json_open(w, '[');
        QLIST_FOREACH(qobject_to_list(obj), item) {
            json_value(w, item);
        }
        json_close(w, ']');
        break;
    default:
        json_null(w);
    }
}

char *qobject_to_json(const QObject *obj)
{
    JsonWriter w = JSON_WRITER_INIT;

    json_value(&w, obj);
    return json_writer_steal(&w);
}

char *qobject_to_json_pretty(const QObject *obj)
{
    JsonWriter w = JSON_WRITER_INIT_PRETTY;

    json_value(&w, obj);
    return json_writer_steal(&w);
}
