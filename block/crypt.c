/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading and writing encrypted data through a bounce buffer. */
#include "util/osdep.h"

#include "block/crypt.h"

/* A buffer is as long as that at most. */
#define CHUNK ((int64_t)(1 * MiB))
/* From here on the thread pool pays. */
#define INLINE ((int64_t)(32 * KiB))

typedef struct Work {
    const CryptoSectors *c;
    bool encrypt;
    uint64_t sector;
    uint8_t *buf;
    size_t len;
} Work;

static int work(void *opaque)
{
    Work *w = opaque;

    if (w->encrypt) {
        crypto_sectors_encrypt(w->c, w->sector, w->buf, w->len);
    } else {
        crypto_sectors_decrypt(w->c, w->sector, w->buf, w->len);
    }
    return 0;
}

static void coroutine_fn transform(const CryptoSectors *c, bool encrypt,
                                   int64_t place, uint8_t *buf, int64_t len)
{
    Work w = { c, encrypt, place / CRYPTO_SECTOR, buf, len };

    if (len <= INLINE) {
        work(&w);
    } else {
        thread_pool_run_co(work, &w);
    }
}

int coroutine_fn crypt_preadv(const CryptoSectors *c, BlockNode *file,
                              int64_t offset, int64_t place, int64_t bytes,
                              const IoVec *iov, size_t iov_offset)
{
    uint8_t *buf = node_alloc(file, MIN(bytes, CHUNK));
    int ret = buf ? 0 : -ENOMEM;

    for (int64_t at = 0; at < bytes && ret >= 0;) {
        int64_t n = MIN(bytes - at, CHUNK);

        ret = node_pread(file, offset + at, n, buf);
        if (ret >= 0) {
            transform(c, false, place + at, buf, n);
            iov_from_buf(iov, iov_offset + at, buf, n);
        }
        at += n;
    }
    free(buf);
    return ret;
}

int coroutine_fn crypt_pwritev(const CryptoSectors *c, BlockNode *file,
                               int64_t offset, int64_t place, int64_t bytes,
                               const IoVec *iov, size_t iov_offset,
                               unsigned flags)
{
    uint8_t *buf = node_alloc(file, MIN(bytes, CHUNK));
    int ret = buf ? 0 : -ENOMEM;

    for (int64_t at = 0; at < bytes && ret >= 0;) {
        int64_t n = MIN(bytes - at, CHUNK);

        iov_to_buf(iov, iov_offset + at, buf, n);
        transform(c, true, place + at, buf, n);
        ret = node_pwrite(file, offset + at, n, buf, flags);
        at += n;
    }
    free(buf);
    return ret;
}
