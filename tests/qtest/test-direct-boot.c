/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a kernel finds that is entered without firmware. */
#include "util/osdep.h"

#include "tests/qtest/libqtest.h"

enum {
    KERNEL_AT = 0x1000000,
    BIOS_AREA = 0xf0000,
    MCFG_LAST_BUS = 36 + 8 + 11
};

static void put(uint8_t *p, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        p[i] = value >> 8 * i;
    }
}

/* ELF64 with a segment of 16 bytes and the note that names its PVH entry. */
static void write_kernel(const char *path)
{
    uint8_t elf[0x210] = "\177ELF\2\1\1";
    uint8_t *p = elf + 64;

    put(elf + 16, 2, 2);
    put(elf + 18, 62, 2);
    put(elf + 32, 64, 8);
    put(elf + 54, 56, 2);
    put(elf + 56, 2, 2);
    put(p, 1, 4);
    put(p + 8, 0x200, 8);
    put(p + 24, KERNEL_AT, 8);
    put(p + 32, 16, 8);
    put(p + 40, 16, 8);
    p += 56;
    put(p, 4, 4);
    put(p + 8, 0x100, 8);
    put(p + 32, 24, 8);
    p = elf + 0x100;
    put(p, 4, 4);
    put(p + 4, 8, 4);
    put(p + 8, 18, 4);
    memcpy(p + 12, "Xen", 4);
    put(p + 16, KERNEL_AT, 8);
    g_assert_true(g_file_set_contents(path, (char *)elf, sizeof(elf), NULL));
}

/* Address of the ACPI table with that signature. */
static uint32_t find_table(QTest *q, const char *signature)
{
    uint32_t rsdt, len, wanted;

    memcpy(&wanted, signature, 4);
    g_assert_cmphex(qtest_readl(q, BIOS_AREA), ==, 0x20445352); /* "RSD " */
    rsdt = qtest_readl(q, BIOS_AREA + 16);
    len = qtest_readl(q, rsdt + 4);
    for (uint32_t at = 36; at < len; at += 4) {
        uint32_t table = qtest_readl(q, rsdt + at);

        if (qtest_readl(q, table) == GUINT32_TO_LE(wanted)) {
            return table;
        }
    }
    g_assert_not_reached();
}

static QTest *start(const char *options)
{
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("nemu-kernel-XXXXXX", &path, NULL);
    QTest *q;

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    write_kernel(path);
    q = qtest_startf("-machine q35 -kernel %s %s", path, options);
    unlink(path);
    return q;
}

static void check_last_bus(const char *devices, unsigned last)
{
    g_autoptr(QTest) q = start(devices);

    g_assert_cmpuint(qtest_readb(q, find_table(q, "MCFG") + MCFG_LAST_BUS), ==,
                     last);
}

static void test_os_need_not_look_beyond_the_last_bus(void)
{
    check_last_bus("-device virtio-rng-pci", 0);
    check_last_bus("-device pcie-root-port,id=a,chassis=1 "
                   "-device pcie-root-port,id=b,chassis=2,bus-reserve=3",
                   5);
}

/* The first SMBIOS structure and its strings. */
static void check_bios(const char *options, const void *want, size_t len)
{
    g_autoptr(QTest) q = start(options);
    uint32_t anchor = BIOS_AREA;
    char got[128];

    while (qtest_readl(q, anchor) != 0x5f4d535f) { /* "_SM_" */
        anchor += 16;
        g_assert_cmphex(anchor, <, 0x100000);
    }
    g_assert_cmpuint(len, <, sizeof(got));
    qtest_memread(q, qtest_readl(q, anchor + 24), got, len);
    g_assert_cmpmem(got, len, want, len);
}

static void test_smbios_has_the_structure_of_the_firmware(void)
{
    static const char ours[] =
        "\0\x18\0\0\1\2\0\xe8\3\0\x08\0\0\0\0\0\0\0\0\x14\0\0\xff\xff"
        "NEMU\0" CONFIG_VERSION "\0"
        "04/01/2014\0";
    static const char told[] =
        "\0\x18\0\0\1\2\0\xe8\3\0\x08\0\0\0\0\0\0\0\0\x14\0\0\xff\xff"
        "Me\0" CONFIG_VERSION "\0"
        "04/01/2014\0";

    check_bios("", ours, sizeof(ours));
    check_bios("-smbios type=0,vendor=Me", told, sizeof(told));
}

/* An OS that sees translation off takes the keyboard for a raw one. */
static void test_keyboard_is_translated(void)
{
    g_autoptr(QTest) q = start("");

    for (int boots = 0; boots < 2; boots++) {
        qtest_outb(q, 0x64, 0x20);
        g_assert_cmphex(qtest_inb(q, 0x60), ==, 0x43);
        qtest_outb(q, 0x64, 0x60);
        qtest_outb(q, 0x60, 0);
        qtest_qmp_ok(q, "{'execute': 'system_reset'}");
        qobject_unref(qtest_wait_event(q, "RESET"));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/direct-boot/last-bus",
                    test_os_need_not_look_beyond_the_last_bus);
    g_test_add_func("/direct-boot/smbios",
                    test_smbios_has_the_structure_of_the_firmware);
    g_test_add_func("/direct-boot/keyboard", test_keyboard_is_translated);
    return g_test_run();
}
