/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scatter-gather lists; see include/util/iov.h. */
#include "util/osdep.h"

#include "util/iov.h"

size_t iov_total(const struct iovec *iov, int niov)
{
    size_t total = 0;

    for (int i = 0; i < niov; i++) {
        total += iov[i].iov_len;
    }
    return total;
}

/* Calls @step for each contiguous piece of [offset, offset + len); stops when
 * it returns false. Returns the bytes visited. */
#define IOV_WALK(v, offset, len, ptr, n, body)                   \
    do {                                                         \
        size_t skip_ = (offset);                                 \
        for (int i_ = 0; i_ < (v)->niov && done < (len); i_++) { \
            const struct iovec *e_ = &(v)->iov[i_];              \
            if (skip_ >= e_->iov_len) {                          \
                skip_ -= e_->iov_len;                            \
                continue;                                        \
            }                                                    \
            char *ptr = (char *)e_->iov_base + skip_;            \
            size_t n = MIN(e_->iov_len - skip_, (len)-done);     \
            skip_ = 0;                                           \
            body;                                                \
            done += n;                                           \
        }                                                        \
    } while (0)

size_t iov_to_buf(const IoVec *v, size_t offset, void *buf, size_t len)
{
    size_t done = 0;

    IOV_WALK(v, offset, len, p, n, memcpy((char *)buf + done, p, n));
    return done;
}

size_t iov_from_buf(const IoVec *v, size_t offset, const void *buf, size_t len)
{
    size_t done = 0;

    IOV_WALK(v, offset, len, p, n, memcpy(p, (const char *)buf + done, n));
    return done;
}

size_t iov_memset(const IoVec *v, size_t offset, int byte, size_t len)
{
    size_t done = 0;

    IOV_WALK(v, offset, len, p, n, memset(p, byte, n));
    return done;
}

bool iov_is_zero(const IoVec *v, size_t offset, size_t len)
{
    size_t done = 0;

    IOV_WALK(v, offset, len, p, n, if (!buffer_is_zero(p, n)) return false);
    return true;
}

int iov_slice_count(const IoVec *v, size_t offset, size_t len)
{
    size_t done = 0;
    int count = 0;

    IOV_WALK(v, offset, len, p, n, (void)p; count++);
    return count;
}

bool iov_slice(const IoVec *v, size_t offset, size_t len, struct iovec *out,
               int max, IoVec *slice)
{
    size_t done = 0;
    int count = 0;

    IOV_WALK(v, offset, len, p, n, {
        if (count == max) {
            return false;
        }
        out[count].iov_base = p;
        out[count++].iov_len = n;
    });
    assert(done == len);
    *slice = (IoVec){ .iov = out, .niov = count, .size = len };
    return true;
}

bool iov_is_aligned(const IoVec *v, size_t align)
{
    for (int i = 0; i < v->niov; i++) {
        if (!IS_ALIGNED((uintptr_t)v->iov[i].iov_base, align) ||
            !IS_ALIGNED(v->iov[i].iov_len, align)) {
            return false;
        }
    }
    return true;
}

bool buffer_is_zero(const void *buf, size_t len)
{
    const char *p = buf;

    /* The first bytes decide most cases; then compare with itself shifted. */
    for (size_t i = 0; i < 16; i++) {
        if (i == len) {
            return true;
        }
        if (p[i]) {
            return false;
        }
    }
    return !memcmp(p, p + 16, len - 16);
}
