/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON from strangers: however the bytes are cut, the parser must say the
 * same, and what it takes must survive being written and read again.
 */
#include "util/osdep.h"

#include "qobject/json.h"
#include "util/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void emit(void *opaque, QObject *value, Error *err)
{
    GString *log = opaque;

    if (err) {
        g_string_append(log, error_text(err));
        error_free(err);
    } else {
        g_autofree char *text = qobject_to_json(value);
        g_autofree char *pretty = qobject_to_json_pretty(value);
        g_autoptr(QObject) again = json_parse(text, error_abort);
        g_autoptr(QObject) copy = json_parse(pretty, error_abort);
        g_autofree char *text2 = qobject_to_json(again);
        g_autofree char *text3 = qobject_to_json(copy);

        /* Text, because 1e1 is written as 10. */
        if (strcmp(text, text2) || strcmp(text, text3)) {
            abort();
        }
        g_string_append(log, text);
        qobject_unref(value);
    }
    g_string_append_c(log, '\n');
}

static char *parse(const uint8_t *data, size_t size, size_t chunk)
{
    GString *log = g_string_new(NULL);
    g_autoptr(JsonParser) p = json_parser_new(emit, log);

    for (size_t i = 0; i < size; i += chunk) {
        json_parser_feed(p, (const char *)data + i, MIN(chunk, size - i));
    }
    json_parser_flush(p);
    return g_string_free(log, FALSE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *whole = parse(data, size, size ? size : 1);
    g_autofree char *bytes = parse(data, size, 1);
    g_autofree char *threes = parse(data, size, 3);

    if (strcmp(whole, bytes) || strcmp(whole, threes)) {
        abort();
    }
    return 0;
}
