/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Option arguments that may be key=value text or a JSON object. */
#include "util/osdep.h"

#include "qapi/qapi.h"
#include "qobject/keyval.h"
#include "util/error.h"

static QDict *parse_json(const char *text, QapiMode *mode, Error **errp)
{
    QObject *obj = json_parse(text, errp);

    *mode = QAPI_STRICT;
    return obj ? qobject_to_dict(obj) : NULL;
}

QDict *qapi_parse_option_dict(const char *text, const char *implied_key,
                              bool *help, QapiMode *mode, Error **errp)
{
    if (help) {
        *help = false;
    }
    if (text[0] == '{') {
        return parse_json(text, mode, errp);
    }
    *mode = QAPI_KEYVAL;
    return keyval_parse(text, implied_key, help, errp);
}

QDict *qapi_parse_opts_dict(const char *text, const char *implied_key,
                            bool *help, QapiMode *mode, Error **errp)
{
    if (help) {
        *help = false;
    }
    if (text[0] == '{') {
        return parse_json(text, mode, errp);
    }
    *mode = QAPI_OPTS;
    return keyval_parse_flat(text, implied_key, true, help, errp);
}

void qapi_opts_keep_last(QDict *dict)
{
    QDICT_FOREACH(dict, e) {
        QList *list = qobject_to_list(e->value);

        if (list && qlist_size(list)) {
            QObject *last =
                qobject_ref(qlist_get(list, qlist_size(list) - 1));

            qobject_unref(e->value);
            e->value = last;
        }
    }
}

static void *read_dict(const QapiType *type, QDict *dict, QapiMode mode,
                       Error **errp)
{
    g_autoptr(QDict) owned = dict;

    return owned ? qapi_from_qobject(type, QOBJECT(owned), mode, errp) : NULL;
}

void *qapi_parse_option(const QapiType *type, const char *text,
                        const char *implied_key, Error **errp)
{
    QapiMode mode = QAPI_STRICT;
    QDict *dict = qapi_parse_option_dict(text, implied_key, NULL, &mode, errp);

    return read_dict(type, dict, mode, errp);
}

void *qapi_parse_opts(const QapiType *type, const char *text,
                      const char *implied_key, Error **errp)
{
    QapiMode mode = QAPI_STRICT;
    QDict *dict = qapi_parse_opts_dict(text, implied_key, NULL, &mode, errp);

    return read_dict(type, dict, mode, errp);
}
