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
    LETTER = 4,   /* part of a keyword */
    NUMBER = 8,   /* starts a number */
    QUOTED = 16,  /* plain inside a string */
    RESTART = 32, /* recovery ends before it */
};

static const uint8_t classes[256] = {
    [0 ... 0x08] = RESTART,
    ['\t' ... '\n'] = SPACE | RESTART,
    [0x0b ... 0x0c] = RESTART,
    ['\r'] = SPACE | RESTART,
    [0x0e ... 0x1f] = RESTART,
    [' '] = SPACE | QUOTED,
    ['!' ... '+'] = QUOTED,
    [','] = PUNCT | QUOTED | RESTART,
    ['-'] = NUMBER | QUOTED,
    ['.' ... '/'] = QUOTED,
    ['0' ... '9'] = NUMBER | QUOTED,
    [':'] = PUNCT | QUOTED | RESTART,
    [';' ... 'Z'] = QUOTED,
    ['['] = PUNCT | QUOTED | RESTART,
    ['\\'] = QUOTED,
    [']'] = PUNCT | QUOTED | RESTART,
    ['^' ... '`'] = QUOTED,
    ['a' ... 'z'] = LETTER | QUOTED,
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

static bool lex_keyword(JsonLexer *lx, const char **pp, const char *end,
                        bool last, JsonToken *tok)
{
    const char *start = *pp, *p = start;

    while (p < end && class_of(*p) & LETTER) {
        p++;
    }
    *pp = p;
    if (p == end && !last) {
        return suspend(lx, start, p, tok);
    }
    return finish(lx, start, p, JSON_KEYWORD, tok);
}

/* Where in a number: what was read last. */
enum {
    NUM_START,
    NUM_MINUS,
    NUM_ZERO,
    NUM_INT,
    NUM_DOT,
    NUM_FRAC,
    NUM_E,
    NUM_SIGN,
    NUM_EXP,
    NUM_END,
    NUM_BAD
};

static uint8_t number_next(uint8_t state, char c)
{
    bool digit = g_ascii_isdigit(c);
    bool e = c == 'e' || c == 'E';

    switch (state) {
    case NUM_START:
        if (c == '-') {
            return NUM_MINUS;
        }
        G_GNUC_FALLTHROUGH;
    case NUM_MINUS:
        return c == '0' ? NUM_ZERO : digit ? NUM_INT : NUM_BAD;
    case NUM_ZERO:
        return digit ? NUM_BAD : c == '.' ? NUM_DOT : e ? NUM_E : NUM_END;
    case NUM_INT:
        return digit ? NUM_INT : c == '.' ? NUM_DOT : e ? NUM_E : NUM_END;
    case NUM_DOT:
        return digit ? NUM_FRAC : NUM_BAD;
    case NUM_FRAC:
        return digit ? NUM_FRAC : e ? NUM_E : NUM_END;
    case NUM_E:
        return digit ? NUM_EXP : c == '+' || c == '-' ? NUM_SIGN : NUM_BAD;
    case NUM_SIGN:
        return digit ? NUM_EXP : NUM_BAD;
    default:
        return digit ? NUM_EXP : NUM_END;
    }
}

static bool lex_number(JsonLexer *lx, const char **pp, const char *end,
                       bool last, JsonToken *tok)
{
    const char *start = *pp, *p = start;
    uint8_t next = NUM_BAD;

    for (; p < end; p++) {
        next = number_next(lx->number, *p);
        if (next >= NUM_END) {
            break;
        }
        lx->number = next;
    }
    if (p == end) {
        *pp = p;
        if (!last) {
            return suspend(lx, start, p, tok);
        }
        next = number_next(lx->number, ' ');
    } else if (next == NUM_BAD) {
        p++; /* the byte that should have gone on with the number is bad */
    }
    *pp = p;
    return finish(lx, start, p, next == NUM_END ? JSON_NUMBER : JSON_STRAY,
                  tok);
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
    if (cls & LETTER) {
        lx->state = LEX_KEYWORD;
        return lex_keyword(lx, pp, end, last, tok);
    }
    if (cls & NUMBER) {
        lx->state = LEX_NUMBER;
        lx->number = NUM_START;
        return lex_number(lx, pp, end, last, tok);
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
    case LEX_KEYWORD:
        return lex_keyword(lx, p, end, last, tok);
    case LEX_NUMBER:
        return lex_number(lx, p, end, last, tok);
    default:
        return lex_start(lx, p, end, last, tok);
    }
}
