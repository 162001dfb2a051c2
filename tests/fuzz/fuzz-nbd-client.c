/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a server sends to the NBD client: handshake and replies. */
#include "util/osdep.h"

#include <sys/socket.h>

#include "block/nbd/client.h"
#include "fuzz-limits.h"
#include "util/error.h"
#include "util/rcu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Job {
    NbdClient c;
    int fd, server;
    const uint8_t *data;
    size_t size;
    bool done;
} Job;

/* The server says its part, and leaves. */
static void say(void *opaque)
{
    Job *j = opaque;

    if (write(j->server, j->data, j->size) < (ssize_t)j->size) {
        abort();
    }
    shutdown(j->server, SHUT_WR);
}

/* Half of the inputs start where the transmission does. */
static void put_hello(int fd)
{
    uint8_t b[18 + 20 + 39 + 20 + 32 + 20] = { 0 }, *p = b;

    be64_put(p, NBD_INIT_MAGIC);
    be64_put(p + 8, NBD_OPT_MAGIC);
    be16_put(p + 16, 3);
    p += 18;
    for (uint32_t opt = 8; opt; opt = opt == 8 ? 10 : opt == 10 ? 7 : 0) {
        if (opt == 10 || opt == 7) {
            uint32_t len = opt == 10 ? 19 : 12;

            be64_put(p, NBD_REP_MAGIC);
            be32_put(p + 8, opt);
            be32_put(p + 12, opt == 10 ? NBD_REP_META_CONTEXT : NBD_REP_INFO);
            be32_put(p + 16, len);
            if (opt == 10) {
                memcpy(p + 24, "base:allocation", 15);
            } else {
                be64_put(p + 22, 262144);
                be16_put(p + 30, 0xfed);
            }
            p += 20 + len;
        }
        be64_put(p, NBD_REP_MAGIC);
        be32_put(p + 8, opt);
        be32_put(p + 12, NBD_REP_ACK);
        p += 20;
    }
    g_assert(p == b + sizeof(b));
    if (write(fd, b, sizeof(b)) < 0) {
        abort();
    }
}

static void coroutine_fn talk(void *opaque)
{
    static uint8_t buf[4096];
    IoVec v = IOVEC_BUF(buf, sizeof(buf));
    NbdClientRequest r[] = {
        { .type = NBD_CMD_READ, .offset = 4096, .length = 4096, .iov = &v },
        { .type = NBD_CMD_BLOCK_STATUS, .flags = 8, .length = 65536 },
        { .type = NBD_CMD_WRITE, .length = 512, .iov = &v },
        { .type = NBD_CMD_FLUSH },
    };
    Job *j = opaque;
    autoerr Error *err = NULL;

    if (nbd_client_adopt(&j->c, j->fd, true, &err)) {
        for (size_t i = 0; i < ARRAY_SIZE(r) && j->c.connected; i++) {
            nbd_client_request(&j->c, &r[i]);
        }
    }
    nbd_client_close(&j->c);
    j->done = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static Loop *loop;
    SocketAddress addr = { .type = SOCKET_ADDRESS_TYPE_UNIX,
                           .u.q_unix.path = (char *)"/nonexistent/socket" };
    Job j = { .c = { .addr = &addr, .export = (char *)"x" } };
    int fds[2];

    if (!loop) {
        rcu_register_thread();
        loop = loop_new("main", error_abort);
        loop_set_current(loop);
    }
    if (!size || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0) {
        return 0;
    }
    limits_start();
    j.c.loop = loop;
    j.c.waiting = g_ptr_array_new();
    co_mutex_init(&j.c.send);
    j.fd = fds[1];
    j.server = fds[0];
    j.data = data + 1;
    j.size = size - 1;
    if (*data & 1) {
        /* The first request is there before its reply. */
        put_hello(fds[0]);
        loop_post(loop, say, &j);
    } else {
        say(&j);
    }
    coroutine_enter(coroutine_new(talk, &j));
    while (!j.done) {
        loop_run_once(loop, true);
    }
    while (loop_run_once(loop, false)) {
        /* say() is not to come later */
    }
    close(fds[0]);
    g_ptr_array_free(j.c.waiting, TRUE);
    co_mutex_destroy(&j.c.send);
    return 0;
}
