/* SPDX-License-Identifier: GPL-2.0-or-later */
/* File names of disks, which images give as those of their backing files:
 * "json:{...}", "nbd:...", "ssh://..." and the like, up to the options of the
 * nodes that they mean. */
#include "util/osdep.h"

#include "block/block-graph.h"
#include "block/drivers.h"
#include "block/remote/remote.h"
#include "fuzz-limits.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse_remote(const BlockGraph *g, const char *name)
{
    g_autoptr(BlockdevOptions) o = NULL;
    autoerr Error *err = NULL;

    o = remote_name_parse(g, name, &err);
    if (!o != !!err) {
        abort();
    }
}

static void parse(const BlockGraph *g, const char *name)
{
    g_autoptr(BlockdevOptions) o = NULL;
    g_autoptr(QDict) d = NULL;
    autoerr Error *err = NULL;

    d = block_name_options(g, name, &err);
    if (!d != !!err) {
        abort();
    }
    if (d) {
        block_convert_sizes(d);
        o = qapi_from_qobject(&qapi_type_BlockdevOptions, QOBJECT(d),
                              QAPI_KEYVAL, &err);
    }
    if (!o != !!err) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *name = g_strndup((const char *)data, size);
    BlockGraph g = { 0 };

    limits_start();
    if (is_remote_name(name)) {
        parse_remote(&g, name);
    }
    parse(&g, name);
    return 0;
}
