/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON tokens (RFC 8259, sections 2, 6 and 7; single quotes as an extension).
 * A token that lies within one feed is used in place; only one that is cut by
 * a feed's end is copied.
 */
#include "util/osdep.h"

#include "qobject/json.h"
#include "qobject/json-lexer.h"

/* Byte classes */
enum {
    SPACE = 1,    /* white space */
    PUNCT = 2,    /* {}[],: */
    WORD = 4,     /* part of a number or a keyword */
    QUOTED = 8,   /* plain inside a string */
    RESTART = 16, /* recovery ends before it */
};

static const uint8_t classes[256] = {
    [0 ... 0x08] = RESTART,
    ['\t' ... '\n'] = SPACE | RESTART,
    [0x0b ... 0x0c] = RESTART,
    ['\r'] = SPACE | RESTART,
    [0x0e ... 0x1f] = RESTART,
    [' '] = SPACE | QUOTED,
    ['!' ... '*'] = QUOTED,
    ['+'] = WORD | QUOTED,
    [','] = PUNCT | QUOTED | RESTART,
    ['-' ... '.'] = WORD | QUOTED,
    ['/'] = QUOTED,
    ['0' ... '9'] = WORD | QUOTED,
    [':'] = PUNCT | QUOTED | RESTART,
    [';' ... '@'] = QUOTED,
    ['A' ... 'Z'] = WORD | QUOTED,
    ['['] = PUNCT | QUOTED | RESTART,
    ['\\'] = QUOTED,
    [']'] = PUNCT | QUOTED | RESTART,
    ['^'] = QUOTED,
    ['_'] = WORD | QUOTED,
    ['`'] = QUOTED,
    ['a' ... 'z'] = WORD | QUOTED,
    ['{'] = PUNCT | QUOTED | RESTART,
    ['|'] = QUOTED,
    ['}'] = PUNCT | QUOTED | RESTART,
    ['~' ... 0x7f] = QUOTED,
    /* UTF-8, but for the bytes that it never uses */
    [0x80 ... 0xbf] = QUOTED,
    [0xc2 ... 0xf4] = QUOTED,
};

static inline uint8_t class_of(char c)
{
    return classes[(unsigned char)c];
}

bool json_lexer_busy(const JsonLexer *lx)
{
    return lx->state != LEX_START && lx->state != LEX_RECOVER;
}

void json_lexer_reset(JsonLexer *lx)
{
    lx->state = LEX_START;
    lx->carry_len = 0;
    lx->done = false;
}

void json_lexer_clear(JsonLexer *lx)
{
    g_free(lx->carry);
    *lx = (JsonLexer){ 0 };
}

static bool carry_on(JsonLexer *lx, const char *bytes, size_t len)
{
    if (!len) {
        return true;
    }
    if (len > JSON_MAX_SIZE - lx->carry_len) {
        return false;
    }
    if (lx->carry_len + len > lx->carry_cap) {
        lx->carry_cap = MAX(lx->carry_len + len, lx->carry_cap * 2);
        lx->carry = g_realloc(lx->carry, lx->carry_cap);
    }
    memcpy(lx->carry + lx->carry_len, bytes, len);
    lx->carry_len += len;
    return true;
}

/* The token is what is carried plus [start, p). */
static bool finish(JsonLexer *lx, const char *start, const char *p,
                   JsonTokenKind kind, JsonToken *tok)
{
    tok->kind = kind;
    tok->text = start;
    tok->len = (size_t)(p - start);
    tok->escaped = lx->escaped;
    lx->state = kind == JSON_STRAY ? LEX_RECOVER : LEX_START;
    if (lx->carry_len) {
        if (!carry_on(lx, start, tok->len)) {
            tok->kind = JSON_HUGE;
            lx->state = LEX_RECOVER;
        }
        tok->text = lx->carry;
        tok->len = lx->carry_len;
        lx->done = true;
    }
    return true;
}

/* The bytes ended inside a token: keep its start. */
static bool suspend(JsonLexer *lx, const char *start, const char *end,
                    JsonToken *tok)
{
    if (carry_on(lx, start, (size_t)(end - start))) {
        return false;
    }
    tok->kind = JSON_HUGE;
    tok->text = lx->carry;
    tok->len = lx->carry_len;
    lx->done = true;
    lx->state = LEX_RECOVER;
    return true;
}

static bool lex_string(JsonLexer *lx, const char **pp, const char *end,
                       JsonToken *tok)
{
    const char *start = *pp, *p = start;

    while (p < end) {
        if (lx->state == LEX_STRING_ESCAPE) {
            if (!(class_of(*p) & QUOTED)) {
                break;
            }
            lx->state = LEX_STRING;
            p++;
            continue;
        }
        while (p < end && class_of(*p) & QUOTED && *p != lx->quote &&
               *p != '\\') {
            p++;
        }
        if (p == end || *p != '\\') {
            break;
        }
        lx->state = LEX_STRING_ESCAPE;
        lx->escaped = true;
        p++;
    }
    if (p == end) {
        *pp = p;
        return suspend(lx, start, p, tok);
    }
    *pp = p + 1;
    if (*p == lx->quote) {
        return finish(lx, start, p, JSON_STRING, tok);
    }
    return finish(lx, start, p + 1, JSON_STRAY, tok);
}

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && g_ascii_isdigit(*p)) {
        p++;
    }
    return p;
}

/* Where [p, end) stops being a number; NULL when it is one. */
static const char *number_stop(const char *p, const char *end)
{
    const char *digits;

    p += *p == '-';
    digits = p;
    p = p < end && *p == '0' ? p + 1 : skip_digits(p, end);
    if (p == digits) {
        return p;
    }
    if (p < end && *p == '.') {
        digits = ++p;
        p = skip_digits(p, end);
        if (p == digits) {
            return p;
        }
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        p += p < end && (*p == '+' || *p == '-');
        digits = p;
        p = skip_digits(p, end);
        if (p == digits) {
            return p;
        }
    }
    return p == end ? NULL : p;
}

static bool lex_word(JsonLexer *lx, const char **pp, const char *end, bool last,
                     JsonToken *tok)
{
    const char *start = *pp, *p = start;
    const char *stop;

    while (p < end && class_of(*p) & WORD) {
        p++;
    }
    *pp = p;
    if (p == end && !last) {
        return suspend(lx, start, p, tok);
    }
    finish(lx, start, p, JSON_KEYWORD, tok);
    if (tok->kind == JSON_HUGE || g_ascii_isalpha(tok->text[0]) ||
        tok->text[0] == '_') {
        return true;
    }
    tok->kind = JSON_NUMBER;
    stop = number_stop(tok->text, tok->text + tok->len);
    if (stop) {
        tok->kind = JSON_STRAY;
        lx->state = LEX_RECOVER;
        /* The byte that should have gone on with the number is bad as well. */
        if (stop == tok->text + tok->len && p < end) {
            *pp = p + 1;
        }
    }
    return true;
}

static bool lex_start(JsonLexer *lx, const char **pp, const char *end,
                      bool last, JsonToken *tok)
{
    const char *p = *pp;
    uint8_t cls;

    while (p < end && class_of(*p) & SPACE) {
        p++;
    }
    *pp = p;
    if (p == end) {
        return false;
    }
    lx->escaped = false;
    if (*p == '"' || *p == '\'') {
        lx->quote = *p;
        lx->state = LEX_STRING;
        *pp = p + 1;
        return lex_string(lx, pp, end, tok);
    }
    cls = class_of(*p);
    if (cls & WORD) {
        lx->state = LEX_WORD;
        return lex_word(lx, pp, end, last, tok);
    }
    *pp = p + 1;
    return finish(lx, p, p + 1, cls & PUNCT ? JSON_PUNCT : JSON_STRAY, tok);
}

bool json_lex(JsonLexer *lx, const char **p, const char *end, bool last,
              JsonToken *tok)
{
    if (lx->done) {
        lx->carry_len = 0;
        lx->done = false;
        if (lx->carry_cap > JSON_KEEP_MAX) {
            g_clear_pointer(&lx->carry, g_free);
            lx->carry_cap = 0;
        }
    }
    if (lx->state == LEX_RECOVER) {
        while (*p < end && !(class_of(**p) & RESTART)) {
            (*p)++;
        }
        if (*p == end) {
            return false;
        }
        /* Of control characters one is enough. */
        *p += !(class_of(**p) & PUNCT);
        lx->state = LEX_START;
    }
    switch (lx->state) {
    case LEX_STRING:
    case LEX_STRING_ESCAPE:
        return lex_string(lx, p, end, tok);
    case LEX_WORD:
        return lex_word(lx, p, end, last, tok);
    default:
        return lex_start(lx, p, end, last, tok);
    }
}
