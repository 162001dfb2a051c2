/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Channels over files, pipes and terminals. */
#include "util/osdep.h"

#include "io/channel.h"

static ssize_t file_readv(IoChannel *ch, const struct iovec *iov, size_t n,
                          IoFds *fds)
{
    ssize_t ret = RETRY_ON_EINTR(readv(ch->fd, iov, MIN(n, IOV_MAX)));

    return ret < 0 ? -errno : ret;
}

static ssize_t file_writev(IoChannel *ch, const struct iovec *iov, size_t n,
                           const IoFds *fds)
{
    ssize_t ret;

    if (fds && fds->n) {
        return -ENOTSUP;
    }
    ret = RETRY_ON_EINTR(writev(ch->fd, iov, MIN(n, IOV_MAX)));
    return ret < 0 ? -errno : ret;
}

static void file_close(IoChannel *ch)
{
    close(ch->fd);
}

static const IoChannelOps file_ops = {
    .readv = file_readv,
    .writev = file_writev,
    .close = file_close,
};

IoChannel *io_channel_file(int fd)
{
    IoChannel *ch = g_new0(IoChannel, 1);

    ch->ops = &file_ops;
    ch->fd = fd;
    ch->refs = 1;
    return ch;
}
