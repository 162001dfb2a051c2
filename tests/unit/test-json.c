/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON text: parsing in pieces, errors and recovery, writing. */
#include "util/osdep.h"

#include "qobject/json.h"
#include "util/error.h"

/* What the parser emitted: values as compact JSON, errors as "!". */
static void collect(void *opaque, QObject *value, Error *err)
{
    GString *out = opaque;

    if (out->len) {
        g_string_append_c(out, ' ');
    }
    if (value) {
        g_autofree char *text = qobject_to_json(value);

        g_string_append(out, text);
        qobject_unref(value);
    } else {
        g_string_append_c(out, '!');
        error_free(err);
    }
}

static char *parse_chunks(const char *text, size_t len, size_t chunk)
{
    GString *out = g_string_new(NULL);
    g_autoptr(JsonParser) p = json_parser_new(collect, out);

    for (size_t i = 0; i < len; i += chunk) {
        json_parser_feed(p, text + i, MIN(chunk, len - i));
    }
    json_parser_flush(p);
    return g_string_free(out, FALSE);
}

/* The same output however the bytes are cut. */
static void check_stream(const char *text, const char *expected)
{
    size_t len = strlen(text);

    for (size_t chunk = 1; chunk <= len; chunk++) {
        g_autofree char *got = parse_chunks(text, len, chunk);

        g_assert_cmpstr(got, ==, expected);
    }
}

static void test_values_are_complete_at_their_end(void)
{
    check_stream("{}", "{}");
    check_stream("{\"a\":1}{\"b\":[true,false,null]}",
                 "{\"a\": 1} {\"b\": [true, false, null]}");
    check_stream(" [ ] \n\"x\" 12 true", "[] \"x\" 12 true");
    check_stream("{'it''s':1}", "!");
    check_stream("{'single': 'a\"b\\'c'}", "{\"single\": \"a\\\"b'c\"}");
}

static void test_numbers_keep_their_kind(void)
{
    check_stream("[0, -0, -1, 9223372036854775807, 18446744073709551615]",
                 "[0, 0, -1, 9223372036854775807, 18446744073709551615]");
    check_stream("[-9223372036854775808, 1.5, -2e3]",
                 "[-9223372036854775808, 1.5, -2000]");
    check_stream("[-0, -0.0, -0e9]", "[0, -0.0, -0.0]");
    check_stream("[18446744073709551616]", "[1.8446744073709552e+19]");
    check_stream("[1e400]", "!");
    check_stream("[01] 5", "! ! 5");
    check_stream("[1.]\n5", "! 5");
    check_stream("[-]\n5", "! 5");
    check_stream("[1x] 5", "! 5");
    check_stream("[1-2] 5", "! 5");
    check_stream("[+1]\n5", "! ! 5");
}

static void test_strings_are_decoded(void)
{
    check_stream("\"\\u00e9\\u20ac\\ud800\\udf48\\n\\/\"",
                 "\"\\u00E9\\u20AC\\uD800\\uDF48\\n/\"");
    check_stream("\"\\u0000\"", "\"\\u0000\"");
    check_stream("\"caf\xc3\xa9\"", "\"caf\\u00E9\"");
    check_stream("\"\\ud800\"", "!");
    check_stream("\"\\udf48\"", "!");
    check_stream("\"\\ud800x\"", "!");
    check_stream("\"\\x\"", "!");
    check_stream("\"\\u12\"", "!");
    check_stream("\"\xc3\"", "!");
    check_stream("\"\xed\xa0\x80\"", "!");
}

static void test_syntax_error_skips_its_value_only(void)
{
    check_stream("{\"a\": foo} {\"b\":2}", "! {\"b\": 2}");
    check_stream("{\"a\" 1} 2", "! 2");
    check_stream("{\"a\":1,} 2", "! 2");
    check_stream("{1:2} 2", "! 2");
    check_stream("[1,] 2", "! 2");
    check_stream("[1 2] 2", "! 2");
    check_stream("{\"a\":1,\"a\":2} 2", "! 2");
    check_stream("{\"a\":{},\"a\":[{}]} 2", "! 2");
    check_stream("[[[x]],{\"y\":[]}] 2", "! 2");
    check_stream("} 2", "! 2");
    check_stream("{\"a\":[1} 2", "! 2");
    check_stream("nul 2", "! 2");
}

static void test_stray_byte_resets(void)
{
    check_stream("@ {\"b\":2}", "! {\"b\": 2}");
    check_stream("@@@ foo\n{\"b\":2}", "! {\"b\": 2}");
    check_stream("{\"a\": [1, @ {\"b\":2}", "! {\"b\": 2}");
    check_stream("{\"a\": 1 \xff{\"b\":2}", "! {\"b\": 2}");
    check_stream("{\"a\": \"x\xff\n{\"b\":2}", "! {\"b\": 2}");
    check_stream("{\"a\": \"x\x01\n{\"b\":2}", "! {\"b\": 2}");
    /* A reset also ends the skipping after a syntax error. */
    check_stream("{\"a\" 1 \xff{\"b\":2}", "! {\"b\": 2}");
    check_stream("{execute: query-status}\n2", "! ! 2");
    check_stream("Foo\n2", "! 2");
}

static void test_unfinished_input_is_an_error(void)
{
    check_stream("{\"a\":", "!");
    check_stream("\"abc", "!");
    check_stream("[1, 2", "!");
}

static void test_depth_is_limited(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *ok = NULL, *bad = NULL;

    for (int i = 0; i < JSON_MAX_DEPTH; i++) {
        g_string_append_c(text, '[');
    }
    for (int i = 0; i < JSON_MAX_DEPTH; i++) {
        g_string_append_c(text, ']');
    }
    ok = parse_chunks(text->str, text->len, 100);
    g_assert_cmpstr(ok, ==, text->str);
    g_string_prepend_c(text, '[');
    g_string_append(text, "] 7");
    bad = parse_chunks(text->str, text->len, 100);
    g_assert_cmpstr(bad, ==, "! 7");
}

static void test_tokens_are_limited(void)
{
    g_autoptr(GString) text = g_string_new("[0");
    g_autofree char *got = NULL;

    for (unsigned i = 0; i < JSON_MAX_TOKENS / 2; i++) {
        g_string_append(text, ",0");
    }
    g_string_append(text, "] 7");
    got = parse_chunks(text->str, text->len, 65536);
    g_assert_cmpstr(got, ==, "! 7");
}

static void test_size_is_limited(void)
{
    g_autoptr(GString) text = g_string_sized_new(JSON_MAX_SIZE + 100);
    g_autofree char *got = NULL, *whole = NULL;

    g_string_append_c(text, '"');
    g_string_set_size(text, JSON_MAX_SIZE + 2);
    memset(text->str + 1, 'x', JSON_MAX_SIZE + 1);
    g_string_append(text, "\"\n7");
    got = parse_chunks(text->str, text->len, 65536);
    g_assert_cmpstr(got, ==, "! 7");
    whole = parse_chunks(text->str, text->len, text->len);
    g_assert_cmpstr(whole, ==, "! 7");
}

static void test_reset_forgets(void)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(JsonParser) p = json_parser_new(collect, out);

    json_parser_feed(p, "{\"a\": \"b", 8);
    json_parser_reset(p);
    json_parser_feed(p, "[1]", 3);
    g_assert_cmpstr(out->str, ==, "[1]");
}

static void test_one_shot_wants_one_value(void)
{
    autoerr Error *err = NULL, *err2 = NULL;
    g_autoptr(QObject) obj = json_parse(" 42 ", error_abort);
    int64_t v;

    g_assert_true(qobject_get_int(obj, &v));
    g_assert_cmpint(v, ==, 42);
    g_assert_null(json_parse("1 2", &err));
    g_assert_nonnull(err);
    g_assert_null(json_parse("", &err2));
    g_assert_nonnull(err2);
}

static void test_pretty_form(void)
{
    g_autoptr(QObject) obj =
        json_parse("{\"a\": [1, {}, []], \"b\": \"x\"}", error_abort);
    g_autofree char *text = qobject_to_json_pretty(obj);
    g_auto(JsonWriter) raw = JSON_WRITER_INIT_PRETTY;
    static const char compact[] = "{\"a\":[1,{},[]],\"b\":\"x\"}";

    g_assert_cmpstr(text, ==,
                    "{\n    \"a\": [\n        1,\n        {\n        },\n"
                    "        [\n        ]\n    ],\n    \"b\": \"x\"\n}");
    json_raw(&raw, compact, strlen(compact));
    g_assert_cmpstr(raw.buf, ==, text);
}

static void test_rollback_restores_the_writer(void)
{
    g_auto(JsonWriter) w = JSON_WRITER_INIT;
    JsonMark mark;

    json_open(&w, '[');
    json_int(&w, -5);
    mark = json_mark(&w);
    json_open(&w, '{');
    json_key(&w, "x");
    json_rollback(&w, mark);
    json_bool(&w, true);
    json_close(&w, ']');
    g_assert_cmpstr(w.buf, ==, "[-5, true]");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/json/complete", test_values_are_complete_at_their_end);
    g_test_add_func("/json/numbers", test_numbers_keep_their_kind);
    g_test_add_func("/json/strings", test_strings_are_decoded);
    g_test_add_func("/json/syntax", test_syntax_error_skips_its_value_only);
    g_test_add_func("/json/stray", test_stray_byte_resets);
    g_test_add_func("/json/unfinished", test_unfinished_input_is_an_error);
    g_test_add_func("/json/depth", test_depth_is_limited);
    g_test_add_func("/json/tokens", test_tokens_are_limited);
    g_test_add_func("/json/size", test_size_is_limited);
    g_test_add_func("/json/reset", test_reset_forgets);
    g_test_add_func("/json/one-shot", test_one_shot_wants_one_value);
    g_test_add_func("/json/pretty", test_pretty_form);
    g_test_add_func("/json/rollback", test_rollback_restores_the_writer);
    return g_test_run();
}
