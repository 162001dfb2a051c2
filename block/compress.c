/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loads the codecs of compressed clusters when they are first wanted. */
#include "util/osdep.h"

#include "block/compress.h"
#include "util/module.h"

const CompressOps *compress_ops(Error **errp)
{
    static const CompressOps *loaded;
    const CompressOps *ops = __atomic_load_n(&loaded, __ATOMIC_ACQUIRE);

    if (&nemu_compress_ops) {
        return &nemu_compress_ops;
    }
    if (!ops) {
        /* Two threads may come here; both find the same table. */
        ops = module_table("block-compress", "nemu_compress_ops", errp);
        __atomic_store_n(&loaded, ops, __ATOMIC_RELEASE);
    }
    return ops;
}
