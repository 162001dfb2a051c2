/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A message with a file descriptor along, over a Unix socket (unix(7)). */
#ifndef TESTS_LIB_SEND_FD_H
#define TESTS_LIB_SEND_FD_H

#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* @fd -1: none. */
static inline ssize_t send_with_fd(int sock, const struct iovec *iov, int n,
                                   int fd, int flags)
{
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(sizeof(int))];
    } control = { .buf = { 0 } };
    struct msghdr m = { .msg_iov = (struct iovec *)iov,
                        .msg_iovlen = (size_t)n };

    if (fd >= 0) {
        m.msg_control = control.buf;
        m.msg_controllen = sizeof(control.buf);
        control.align.cmsg_level = SOL_SOCKET;
        control.align.cmsg_type = SCM_RIGHTS;
        control.align.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.align), &fd, sizeof(int));
    }
    return sendmsg(sock, &m, flags);
}

#endif
