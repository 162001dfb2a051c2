/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Error objects: classes, prefixes, hints. */
#include "util/osdep.h"

#include "util/error.h"

static void test_set_returns_false_and_fills_in(void)
{
    autoerr Error *err = NULL;

    g_assert_false(error_set(&err, "bad value %d", 7));
    g_assert_cmpstr(error_text(err), ==, "bad value 7");
    g_assert_cmpint(error_class(err), ==, ERROR_CLASS_GENERIC_ERROR);
}

static void test_class_has_its_qmp_name(void)
{
    autoerr Error *err = NULL;

    error_set_class(&err, ERROR_CLASS_DEVICE_NOT_FOUND, "no device");
    g_assert_cmpstr(error_class_name(error_class(err)), ==, "DeviceNotFound");
}

static void test_errno_text_follows(void)
{
    autoerr Error *err = NULL;

    error_errno(&err, ENOENT, "cannot open '%s'", "x");
    g_assert_cmpstr(error_text(err), ==,
                    "cannot open 'x': No such file or directory");
}

static void test_prefix_goes_before(void)
{
    autoerr Error *err = NULL;

    error_set(&err, "inner");
    g_assert_false(error_prefix(&err, "outer %d", 1));
    g_assert_cmpstr(error_text(err), ==, "outer 1: inner");
}

static void test_nearest_word_is_hinted(void)
{
    static const char *const words[] = { "memory", "machine", "cpu", NULL };
    autoerr Error *err = NULL;

    error_set(&err, "unknown");
    error_hint_nearest(&err, "machin", words);
    g_assert_cmpstr(error_nearest(err), ==, "machine");
}

static void test_swapped_letters_are_near(void)
{
    static const char *const words[] = { "mtu", "mac", "map", NULL };
    autoerr Error *err = NULL;

    error_set(&err, "unknown");
    error_hint_nearest(&err, "mca", words);
    g_assert_cmpstr(error_nearest(err), ==, "mac");
}

static void test_far_word_is_not_hinted(void)
{
    static const char *const words[] = { "memory", "machine", NULL };
    autoerr Error *err = NULL;

    error_set(&err, "unknown");
    error_hint_nearest(&err, "xyz", words);
    g_assert_null(error_nearest(err));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/error/set", test_set_returns_false_and_fills_in);
    g_test_add_func("/error/class", test_class_has_its_qmp_name);
    g_test_add_func("/error/errno", test_errno_text_follows);
    g_test_add_func("/error/prefix", test_prefix_goes_before);
    g_test_add_func("/error/hint", test_nearest_word_is_hinted);
    g_test_add_func("/error/swapped", test_swapped_letters_are_near);
    g_test_add_func("/error/no-hint", test_far_word_is_not_hinted);
    return g_test_run();
}
