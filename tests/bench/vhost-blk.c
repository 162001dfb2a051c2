/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A front end of a vhost-user-blk export that does nothing but random 4 KiB
 * requests at depth 32 on one queue: prints how many a second. It trusts the
 * back end.
 *
 *   vhost-blk SOCKET read|write SECONDS BYTES
 *
 * Spec: the vhost-user protocol, QEMU's interop manual; Virtio 1.2, 2.7, 5.2.
 */
#include "util/osdep.h"

#include <linux/virtio_blk.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../lib/send-fd.h"
#include "block/vhost-user/proto.h"

#define DEPTH  32
#define NUM    128
#define BLOCK  4096
#define MEMORY (1 << 20)
#define USER   0x100000000ull
/* Places in the memory */
#define AVAIL   0x1000
#define USED    0x2000
#define HEADERS 0x4000
#define BUFFERS 0x10000

static int sock;
static uint8_t *mem;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void say(uint32_t request, const void *payload, uint32_t len, int fd)
{
    VuHeader head = { request, VU_VERSION, len };
    struct iovec iov[] = { { &head, sizeof(head) }, { (void *)payload, len } };

    if (send_with_fd(sock, iov, 2, fd, 0) != (ssize_t)(sizeof(head) + len)) {
        die("sendmsg");
    }
}

static uint64_t ask(uint32_t request)
{
    struct {
        VuHeader head;
        uint64_t u64;
    } __attribute__((packed)) reply;

    say(request, NULL, 0, -1);
    if (recv(sock, &reply, sizeof(reply), MSG_WAITALL) != sizeof(reply)) {
        die("recv");
    }
    return reply.u64;
}

static void set_up(const char *path, int kick, int call)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    VuMemTable table = { .n = 1, .region = { { 0, MEMORY, USER, 0 } } };
    VuVringState num = { 0, NUM }, base = { 0, 0 }, on = { 0, 1 };
    VuVringAddr ring = { 0, 0, USER, USER + USED, USER + AVAIL, 0 };
    uint64_t features, protocol = 0, zero = 0;
    int fd = memfd_create("guest", 0);

    if (fd < 0 || ftruncate(fd, MEMORY) < 0) {
        die("memfd");
    }
    mem = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    sock = socket(AF_UNIX, SOCK_STREAM, 0);
    strncpy(addr.sun_path, path, sizeof(addr.sun_path) - 1);
    if (connect(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        die(path);
    }
    say(VU_SET_OWNER, NULL, 0, -1);
    features = ask(VU_GET_FEATURES) &
               (1ull << 32 | 1u << 30 | 1u << VIRTIO_RING_F_EVENT_IDX);
    ask(VU_GET_PROTOCOL_FEATURES);
    say(VU_SET_PROTOCOL_FEATURES, &protocol, 8, -1);
    say(VU_SET_FEATURES, &features, 8, -1);
    say(VU_SET_MEM_TABLE, &table, 8 + sizeof(VuRegion), fd);
    say(VU_SET_VRING_NUM, &num, sizeof(num), -1);
    say(VU_SET_VRING_ADDR, &ring, sizeof(ring), -1);
    say(VU_SET_VRING_BASE, &base, sizeof(base), -1);
    say(VU_SET_VRING_CALL, &zero, 8, call);
    say(VU_SET_VRING_KICK, &zero, 8, kick);
    say(VU_SET_VRING_ENABLE, &on, sizeof(on), -1);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

/* Put request @i, whose descriptors are 3 * @i and those behind. */
static void prepare(unsigned i, int write)
{
    struct vring_desc *d = (struct vring_desc *)mem + 3 * i;
    uint64_t head = HEADERS + 64 * i;
    struct virtio_blk_outhdr *h = (void *)(mem + head);

    h->type = write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN;
    d[0] =
        (struct vring_desc){ head, sizeof(*h), VRING_DESC_F_NEXT, 3 * i + 1 };
    d[1] = (struct vring_desc){ BUFFERS + BLOCK * i, BLOCK,
                                VRING_DESC_F_NEXT |
                                    (write ? 0 : VRING_DESC_F_WRITE),
                                3 * i + 2 };
    d[2] = (struct vring_desc){ head + 32, 1, VRING_DESC_F_WRITE, 0 };
}

int main(int argc, char **argv)
{
    struct vring_avail *avail;
    struct vring_used *used;
    uint16_t next = 0, seen = 0, kicked = 0;
    uint64_t done = 0, blocks, seed = 1, junk;
    int kick = eventfd(0, 0), call = eventfd(0, 0), write_it;
    double start, end;

    if (argc != 5) {
        fprintf(stderr, "usage: vhost-blk SOCKET read|write SECONDS BYTES\n");
        return 1;
    }
    write_it = !strcmp(argv[2], "write");
    blocks = strtoull(argv[4], NULL, 0) / BLOCK;
    set_up(argv[1], kick, call);
    avail = (void *)(mem + AVAIL);
    used = (void *)(mem + USED);
    for (unsigned i = 0; i < DEPTH; i++) {
        prepare(i, write_it);
    }
    start = now();
    end = start + atof(argv[3]);
    for (unsigned i = 0; i < DEPTH; i++) {
        avail->ring[next++ % NUM] = 3 * i;
    }
    for (;;) {
        uint16_t idx, event;

        /* What was put is random only from the second time on. */
        __atomic_store_n(&avail->idx, next, __ATOMIC_RELEASE);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        memcpy(&event, (uint8_t *)used + 4 + 8 * NUM, 2); /* avail_event */
        if ((uint16_t)(next - event - 1) < (uint16_t)(next - kicked)) {
            eventfd_write(kick, 1);
        }
        kicked = next;
        avail->ring[NUM] = seen; /* used_event */
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        idx = __atomic_load_n(&used->idx, __ATOMIC_ACQUIRE);
        if (idx == seen) {
            struct pollfd p = { call, POLLIN, 0 };

            if (poll(&p, 1, 10000) != 1 || eventfd_read(call, &junk) < 0) {
                die("no interrupt");
            }
            continue;
        }
        while (seen != idx) {
            unsigned i = used->ring[seen++ % NUM].id / 3;
            struct virtio_blk_outhdr *h = (void *)(mem + HEADERS + 64 * i);

            if (mem[HEADERS + 64 * i + 32]) {
                fprintf(stderr, "a request failed\n");
                return 1;
            }
            seed = seed * 6364136223846793005ull + 1442695040888963407ull;
            h->sector = (seed >> 33) % blocks * (BLOCK / 512);
            avail->ring[next++ % NUM] = 3 * i;
            done++;
        }
        if (now() > end) {
            break;
        }
    }
    printf("%.0f\n", done / (now() - start));
    return 0;
}
