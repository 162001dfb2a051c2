/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loads ciphers and hashes when they are first wanted. */
#include "util/osdep.h"

#include "crypto/cipher.h"
#include "crypto/ops.h"
#include "util/module.h"

const CryptoOps *crypto_ops(Error **errp)
{
    static const CryptoOps *loaded;
    const CryptoOps *ops = __atomic_load_n(&loaded, __ATOMIC_ACQUIRE);

    if (&nemu_crypto_ops) {
        return &nemu_crypto_ops;
    }
    if (!ops) {
        /* Two threads may come here; both find the same table. */
        ops = module_table("crypto-nettle", "nemu_crypto_ops", errp);
        __atomic_store_n(&loaded, ops, __ATOMIC_RELEASE);
    }
    return ops;
}

bool crypto_load(Error **errp)
{
    return crypto_ops(errp);
}
