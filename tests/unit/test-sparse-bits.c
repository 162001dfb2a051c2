/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sparse arrays of bits, beside plain arrays of bytes. */
#include "util/osdep.h"

#include "block/sparse-bits.h"

enum { BITS = 3 * 4096 + 100, SETS = 4 };

/* An array, and what is to be in it. */
typedef struct Pair {
    SparseBits b;
    uint8_t model[BITS];
    uint64_t n;
} Pair;

static void check(const Pair *p)
{
    uint8_t bytes[BITS / 8 + 8], want[BITS / 8 + 8] = { 0 };
    uint64_t count = 0, one = p->n, zero = p->n;

    for (uint64_t i = p->n; i-- > 0;) {
        count += p->model[i];
        want[i / 8] |= p->model[i] << i % 8;
        one = p->model[i] ? i : one;
        zero = p->model[i] ? zero : i;
        g_assert_cmpint(sparse_bits_get(&p->b, i), ==, p->model[i]);
        g_assert_cmpuint(sparse_bits_find(&p->b, i, p->n, true), ==, one);
        g_assert_cmpuint(sparse_bits_find(&p->b, i, p->n, false), ==, zero);
    }
    g_assert_cmpuint(p->b.count, ==, count);
    g_assert_cmpint(sparse_bits_export(&p->b, 0, sizeof(bytes), bytes), ==,
                    !!count);
    g_assert_cmpmem(bytes, sizeof(bytes), want, sizeof(want));
}

static void change(Pair *p)
{
    uint64_t from = g_test_rand_int_range(0, p->n + 1);
    uint64_t to = g_test_rand_int_range(from, p->n + 1);
    bool set = g_test_rand_int_range(0, 2);

    if (g_test_rand_bit()) {
        from = ALIGN_DOWN(from, 4096);
    }
    sparse_bits_change(&p->b, from, to, set);
    memset(p->model + from, set, to - from);
}

static void import(Pair *p, GHashTable *alike)
{
    uint64_t at = 8 * g_test_rand_int_range(0, p->n / 64 + 1);
    uint8_t buf[700];
    int fill = g_test_rand_int_range(0, 4);

    for (unsigned i = 0; i < sizeof(buf); i++) {
        buf[i] = fill == 0 ? 0 : fill == 1 ? 255 : i * fill;
    }
    sparse_bits_import(&p->b, at, sizeof(buf), buf, alike);
    for (uint64_t i = at * 8; i < MIN(p->n, (at + sizeof(buf)) * 8); i++) {
        p->model[i] = buf[i / 8 - at] >> i % 8 & 1;
    }
    /* The end is in the middle of a word: nothing of it changes. */
    g_assert_cmpuint(sizeof(buf) % 8, ==, 4);
    for (uint64_t i = (at + sizeof(buf)) * 8;
         i < MIN(p->n, ALIGN_UP((at + sizeof(buf)) * 8, 64)); i++) {
        p->model[i] = 0;
    }
}

static void resize(Pair *p)
{
    uint64_t n = g_test_rand_int_range(0, BITS + 1);

    sparse_bits_resize(&p->b, n);
    memset(p->model + MIN(n, p->n), 0, BITS - MIN(n, p->n));
    p->n = n;
}

static void copy(Pair *p, const Pair *from)
{
    sparse_bits_destroy(&p->b);
    g_assert_true(sparse_bits_copy(&p->b, &from->b));
    memcpy(p->model, from->model, BITS);
    p->n = from->n;
}

static void test_like_a_plain_array(void)
{
    Pair *p = g_new0(Pair, SETS);
    GHashTable *alike = sparse_bits_alike_new();

    for (unsigned i = 0; i < SETS; i++) {
        p[i].n = BITS;
        g_assert_true(sparse_bits_init(&p[i].b, BITS));
    }
    for (unsigned step = 0; step < 400; step++) {
        Pair *a = &p[step % SETS];

        switch (g_test_rand_int_range(0, 8)) {
        case 0:
            resize(a);
            break;
        case 1:
            copy(a, &p[(step + 1) % SETS]);
            break;
        case 2:
        case 3:
            import(a, step % 3 ? alike : NULL);
            break;
        default:
            change(a);
        }
        /* Of those that share with it, too. */
        check(&p[g_test_rand_int_range(0, SETS)]);
        check(a);
    }
    g_hash_table_unref(alike);
    for (unsigned i = 0; i < SETS; i++) {
        sparse_bits_destroy(&p[i].b);
    }
    g_free(p);
}

/* Else this would need four gigabytes. */
static void test_uniform_takes_no_memory(void)
{
    uint64_t n = UINT64_C(1) << 32;
    SparseBits b[8];

    for (unsigned i = 0; i < ARRAY_SIZE(b); i++) {
        g_assert_true(sparse_bits_init(&b[i], n));
        sparse_bits_change(&b[i], 1, n, true);
        g_assert_cmpuint(b[i].count, ==, n - 1);
        g_assert_cmpuint(sparse_bits_find(&b[i], 1, n, false), ==, n);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(b); i++) {
        sparse_bits_destroy(&b[i]);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sparse-bits/like-a-plain-array", test_like_a_plain_array);
    g_test_add_func("/sparse-bits/uniform-takes-no-memory",
                    test_uniform_takes_no_memory);
    return g_test_run();
}
