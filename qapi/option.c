/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Option arguments that may be key=value text or a JSON object. */
#include "util/osdep.h"

#include "qapi/qapi.h"
#include "qobject/keyval.h"
#include "util/error.h"

QDict *qapi_parse_option_dict(const char *text, const char *implied_key,
                              bool *help, QapiMode *mode, Error **errp)
{
    QObject *obj;

    if (text[0] != '{') {
        *mode = QAPI_KEYVAL;
        return keyval_parse(text, implied_key, help, errp);
    }
    *mode = QAPI_STRICT;
    obj = json_parse(text, errp);
    return obj ? qobject_to_dict(obj) : NULL;
}

void *qapi_parse_option(const QapiType *type, const char *text,
                        const char *implied_key, Error **errp)
{
    QapiMode mode;
    g_autoptr(QDict) dict =
        qapi_parse_option_dict(text, implied_key, NULL, &mode, errp);

    return dict ? qapi_from_qobject(type, QOBJECT(dict), mode, errp) : NULL;
}
