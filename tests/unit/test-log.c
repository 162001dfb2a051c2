/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The log, trace points and passed descriptors. */
#include "util/osdep.h"

#include <sys/stat.h>

#include "util/error.h"
#include "util/fdset.h"
#include "util/log.h"
#include "util/trace.h"

TRACE_POINT(test_one);
TRACE_POINT(test_two);

static char *log_name;

static void expect_log(const char *pattern)
{
    g_autofree char *text = NULL;

    g_assert_true(g_file_get_contents(log_name, &text, NULL, NULL));
    g_assert_true(g_regex_match_simple(pattern, text, 0, 0));
}

static void test_items_gate_the_log(void)
{
    autoerr Error *err = NULL;

    g_assert_true(log_set_file(log_name, &err));
    g_assert_true(log_set_items("unimp", &err));
    log_at(LOG_GUEST_ERROR, "no\n");
    log_at(LOG_UNIMP, "yes %d\n", 1);
    expect_log("^yes 1\n$");
    g_assert_true(log_set_items("none", &err));
    log_at(LOG_UNIMP, "no\n");
    expect_log("^yes 1\n$");
}

static void test_unknown_item_is_named(void)
{
    autoerr Error *err = NULL;

    g_assert_false(log_set_items("guest_error", &err));
    g_assert_cmpstr(error_text(err), ==, "unknown log item 'guest_error'");
    g_assert_cmpstr(error_nearest(err), ==, "guest_errors");
}

static void test_trace_points_follow_patterns(void)
{
    autoerr Error *err = NULL;

    g_assert_true(log_set_file(log_name, &err));
    trace(test_one, "off %d", 1);
    g_assert_true(trace_parse("test_*", &err));
    g_assert_true(trace_enable("-test_two", &err));
    trace(test_one, "on %d", 2);
    trace(test_two, "off %d", 3);
    expect_log("^[0-9]+@[0-9]+\\.[0-9]{6}:test_one on 2\n$");
    g_assert_true(trace_parse("enable=-test_one", &err));
    g_assert_false(trace_enable("nothing", &err));
}

static void test_sets_are_sorted_and_pick_free_numbers(void)
{
    FdSets *f = fdsets_new();
    autoerr Error *err = NULL;

    g_assert_cmpint(fdsets_add(f, 1, dup(0), "one", &err), ==, 1);
    g_assert_cmpint(fdsets_add(f, -1, dup(0), NULL, &err), ==, 0);
    g_assert_cmpint(fdsets_add(f, -1, dup(0), NULL, &err), ==, 2);
    g_assert_true(fdsets_remove(f, 1, -1, &err));
    g_assert_false(fdsets_remove(f, 1, -1, &err));
    g_assert_cmpint(fdsets_add(f, -1, dup(0), NULL, error_abort), ==, 1);
    fdsets_free(f);
}

static void test_unused_sets_are_dropped(void)
{
    FdSets *f = fdsets_new();
    int fd;

    fdsets_add(f, 1, open("/dev/null", O_RDWR), NULL, error_abort);
    fdsets_add(f, 2, open("/dev/null", O_RDWR), NULL, error_abort);
    fdsets_add(f, 2, open("/dev/zero", O_RDONLY), NULL, error_abort);
    fd = fdsets_open(f, "/dev/fdset/2", O_RDWR, 0);
    fdsets_drop_unused(f);
    g_assert_cmpint(fdsets_open(f, "/dev/fdset/1", O_RDWR, 0), ==, -ENOENT);
    close(fd);
    /* Of a set in use all stay, until its last duplicate is closed. */
    fd = fdsets_open(f, "/dev/fdset/2", O_RDONLY, 0);
    g_assert_cmpint(fd, >=, 0);
    fdsets_drop_unused(f);
    close(fd);
    fdsets_drop_unused(f);
    g_assert_cmpint(fdsets_open(f, "/dev/fdset/2", O_RDWR, 0), ==, -ENOENT);
    fdsets_free(f);
}

static void test_open_takes_the_matching_mode(void)
{
    FdSets *f = fdsets_new();
    int rd = open("/dev/null", O_RDONLY), rw = open("/dev/zero", O_RDWR);
    struct stat a, b;
    int fd;

    fdsets_add(f, 3, rd, NULL, error_abort);
    g_assert_cmpint(fdsets_open(f, "/dev/fdset/3", O_RDWR, 0), ==, -EACCES);
    fdsets_add(f, 3, rw, NULL, error_abort);
    fd = fdsets_open(f, "/dev/fdset/3", O_RDWR, 0);
    g_assert_cmpint(fd, >=, 0);
    fstat(fd, &a);
    fstat(rw, &b);
    g_assert_true(a.st_rdev == b.st_rdev && fd != rw);
    close(fd);
    g_assert_cmpint(fdsets_open(f, "/dev/fdset/4", O_RDWR, 0), ==, -ENOENT);
    g_assert_cmpint(fdsets_open(f, "/dev/fdset/x", O_RDWR, 0), ==, -EINVAL);
    g_assert_cmpint(fdsets_open(NULL, "/dev/fdset/3", 0, 0), ==, -ENOENT);
    g_assert_cmpint(fdsets_open(f, "/nonexistent", 0, 0), ==, -ENOENT);
    fdsets_free(f);
}

static void test_named_descriptor_is_taken_once(void)
{
    FdSets *f = fdsets_new();
    autoerr Error *err = NULL, *err2 = NULL;
    int fd = dup(0), got;

    g_assert_true(fdsets_put_name(f, "migrate", fd, &err));
    got = fdsets_param(f, "migrate", &err);
    g_assert_cmpint(got, ==, fd);
    close(got);
    g_assert_cmpint(fdsets_param(f, "migrate", &err), ==, -1);
    g_assert_false(fdsets_put_name(f, "7up", dup(0), &err2));
    fdsets_free(f);
}

int main(int argc, char **argv)
{
    int fd, ret;

    g_test_init(&argc, &argv, NULL);
    fd = g_file_open_tmp("nemu-log-XXXXXX", &log_name, NULL);
    close(fd);
    g_test_add_func("/log/items", test_items_gate_the_log);
    g_test_add_func("/log/unknown", test_unknown_item_is_named);
    g_test_add_func("/log/trace", test_trace_points_follow_patterns);
    g_test_add_func("/fdset/sets", test_sets_are_sorted_and_pick_free_numbers);
    g_test_add_func("/fdset/unused", test_unused_sets_are_dropped);
    g_test_add_func("/fdset/open", test_open_takes_the_matching_mode);
    g_test_add_func("/fdset/name", test_named_descriptor_is_taken_once);
    ret = g_test_run();
    unlink(log_name);
    return ret;
}
