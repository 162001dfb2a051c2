/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP dispatch, events, and generated types, from a schema of our own. */
#include "util/osdep.h"

#include "qapi/dispatch.h"
#include "tests/unit/qapi/qapi-commands-test-schema.h"
#include "tests/unit/qapi/qapi-events-test-schema.h"
#include "util/error.h"

/* Handlers */

bool qmp_nothing(Vm *vm, Error **errp)
{
    return vm ? true : error_set(errp, "no VM");
}

Pair *qmp_add(Vm *vm, int64_t a, bool has_b, int64_t b, Error **errp)
{
    Pair *p;

    if (a < 0) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "a is negative");
        return NULL;
    }
    p = g_new0(Pair, 1);
    p->left = a + b;
    p->right = has_b ? g_strdup("both") : NULL;
    return p;
}

bool qmp_get_int(Vm *vm, const char *in, int64_t *ret, Error **errp)
{
    *ret = (int64_t)strlen(in);
    return *ret || error_set(errp, "empty");
}

bool qmp_get_enum(Vm *vm, TestEnum *ret, Error **errp)
{
    *ret = TEST_ENUM_ON_HERE;
    return true;
}

char *qmp_get_str(Vm *vm, Error **errp)
{
    return g_strdup("text");
}

QObject *qmp_get_any(Vm *vm, QObject *v, Error **errp)
{
    return qobject_ref(v);
}

strList *qmp_get_strs(Vm *vm, bool has_l, strList *l, Error **errp)
{
    return has_l ? qapi_clone(&qapi_type_strList, l) : NULL;
}

Pair *qmp_boxed(Vm *vm, TestUnion *arg, Error **errp)
{
    Pair *p = g_new0(Pair, 1);

    p->base = arg->kind == TEST_ENUM_TWO ? arg->u.two.base : 0;
    p->left = arg->kind == TEST_ENUM_THREE ? arg->u.three.u.two.x : -1;
    p->right = g_strdup(arg->note);
    return p;
}

bool qmp_from_struct(Vm *vm, uint16_t base, int64_t left, const char *right,
                     Error **errp)
{
    return error_set(errp, "%u %" PRId64 " %s", base, left, right);
}

bool qmp_raw(Vm *vm, QDict *args, JsonWriter *ret, Error **errp)
{
    if (qdict_size(args) > 1) {
        json_open(ret, '['); /* must not show in the error reply */
        return error_set(errp, "too many");
    }
    if (qdict_size(args)) {
        json_value(ret, QOBJECT(args));
    }
    return true;
}

bool qmp_silent(Vm *vm, bool fail, Error **errp)
{
    return !fail || error_set(errp, "failed");
}

bool qmp_oob(Vm *vm, Error **errp)
{
    return true;
}

bool qmp_qmp_capabilities(Vm *vm, Error **errp)
{
    return true;
}

bool qmp_co(Vm *vm, Error **errp)
{
    return true;
}

/* The reply to @request under @d, "" when there is none. */
static char *reply_to(const QmpDispatch *d, const char *request)
{
    g_auto(JsonWriter) w = JSON_WRITER_INIT;

    qmp_dispatch(d, json_parse(request, error_abort), &w);
    return json_writer_steal(&w);
}

static void check_reply(const char *request, const char *expected)
{
    const QmpDispatch d = { .vm = (Vm *)&d, .state = QMP_READY };
    g_autofree char *got = reply_to(&d, request);

    g_assert_cmpstr(got, ==, expected);
}

static void check_state(QmpDispatch d, const char *request,
                        const char *expected)
{
    g_autofree char *got = reply_to(&d, request);

    g_assert_cmpstr(got, ==, expected);
}

#define ERROR(cls, desc) \
    "{\"error\": {\"class\": \"" cls "\", \"desc\": \"" desc "\"}}"
#define GENERIC(desc) ERROR("GenericError", desc)

static void test_results(void)
{
    check_reply("{'execute':'nothing'}", "{\"return\": {}}");
    check_reply("{'execute':'add','arguments':{'a':1}}",
                "{\"return\": {\"base\": 0, \"left\": 1}}");
    check_reply("{'execute':'add','arguments':{'a':1,'b':2},'id':[7]}",
                "{\"return\": {\"base\": 0, \"left\": 3, \"right\": "
                "\"both\"}, \"id\": [7]}");
    check_reply("{'execute':'get-int','arguments':{'in':'abc'}}",
                "{\"return\": 3}");
    check_reply("{'execute':'get-enum'}", "{\"return\": \"on-here\"}");
    check_reply("{'execute':'get-str'}", "{\"return\": \"text\"}");
    check_reply("{'execute':'get-any','arguments':{'v':{'x':[null]}}}",
                "{\"return\": {\"x\": [null]}}");
    check_reply("{'execute':'get-strs','arguments':{'l':['a','b']}}",
                "{\"return\": [\"a\", \"b\"]}");
    check_reply("{'execute':'get-strs'}", "{\"return\": []}");
    check_reply("{'execute':'boxed','arguments':{'kind':'two','base':9,"
                "'note':'n'}}",
                "{\"return\": {\"base\": 9, \"left\": -1, \"right\": \"n\"}}");
    check_reply("{'execute':'boxed','arguments':{'kind':'three','sub':'two',"
                "'x':5}}",
                "{\"return\": {\"base\": 0, \"left\": 5}}");
    check_reply("{'execute':'raw','arguments':{'q':[]}}",
                "{\"return\": {\"q\": []}}");
    check_reply("{'execute':'raw'}", "{\"return\": {}}");
    check_reply("{'execute':'silent','arguments':{'fail':false}}", "");
}

static void test_handler_errors(void)
{
    check_reply("{'execute':'add','arguments':{'a':-1},'id':null}",
                "{\"error\": {\"class\": \"DeviceNotFound\", \"desc\": \"a is "
                "negative\"}, \"id\": null}");
    check_reply("{'execute':'get-int','arguments':{'in':''}}",
                GENERIC("empty"));
    check_reply("{'execute':'from-struct','arguments':{'base':1,'left':2,"
                "'right':'r'}}",
                GENERIC("1 2 r"));
    check_reply("{'execute':'raw','arguments':{'q':1,'r':2}}",
                GENERIC("too many"));
    check_reply("{'execute':'silent','arguments':{'fail':true}}",
                GENERIC("failed"));
}

static void test_argument_errors(void)
{
    check_reply("{'execute':'add'}", GENERIC("Parameter 'a' is missing"));
    check_reply("{'execute':'nothing','arguments':{'x':1}}",
                GENERIC("Parameter 'x' is unexpected"));
    check_reply("{'execute':'add','arguments':{'a':1.0}}",
                GENERIC("Invalid parameter type for 'a', expected: integer"));
    check_reply("{'execute':'boxed','arguments':{'kind':'two','base':1,"
                "'x':1}}",
                GENERIC("Parameter 'x' is unexpected"));
    check_reply("{'execute':'boxed','arguments':{'kind':'three',"
                "'sub':'off-here'}}",
                GENERIC("Parameter 'sub' does not accept value 'off-here'"));
}

static void test_request_errors(void)
{
    check_reply("[]", GENERIC("QMP input must be a JSON object"));
    check_reply("{}", GENERIC("QMP input lacks member 'execute'"));
    check_reply("{'execute':1}",
                GENERIC("QMP input member 'execute' must be a string"));
    check_reply("{'execute':'nothing','arguments':[]}",
                GENERIC("QMP input member 'arguments' must be an object"));
    check_reply("{'execute':'nothing','extra':1}",
                GENERIC("QMP input member 'extra' is unexpected"));
    check_reply("{'exec-oob':'oob'}",
                GENERIC("QMP input member 'exec-oob' is unexpected"));
    check_reply("{'execute':'no-such','id':1}",
                "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"The "
                "command no-such has not been found\"}, \"id\": 1}");
    check_reply("{'execute':'not-there'}",
                ERROR("CommandNotFound",
                      "The command not-there has not been found"));
    check_reply("{'execute':'still-pending'}",
                ERROR("CommandNotFound",
                      "The command still-pending has not been found"));
}

static void test_states(void)
{
    const QmpDispatch negotiating = { .state = QMP_NEGOTIATING };
    const QmpDispatch oob = { .state = QMP_READY, .oob_enabled = true };
    const QmpDispatch preconfig = { .state = QMP_READY, .preconfig = true };

    check_state(negotiating, "{'execute':'get-str'}",
                ERROR("CommandNotFound",
                      "Expecting capabilities negotiation with "
                      "'qmp_capabilities'"));
    check_state(negotiating, "{'execute':'qmp_capabilities'}",
                "{\"return\": {}}");
    check_reply("{'execute':'qmp_capabilities'}",
                ERROR("CommandNotFound",
                      "Capabilities negotiation is already complete, command "
                      "ignored"));
    check_state(oob, "{'exec-oob':'oob'}", "{\"return\": {}}");
    check_state(oob, "{'exec-oob':'get-str'}",
                GENERIC("The command get-str does not support OOB"));
    check_state(oob, "{'exec-oob':'oob','execute':'oob'}",
                GENERIC("QMP input has both 'execute' and 'exec-oob'"));
    check_state(preconfig, "{'execute':'oob'}", "{\"return\": {}}");
    check_state(preconfig, "{'execute':'get-str'}",
                GENERIC("The command 'get-str' isn't permitted in "
                        "'preconfig' state"));
}

static void test_command_table(void)
{
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);

    for (const QmpCommand *c = qmp_command_next(NULL); c;
         c = qmp_command_next(c)) {
        g_assert_true(g_hash_table_add(names, (char *)c->name));
        g_assert_true(qmp_command_find(c->name) == c);
    }
    g_assert_cmpuint(g_hash_table_size(names), ==, 14);
    g_assert_cmpuint(qmp_command_find("co")->flags, ==,
                     QMP_COROUTINE | QMP_DEPRECATED | QMP_UNSTABLE);
    g_assert_cmpuint(qmp_command_find("oob")->flags, ==,
                     QMP_OOB | QMP_ALLOW_PRECONFIG);
    g_assert_null(qmp_command_find("still-pending"));
}

/* Events */

typedef struct TestSink {
    QapiEventSink sink;
    GString *log;
} TestSink;

static void log_event(QapiEventSink *sink, const QapiEventInfo *info,
                      QDict *data)
{
    TestSink *s = container_of(sink, TestSink, sink);
    g_autofree char *text = data ? qobject_to_json(QOBJECT(data)) : NULL;

    g_string_append_printf(s->log, "%s %s %u\n", info->name, text, info->flags);
}

static void test_events(void)
{
    TestSink s = { { log_event }, g_string_new(NULL) };
    Pair pair = { .base = 1, .left = 2 };
    strList list = { NULL, (char *)"x" };

    qapi_event_send_plain(&s.sink);
    qapi_event_send_with_data(&s.sink, true, "s", false, 0, NULL, TEST_ENUM_ONE,
                              NULL);
    qapi_event_send_with_data(&s.sink, false, "", true, -3, "o",
                              TEST_ENUM_THREE, &list);
    qapi_event_send_boxed(&s.sink, &pair);
    qapi_event_send_plain(NULL);
    g_assert_cmpstr(s.log->str, ==,
                    "PLAIN (null) 0\n"
                    "WITH_DATA {\"on\": true, \"s\": \"s\", \"e\": \"one\", "
                    "\"l\": []} 0\n"
                    "WITH_DATA {\"on\": false, \"s\": \"\", \"o\": -3, \"os\": "
                    "\"o\", \"e\": \"three\", \"l\": [\"x\"]} 0\n"
                    "BOXED {\"base\": 1, \"left\": 2} 8\n");
    g_string_free(s.log, TRUE);
}

/* Types */

static const char everything[] =
    "{\"b\": true, \"i8\": -128, \"i16\": -32768, \"i32\": -2147483648, "
    "\"i64\": -9223372036854775808, \"u8\": 255, \"u16\": 65535, "
    "\"u32\": 4294967295, \"u64\": 18446744073709551615, "
    "\"size\": 9223372036854775808, \"num\": 0.5, \"s\": \"\\u00E9\", "
    "\"n\": null, \"any\": {\"k\": [1, \"2\"]}, \"e\": \"two\", "
    "\"p\": {\"base\": 1, \"left\": -2, \"right\": \"\"}, \"l\": [1, -2], "
    "\"lp\": [{\"base\": 2, \"left\": 3}], \"ls\": [], "
    "\"alt\": {\"base\": 3, \"left\": 4}, \"un\": {\"kind\": \"three\", "
    "\"note\": \"x\", \"sub\": \"two\", \"x\": 8}, \"empty\": {}, "
    "\"ob\": false, \"oi\": 0, \"ol\": [], \"oe\": \"one\", \"default\": 0, "
    "\"on\": null}";

static void test_every_type_survives(void)
{
    g_autoptr(QObject) in = json_parse(everything, error_abort), out = NULL;
    g_autoptr(Everything) e =
        qapi_from_qobject(&qapi_type_Everything, in, QAPI_STRICT, error_abort);
    g_autoptr(Everything) copy = QAPI_CLONE(Everything, e);
    g_auto(JsonWriter) w = JSON_WRITER_INIT;

    g_assert_true(qapi_equal(&qapi_type_Everything, &e, &copy));
    qapi_write_json(&qapi_type_Everything, &copy, &w);
    g_assert_cmpstr(w.buf, ==, everything);
    out = qapi_to_qobject(&qapi_type_Everything, &copy);
    g_assert_true(qobject_equal(in, out));
    copy->p->left = 0;
    g_assert_false(qapi_equal(&qapi_type_Everything, &e, &copy));
    copy->p->left = e->p->left;
    copy->has_oi = false;
    g_assert_false(qapi_equal(&qapi_type_Everything, &e, &copy));
}

/* Dropping any one mandatory member, or spoiling it, is an error. */
static void test_every_member_is_checked(void)
{
    g_autoptr(QObject) whole = json_parse(everything, error_abort);

    QDICT_FOREACH(qobject_to_dict(whole), e) {
        const QapiMember *m = qapi_find_member(&qapi_type_Everything, e->key);
        g_autoptr(QDict) less = qdict_shallow_copy(qobject_to_dict(whole));
        Error *err = NULL;
        Everything *obj;

        qdict_del(less, e->key);
        obj = qapi_from_qobject(&qapi_type_Everything, QOBJECT(less),
                                QAPI_STRICT, &err);
        g_assert_true((obj != NULL) == (m->flags & QAPI_OPTIONAL));
        qapi_free_Everything(obj);
        error_free(err);
        err = NULL;
        qdict_put(less, e->key, qlist_new());
        qlist_append_str(qdict_get_list(less, e->key), "bad");
        qlist_append_int(qdict_get_list(less, e->key), 1);
        obj = qapi_from_qobject(&qapi_type_Everything, QOBJECT(less),
                                QAPI_STRICT, &err);
        g_assert_true((obj != NULL) == g_str_equal(e->key, "any"));
        qapi_free_Everything(obj);
        error_free(err);
    }
}

static QType alternate_type(const char *json, QapiMode mode)
{
    g_autoptr(QObject) in = json_parse(json, error_abort);
    g_autoptr(TestAlternate) a = NULL;
    Error *err = NULL;
    QType type;

    a = qapi_from_qobject(&qapi_type_TestAlternate, in, mode, &err);
    type = a ? a->type : QTYPE_NONE;
    error_free(err);
    return type;
}

static void test_alternates_choose(void)
{
    g_assert_cmpint(alternate_type("'two'", QAPI_STRICT), ==, QTYPE_QSTRING);
    g_assert_cmpint(alternate_type("'x'", QAPI_STRICT), ==, QTYPE_NONE);
    g_assert_cmpint(alternate_type("7", QAPI_STRICT), ==, QTYPE_QNUM);
    g_assert_cmpint(alternate_type("1.5", QAPI_STRICT), ==, QTYPE_NONE);
    g_assert_cmpint(alternate_type("true", QAPI_STRICT), ==, QTYPE_QBOOL);
    g_assert_cmpint(alternate_type("[1]", QAPI_STRICT), ==, QTYPE_QLIST);
    g_assert_cmpint(alternate_type("['x']", QAPI_STRICT), ==, QTYPE_NONE);
    g_assert_cmpint(alternate_type("null", QAPI_STRICT), ==, QTYPE_QNULL);
    g_assert_cmpint(alternate_type("{'base':1,'left':1}", QAPI_STRICT), ==,
                    QTYPE_QDICT);
    g_assert_cmpint(alternate_type("{'base':1}", QAPI_STRICT), ==, QTYPE_NONE);
}

static void test_introspection_is_json(void)
{
    g_autoptr(QObject) obj =
        json_parsen(qmp_schema_json, qmp_schema_json_len, error_abort);
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    bool pending = false;

    QLIST_FOREACH(qobject_to_list(obj), item) {
        const char *name = qdict_get_str(qobject_to_dict(item), "name");

        g_assert_true(g_hash_table_add(names, (char *)name));
        pending |= !strcmp(name, "still-pending");
    }
    g_assert_true(g_hash_table_contains(names, "BOXED"));
    g_assert_true(g_hash_table_contains(names, "get-any"));
    g_assert_false(pending);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp/results", test_results);
    g_test_add_func("/qmp/handler-errors", test_handler_errors);
    g_test_add_func("/qmp/argument-errors", test_argument_errors);
    g_test_add_func("/qmp/request-errors", test_request_errors);
    g_test_add_func("/qmp/states", test_states);
    g_test_add_func("/qmp/table", test_command_table);
    g_test_add_func("/qmp/events", test_events);
    g_test_add_func("/qmp/types", test_every_type_survives);
    g_test_add_func("/qmp/members", test_every_member_is_checked);
    g_test_add_func("/qmp/alternates", test_alternates_choose);
    g_test_add_func("/qmp/introspection", test_introspection_is_json);
    return g_test_run();
}
