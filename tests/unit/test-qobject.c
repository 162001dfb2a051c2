/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values, dicts with dotted keys, key=value text, numbers as text. */
#include "util/osdep.h"

#include "qobject/json.h"
#include "qobject/keyval.h"
#include "qobject/qobject.h"
#include "util/error.h"

static QDict *parse(const char *json)
{
    return qobject_to_dict(json_parse(json, error_abort));
}

static void check_json(const QObject *obj, const char *expected)
{
    g_autofree char *got = qobject_to_json(obj);

    g_assert_cmpstr(got, ==, expected);
}

static void test_dict_keeps_order(void)
{
    g_autoptr(QDict) d = qdict_new();

    qdict_put_int(d, "z", 1);
    qdict_put_str(d, "a", "x");
    qdict_put_bool(d, "m", true);
    qdict_put_int(d, "z", 2);
    g_assert_true(qdict_del(d, "a"));
    g_assert_false(qdict_del(d, "a"));
    qdict_put_null(d, "a");
    check_json(QOBJECT(d), "{\"z\": 2, \"m\": true, \"a\": null}");
    g_assert_cmpuint(qdict_size(d), ==, 3);
}

/* Against a GHashTable, through growth, replacement and deletion. */
static void test_dict_matches_a_model(void)
{
    g_autoptr(GHashTable) model =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(QDict) d = qdict_new();
    size_t n = 0;

    for (int i = 0; i < 20000; i++) {
        g_autofree char *key =
            g_strdup_printf("k%d", g_test_rand_int_range(0, 500));

        if (g_test_rand_int_range(0, 3)) {
            qdict_put_int(d, key, i);
            g_hash_table_insert(model, g_strdup(key), GINT_TO_POINTER(i));
        } else {
            g_assert_cmpint(qdict_del(d, key), ==,
                            g_hash_table_remove(model, key));
        }
        g_assert_cmpuint(qdict_size(d), ==, g_hash_table_size(model));
    }
    QDICT_FOREACH(d, e) {
        g_assert_cmpint(qdict_get_int(d, e->key, -1), ==,
                        GPOINTER_TO_INT(g_hash_table_lookup(model, e->key)));
        n++;
    }
    g_assert_cmpuint(n, ==, g_hash_table_size(model));
}

static void test_current_entry_may_go(void)
{
    g_autoptr(QDict) d = qdict_new();

    for (int i = 0; i < 100; i++) {
        g_autofree char *key = g_strdup_printf("%d", i);

        qdict_put_int(d, key, i);
    }
    QDICT_FOREACH(d, e) {
        if (qdict_get_int(d, e->key, 0) % 2) {
            qdict_del(d, e->key);
        }
    }
    g_assert_cmpuint(qdict_size(d), ==, 50);
}

static void test_typed_access(void)
{
    g_autoptr(QDict) d = parse("{'s':'x','i':-3,'u':18446744073709551615,"
                               "'b':true,'d':{},'l':[],'f':1.5,'n':null}");
    uint64_t u;
    double f;
    int64_t i;

    g_assert_cmpstr(qdict_get_str(d, "s"), ==, "x");
    g_assert_null(qdict_get_str(d, "i"));
    g_assert_cmpint(qdict_get_int(d, "i", 0), ==, -3);
    g_assert_cmpint(qdict_get_int(d, "u", 7), ==, 7);
    g_assert_cmpuint(qdict_get_uint(d, "u", 7), ==, UINT64_MAX);
    g_assert_cmpuint(qdict_get_uint(d, "i", 7), ==, 7);
    g_assert_true(qdict_get_bool(d, "b", false));
    g_assert_nonnull(qdict_get_dict(d, "d"));
    g_assert_nonnull(qdict_get_list(d, "l"));
    g_assert_null(qdict_get_list(d, "d"));
    g_assert_false(qobject_get_int(qdict_get(d, "f"), &i));
    g_assert_false(qobject_get_uint(qdict_get(d, "f"), &u));
    g_assert_true(qobject_get_double(qdict_get(d, "i"), &f));
    g_assert_cmpfloat(f, ==, -3.0);
    g_assert_cmpint(qobject_type(qdict_get(d, "n")), ==, QTYPE_QNULL);
    g_assert_cmpint(qobject_type(qdict_get(d, "absent")), ==, QTYPE_NONE);
}

static void test_equality(void)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {
        { "{'a':1,'b':2}", "{'b':2,'a':1}", true },
        { "{'a':1}", "{'a':2}", false },
        { "{'a':1}", "{'b':1}", false },
        { "{'a':1}", "{'a':1,'b':2}", false },
        { "[1,2]", "[2,1]", false },
        { "1", "1.0", false },
        { "18446744073709551615", "-1", false },
        { "1.5", "1.5", true },
        { "'1'", "1", false },
        { "null", "false", false },
        { "true", "false", false },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autoptr(QObject) a = json_parse(cases[i].a, error_abort);
        g_autoptr(QObject) b = json_parse(cases[i].b, error_abort);
        g_autoptr(QObject) copy = qobject_clone(a);

        g_assert_cmpint(qobject_equal(a, b), ==, cases[i].equal);
        g_assert_true(qobject_equal(a, copy));
    }
}

static void test_join(void)
{
    g_autoptr(QDict) a = parse("{'x':1,'y':2}"), b = parse("{'y':3,'z':4}");
    g_autoptr(QDict) c = parse("{'y':5}");

    qdict_join(a, b, false);
    check_json(QOBJECT(a), "{\"x\": 1, \"y\": 2, \"z\": 4}");
    check_json(QOBJECT(b), "{\"y\": 3}");
    qdict_join(a, c, true);
    check_json(QOBJECT(a), "{\"x\": 1, \"y\": 5, \"z\": 4}");
    g_assert_cmpuint(qdict_size(c), ==, 0);
}

static void test_flatten_and_crumple(void)
{
    g_autoptr(QDict) d =
        parse("{'a':{'b':1,'c':[2,{'d':3}]},'e':{},'f':[],'g':4}");
    g_autoptr(QDict) flat = NULL, dots = parse("{'a..b.c':1}");
    g_autoptr(QObject) tree = NULL, tree2 = NULL;

    qdict_flatten(d);
    check_json(QOBJECT(d), "{\"a.b\": 1, \"a.c.0\": 2, \"a.c.1.d\": 3, "
                           "\"e\": {}, \"f\": [], \"g\": 4}");
    tree = qdict_crumple(d, error_abort);
    check_json(tree, "{\"a\": {\"b\": 1, \"c\": [2, {\"d\": 3}]}, \"e\": {}, "
                     "\"f\": [], \"g\": 4}");
    tree2 = qdict_crumple(dots, error_abort);
    check_json(tree2, "{\"a.b\": {\"c\": 1}}");
    flat = qdict_extract_prefix(d, "a.c.");
    check_json(QOBJECT(flat), "{\"0\": 2, \"1.d\": 3}");
    check_json(QOBJECT(d), "{\"a.b\": 1, \"e\": {}, \"f\": [], \"g\": 4}");
}

static void test_crumple_refuses_clashes(void)
{
    static const char *const bad[] = {
        "{'a':1,'a.b':2}",    "{'a.b':2,'a':1}",
        "{'a.0':1,'a.b':2}",  "{'a.1':1}",
        "{'a.0':1,'a.2':2}",  "{'a':{'b':1}}",
        "{'a.00':1,'a.0':1}", "{'a.0.x':1,'a.1.0':2,'a.1.y':3}",
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        g_autoptr(QDict) d = parse(bad[i]);
        autoerr Error *err = NULL;

        g_assert_null(qdict_crumple(d, &err));
        g_assert_nonnull(err);
    }
}

static void check_keyval(const char *text, const char *implied,
                         const char *expected)
{
    g_autoptr(QDict) d = keyval_parse(text, implied, NULL, error_abort);

    check_json(QOBJECT(d), expected);
}

static void test_keyval(void)
{
    check_keyval("", NULL, "{}");
    check_keyval("a=b", NULL, "{\"a\": \"b\"}");
    check_keyval("a=b,", NULL, "{\"a\": \"b\"}");
    check_keyval("a=,b==", NULL, "{\"a\": \"\", \"b\": \"=\"}");
    check_keyval("a=x,,y,b=,,", NULL, "{\"a\": \"x,y\", \"b\": \",\"}");
    check_keyval("a=1,a=2", NULL, "{\"a\": \"2\"}");
    check_keyval("q35,accel=kvm", "type",
                 "{\"type\": \"q35\", \"accel\": \"kvm\"}");
    check_keyval("a.b.c=1,a.d=2,l.1=y,l.0=x", NULL,
                 "{\"a\": {\"b\": {\"c\": \"1\"}, \"d\": \"2\"}, "
                 "\"l\": [\"x\", \"y\"]}");
    check_keyval("x-y_z=1", NULL, "{\"x-y_z\": \"1\"}");
}

static void test_keyval_refuses(void)
{
    static const char *const bad[] = {
        "flag",  "a=1,flag",    "=x",   "a=1,,b=2,=3", ",",
        "a b=1", "a.=1",        ".a=1", "a..b=1",      "a=1,a.b=2",
        "0=x",   "l.0=1,l.2=2", "-a=1", "a=1,help",    "\xc3\xa9=1",
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        autoerr Error *err = NULL;
        g_autoptr(QDict) d = keyval_parse(bad[i], NULL, NULL, &err);

        g_test_message("%s", bad[i]);
        g_assert_null(d);
        g_assert_nonnull(err);
    }
}

static void test_keyval_help(void)
{
    bool help = false, help2 = false, none = false;
    g_autoptr(QDict) a = keyval_parse("help", "type", &help, error_abort);
    g_autoptr(QDict) b = keyval_parse("q35,?", "type", &help2, error_abort);
    g_autoptr(QDict) c = keyval_parse("a=help", "type", &none, error_abort);

    g_assert_true(help && help2 && !none);
    check_json(QOBJECT(a), "{}");
    check_json(QOBJECT(b), "{\"type\": \"q35\"}");
    check_json(QOBJECT(c), "{\"a\": \"help\"}");
}

static void test_flat_keyval(void)
{
    g_autoptr(QDict) d =
        keyval_parse_flat("e1000,a.b=1,nodes=0,nodes=3,server,nowait,x=a,,b",
                          "driver", true, NULL, error_abort);
    g_autoptr(QDict) no =
        keyval_parse_flat("nowait", NULL, false, NULL, error_abort);

    check_json(QOBJECT(d),
               "{\"driver\": \"e1000\", \"a.b\": \"1\", \"nodes\": [\"0\", "
               "\"3\"], \"server\": \"on\", \"wait\": \"off\", \"x\": "
               "\"a,b\"}");
    check_json(QOBJECT(no), "{\"nowait\": \"on\"}");
}

static void test_sizes(void)
{
    static const struct {
        const char *text;
        char unit;
        uint64_t size;
    } good[] = {
        { "0", 'B', 0 },
        { "512", 'B', 512 },
        { "512", 'M', 512 * MiB },
        { "4G", 'M', 4 * GiB },
        { "1.5k", 'B', 1536 },
        { "0x10", 'B', 16 },
        { "1b", 'M', 1 },
        { "0.5", 'G', GiB / 2 },
        { "18446744073709551615", 'B', UINT64_MAX },
    };
    static const char *const bad[] = {
        "",   "x",    "-1", "1KB",  "1.5", "16E", "18446744073709551616",
        "0x", "1.5B", " 1", "0x1K", "1e3", "+1",
    };
    uint64_t size;

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        g_assert_true(parse_size(good[i].text, good[i].unit, &size));
        g_assert_cmpuint(size, ==, good[i].size);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        g_test_message("%s", bad[i]);
        g_assert_false(parse_size(bad[i], 'B', &size));
    }
}

static void test_integers(void)
{
    int64_t i;
    uint64_t u;
    bool b;

    g_assert_true(parse_int64("-0x10", &i) && i == -16);
    g_assert_true(parse_int64("010", &i) && i == 8);
    g_assert_true(parse_int64("-9223372036854775808", &i) && i == INT64_MIN);
    g_assert_false(parse_int64("9223372036854775808", &i));
    g_assert_false(parse_int64("", &i) || parse_int64("1 ", &i) ||
                   parse_int64("-", &i) || parse_int64(" 1", &i));
    g_assert_true(parse_uint64("18446744073709551615", &u) && u == UINT64_MAX);
    g_assert_false(parse_uint64("-1", &u) || parse_uint64("1x", &u));
    g_assert_true(parse_bool("on", &b) && b);
    g_assert_true(parse_bool("n", &b) && !b);
    g_assert_false(parse_bool("ON", &b) || parse_bool("", &b));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qdict/order", test_dict_keeps_order);
    g_test_add_func("/qdict/model", test_dict_matches_a_model);
    g_test_add_func("/qdict/iterate", test_current_entry_may_go);
    g_test_add_func("/qobject/access", test_typed_access);
    g_test_add_func("/qobject/equal", test_equality);
    g_test_add_func("/qdict/join", test_join);
    g_test_add_func("/qdict/dotted", test_flatten_and_crumple);
    g_test_add_func("/qdict/clash", test_crumple_refuses_clashes);
    g_test_add_func("/keyval/good", test_keyval);
    g_test_add_func("/keyval/bad", test_keyval_refuses);
    g_test_add_func("/keyval/help", test_keyval_help);
    g_test_add_func("/keyval/flat", test_flat_keyval);
    g_test_add_func("/numbers/sizes", test_sizes);
    g_test_add_func("/numbers/integers", test_integers);
    return g_test_run();
}
