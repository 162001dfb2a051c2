/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON text to QObjects and back (RFC 8259, in the I-JSON subset of RFC 7493:
 * valid UTF-8, no duplicate keys), with the extension that QEMU's QMP
 * documents: strings may also stand in single quotes.
 */
#ifndef QOBJECT_JSON_H
#define QOBJECT_JSON_H

#include "qobject/qobject.h"

/* Limits for input that nobody vouches for; beyond them is a parse error. */
#define JSON_MAX_DEPTH  1024
#define JSON_MAX_TOKENS (2u << 20)
#define JSON_MAX_SIZE   (64u << 20) /* bytes of one value's text */

/*
 * Streaming parser. Each complete top-level value, and each error, is handed
 * to @emit: exactly one of @value (owned by the callee) and @err (owned by
 * the callee) is set. A value is complete at its closing bracket or quote; no
 * newline is needed. After an error the parser skips to the next place where
 * a new value can start and goes on: see docs/devel/qapi.md.
 *
 * @emit must neither feed nor free the parser.
 */
typedef struct JsonParser JsonParser;
typedef void JsonEmit(void *opaque, QObject *value, Error *err);

JsonParser *json_parser_new(JsonEmit *emit, void *opaque);
void json_parser_free(JsonParser *p);
void json_parser_feed(JsonParser *p, const char *buf, size_t len);
/* End of input: reports an unfinished value as an error, resets. */
void json_parser_flush(JsonParser *p);
/* Forget what was fed so far without a report (a client reconnected). */
void json_parser_reset(JsonParser *p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JsonParser, json_parser_free)

/* One value, nothing but white space around it. */
QObject *json_parse(const char *text, Error **errp);
QObject *json_parsen(const char *text, size_t len, Error **errp);

/*
 * Builds JSON text. Compact form is one line with ", " and ": "; pretty form
 * has one member a line, indented by 4 spaces. Commas and white space are the
 * writer's business:
 *
 *     g_auto(JsonWriter) w = JSON_WRITER_INIT;
 *     json_open(&w, '{');
 *     json_key(&w, "status");
 *     json_str(&w, "running");
 *     json_close(&w, '}');
 *     write(fd, w.buf, w.len);      // w.buf is NUL terminated
 */
typedef struct JsonWriter {
    char *buf;
    size_t len, cap;
    unsigned depth;
    bool pretty;
    bool comma; /* a value precedes at this level */
    bool after_key;
} JsonWriter;

#define JSON_WRITER_INIT        { 0 }
#define JSON_WRITER_INIT_PRETTY { .pretty = true }

void json_writer_clear(JsonWriter *w);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(JsonWriter, json_writer_clear)
/* The text, to be g_free()d; @w becomes empty. */
char *json_writer_steal(JsonWriter *w);
/* Empty it but keep the buffer. */
void json_writer_rewind(JsonWriter *w);

/* What the writer held at some time, to return to when a value fails. */
typedef struct JsonMark {
    size_t len;
    unsigned depth;
    bool comma, after_key;
} JsonMark;
JsonMark json_mark(const JsonWriter *w);
void json_rollback(JsonWriter *w, JsonMark mark);

void json_open(JsonWriter *w, char bracket);  /* '{' or '[' */
void json_close(JsonWriter *w, char bracket); /* '}' or ']' */
void json_key(JsonWriter *w, const char *key);
void json_null(JsonWriter *w);
void json_bool(JsonWriter *w, bool v);
void json_int(JsonWriter *w, int64_t v);
void json_uint(JsonWriter *w, uint64_t v);
void json_double(JsonWriter *w, double v); /* not finite: null */
void json_str(JsonWriter *w, const char *s);
/* Ready-made JSON text of one value; re-indented when pretty. */
void json_raw(JsonWriter *w, const char *text, size_t len);
void json_value(JsonWriter *w, const QObject *obj);
/* Plain bytes that are not part of the JSON, such as a line end. */
void json_append(JsonWriter *w, const char *bytes, size_t len);

/* To be g_free()d. */
char *qobject_to_json(const QObject *obj);
char *qobject_to_json_pretty(const QObject *obj);

#endif
