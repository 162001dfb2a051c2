/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An empty qcow2 image for tests, by the published format specification. */
#ifndef TESTS_UNIT_BLOCK_IMAGE_H
#define TESTS_UNIT_BLOCK_IMAGE_H

#include <endian.h>

/* Header, refcount table and refcount block, a cluster of 1 << bits bytes each,
 * then the L1 table. */
static inline void make_qcow2(int fd, unsigned bits, uint64_t size)
{
    uint64_t cluster = BIT(bits);
    uint32_t l1_size = DIV_ROUND_UP(size, BIT(2 * bits - 3));
    struct __attribute__((packed)) {
        uint32_t magic, version;
        uint64_t backing;
        uint32_t backing_size, bits;
        uint64_t size;
        uint32_t crypt, l1_size;
        uint64_t l1, table;
        uint32_t table_clusters, snapshots;
        uint64_t snapshots_offset, features[3];
        uint32_t order, length;
        uint64_t pad[2];
    } h = {
        .magic = htobe32(0x514649fb),
        .version = htobe32(3),
        .bits = htobe32(bits),
        .size = htobe64(size),
        .l1_size = htobe32(l1_size),
        .l1 = htobe64(3 * cluster),
        .table = htobe64(cluster),
        .table_clusters = htobe32(1),
        .order = htobe32(4),
        .length = htobe32(112),
    };
    uint64_t block = htobe64(2 * cluster);
    uint64_t used = 3 + DIV_ROUND_UP(l1_size * 8, cluster);
    uint16_t count = htobe16(1);

    g_assert_cmpuint(used * 2, <=, cluster);
    g_assert_cmpint(ftruncate(fd, used * cluster), ==, 0);
    g_assert_cmpint(pwrite(fd, &h, sizeof(h), 0), ==, sizeof(h));
    g_assert_cmpint(pwrite(fd, &block, 8, cluster), ==, 8);
    for (uint64_t i = 0; i < used; i++) {
        g_assert_cmpint(pwrite(fd, &count, 2, 2 * cluster + 2 * i), ==, 2);
    }
}

#endif
