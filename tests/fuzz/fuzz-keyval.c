/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Option text: what is read as a schema type must survive being written as
 * JSON and read again.
 */
#include "util/osdep.h"

#include "qapi/qapi-types-block-core.h"
#include "qapi/qapi-types-char.h"
#include "qapi/qapi-types-machine.h"
#include "qapi/qapi-types-net.h"
#include "qapi/qapi-types-qom.h"
#include "util/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef void *Parse(const QapiType *type, const char *text,
                    const char *implied_key, Error **errp);

static void check_parse(Parse *parse, const QapiType *type, const char *text,
                        const char *implied_key)
{
    autoerr Error *err = NULL;
    g_autoptr(QObject) json = NULL;
    void *obj = parse(type, text, implied_key, &err), *again;

    if (!obj != !!err) {
        abort();
    }
    if (!obj) {
        return;
    }
    json = qapi_to_qobject(type, &obj);
    again = qapi_from_qobject(type, json, QAPI_STRICT, error_abort);
    if (!qapi_equal(type, &obj, &again)) {
        abort();
    }
    qapi_free(type, obj);
    qapi_free(type, again);
}

static void check_type(const QapiType *type, const char *text,
                       const char *implied_key)
{
    check_parse(qapi_parse_option, type, text, implied_key);
    check_parse(qapi_parse_opts, type, text, implied_key);
}

static void drop_report(void *opaque, const char *text)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);

    if (!g_utf8_validate(text, -1, NULL)) {
        return 0; /* the command line's strings; JSON would replace them */
    }
    report_set_thread_sink(drop_report, NULL);
    check_type(&qapi_type_ObjectOptions, text, "qom-type");
    check_type(&qapi_type_BlockdevOptions, text, "driver");
    check_type(&qapi_type_Netdev, text, "type");
    check_type(&qapi_type_NumaOptions, text, "type");
    check_type(&qapi_type_ChardevBackend, text, NULL);
    return 0;
}
