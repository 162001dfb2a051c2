/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Encrypted data on its way to and from a node. Big pieces are worked on in
 * the thread pool, so that the loop goes on.
 */
#ifndef BLOCK_CRYPT_H
#define BLOCK_CRYPT_H

#include "block/block-node.h"
#include "crypto/cipher.h"

/*
 * Whole sectors. The data is at @offset of @file; @place (bytes) is what the
 * initialization vectors follow. 0 or -errno.
 */
int coroutine_fn crypt_preadv(const CryptoSectors *c, BlockNode *file,
                              int64_t offset, int64_t place, int64_t bytes,
                              const IoVec *iov, size_t iov_offset);
int coroutine_fn crypt_pwritev(const CryptoSectors *c, BlockNode *file,
                               int64_t offset, int64_t place, int64_t bytes,
                               const IoVec *iov, size_t iov_offset,
                               unsigned flags);

#endif
