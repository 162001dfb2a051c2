/* SPDX-License-Identifier: GPL-2.0-or-later */
/* File names of remote disks: "https://...", "rbd:...". */
#include "util/osdep.h"

#include "block/remote/remote.h"
#include "qapi/qapi-types-block-core.h"

typedef QDict *NameFn(const BlockGraph *g, const char *name, Error **errp);

static NameFn *name_fn(const char *name)
{
    static const struct {
        const char *prefix;
        NameFn *fn;
    } names[] = {
        { "http://", curl_url_options }, { "https://", curl_url_options },
        { "ftp://", curl_url_options },  { "ftps://", curl_url_options },
        { "iscsi:", iscsi_url_options }, { "iser:", iscsi_url_options },
        { "nfs:", nfs_url_options },     { "rbd:", rbd_name_options },
        { "ssh://", ssh_url_options },
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (g_str_has_prefix(name, names[i].prefix)) {
            return names[i].fn;
        }
    }
    return NULL;
}

bool is_remote_name(const char *name)
{
    return name_fn(name);
}

QDict *remote_name_options(const BlockGraph *g, const char *name, Error **errp)
{
    return name_fn(name)(g, name, errp);
}

BlockdevOptions *remote_name_parse(const BlockGraph *g, const char *name,
                                   Error **errp)
{
    g_autoptr(QDict) d = remote_name_options(g, name, errp);

    return d ? qapi_from_qobject(&qapi_type_BlockdevOptions, QOBJECT(d),
                                 QAPI_KEYVAL, errp)
             : NULL;
}
