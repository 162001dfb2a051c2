/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SMBIOS against the structures that a guest sees under QEMU 7.2 (as read from
 * its fw_cfg), and errors of -smbios.
 */
#include "util/osdep.h"

#include <glib/gstdio.h>

#include "hw/firmware/smbios.h"
#include "util/error.h"

/* q35, 2 of 4 CPUs, 128 MiB. */
static const char golden_default[] =
    "011b00010102030000000000000000000000000000000000"
    "06000051454d55005374616e646172642050432028513335"
    "202b20494348392c2032303039290070632d7133352d372e"
    "320000031600030101020000030303020000000000000000"
    "0051454d550070632d7133352d372e320000042a00040103"
    "0102b10f0600fdfb8b0703000000d007d0074101ffffffff"
    "ffff0000000404040200010043505520300051454d550070"
    "632d7133352d372e3200001017001001030600000200feff"
    "010000000000000000000000112800110010feffffffffff"
    "800009000100070200000002000000000000000000000000"
    "0000000044494d4d20300051454d550000131f0013000000"
    "00ffff010000100100000000000000000000000000000000"
    "0000200b00200000000000000000007f04007f0000";
/* q35, 4 CPUs in 2 sockets, 6 GiB, every field of types 0 to 4, 11 and 17. */
static const char golden_full[] =
    "00180000010200e803000800000000000000001c0304ffff"
    "5600312e300030312f30322f323032300000011b00010102"
    "030433221100554477668899aabbccddeeff0605064d0050"
    "0070632d7133352d372e320053004b00460000020f000201"
    "02030405010600030a004d32005032005632005332004132"
    "004c32000003160003010102030403030302000000000000"
    "0000054d33005633005333004133004b330000042a000401"
    "030102341200000000000003000000b80bc4094101ffffff"
    "ffffff0405060202020200010053502030004d3400563400"
    "53340041340050340000042a010401030102341200000000"
    "000003000000b80bc4094101ffffffffffff040506020202"
    "0200010053502031004d3400563400533400413400503400"
    "000b05000e026f6e650074776f0000101700100103060000"
    "6000feff010000000000000000000000112800110010feff"
    "ffffffff001809000102070200800c030405060000000000"
    "800c0000000000004c5020300042004d3137005331370041"
    "3137005031370000131f001300000000ffff1f0000100100"
    "0000000000000000000000000000000000131f0113000040"
    "00ffff7f0000100100000000000000000000000000000000"
    "0000200b00200000000000000000007f04007f0000";
static const char golden_full_anchor[] =
    "5f534d5f001f020840000000000000005f444d495f00dd01"
    "000000000d0028";
/* q35, 1 CPU, 64 MiB, version 3.0. */
static const char golden_30[] =
    "011b00010102030000000000000000000000000000000000"
    "06000051454d55005374616e646172642050432028513335"
    "202b20494348392c2032303039290070632d7133352d372e"
    "320000031600030101020000030303020000000000000000"
    "0051454d550070632d7133352d372e320000043000040103"
    "0102b10f0600fdfb8b0703000000d007d0074101ffffffff"
    "ffff00000001010102000100010001000100435055203000"
    "51454d550070632d7133352d372e32000010170010010306"
    "00000100feff010000000000000000000000112800110010"
    "feffffffffff400009000100070200000002000000000000"
    "0000000000000000000044494d4d20300051454d55000013"
    "1f001300000000ffff000000100100000000000000000000"
    "0000000000000000200b00200000000000000000007f0400"
    "7f0000";
static const char golden_30_anchor[] =
    "5f534d335f001803000001003b0100000000000000000000";

static char *hex(const GByteArray *b)
{
    GString *s = g_string_new(NULL);

    for (unsigned i = 0; i < b->len; i++) {
        g_string_append_printf(s, "%02x", b->data[i]);
    }
    return g_string_free(s, false);
}

static SmbiosMachine q35(uint64_t ram, const SmbiosRange *ranges, unsigned n)
{
    return (SmbiosMachine){
        .manufacturer = "QEMU",
        .product = "Standard PC (Q35 + ICH9, 2009)",
        .version = "pc-q35-7.2",
        .sockets = 1,
        .cores = 1,
        .threads = 1,
        .cpuid_signature = 0x00060fb1,
        .cpuid_features = 0x078bfbfd,
        .ram_size = ram,
        .ranges = ranges,
        .n_ranges = n,
    };
}

static void compare(const Smbios *s, const SmbiosMachine *m, const char *tables,
                    const char *anchor)
{
    g_autoptr(GByteArray) a = NULL;
    g_autoptr(GByteArray) t = NULL;
    g_autofree char *got = NULL, *got_anchor = NULL;

    g_assert_true(smbios_build(s, m, &a, &t, error_abort));
    got = hex(t);
    got_anchor = hex(a);
    g_assert_cmpstr(got, ==, tables);
    if (anchor) {
        g_assert_cmpstr(got_anchor, ==, anchor);
    }
}

static void test_defaults_are_those_of_7_2(void)
{
    SmbiosRange r = { 0, 128 * MiB };
    SmbiosMachine m = q35(128 * MiB, &r, 1);

    m.cores = 4;
    compare(NULL, &m, golden_default, NULL);
}

static void test_every_field_lands_in_its_place(void)
{
    static const char *const options[] = {
        "type=0,vendor=V,version=1.0,date=01/02/2020,release=3.4,uefi=on",
        "type=1,manufacturer=M,product=P,serial=S,sku=K,family=F,"
        "uuid=00112233-4455-6677-8899-aabbccddeeff",
        "type=2,manufacturer=M2,product=P2,version=V2,serial=S2,asset=A2,"
        "location=L2",
        "type=3,manufacturer=M3,version=V3,serial=S3,asset=A3,sku=K3",
        "type=4,sock_pfx=SP,manufacturer=M4,version=V4,serial=S4,asset=A4,"
        "part=P4,max-speed=3000,current-speed=2500,processor-id=0x1234",
        "type=11,value=one,value=two",
        "type=17,loc_pfx=LP,bank=B,manufacturer=M17,serial=S17,asset=A17,"
        "part=P17,speed=3200",
    };
    SmbiosRange r[] = { { 0, 2 * GiB }, { 4 * GiB, 4 * GiB } };
    SmbiosMachine m = q35(6 * GiB, r, 2);
    g_autoptr(Smbios) s = smbios_new();
    uint8_t uuid[16];

    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        g_assert_true(smbios_add(s, options[i], error_abort));
    }
    m.sockets = 2;
    m.cores = 2;
    compare(s, &m, golden_full, golden_full_anchor);
    g_assert_true(smbios_uuid(s, uuid));
    g_assert_cmphex(uuid[0], ==, 0);
    g_assert_cmphex(uuid[15], ==, 0xff);
}

static void test_version_3_has_wide_counts(void)
{
    SmbiosRange r = { 0, 64 * MiB };
    SmbiosMachine m = q35(64 * MiB, &r, 1);

    m.entry_64 = true;
    compare(NULL, &m, golden_30, golden_30_anchor);
}

static void test_doubled_comma_is_one(void)
{
    g_autoptr(Smbios) s = smbios_new();
    g_autoptr(GByteArray) a = NULL;
    g_autoptr(GByteArray) t = NULL;
    SmbiosMachine m = q35(64 * MiB, NULL, 0);

    g_assert_true(smbios_add(s, "type=1,product=a,,b", error_abort));
    g_assert_true(smbios_build(s, &m, &a, &t, error_abort));
    g_assert_nonnull(memmem(t->data, t->len, "\0a,b\0", 5));
}

static void test_file_replaces_the_built_structure(void)
{
    static const char raw[] = "\3\5\0\x31\1chass\0";
    g_autoptr(Smbios) s = smbios_new();
    g_autoptr(GByteArray) a = NULL;
    g_autoptr(GByteArray) t = NULL;
    autoerr Error *err = NULL;
    SmbiosMachine m = q35(64 * MiB, NULL, 0);
    g_autofree char *name = NULL, *option = NULL;
    int fd = g_file_open_tmp("nemu-smbios-XXXXXX", &name, NULL);

    g_assert_cmpint(write(fd, raw, sizeof(raw)), ==, sizeof(raw));
    close(fd);
    option = g_strdup_printf("file=%s", name);
    g_assert_true(smbios_add(s, option, error_abort));
    g_unlink(name);
    g_assert_false(smbios_add(s, "type=3,asset=x", &err));
    g_assert_true(smbios_build(s, &m, &a, &t, error_abort));
    g_assert_cmpmem(t->data, sizeof(raw), raw, sizeof(raw));
    g_assert_null(memmem(t->data + 4, t->len - 4, "\3\x16\0\3", 4));
}

static void test_bad_options_are_named(void)
{
    static const struct {
        const char *option, *message;
    } cases[] = {
        { "type=9", "Don't know how to build fields for SMBIOS type 9" },
        { "type=1,foo=1", "Invalid parameter 'foo'" },
        { "type=1,uuid=x", "Invalid UUID" },
        { "type=0,release=1", "Invalid release" },
        { "type=0,uefi=maybe", "Parameter 'uefi' expects 'on' or 'off'" },
        { "type=4,max-speed=70000",
          "Parameter 'max-speed' expects a number up to 65535" },
        { "foo=1", "Must specify type= or file=" },
        { "type=1,serial", "Parameter 'serial' needs a value" },
        { "file=/nonexistent", "Cannot read SMBIOS file /nonexistent" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autoptr(Smbios) s = smbios_new();
        autoerr Error *err = NULL;

        g_assert_false(smbios_add(s, cases[i].option, &err));
        g_assert_cmpstr(error_text(err), ==, cases[i].message);
    }
}

static void test_tables_too_long_for_2_8_are_refused(void)
{
    g_autoptr(Smbios) s = smbios_new();
    g_autoptr(GByteArray) a = NULL;
    g_autoptr(GByteArray) t = NULL;
    autoerr Error *err = NULL;
    SmbiosMachine m = q35(64 * MiB, NULL, 0);
    g_autofree char *many = g_strnfill(40000, 'x');
    g_autofree char *option =
        g_strdup_printf("type=11,value=%s,value=%s", many, many);

    g_assert_true(smbios_add(s, option, error_abort));
    g_assert_false(smbios_build(s, &m, &a, &t, &err));
    g_assert_nonnull(strstr(error_text(err), "65535"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/smbios/defaults", test_defaults_are_those_of_7_2);
    g_test_add_func("/smbios/fields", test_every_field_lands_in_its_place);
    g_test_add_func("/smbios/3.0", test_version_3_has_wide_counts);
    g_test_add_func("/smbios/comma", test_doubled_comma_is_one);
    g_test_add_func("/smbios/file", test_file_replaces_the_built_structure);
    g_test_add_func("/smbios/errors", test_bad_options_are_named);
    g_test_add_func("/smbios/too-long",
                    test_tables_too_long_for_2_8_are_refused);
    return g_test_run();
}
