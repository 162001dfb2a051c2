/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What all channels share: references, whole reads and writes. */
#include "util/osdep.h"

#include <poll.h>

#include "io/channel.h"

IoChannel *io_channel_ref(IoChannel *ch)
{
    __atomic_fetch_add(&ch->refs, 1, __ATOMIC_RELAXED);
    return ch;
}

void io_channel_unref(IoChannel *ch)
{
    if (ch && __atomic_sub_fetch(&ch->refs, 1, __ATOMIC_ACQ_REL) == 0) {
        io_channel_close(ch);
        g_free(ch);
    }
}

void io_channel_close(IoChannel *ch)
{
    if (ch->fd >= 0) {
        ch->ops->close(ch);
        ch->fd = -1;
    }
}

int io_channel_shutdown(IoChannel *ch, int how)
{
    if (ch->fd < 0) {
        return -EBADF;
    }
    return ch->ops->shutdown ? ch->ops->shutdown(ch, how) : -ENOTSUP;
}

ssize_t io_readv_fds(IoChannel *ch, const struct iovec *iov, size_t n,
                     IoFds *fds)
{
    if (fds) {
        fds->n = 0;
    }
    return ch->fd < 0 ? -EBADF : ch->ops->readv(ch, iov, n, fds);
}

ssize_t io_writev_fds(IoChannel *ch, const struct iovec *iov, size_t n,
                      const IoFds *fds)
{
    return ch->fd < 0 ? -EBADF : ch->ops->writev(ch, iov, n, fds);
}

ssize_t io_read(IoChannel *ch, void *buf, size_t len)
{
    struct iovec iov = { .iov_base = buf, .iov_len = len };

    return io_readv_fds(ch, &iov, 1, NULL);
}

ssize_t io_write(IoChannel *ch, const void *buf, size_t len)
{
    struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };

    return io_writev_fds(ch, &iov, 1, NULL);
}

static void io_wait(IoChannel *ch, short events)
{
    struct pollfd pfd = { .fd = ch->fd, .events = events };

    poll(&pfd, 1, -1);
}

ssize_t io_read_all(IoChannel *ch, void *buf, size_t len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t ret = io_read(ch, (char *)buf + done, len - done);

        if (ret == -EAGAIN) {
            io_wait(ch, POLLIN);
        } else if (ret < 0) {
            return ret;
        } else if (!ret) {
            break;
        } else {
            done += ret;
        }
    }
    return done;
}

int io_write_all(IoChannel *ch, const void *buf, size_t len)
{
    while (len) {
        ssize_t ret = io_write(ch, buf, len);

        if (ret == -EAGAIN) {
            io_wait(ch, POLLOUT);
        } else if (ret < 0) {
            return ret;
        } else {
            buf = (const char *)buf + ret;
            len -= ret;
        }
    }
    return 0;
}

void io_fds_close(IoFds *fds)
{
    for (size_t i = 0; i < fds->n; i++) {
        close(fds->fd[i]);
    }
    fds->n = 0;
}
