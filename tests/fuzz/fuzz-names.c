/* SPDX-License-Identifier: GPL-2.0-or-later */
/* File names of remote disks, which images give as those of their backing
 * files. */
#include "util/osdep.h"

#include "block/block-graph.h"
#include "block/remote/remote.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *name = g_strndup((const char *)data, size);
    g_autoptr(BlockdevOptions) o = NULL;
    autoerr Error *err = NULL;
    BlockGraph g = { 0 };

    if (is_remote_name(name)) {
        o = remote_name_parse(&g, name, &err);
        if (!o != !!err) {
            abort();
        }
    }
    return 0;
}
