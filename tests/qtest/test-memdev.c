/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory backends, CPUs and what is said about them. */
#include "util/osdep.h"

#include "tests/qtest/libqtest.h"

static void test_memory_of_a_backend_is_the_guests(void)
{
    g_autoptr(QTest) q = qtest_start(
        "-M q35,memory-backend=m0 -m 64 "
        "-object memory-backend-memfd,id=m0,size=64M,prealloc=on");
    g_autoptr(QObject) list = qtest_qmp_return(q, "{'execute': 'query-memdev'}");
    QDict *m = qobject_to_dict(qlist_get(qobject_to_list(list), 0));

    qtest_writel(q, 0x100000, 0x12345678);
    g_assert_cmphex(qtest_readl(q, 0x100000), ==, 0x12345678);
    g_assert_cmpstr(qdict_get_str(m, "id"), ==, "m0");
    g_assert_true(qdict_get_bool(m, "share", false));
    g_assert_true(qdict_get_bool(m, "prealloc", false));
    g_free(qtest_qmp_error(q, "GenericError",
                           "{'execute': 'object-del', "
                           "'arguments': {'id': 'm0'}}"));
}

static void test_file_backend_writes_the_file(void)
{
    g_autofree char *path = g_strdup_printf("memdev-%d.ram", getpid());
    g_autofree char *data = NULL;
    g_autoptr(QTest) q = qtest_startf(
        "-M q35,memory-backend=m0 -m 2 "
        "-object memory-backend-file,id=m0,size=2M,share=on,mem-path=%s", path);
    gsize len;

    qtest_memwrite(q, 0x1000, "hello", 5);
    g_assert_true(g_file_get_contents(path, &data, &len, NULL));
    unlink(path);
    g_assert_cmpuint(len, ==, 2 * MiB);
    g_assert_cmpmem(data + 0x1000, 5, "hello", 5);
}

static void check_refused(const char *object, const char *why)
{
    g_autofree char *args = g_strdup_printf(
        "-M none -accel qtest -display none -object %s", object);
    g_autofree char *err = NULL;

    g_assert_cmpint(qtest_run(args, NULL, &err), ==, 1);
    if (!strstr(err, why)) {
        g_error("'%s' does not say '%s'", err, why);
    }
}

static void test_bad_backends_are_refused(void)
{
    check_refused("memory-backend-ram,id=m,size=0", "size");
    check_refused("memory-backend-ram,id=m", "size");
    check_refused("memory-backend-ram,id=m,size=1M,colour=red", "colour");
    check_refused("memory-backend-ram,id=m,size=1M,policy=bind", "host-nodes");
    check_refused("memory-backend-file,id=m,size=1M", "mem-path");
    check_refused("memory-backend-file,id=m,size=1M,mem-path=/nonexistent/x",
                  "/nonexistent/x");
    check_refused("memory-backend-memfd,id=m,size=1M,hugetlb=on,hugetlbsize=3M",
                  "hugetlbsize");
}

static void test_cpus_have_their_places(void)
{
    g_autoptr(QTest) q =
        qtest_start("-M q35 -smp 3,maxcpus=4,sockets=1,cores=2,threads=2");
    g_autoptr(QObject) cpus = qtest_qmp_return(q, "{'execute': "
                                               "'query-cpus-fast'}");
    g_autoptr(QObject) slots = qtest_qmp_return(
        q, "{'execute': 'query-hotpluggable-cpus'}");
    QDict *last = qobject_to_dict(qlist_get(qobject_to_list(cpus), 2));
    QDict *props = qdict_get_dict(last, "props");

    g_assert_cmpuint(qlist_size(qobject_to_list(cpus)), ==, 3);
    g_assert_cmpuint(qlist_size(qobject_to_list(slots)), ==, 4);
    g_assert_cmpint(qdict_get_int(props, "core-id", -1), ==, 1);
    g_assert_cmpint(qdict_get_int(props, "thread-id", -1), ==, 0);
    g_assert_cmpstr(qdict_get_str(last, "target"), ==, "x86_64");
}

static void test_unknown_cpu_feature_is_refused(void)
{
    g_autofree char *err = NULL;

    g_assert_cmpint(qtest_run("-M q35 -accel qtest -display none "
                              "-cpu qemu64,+nosuch", NULL, &err), ==, 1);
    g_assert_nonnull(strstr(err, "nosuch"));
}

static bool model_has(QTest *q, const char *props, const char *feature)
{
    g_autoptr(QObject) r = qtest_qmp_return(
        q, "{'execute': 'query-cpu-model-expansion', 'arguments': "
        "{'type': 'static', 'model': {'name': 'qemu64', 'props': %s}}}", props);
    QDict *model = qdict_get_dict(qobject_to_dict(r), "model");

    g_assert_cmpstr(qdict_get_str(model, "name"), ==, "base");
    return qdict_get_bool(qdict_get_dict(model, "props"), feature, false);
}

static void test_models_expand(void)
{
    g_autoptr(QTest) q = qtest_start("-M none");

    g_assert_true(model_has(q, "{}", "cx16"));
    g_assert_false(model_has(q, "{'cx16': false}", "cx16"));
    g_assert_false(model_has(q, "{}", "avx2"));
    g_assert_true(model_has(q, "{'avx2': true}", "avx2"));
}

static void test_accelerators_that_do_not_exist(void)
{
    g_autofree char *err = NULL;

    g_assert_cmpint(qtest_run("-M q35 -accel tcg -display none", NULL, &err),
                    ==, 1);
    g_assert_nonnull(strstr(err, "invalid accelerator tcg"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/memdev/memory-of-a-backend-is-the-guests",
                    test_memory_of_a_backend_is_the_guests);
    g_test_add_func("/memdev/file-backend-writes-the-file",
                    test_file_backend_writes_the_file);
    g_test_add_func("/memdev/bad-backends-are-refused",
                    test_bad_backends_are_refused);
    g_test_add_func("/cpu/have-their-places", test_cpus_have_their_places);
    g_test_add_func("/cpu/unknown-feature-is-refused",
                    test_unknown_cpu_feature_is_refused);
    g_test_add_func("/cpu/models-expand", test_models_expand);
    g_test_add_func("/accel/that-do-not-exist",
                    test_accelerators_that_do_not_exist);
    return g_test_run();
}
