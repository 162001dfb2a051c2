/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Channels over connected sockets; see unix(7) for passing descriptors. */
#include "util/osdep.h"

#include <sys/socket.h>

#include "io/channel.h"

/* Copy the descriptors of a received message to @fds; close those that do not
 * fit or that nobody wants. */
static void take_fds(struct msghdr *msg, IoFds *fds)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        size_t n;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
            c->cmsg_len < CMSG_LEN(0)) {
            continue;
        }
        n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            if (fds && fds->n < IO_MAX_FDS) {
                fds->fd[fds->n++] = fd;
            } else {
                close(fd);
            }
        }
    }
}

static ssize_t socket_readv(IoChannel *ch, const struct iovec *iov, size_t n,
                            IoFds *fds)
{
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(sizeof(int) * IO_MAX_FDS)];
    } control;
    struct msghdr msg = {
        .msg_iov = (struct iovec *)iov,
        .msg_iovlen = n,
    };
    ssize_t ret;

    if (ch->pass_fds) {
        msg.msg_control = control.buf;
        msg.msg_controllen = sizeof(control.buf);
    }
    ret = RETRY_ON_EINTR(recvmsg(ch->fd, &msg, MSG_CMSG_CLOEXEC));
    if (ret < 0) {
        return -errno;
    }
    if (ch->pass_fds && msg.msg_controllen) {
        take_fds(&msg, fds);
    }
    return ret;
}

static ssize_t socket_writev(IoChannel *ch, const struct iovec *iov, size_t n,
                             const IoFds *fds)
{
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(sizeof(int) * IO_MAX_FDS)];
    } control = { .buf = { 0 } };
    struct msghdr msg = {
        .msg_iov = (struct iovec *)iov,
        .msg_iovlen = n,
    };
    ssize_t ret;

    if (fds && fds->n) {
        struct cmsghdr *c;

        if (!ch->pass_fds) {
            return -ENOTSUP;
        }
        msg.msg_control = control.buf;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * fds->n);
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * fds->n);
        memcpy(CMSG_DATA(c), fds->fd, sizeof(int) * fds->n);
    }
    ret = RETRY_ON_EINTR(sendmsg(ch->fd, &msg, MSG_NOSIGNAL));
    return ret < 0 ? -errno : ret;
}

static int socket_shutdown(IoChannel *ch, int how)
{
    return shutdown(ch->fd, how) < 0 ? -errno : 0;
}

static void socket_close(IoChannel *ch)
{
    close(ch->fd);
}

static const IoChannelOps socket_ops = {
    .readv = socket_readv,
    .writev = socket_writev,
    .shutdown = socket_shutdown,
    .close = socket_close,
};

IoChannel *io_channel_socket(int fd)
{
    IoChannel *ch = g_new0(IoChannel, 1);
    int domain = AF_UNSPEC;
    socklen_t len = sizeof(domain);

    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    ch->ops = &socket_ops;
    ch->fd = fd;
    ch->refs = 1;
    ch->pass_fds = domain == AF_UNIX;
    return ch;
}
