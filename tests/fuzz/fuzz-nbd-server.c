/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a client sends to the NBD server: handshake and transmission. */
#include "util/osdep.h"

#include <sys/socket.h>

#include "block/bitmap-user.h"
#include "block/nbd/server.h"
#include "fuzz-graph.h"
#include "fuzz-limits.h"
#include "util/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A writable disk of 256 KiB that forgets, under two names. */
static BlockGraph *make_server(void)
{
    BlockExportOptions o = {
        .type = BLOCK_EXPORT_TYPE_NBD,
        .has_writable = true,
        .writable = true,
        .u.nbd = { .name = (char *)"",
                   .has_allocation_depth = true,
                   .allocation_depth = true },
    };
    BitmapUserNew bitmap = { .name = "m" };
    BlockDirtyBitmapOrStr name = {
        .type = QTYPE_QSTRING,
        .u.local = (char *)"m",
    };
    BlockDirtyBitmapOrStrList names = { .value = &name };
    NbdServerConfig config = { 0 };
    BlockGraph *g;
    BlockNode *n;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    g = fuzz_graph_new();
    n = block_open_filename(
        g, "json:{\"driver\":\"null-co\",\"size\":262144,\"read-zeroes\":true}",
        NULL, NULL, NULL, error_abort);
    /* Nobody knows its address. */
    bind(fd, &(struct sockaddr){ .sa_family = AF_UNIX }, sizeof(sa_family_t));
    listen(fd, 1);
    nbd_server_start_fd(g, fd, &config, error_abort);
    bitmap_user_add(n, &bitmap, error_abort);
    o.id = (char *)"a";
    o.node_name = n->name;
    o.u.nbd.bitmaps = &names;
    block_export_add(g, &o, NULL, error_abort);
    o.u.nbd.bitmaps = NULL;
    o.id = o.u.nbd.name = (char *)"b";
    o.writable = false;
    o.u.nbd.description = (char *)"text";
    block_export_add(g, &o, NULL, error_abort);
    return g;
}

/* What nearly all clients say first. */
static const uint8_t hello[] = {
    0,   0,   0,   3,                                    /* flags */
    'I', 'H', 'A', 'V', 'E', 'O', 'P', 'T', 0,   0,   0, /* structured replies
                                                          */
    8,   0,   0,   0,   0,   'I', 'H', 'A', 'V', 'E', 'O', 'P', 'T', 0,
    0,   0, /* all contexts */
    10,  0,   0,   0,   52,  0,   0,   0,   0,   0,   0,   0,   2,   0,
    0,   0,   15,  'b', 'a', 's', 'e', ':', 'a', 'l', 'l', 'o', 'c', 'a',
    't', 'i', 'o', 'n', 0,   0,   0,   21,  'q', 'e', 'm', 'u', ':', 'a',
    'l', 'l', 'o', 'c', 'a', 't', 'i', 'o', 'n', '-', 'd', 'e', 'p', 't',
    'h', 'I', 'H', 'A', 'V', 'E', 'O', 'P', 'T', 0,   0,   0, /* go */
    7,   0,   0,   0,   6,   0,   0,   0,   0,   0,   0,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static BlockGraph *g;
    static char sink[65536];
    NbdServer *s;
    int fds[2];

    if (!g) {
        g = make_server();
    }
    if (!size || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0) {
        return 0;
    }
    limits_start();
    s = &g->exports->nbd;
    /* Half of the inputs start where the transmission does. */
    if ((*data & 1) && write(fds[0], hello, sizeof(hello)) < 0) {
        abort();
    }
    if (write(fds[0], data + 1, size - 1) < (ssize_t)size - 1) {
        abort();
    }
    shutdown(fds[0], SHUT_WR);
    nbd_server_adopt(s, fds[1]);
    while (s->conns->len) {
        while (read(fds[0], sink, sizeof(sink)) > 0) {
            /* replies to nobody */
        }
        loop_run_once(g->loop, true);
    }
    close(fds[0]);
    return 0;
}
