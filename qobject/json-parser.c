/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON values from tokens, by a stack of open containers: each token is
 * consumed once and nothing but the value under construction is kept.
 *
 * After a syntax error the rest of the outermost value is skipped, brackets
 * counted; a stray byte, or a bracket that closes the wrong kind, ends it at
 * once.
 */
#include "util/osdep.h"

#include <math.h>

#include "qobject/json.h"
#include "qobject/json-lexer.h"
#include "util/error.h"

/* What the grammar allows next. */
typedef enum Expect {
    WANT_VALUE,
    WANT_VALUE_OR_CLOSE, /* after '[' */
    WANT_KEY,
    WANT_KEY_OR_CLOSE, /* after '{' */
    WANT_COLON,
    WANT_COMMA_OR_CLOSE,
} Expect;

typedef struct Frame {
    QObject *container; /* lent by the one around it; NULL while skipping */
    char close;
} Frame;

struct JsonParser {
    JsonEmit *emit;
    void *opaque;
    JsonLexer lexer;

    Expect expect;
    bool skipping;   /* the value has been reported as an error */
    unsigned excess; /* while skipping: brackets beyond JSON_MAX_DEPTH */
    unsigned depth, frames_cap;
    Frame *frames;
    QObject *root;        /* owned: the value under construction */
    GString *key;         /* of the member whose value comes next */
    size_t tokens, bytes; /* of the value under construction */
};

JsonParser *json_parser_new(JsonEmit *emit, void *opaque)
{
    JsonParser *p = g_new0(JsonParser, 1);

    p->emit = emit;
    p->opaque = opaque;
    p->key = g_string_new(NULL);
    return p;
}

/* Ready for a new top-level value. */
static void start_over(JsonParser *p)
{
    qobject_unref(p->root);
    p->root = NULL;
    p->expect = WANT_VALUE;
    p->skipping = false;
    p->depth = p->excess = 0;
    p->tokens = p->bytes = 0;
    if (p->key->allocated_len > JSON_KEEP_MAX) {
        g_string_free(p->key, TRUE);
        p->key = g_string_new(NULL);
    }
}

void json_parser_reset(JsonParser *p)
{
    start_over(p);
    json_lexer_reset(&p->lexer);
}

void json_parser_free(JsonParser *p)
{
    if (p) {
        start_over(p);
        json_lexer_clear(&p->lexer);
        g_string_free(p->key, TRUE);
        g_free(p->frames);
        g_free(p);
    }
}

static void emit_error(JsonParser *p, Error *err)
{
    qobject_unref(p->root);
    p->root = NULL;
    p->skipping = true;
    p->emit(p->opaque, NULL, err);
    if (!p->depth) {
        start_over(p);
    }
}

static void PRINTF_LIKE(2, 3) fail(JsonParser *p, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    Error *err = NULL;
    va_list ap;

    if (p->skipping) {
        return;
    }
    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    error_set(&err, "JSON parse error, %s", text);
    emit_error(p, err);
}

static int shown(const JsonToken *tok)
{
    return (int)MIN(tok->len, 40);
}

/* A value is complete: put it where it belongs. */
static void add_value(JsonParser *p, QObject *value)
{
    Frame *top = p->depth ? &p->frames[p->depth - 1] : NULL;

    if (!top) {
        p->root = value;
    } else if (top->close == ']') {
        qlist_append_(qobject_to_list(top->container), value);
    } else if (!qdict_put_new(qobject_to_dict(top->container), p->key->str,
                              p->key->len, value)) {
        fail(p, "duplicate key '%.40s'", p->key->str);
        return;
    }
    p->expect = WANT_COMMA_OR_CLOSE;
}

static void deliver_if_complete(JsonParser *p)
{
    QObject *value = p->root;

    if (p->depth || p->excess) {
        return;
    }
    p->root = NULL;
    if (value && !p->skipping) {
        p->emit(p->opaque, value, NULL);
    }
    start_over(p);
}

static void push(JsonParser *p, QObject *container, char close)
{
    if (p->depth == p->frames_cap) {
        p->frames_cap = p->frames_cap ? p->frames_cap * 2 : 16;
        p->frames = g_renew(Frame, p->frames, p->frames_cap);
    }
    p->frames[p->depth++] = (Frame){ container, close };
}

static void open_container(JsonParser *p, char bracket)
{
    char close = bracket == '{' ? '}' : ']';
    QObject *obj;

    if (p->depth == JSON_MAX_DEPTH) {
        p->excess++;
        fail(p, "nesting exceeds %u levels", JSON_MAX_DEPTH);
        return;
    }
    if (p->skipping) {
        push(p, NULL, close);
        return;
    }
    obj = bracket == '{' ? QOBJECT(qdict_new()) : QOBJECT(qlist_new());
    qobject_ref(obj); /* add_value() drops a duplicate */
    add_value(p, obj);
    push(p, p->skipping ? NULL : obj, close);
    qobject_unref(obj);
    p->expect = bracket == '{' ? WANT_KEY_OR_CLOSE : WANT_VALUE_OR_CLOSE;
}

static void close_container(JsonParser *p, char bracket)
{
    if (p->excess) {
        p->excess--;
        return;
    }
    if (p->frames[p->depth - 1].close != bracket) {
        fail(p, "'%c' where '%c' should be", bracket,
             p->frames[p->depth - 1].close);
        start_over(p);
        return;
    }
    p->depth--;
    p->expect = WANT_COMMA_OR_CLOSE;
    deliver_if_complete(p);
}

static void handle_punct(JsonParser *p, char c)
{
    bool value_ok = p->expect == WANT_VALUE || p->expect == WANT_VALUE_OR_CLOSE;
    bool close_ok = p->expect == WANT_VALUE_OR_CLOSE ||
                    p->expect == WANT_KEY_OR_CLOSE ||
                    p->expect == WANT_COMMA_OR_CLOSE;

    if (c == '{' || c == '[') {
        if (!value_ok && !p->skipping) {
            fail(p, "'%c' not expected here", c);
        }
        open_container(p, c);
    } else if (c == '}' || c == ']') {
        if (!p->depth) {
            fail(p, "expecting value");
            return;
        }
        if (!close_ok && !p->skipping) {
            fail(p, "expecting value");
        }
        close_container(p, c);
    } else if (c == ':' && p->expect == WANT_COLON) {
        p->expect = WANT_VALUE;
    } else if (c == ',' && p->depth && p->expect == WANT_COMMA_OR_CLOSE) {
        p->expect =
            p->frames[p->depth - 1].close == '}' ? WANT_KEY : WANT_VALUE;
    } else {
        fail(p, "'%c' not expected here", c);
    }
}

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

/* Undo the escapes of a string token; false after reporting bad ones. */
static bool decode_string(JsonParser *p, const JsonToken *tok, GString *out)
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
            fail(p, "invalid escape sequence '\\%.*s' in string",
                 (int)MIN(end - stop - 1, 5), stop + 1);
            return false;
        }
    }
    return true;
}

static void handle_string(JsonParser *p, const JsonToken *tok)
{
    bool is_key = p->expect == WANT_KEY || p->expect == WANT_KEY_OR_CLOSE;

    if (p->expect == WANT_COLON || p->expect == WANT_COMMA_OR_CLOSE) {
        fail(p, "separator expected before string");
        return;
    }
    if (!g_utf8_validate_len(tok->text, tok->len, NULL)) {
        fail(p, "invalid UTF-8 sequence in string");
        return;
    }
    if (is_key) {
        if (tok->escaped) {
            if (!decode_string(p, tok, p->key)) {
                return;
            }
        } else {
            g_string_truncate(p->key, 0);
            g_string_append_len(p->key, tok->text, (gssize)tok->len);
        }
        p->expect = WANT_COLON;
    } else if (tok->escaped) {
        g_autoptr(GString) text = g_string_new(NULL);

        if (decode_string(p, tok, text)) {
            add_value(p, qstr_newn(text->str, text->len));
        }
    } else {
        add_value(p, qstr_newn(tok->text, tok->len));
    }
}

static QObject *number_value(const JsonToken *tok)
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

static QObject *keyword_value(const JsonToken *tok)
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

static void handle_scalar(JsonParser *p, const JsonToken *tok)
{
    QObject *value;

    if (p->expect == WANT_KEY || p->expect == WANT_KEY_OR_CLOSE) {
        fail(p, "key is not a string");
        return;
    }
    if (p->expect == WANT_COLON || p->expect == WANT_COMMA_OR_CLOSE) {
        fail(p, "separator expected before '%.*s'", shown(tok), tok->text);
        return;
    }
    value = tok->kind == JSON_NUMBER ? number_value(tok) : keyword_value(tok);
    if (!value) {
        fail(p, "%s '%.*s'",
             tok->kind == JSON_NUMBER ? "number out of range"
                                      : "invalid keyword",
             shown(tok), tok->text);
        return;
    }
    add_value(p, value);
}

/* A stray byte: give up on the value, whatever was open. */
static void handle_broken(JsonParser *p, const JsonToken *tok)
{
    /* Whoever reads the message may not take invalid UTF-8. */
    g_autofree char *text = g_utf8_make_valid(tok->text, shown(tok));

    p->skipping = false; /* a reset is worth an answer of its own */
    if (tok->kind == JSON_HUGE) {
        fail(p, "token exceeds %u MiB", JSON_MAX_SIZE >> 20);
    } else {
        fail(p, "stray '%s'", text);
    }
    start_over(p);
}

static void handle_token(JsonParser *p, const JsonToken *tok)
{
    if (tok->kind == JSON_STRAY || tok->kind == JSON_HUGE) {
        handle_broken(p, tok);
        return;
    }
    p->tokens++;
    p->bytes += tok->len;
    if (!p->skipping &&
        (p->tokens > JSON_MAX_TOKENS || p->bytes > JSON_MAX_SIZE)) {
        fail(p, "value exceeds %u tokens or %u MiB", JSON_MAX_TOKENS,
             JSON_MAX_SIZE >> 20);
    }
    if (tok->kind == JSON_PUNCT) {
        if (!p->skipping || strchr("{}[]", tok->text[0])) {
            handle_punct(p, tok->text[0]);
        }
        return;
    }
    if (p->skipping) {
        return;
    }
    if (tok->kind == JSON_STRING) {
        handle_string(p, tok);
    } else {
        handle_scalar(p, tok);
    }
    if (!p->depth) {
        deliver_if_complete(p);
    }
}

void json_parser_feed(JsonParser *p, const char *buf, size_t len)
{
    const char *end = buf + len;
    JsonToken tok;

    while (json_lex(&p->lexer, &buf, end, false, &tok)) {
        handle_token(p, &tok);
    }
}

void json_parser_flush(JsonParser *p)
{
    const char *none = "";
    JsonToken tok;

    while (json_lex(&p->lexer, &none, none, true, &tok)) {
        handle_token(p, &tok);
    }
    if (p->depth || p->excess || json_lexer_busy(&p->lexer)) {
        if (!p->skipping) {
            fail(p, "input ends inside a value");
        }
    }
    json_parser_reset(p);
}

/* One-shot parsing */

typedef struct OneShot {
    QObject *value;
    Error *err;
    bool extra;
} OneShot;

static void one_shot_emit(void *opaque, QObject *value, Error *err)
{
    OneShot *s = opaque;

    if (s->value || s->err) {
        s->extra = true;
        qobject_unref(value);
        error_free(err);
        return;
    }
    s->value = value;
    s->err = err;
}

QObject *json_parsen(const char *text, size_t len, Error **errp)
{
    OneShot s = { 0 };
    g_autoptr(JsonParser) p = json_parser_new(one_shot_emit, &s);

    json_parser_feed(p, text, len);
    json_parser_flush(p);
    if (s.err) {
        error_move(errp, s.err);
        return NULL;
    }
    if (!s.value) {
        error_set(errp, "JSON parse error, expecting value");
        return NULL;
    }
    if (s.extra) {
        error_set(errp, "JSON parse error, text after the value");
        g_clear_pointer(&s.value, qobject_unref_);
    }
    return s.value;
}

QObject *json_parse(const char *text, Error **errp)
{
    return json_parsen(text, strlen(text), errp);
}
