/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Channels: byte streams over sockets, files and pipes, and what layers on
 * them, with file descriptors passed along where the transport can.
 *
 * One thread reads and one thread writes at a time. Peers are hostile: lengths
 * come from the caller, descriptors are counted and closed when nobody asked.
 */
#ifndef IO_CHANNEL_H
#define IO_CHANNEL_H

#include <sys/uio.h>

typedef struct IoChannel IoChannel;

/* Descriptors that travel with one message. */
#define IO_MAX_FDS 32
typedef struct IoFds {
    int fd[IO_MAX_FDS];
    size_t n;
} IoFds;

typedef struct IoChannelOps {
    /* -errno, -EAGAIN when it would block, 0 at the end of the stream. @fds
     * NULL: received descriptors are closed. */
    ssize_t (*readv)(IoChannel *ch, const struct iovec *iov, size_t n,
                     IoFds *fds);
    /* @fds may be NULL; they stay the caller's. */
    ssize_t (*writev)(IoChannel *ch, const struct iovec *iov, size_t n,
                      const IoFds *fds);
    /* How (SHUT_RD ...); wakes threads that wait in it. NULL: cannot. */
    int (*shutdown)(IoChannel *ch, int how);
    void (*close)(IoChannel *ch);
} IoChannelOps;

struct IoChannel {
    const IoChannelOps *ops;
    int fd;       /* to watch for LOOP_IN and LOOP_OUT; -1 when closed */
    int refs;     /* atomic */
    bool pass_fds; /* a unix socket */
};

/* Take over @fd, a connected socket. Makes it non-blocking. */
IoChannel *io_channel_socket(int fd);
/* Take over @fd, a file, pipe or terminal. Leaves it as it is. */
IoChannel *io_channel_file(int fd);
IoChannel *io_channel_ref(IoChannel *ch);
void io_channel_unref(IoChannel *ch); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IoChannel, io_channel_unref)

/* Close early; later calls fail with -EBADF. */
void io_channel_close(IoChannel *ch);
int io_channel_shutdown(IoChannel *ch, int how);

ssize_t io_read(IoChannel *ch, void *buf, size_t len);
ssize_t io_readv_fds(IoChannel *ch, const struct iovec *iov, size_t n,
                     IoFds *fds);
ssize_t io_write(IoChannel *ch, const void *buf, size_t len);
ssize_t io_writev_fds(IoChannel *ch, const struct iovec *iov, size_t n,
                      const IoFds *fds);

/* Wait on the calling thread as needed. Read: bytes, fewer than @len only at
 * the end of the stream, or -errno. Write: 0 or -errno. */
ssize_t io_read_all(IoChannel *ch, void *buf, size_t len);
int io_write_all(IoChannel *ch, const void *buf, size_t len);

/* Close them all and empty the set. */
void io_fds_close(IoFds *fds);

#endif
