/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Schema types: reading, writing, copying, options; with types of ours. */
#include "util/osdep.h"

#include "qapi/qapi-types-block-core.h"
#include "qapi/qapi-types-char.h"
#include "qapi/qapi-types-machine.h"
#include "qapi/qapi-types-qom.h"
#include "qapi/qapi-types-run-state.h"
#include "util/error.h"

/* @text read as @type and written again. */
static char *round_trip(const QapiType *type, const char *text)
{
    g_autoptr(QObject) in = json_parse(text, error_abort), out = NULL;
    JsonWriter w = JSON_WRITER_INIT;
    void *obj = qapi_from_qobject(type, in, QAPI_STRICT, error_abort);
    void *copy = qapi_clone(type, obj);

    g_assert_true(qapi_equal(type, &obj, &copy));
    out = qapi_to_qobject(type, &copy);
    g_assert_true(qobject_equal(in, out));
    qapi_write_json(type, &obj, &w);
    qapi_free(type, obj);
    qapi_free(type, copy);
    return json_writer_steal(&w);
}

static void check_round_trip(const QapiType *type, const char *text)
{
    g_autofree char *got = round_trip(type, text);

    g_assert_cmpstr(got, ==, text);
}

static void test_round_trips(void)
{
    check_round_trip(&qapi_type_StatusInfo,
                     "{\"running\": true, \"singlestep\": false, "
                     "\"status\": \"guest-panicked\"}");
    check_round_trip(&qapi_type_BlockdevOptions,
                     "{\"driver\": \"qcow2\", \"node-name\": \"n\", "
                     "\"file\": {\"driver\": \"file\", \"filename\": \"f\", "
                     "\"locking\": \"off\"}, \"backing\": null, "
                     "\"lazy-refcounts\": true, \"l2-cache-size\": 65536}");
    check_round_trip(&qapi_type_BlockdevOptions,
                     "{\"driver\": \"raw\", \"file\": \"other\"}");
    check_round_trip(&qapi_type_ChardevBackend,
                     "{\"type\": \"socket\", \"data\": {\"addr\": {\"type\": "
                     "\"inet\", \"data\": {\"host\": \"h\", \"port\": \"1\", "
                     "\"to\": 7}}, \"server\": false}}");
    check_round_trip(&qapi_type_ObjectOptions,
                     "{\"qom-type\": \"memory-backend-ram\", \"id\": \"m\", "
                     "\"host-nodes\": [0, 3], \"policy\": \"bind\", "
                     "\"size\": 18446744073709551615}");
    check_round_trip(&qapi_type_ObjectOptions,
                     "{\"qom-type\": \"rng-builtin\", \"id\": \"m\"}");
    check_round_trip(&qapi_type_strList, "[\"a\", \"b\"]");
    check_round_trip(&qapi_type_ChardevInfoList, "[]");
}

/* The error text of reading @text, which must fail. */
static char *read_error(const QapiType *type, const char *text, QapiMode mode)
{
    g_autoptr(QObject) in = json_parse(text, error_abort);
    autoerr Error *err = NULL;
    void *obj = qapi_from_qobject(type, in, mode, &err);

    g_assert_null(obj);
    g_assert_nonnull(err);
    return g_strconcat(error_text(err), "\n", error_nearest(err), NULL);
}

static void check_error(const QapiType *type, const char *text,
                        const char *expected)
{
    g_autofree char *got = read_error(type, text, QAPI_STRICT);

    g_assert_cmpstr(got, ==, expected);
}

static void test_errors_name_the_place(void)
{
    const QapiType *chr = &qapi_type_ChardevBackend;

    check_error(&qapi_type_StatusInfo, "{\"running\": true}",
                "Parameter 'singlestep' is missing\n");
    check_error(&qapi_type_StatusInfo, "[]",
                "Invalid parameter type for 'value', expected: object\n");
    check_error(chr,
                "{\"type\": \"socket\", \"data\": {\"addr\": {\"type\": "
                "\"inet\", \"data\": {\"host\": \"h\", \"port\": 1}}}}",
                "Invalid parameter type for 'data.addr.data.port', expected: "
                "string\n");
    check_error(chr, "{\"type\": \"null\", \"data\": {\"logfil\": \"x\"}}",
                "Parameter 'data.logfil' is unexpected\n"
                "logfile");
    check_error(chr, "{\"type\": \"sokket\", \"data\": {}}",
                "Parameter 'type' does not accept value 'sokket'\n"
                "socket");
    check_error(&qapi_type_ObjectOptions,
                "{\"qom-type\": \"memory-backend-ram\", \"id\": \"m\", "
                "\"size\": 1, \"host-nodes\": [1, 65536]}",
                "Parameter 'host-nodes[1]' expects uint16_t\n");
    check_error(&qapi_type_strList, "[\"a\", 1]",
                "Invalid parameter type for '[1]', expected: string\n");
    check_error(&qapi_type_BlockdevOptions,
                "{\"driver\": \"raw\", \"file\": null}",
                "Invalid parameter type for 'file', expected: BlockdevRef\n");
}

static void test_keyval_reads_text(void)
{
    g_autoptr(ObjectOptions) o = qapi_parse_option(
        &qapi_type_ObjectOptions,
        "memory-backend-file,id=m,size=1.5G,mem-path=/x,,y,share=on,"
        "align=0x1000,host-nodes=2-4,prealloc-threads=3",
        "qom-type", error_abort);
    MemoryBackendFileProperties *f = &o->u.memory_backend_file;
    const uint16_t nodes[] = { 2, 3, 4 };
    size_t i = 0;

    g_assert_cmpint(o->qom_type, ==, USER_OBJECT_TYPE_MEMORY_BACKEND_FILE);
    g_assert_cmpuint(f->size, ==, 3 * GiB / 2);
    g_assert_cmpstr(f->mem_path, ==, "/x,y");
    g_assert_true(f->has_share && f->share && !f->has_pmem);
    g_assert_cmpuint(f->align, ==, 0x1000);
    g_assert_cmpuint(f->prealloc_threads, ==, 3);
    QAPI_LIST_FOREACH(f->host_nodes, n) {
        g_assert_cmpuint(n->value, ==, nodes[i++]);
    }
    g_assert_cmpuint(i, ==, 3);
}

static void test_option_may_be_json(void)
{
    g_autoptr(BlockdevOptions) b = qapi_parse_option(
        &qapi_type_BlockdevOptions,
        "{\"driver\":\"null-co\",\"size\":7,\"read-only\":true}", "driver",
        error_abort);

    g_assert_cmpint(b->driver, ==, BLOCKDEV_DRIVER_NULL_CO);
    g_assert_cmpint(b->u.null_co.size, ==, 7);
    g_assert_true(b->has_read_only && b->read_only);
}

static void test_keyval_nests(void)
{
    g_autoptr(BlockdevOptions) b = qapi_parse_option(
        &qapi_type_BlockdevOptions,
        "raw,file.driver=file,file.filename=x,cache.direct=on", "driver",
        error_abort);

    g_assert_cmpint(b->u.raw.file->type, ==, QTYPE_QDICT);
    g_assert_cmpstr(b->u.raw.file->u.definition.u.file.filename, ==, "x");
    g_assert_true(b->cache->has_direct && b->cache->direct);
}

static void check_keyval_error(const QapiType *type, const char *text,
                               const char *expected)
{
    autoerr Error *err = NULL;

    g_assert_null(qapi_parse_option(type, text, NULL, &err));
    g_assert_cmpstr(error_text(err), ==, expected);
}

static void test_keyval_errors(void)
{
    const QapiType *smp = &qapi_type_SMPConfiguration;
    const QapiType *boot = &qapi_type_BootConfiguration;
    const QapiType *mem = &qapi_type_MemorySizeConfiguration;

    check_keyval_error(smp, "cpus=two", "Parameter 'cpus' expects an integer");
    check_keyval_error(smp, "cpus", "expected '=' after parameter 'cpus'");
    check_keyval_error(boot, "strict=maybe",
                       "Parameter 'strict' expects 'on' or 'off'");
    check_keyval_error(mem, "size=1X",
                       "Parameter 'size' expects a size, with an optional "
                       "suffix K, M, G, T");
    check_keyval_error(mem, "size=17000000T",
                       "Parameter 'size' expects a size, with an optional "
                       "suffix K, M, G, T");
    check_keyval_error(&qapi_type_NumaNodeOptions, "cpus=0-65536",
                       "Parameter 'cpus' expects integers within its type's "
                       "range");
    check_keyval_error(&qapi_type_NumaNodeOptions, "cpus=5-3",
                       "Parameter 'cpus' expects integers within its type's "
                       "range");
}

static void test_opts_repeat_keys(void)
{
    g_autoptr(ObjectOptions) o = qapi_parse_opts(
        &qapi_type_ObjectOptions,
        "memory-backend-ram,id=a,id=b,size=1,size=2M,host-nodes=3,"
        "host-nodes=5-6",
        "qom-type", error_abort);
    const uint16_t nodes[] = { 3, 5, 6 };
    autoerr Error *err = NULL;
    size_t i = 0;

    g_assert_cmpstr(o->id, ==, "b");
    g_assert_cmpuint(o->u.memory_backend_ram.size, ==, 2 * MiB);
    QAPI_LIST_FOREACH(o->u.memory_backend_ram.host_nodes, n) {
        g_assert_cmpuint(n->value, ==, nodes[i++]);
    }
    g_assert_cmpuint(i, ==, 3);
    g_assert_null(qapi_parse_opts(&qapi_type_ObjectOptions,
                                  "rng-random,id=a,filename.x=y", "qom-type",
                                  &err));
    g_assert_cmpstr(error_text(err), ==, "Parameter 'filename.x' is unexpected");
}

static void test_scalar_slots(void)
{
    g_autoptr(QObject) text = qstr_new("0x7f"), big = qint_new(200);
    autoerr Error *err = NULL;
    int8_t i8 = 1;
    g_autofree char *s = NULL;

    g_assert_true(
        qapi_read(&qapi_type_int8, text, &i8, QAPI_KEYVAL, error_abort));
    g_assert_cmpint(i8, ==, 0x7f);
    g_assert_false(
        qapi_read_named(&qapi_type_int8, "x", big, &i8, QAPI_STRICT, &err));
    g_assert_cmpstr(error_text(err), ==, "Parameter 'x' expects int8_t");
    g_assert_cmpint(i8, ==, 0x7f);
    g_assert_true(
        qapi_read(&qapi_type_str, text, &s, QAPI_STRICT, error_abort));
    g_assert_cmpstr(s, ==, "0x7f");
}

static void test_enum_names(void)
{
    autoerr Error *err = NULL;

    g_assert_cmpstr(qapi_enum_name(&qapi_type_RunState, RUN_STATE_RUNNING), ==,
                    "running");
    g_assert_null(qapi_enum_name(&qapi_type_RunState, RUN_STATE__MAX));
    g_assert_null(qapi_enum_name(&qapi_type_RunState, -1));
    g_assert_cmpint(qapi_enum_parse(&qapi_type_RunState, "colo", error_abort),
                    ==, RUN_STATE_COLO);
    g_assert_cmpint(qapi_enum_parse(&qapi_type_RunState, "runing", &err), ==,
                    -1);
    g_assert_cmpstr(error_nearest(err), ==, "running");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qapi/round-trip", test_round_trips);
    g_test_add_func("/qapi/errors", test_errors_name_the_place);
    g_test_add_func("/qapi/keyval", test_keyval_reads_text);
    g_test_add_func("/qapi/json-option", test_option_may_be_json);
    g_test_add_func("/qapi/keyval-nests", test_keyval_nests);
    g_test_add_func("/qapi/keyval-errors", test_keyval_errors);
    g_test_add_func("/qapi/opts", test_opts_repeat_keys);
    g_test_add_func("/qapi/scalars", test_scalar_slots);
    g_test_add_func("/qapi/enums", test_enum_names);
    return g_test_run();
}
