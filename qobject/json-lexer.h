/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON tokens from a stream of bytes that may be cut anywhere. */
#ifndef QOBJECT_JSON_LEXER_H
#define QOBJECT_JSON_LEXER_H

/* Buffers beyond this size are not kept for the next token. */
#define JSON_KEEP_MAX 65536

typedef enum JsonTokenKind {
    JSON_PUNCT,   /* text[0] is one of {}[],: */
    JSON_STRING,  /* without its quotes, escapes not yet decoded */
    JSON_KEYWORD, /* lower-case letters, known word or not */
    JSON_NUMBER,  /* in JSON's number grammar */
    JSON_STRAY,   /* a byte that no token allows; the lexer now recovers */
    JSON_HUGE,    /* token beyond JSON_MAX_SIZE; the lexer now recovers */
} JsonTokenKind;

typedef struct JsonToken {
    JsonTokenKind kind;
    bool escaped;     /* JSON_STRING: has backslashes */
    const char *text; /* valid until the next call */
    size_t len;
} JsonToken;

typedef enum JsonLexState {
    LEX_START,
    LEX_STRING,
    LEX_STRING_ESCAPE,
    LEX_KEYWORD,
    LEX_NUMBER,
    LEX_RECOVER, /* after a stray byte: skip to where a token may start */
} JsonLexState;

typedef struct JsonLexer {
    JsonLexState state;
    char quote;
    uint8_t number; /* LEX_NUMBER: where in its grammar */
    bool escaped;
    bool done;   /* the carried bytes were handed out */
    char *carry; /* start of a token whose end has not come yet */
    size_t carry_len, carry_cap;
} JsonLexer;

/*
 * Take the next token from [*p, end), moving *p; false when the bytes are
 * used up. @last: nothing comes after @end, so that it ends a word.
 */
bool json_lex(JsonLexer *lx, const char **p, const char *end, bool last,
              JsonToken *tok);
/* Inside a token. */
bool json_lexer_busy(const JsonLexer *lx);
void json_lexer_reset(JsonLexer *lx);
void json_lexer_clear(JsonLexer *lx);

/* Undo the escapes of a string; the place of a bad one, or NULL. */
const char *json_decode_string(const JsonToken *tok, GString *out);
/* NULL when out of range. */
QObject *json_number_value(const JsonToken *tok);
/* NULL for no keyword that JSON has. */
QObject *json_keyword_value(const JsonToken *tok);

#endif
