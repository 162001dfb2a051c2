/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scatter-gather helpers. */
#include "util/osdep.h"

#include "util/iov.h"

static char bytes[] = "abcdefghij";

static IoVec three_parts(struct iovec *parts)
{
    parts[0] = (struct iovec){ bytes, 3 };
    parts[1] = (struct iovec){ bytes + 3, 0 };
    parts[2] = (struct iovec){ bytes + 3, 5 };
    return IOVEC_OF(parts, 3);
}

static void test_copy_crosses_elements(void)
{
    struct iovec parts[3];
    IoVec v = three_parts(parts);
    char out[8] = "";

    g_assert_cmpuint(v.size, ==, 8);
    g_assert_cmpuint(iov_to_buf(&v, 2, out, 3), ==, 3);
    g_assert_cmpstr(out, ==, "cde");
}

static void test_copy_stops_at_the_end(void)
{
    struct iovec parts[3];
    IoVec v = three_parts(parts);
    char out[8] = "";

    g_assert_cmpuint(iov_to_buf(&v, 6, out, 7), ==, 2);
    g_assert_cmpuint(iov_to_buf(&v, 9, out, 7), ==, 0);
}

static void test_write_and_set(void)
{
    char buf[6] = "......";
    struct iovec parts[] = { { buf, 2 }, { buf + 2, 4 } };
    IoVec v = IOVEC_OF(parts, 2);

    iov_from_buf(&v, 1, "XYZ", 3);
    iov_memset(&v, 4, 0, 2);
    g_assert_cmpmem(buf, 6, ".XYZ\0\0", 6);
    g_assert_true(iov_is_zero(&v, 4, 2));
    g_assert_false(iov_is_zero(&v, 3, 2));
}

static void test_slice_keeps_order_and_limits(void)
{
    struct iovec parts[3], out[2];
    IoVec v = three_parts(parts), s;

    g_assert_cmpint(iov_slice_count(&v, 1, 4), ==, 2);
    g_assert_true(iov_slice(&v, 1, 4, out, 2, &s));
    g_assert_cmpuint(s.size, ==, 4);
    g_assert_true(out[1].iov_base == bytes + 3);
    g_assert_cmpuint(out[1].iov_len, ==, 2);
    g_assert_false(iov_slice(&v, 1, 4, out, 1, &s));
}

static void test_zero_buffers(void)
{
    char buf[100] = { 0 };

    g_assert_true(buffer_is_zero(buf, sizeof(buf)));
    g_assert_true(buffer_is_zero(buf, 5));
    for (size_t i = 0; i < sizeof(buf); i++) {
        buf[i] = 1;
        g_assert_false(buffer_is_zero(buf, sizeof(buf)));
        buf[i] = 0;
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/iov/copy", test_copy_crosses_elements);
    g_test_add_func("/iov/copy-end", test_copy_stops_at_the_end);
    g_test_add_func("/iov/write", test_write_and_set);
    g_test_add_func("/iov/slice", test_slice_keeps_order_and_limits);
    g_test_add_func("/iov/zero", test_zero_buffers);
    return g_test_run();
}
