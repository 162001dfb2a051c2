/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP requests, from bytes to replies: every value fed gets one reply, which
 * is JSON and carries the id. The schema is that of the unit tests; handlers
 * accept everything.
 */
#include "util/osdep.h"

#include "qapi/dispatch.h"
#include "tests/unit/qapi/qapi-commands-test-schema.h"
#include "util/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

bool qmp_nothing(Vm *vm, Error **errp)
{
    return true;
}

Pair *qmp_add(Vm *vm, int64_t a, bool has_b, int64_t b, Error **errp)
{
    return g_new0(Pair, 1);
}

bool qmp_get_int(Vm *vm, const char *in, int64_t *ret, Error **errp)
{
    return error_set(errp, "%s", in);
}

bool qmp_get_enum(Vm *vm, TestEnum *ret, Error **errp)
{
    *ret = TEST_ENUM_ONE;
    return true;
}

char *qmp_get_str(Vm *vm, Error **errp)
{
    return g_strdup("x");
}

QObject *qmp_get_any(Vm *vm, QObject *v, Error **errp)
{
    return qobject_ref(v);
}

strList *qmp_get_strs(Vm *vm, bool has_l, strList *l, Error **errp)
{
    return qapi_clone(&qapi_type_strList, l);
}

Pair *qmp_boxed(Vm *vm, TestUnion *arg, Error **errp)
{
    g_autoptr(TestUnion) copy = QAPI_CLONE(TestUnion, arg);

    if (!qapi_equal(&qapi_type_TestUnion, &arg, &copy)) {
        abort();
    }
    return g_new0(Pair, 1);
}

bool qmp_from_struct(Vm *vm, uint16_t base, int64_t left, const char *right,
                     Error **errp)
{
    return true;
}

bool qmp_raw(Vm *vm, QDict *args, JsonWriter *ret, Error **errp)
{
    json_value(ret, QOBJECT(args));
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

static void reply(void *opaque, QObject *value, Error *err)
{
    const QmpDispatch *d = opaque;
    g_auto(JsonWriter) w = JSON_WRITER_INIT;
    g_autoptr(QObject) keep = qobject_ref(value), out = NULL;
    QDict *in = qobject_to_dict(keep);

    if (err) {
        qmp_write_error(&w, err, NULL);
    } else if (!qmp_dispatch(d, value, &w)) {
        return; /* "silent" */
    }
    out = json_parsen(w.buf, w.len, error_abort);
    if (in && !qobject_equal(qdict_get(in, "id"),
                             qdict_get(qobject_to_dict(out), "id"))) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    QmpDispatch d = { .state = QMP_READY };
    g_autoptr(JsonParser) p = json_parser_new(reply, &d);

    if (!size) {
        return 0;
    }
    d.state = data[0] & 1 ? QMP_READY : QMP_NEGOTIATING;
    d.oob_enabled = data[0] & 2;
    d.preconfig = data[0] & 4;
    json_parser_feed(p, (const char *)data + 1, size - 1);
    json_parser_flush(p);
    return 0;
}
