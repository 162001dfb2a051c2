/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scatter-gather lists. Functions without a size to stay within clamp to the
 * list and return how much they did. Any thread, on its own lists.
 */
#ifndef UTIL_IOV_H
#define UTIL_IOV_H

#include <sys/uio.h>

/* A vector with its total size; does not own the array or the buffers. */
typedef struct IoVec {
    struct iovec *iov;
    int niov;
    size_t size; /* sum of iov_len */
} IoVec;

/* Linux's UIO_MAXIOV: what one system call takes. */
#define IOVEC_MAX 1024

size_t iov_total(const struct iovec *iov, int niov);

/* IoVec v = IOVEC_OF(array, n); */
#define IOVEC_OF(array, n) \
    ((IoVec){ .iov = (array), .niov = (n), .size = iov_total((array), (n)) })
/* A vector of one buffer, as long as the enclosing block lives. */
#define IOVEC_BUF(buf, len)                                                    \
    ((IoVec){                                                                  \
        .iov = &(struct iovec){ .iov_base = (void *)(buf), .iov_len = (len) }, \
        .niov = 1,                                                             \
        .size = (len) })

size_t iov_to_buf(const IoVec *v, size_t offset, void *buf, size_t len);
size_t iov_from_buf(const IoVec *v, size_t offset, const void *buf, size_t len);
size_t iov_memset(const IoVec *v, size_t offset, int byte, size_t len);
/* Are @len bytes at @offset all zero? */
bool iov_is_zero(const IoVec *v, size_t offset, size_t len);

/* How many elements @len bytes at @offset touch. */
int iov_slice_count(const IoVec *v, size_t offset, size_t len);
/* Fill @out (room for @max elements) with the @len bytes at @offset; false
 * when they need more elements. */
bool iov_slice(const IoVec *v, size_t offset, size_t len, struct iovec *out,
               int max, IoVec *slice);
/* All addresses and lengths are multiples of @align. */
bool iov_is_aligned(const IoVec *v, size_t align);

/* Is the memory all zero? */
bool buffer_is_zero(const void *buf, size_t len);

#endif
