/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON values from tokens, by a stack of open containers: each token is
 * consumed once and nothing but the value under construction is kept.
 *
 * After a syntax error the rest of the outermost value is skipped, brackets
 * counted, and then the error is reported; a stray byte, or a bracket that
 * closes the wrong kind, ends it at once.
 */
#include "util/osdep.h"

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
    bool skipping;   /* the value is wrong */
    Error *held;     /* why, if that was not yet reported */
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
    error_free(p->held);
    p->held = NULL;
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

/* Report what is held and get ready for a new value. */
static void report(JsonParser *p)
{
    Error *err = g_steal_pointer(&p->held);

    if (err) {
        p->emit(p->opaque, NULL, err);
    }
    start_over(p);
}

/* The value is wrong: skip the rest of it. */
static void PRINTF_LIKE(2, 3) fail(JsonParser *p, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    if (p->skipping) {
        return;
    }
    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    error_set(&p->held, "JSON parse error, %s", text);
    p->skipping = true;
    g_clear_pointer(&p->root, qobject_unref_);
    if (!p->depth) {
        report(p);
    }
}

/* The same for a limit: it is reported now, the end may never come. */
static void fail_limit(JsonParser *p, const char *what, unsigned limit)
{
    Error *err = NULL;

    if (!p->skipping) {
        error_set(&err, "JSON parse error, value exceeds %u %s", limit, what);
        p->skipping = true;
        g_clear_pointer(&p->root, qobject_unref_);
        p->emit(p->opaque, NULL, err);
    }
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
    QObject *value;

    if (p->depth || p->excess) {
        return;
    }
    value = g_steal_pointer(&p->root);
    if (value) {
        p->emit(p->opaque, value, NULL);
    }
    report(p);
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
        fail_limit(p, "levels of nesting", JSON_MAX_DEPTH);
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
        report(p);
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

static bool decode(JsonParser *p, const JsonToken *tok, GString *out)
{
    const char *bad = json_decode_string(tok, out);

    if (bad) {
        fail(p, "invalid escape sequence '%.*s' in string",
             (int)MIN(tok->text + tok->len - bad, 6), bad);
    }
    return !bad;
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
            if (!decode(p, tok, p->key)) {
                return;
            }
        } else {
            g_string_truncate(p->key, 0);
            g_string_append_len(p->key, tok->text, (gssize)tok->len);
        }
        p->expect = WANT_COLON;
    } else if (tok->escaped) {
        g_autoptr(GString) text = g_string_new(NULL);

        if (decode(p, tok, text)) {
            add_value(p, qstr_newn(text->str, text->len));
        }
    } else {
        add_value(p, qstr_newn(tok->text, tok->len));
    }
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
    value = tok->kind == JSON_NUMBER ? json_number_value(tok)
                                     : json_keyword_value(tok);
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

    start_over(p); /* this takes the place of an error that is held */
    if (tok->kind == JSON_HUGE) {
        fail(p, "token exceeds %u MiB", JSON_MAX_SIZE >> 20);
    } else {
        fail(p, "stray '%s'", text);
    }
}

static void handle_token(JsonParser *p, const JsonToken *tok)
{
    if (tok->kind == JSON_STRAY || tok->kind == JSON_HUGE) {
        handle_broken(p, tok);
        return;
    }
    p->tokens++;
    p->bytes += tok->len;
    if (p->tokens > JSON_MAX_TOKENS) {
        fail_limit(p, "tokens", JSON_MAX_TOKENS);
    } else if (p->bytes > JSON_MAX_SIZE) {
        fail_limit(p, "MiB", JSON_MAX_SIZE >> 20);
    }
    if (tok->kind == JSON_PUNCT) {
        if (!p->skipping || strchr("{}[]", tok->text[0])) {
            handle_punct(p, tok->text[0]);
        }
        return;
    }
    if (p->skipping) {
        if (!p->depth) {
            start_over(p); /* this token was the whole value */
        }
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
        fail(p, "premature EOI");
        report(p);
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
