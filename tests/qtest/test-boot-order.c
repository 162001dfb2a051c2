/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bootindex and -boot: what firmware reads in fw_cfg and CMOS. */
#include "util/osdep.h"

#include "tests/qtest/libqtest.h"

/* A fw_cfg file's bytes; NULL: no such file. */
static GString *read_file(QTest *q, const char *name)
{
    uint8_t be[4], entry[64];
    uint32_t n;

    qtest_outw(q, 0x510, 0x19);
    for (int i = 0; i < 4; i++) {
        be[i] = qtest_inb(q, 0x511);
    }
    n = (uint32_t)be[0] << 24 | be[1] << 16 | be[2] << 8 | be[3];
    while (n--) {
        for (int i = 0; i < 64; i++) {
            entry[i] = qtest_inb(q, 0x511);
        }
        if (!strcmp((char *)entry + 8, name)) {
            unsigned size = entry[2] << 8 | entry[3];
            GString *data = g_string_new(NULL);

            qtest_outw(q, 0x510, entry[4] << 8 | entry[5]);
            while (size--) {
                g_string_append_c(data, qtest_inb(q, 0x511));
            }
            return data;
        }
    }
    return NULL;
}

static void check_file(QTest *q, const char *name, const char *want, size_t len)
{
    GString *got = read_file(q, name);

    g_assert_nonnull(got);
    g_assert_cmpmem(got->str, got->len, want, len);
    g_string_free(got, TRUE);
}

static void check_order(QTest *q, const char *want)
{
    check_file(q, "bootorder", want, want[0] ? strlen(want) + 1 : 0);
}

static void check_cmos_order(QTest *q, uint8_t first_two, uint8_t third)
{
    qtest_outb(q, 0x70, 0x3d);
    g_assert_cmphex(qtest_inb(q, 0x71), ==, first_two);
    qtest_outb(q, 0x70, 0x38);
    g_assert_cmphex(qtest_inb(q, 0x71), ==, third);
}

static void reset(QTest *q)
{
    qtest_qmp_ok(q, "{'execute': 'system_reset'}");
    qobject_unref(qtest_wait_event(q, "RESET"));
}

#define NET   "-device virtio-net-pci,romfile=,"
#define NET_2 "/pci@i0cf8/ethernet@2/ethernet-phy@0"
#define NET_3 "/pci@i0cf8/ethernet@3/ethernet-phy@0"

static void test_paths_are_sorted_by_bootindex(void)
{
    g_autofree char *disk = g_strdup_printf("/tmp/boot-order-%d", getpid());
    g_autofree char *args =
        g_strdup_printf("-M q35 -blockdev driver=file,node-name=d,filename=%s "
                        "-device virtio-blk-pci,drive=d,bootindex=10,addr=1f.7 "
                        "-device pcie-root-port,id=r,chassis=1,addr=4 "
                        "-device pci-bridge,id=b,chassis_nr=1,addr=5 " NET
                        "bus=r,bootindex=3 " NET "bus=b,addr=6,bootindex=0 " NET
                        "addr=2 " NET "addr=3,bootindex=-1",
                        disk);
    g_autoptr(QTest) q = NULL;

    g_assert_true(g_file_set_contents(disk, "", 0, NULL));
    q = qtest_start(args);
    check_order(q, "/pci@i0cf8/pci-bridge@5/ethernet@6/ethernet-phy@0\n"
                   "/pci@i0cf8/pci-bridge@4/ethernet@0/ethernet-phy@0\n"
                   "/pci@i0cf8/scsi@1f,7/disk@0,0");
    unlink(disk);
}

static void test_strict_ends_with_halt(void)
{
    g_autoptr(QTest) q =
        qtest_start("-M q35 -boot strict=on " NET "addr=2,bootindex=1");

    check_order(q, NET_2 "\nHALT");
}

static void test_strict_without_devices_is_empty(void)
{
    g_autoptr(QTest) q = qtest_start("-M q35 -boot strict=on");

    check_order(q, "");
}

static void test_changes_hold_from_the_next_reset(void)
{
    g_autoptr(QTest) q =
        qtest_start("-M q35 " NET "addr=2,id=a " NET "addr=3,id=b,bootindex=2");
    g_autofree char *err = NULL;

    qtest_qmp_ok(q, "{'execute': 'qom-set', 'arguments': {'path': "
                    "'/machine/peripheral/a', 'property': 'bootindex', "
                    "'value': 1}}");
    check_order(q, NET_3);
    reset(q);
    check_order(q, NET_2 "\n" NET_3);
    err = qtest_qmp_error(q, "GenericError",
                          "{'execute': 'qom-set', 'arguments': {'path': "
                          "'/machine/peripheral/a', 'property': 'bootindex', "
                          "'value': 2}}");
    g_assert_cmpstr(err, ==, "The bootindex 2 has already been used");
    qtest_qmp_ok(q, "{'execute': 'qom-set', 'arguments': {'path': "
                    "'/machine/peripheral/b', 'property': 'bootindex', "
                    "'value': -1}}");
    reset(q);
    check_order(q, NET_2);
}

static void test_once_holds_until_the_first_reset(void)
{
    g_autoptr(QTest) q = qtest_start("-M q35 -boot order=nc,once=d");

    check_cmos_order(q, 0x03, 0x00);
    reset(q);
    check_cmos_order(q, 0x24, 0x00);
}

static void test_menu_and_times(void)
{
    g_autoptr(QTest) q = qtest_start(
        "-M q35 -boot menu=on,splash-time=5000,reboot-timeout=3000");

    qtest_outw(q, 0x510, 0x0e);
    g_assert_cmphex(qtest_inb(q, 0x511), ==, 1);
    check_file(q, "etc/boot-menu-wait", "\x88\x13", 2);
    check_file(q, "etc/boot-fail-wait", "\xb8\x0b\0\0", 4);
}

static void test_splash_pictures(void)
{
    static const char jpeg[32] = "\xff\xd8\xff\xe0";
    static const char bmp[32] = "BM\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                                "\0\0\0\0\0\0\0\0\x18";
    g_autofree char *path = g_strdup_printf("/tmp/boot-splash-%d", getpid());
    QTest *q;

    g_assert_true(g_file_set_contents(path, jpeg, 32, NULL));
    q = qtest_startf("-M q35 -boot splash=%s", path);
    check_file(q, "bootsplash.jpg", jpeg, 32);
    qtest_quit(q);
    g_assert_true(g_file_set_contents(path, bmp, 32, NULL));
    q = qtest_startf("-M q35 -boot splash=%s", path);
    check_file(q, "bootsplash.bmp", bmp, 32);
    qtest_quit(q);
    unlink(path);
}

static void test_bad_options_are_refused(void)
{
    static const struct {
        const char *options, *message;
    } cases[] = {
        { "-boot splash-time=70000", "'splash-time' must be" },
        { "-boot reboot-timeout=70000", "'reboot-timeout' must be" },
        { "-boot reboot-timeout=-2", "'reboot-timeout' must be" },
        { "-boot splash=/nonexistent", "splash file '/nonexistent'" },
        { "-boot splash=/bin/true", "JPEG or 24 bit BMP" },
        { "-boot once=e", "Invalid boot device for PC: 'e'" },
        { "-boot order=abcd", "Too many boot devices" },
        { NET "bootindex=2 " NET "bootindex=2",
          "bootindex 2 has already been used" },
        { NET "bootindex=x", "bootindex" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *args =
            g_strdup_printf("-M q35 -accel qtest -nodefaults -display none %s",
                            cases[i].options);
        g_autofree char *err = NULL;

        g_assert_cmpint(qtest_run(args, NULL, &err), ==, 1);
        if (!strstr(err, cases[i].message)) {
            g_test_message("%s: %s", cases[i].options, err);
            g_test_fail();
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/boot-order/paths", test_paths_are_sorted_by_bootindex);
    g_test_add_func("/boot-order/strict", test_strict_ends_with_halt);
    g_test_add_func("/boot-order/strict-empty",
                    test_strict_without_devices_is_empty);
    g_test_add_func("/boot-order/live", test_changes_hold_from_the_next_reset);
    g_test_add_func("/boot-order/once", test_once_holds_until_the_first_reset);
    g_test_add_func("/boot-order/menu", test_menu_and_times);
    g_test_add_func("/boot-order/splash", test_splash_pictures);
    g_test_add_func("/boot-order/errors", test_bad_options_are_refused);
    return g_test_run();
}
