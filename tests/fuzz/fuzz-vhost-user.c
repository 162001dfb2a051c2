/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A front end of a vhost-user-blk export that says anything, with rings that
 * hold anything. The input: two bytes of the length of what goes to shared
 * memory, that, and records: a byte of descriptors to send along (0: none, 1:
 * the memory, 2: an eventfd; bit 7: kick first), a byte of length, a message.
 */
#include "util/osdep.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "block/vhost-user/vhost-user.h"
#include "fuzz-graph.h"
#include "fuzz-limits.h"
#include "send-fd.h"
#include "util/error.h"

#define MEMORY 65536
#define USER   0x10000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Fuzz {
    BlockGraph *g;
    VuConst k;
    int memfd, kick;
    uint8_t *mem;
    int sock;
    bool gone;
} Fuzz;

static Fuzz f;

static void make_disk(void)
{
    BlockNode *n;

    f.g = fuzz_graph_new();
    n = block_open_filename(
        f.g,
        "json:{\"driver\":\"null-co\",\"size\":262144,\"read-zeroes\":true}",
        NULL, NULL, NULL, error_abort);
    f.k = (VuConst){ .n_queues = 2, .block_size = 512, .writable = true };
    f.k.blk = blk_new(f.g, BLK_PERM_READ | BLK_PERM_WRITE, BLK_PERM_ALL);
    blk_insert_node(f.k.blk, n, error_abort);
    f.memfd = memfd_create("guest", 0);
    f.kick = eventfd(0, EFD_NONBLOCK);
    if (ftruncate(f.memfd, MEMORY) < 0) {
        abort();
    }
    f.mem = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, f.memfd, 0);
}

static void turn(void)
{
    char sink[4096];

    for (int i = 0; i < 4; i++) {
        loop_run_once(f.g->loop, false);
    }
    while (recv(f.sock, sink, sizeof(sink), MSG_DONTWAIT) > 0) {
        /* answers to nobody */
    }
}

static void say(const void *msg, size_t len, int fd)
{
    struct iovec iov = { (void *)msg, len };

    /* It may have hung up. */
    if (len &&
        send_with_fd(f.sock, &iov, 1, fd, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        return;
    }
    turn();
}

static void message(uint32_t request, const void *payload, uint32_t len, int fd)
{
    uint8_t buf[sizeof(VuHeader) + sizeof(VuPayload)];
    VuHeader head = { request, VU_VERSION, len };

    memcpy(buf, &head, sizeof(head));
    memcpy(buf + sizeof(head), payload, len);
    say(buf, sizeof(head) + len, fd);
}

/* A front end as it should be, up to a ring that runs. */
static void begin(void)
{
    uint64_t features = vu_blk_features(&f.k) | BIT(30), zero = 0;
    VuMemTable t = { .n = 1, .region = { { 0, MEMORY, USER, 0 } } };
    VuVringState num = { 0, 16 }, base = { 0, 0 }, on = { 0, 1 };
    VuVringAddr addr = { 0, 0, USER, USER + 512, USER + 256, 0 };

    message(VU_SET_FEATURES, &features, 8, -1);
    message(VU_SET_MEM_TABLE, &t, 8 + sizeof(VuRegion), f.memfd);
    message(VU_SET_VRING_NUM, &num, sizeof(num), -1);
    message(VU_SET_VRING_ADDR, &addr, sizeof(addr), -1);
    message(VU_SET_VRING_BASE, &base, sizeof(base), -1);
    message(VU_SET_VRING_CALL, &zero, 8, f.kick);
    message(VU_SET_VRING_KICK, &zero, 8, f.kick);
    message(VU_SET_VRING_ENABLE, &on, sizeof(on), -1);
}

static void gone(void *opaque)
{
    f.gone = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    VuDevice *dev;
    size_t len;
    int fds[2];

    if (!f.g) {
        make_disk();
    }
    if (size < 2 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0) {
        return 0;
    }
    limits_start();
    len = MIN((data[0] | data[1] << 8), size - 2);
    memset(f.mem, 0, MEMORY);
    memcpy(f.mem, data + 2, len);
    data += 2 + len;
    size -= 2 + len;
    f.sock = fds[0];
    f.gone = false;
    dev = vu_device_new(&f.k, f.g->loop, io_channel_socket(fds[1]), gone, NULL);
    begin();
    while (size >= 2) {
        static const int none = -1;
        const int *fd[] = { &none, &f.memfd, &f.kick, &none };
        size_t n = MIN(data[1], size - 2);

        if (data[0] & 0x80) {
            eventfd_write(f.kick, 1);
        }
        say(data + 2, n, *fd[data[0] & 3]);
        data += 2 + n;
        size -= 2 + n;
    }
    close(f.sock);
    while (!f.gone) {
        loop_run_once(f.g->loop, true);
    }
    vu_device_free(dev);
    return 0;
}
