/* SPDX-License-Identifier: GPL-2.0-or-later */
/* State tables: the wire format byte by byte, versions, hostile streams. */
#include "util/osdep.h"

#include "migration/vmstate.h"
#include "util/error.h"

typedef struct Inner {
    uint8_t x;
    int16_t y;
} Inner;

typedef struct Dev {
    bool flag;
    uint8_t a;
    uint16_t b;
    uint32_t c;
    uint64_t d;
    int32_t e;
    uint16_t arr[3];
    uint8_t buf[4];
    Inner inner;
    Inner inners[2];
    uint8_t n;
    uint32_t *list; /* n of at most 4 */
    uint32_t newer; /* since version 2 */
    bool sub_needed;
    uint32_t sub;
    int post_loads;
} Dev;

static const VmState inner_vms = {
    .name = "inner",
    .version = 1,
    .fields = (const VmField[]){ VMS(Inner, x), VMS(Inner, y), {} },
};

static bool sub_needed(const void *state)
{
    return ((const Dev *)state)->sub_needed;
}

static const VmState sub_vms = {
    .name = "dev/sub",
    .version = 3,
    .min_version = 2,
    .needed = sub_needed,
    .fields = (const VmField[]){ VMS(Dev, sub), {} },
};

static bool dev_check(const void *state, int version, Error **errp)
{
    const Dev *d = state;

    return d->a != 0xee || error_set(errp, "a is impossible");
}

static bool dev_post_load(void *state, int version, Error **errp)
{
    ((Dev *)state)->post_loads++;
    return true;
}

static const VmState dev_vms = {
    .name = "dev",
    .version = 2,
    .min_version = 1,
    .check = dev_check,
    .post_load = dev_post_load,
    .fields =
        (const VmField[]){
            VMS(Dev, flag),
            VMS(Dev, a),
            VMS(Dev, b),
            VMS(Dev, c),
            VMS(Dev, d),
            VMS(Dev, e),
            VMS_ARRAY(Dev, arr, "arr"),
            VMS_BUFFER(Dev, buf, "buf"),
            VMS_UNUSED(2),
            VMS_STRUCT(Dev, inner, "inner", &inner_vms),
            VMS_STRUCT_ARRAY(Dev, inners, "inners", &inner_vms),
            VMS(Dev, n),
            VMS_VARRAY(Dev, list, n, "list", 4),
            VMS_V(Dev, newer, "newer", 2),
            {},
        },
    .subsections = (const VmState *const[]){ &sub_vms, NULL },
};

static const uint8_t golden[] = {
    1,                                              /* flag */
    0x11,                                           /* a */
    0x22, 0x23,                                     /* b */
    0x33, 0x34, 0x35, 0x36,                         /* c */
    0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b, /* d */
    0xff, 0xff, 0xff, 0xfe,                         /* e */
    0,    1,    0,    2,    0,    3,                /* arr */
    'a',  'b',  'c',  'd',                          /* buf */
    0,    0,                                        /* unused */
    5,    0xff, 0xfa,                               /* inner */
    6,    0,    7,    8,    0,    9,                /* inners */
    2,                                              /* n */
    0,    0,    0,    0x51, 0,    0,    0,    0x52, /* list */
    0,    0,    0,    0x61,                         /* newer */
    5,    7,    'd',  'e',  'v',  '/',  's',  'u',  'b',
    0,    0,    0,    3,                            /* subsection's version */
    0x71, 0x72, 0x73, 0x74,
};
enum { LIST_COUNT_AT = 41, NEWER_AT = 50, SUB_AT = 54 };

static void dev_fill(Dev *d, uint32_t *list)
{
    *d = (Dev){
        .flag = true, .a = 0x11, .b = 0x2223, .c = 0x33343536,
        .d = 0x4445464748494a4b, .e = -2, .arr = { 1, 2, 3 },
        .buf = { 'a', 'b', 'c', 'd' }, .inner = { 5, -6 },
        .inners = { { 6, 7 }, { 8, 9 } }, .n = 2, .list = list,
        .newer = 0x61, .sub_needed = true, .sub = 0x71727374,
    };
    list[0] = 0x51;
    list[1] = 0x52;
}

static bool load(Dev *d, uint32_t *list, const uint8_t *buf, size_t len,
                 int version, Error **errp)
{
    VmReader *r = vm_reader_new(buf, len);
    bool ok;

    *d = (Dev){ .list = list };
    memset(list, 0, 4 * sizeof(*list));
    ok = vmstate_load(r, &dev_vms, d, version, errp);
    vm_reader_free(r);
    return ok;
}

static void test_saves_the_golden_bytes(void)
{
    VmWriter *w = vm_writer_new();
    uint32_t list[4] = {};
    const uint8_t *data;
    size_t len;
    Dev d;

    dev_fill(&d, list);
    vmstate_save(w, &dev_vms, &d);
    data = vm_writer_data(w, &len);
    g_assert_cmpmem(data, len, golden, sizeof(golden));
    vm_writer_free(w);
}

static void test_loads_the_golden_bytes(void)
{
    uint32_t list[4], want_list[4] = {};
    Dev d, want;

    dev_fill(&want, want_list);
    g_assert_true(load(&d, list, golden, sizeof(golden), 2, error_abort));
    g_assert_cmpint(d.flag, ==, true);
    g_assert_cmphex(d.d, ==, want.d);
    g_assert_cmpint(d.e, ==, -2);
    g_assert_cmpmem(d.arr, sizeof(d.arr), want.arr, sizeof(want.arr));
    g_assert_cmpmem(d.buf, sizeof(d.buf), want.buf, sizeof(want.buf));
    g_assert_cmpint(d.inner.y, ==, -6);
    g_assert_cmpint(d.inners[1].y, ==, 9);
    g_assert_cmpmem(list, sizeof(list), want_list, sizeof(want_list));
    g_assert_cmphex(d.newer, ==, 0x61);
    g_assert_cmphex(d.sub, ==, 0x71727374);
    g_assert_cmpint(d.post_loads, ==, 1);
}

static void test_version_1_lacks_the_newer_field(void)
{
    uint32_t list[4];
    Dev d;

    g_assert_true(load(&d, list, golden, NEWER_AT, 1, error_abort));
    g_assert_cmphex(d.newer, ==, 0);
}

static void test_unknown_versions_are_refused(void)
{
    uint32_t list[4];

    for (int version = -1; version <= 3; version += 2) {
        autoerr Error *err = NULL;
        Dev d;

        if (version != 1) {
            g_assert_false(load(&d, list, golden, sizeof(golden), version,
                                &err));
        }
    }
}

static void test_every_truncation_fails_but_at_the_subsection(void)
{
    for (size_t len = 0; len < sizeof(golden); len++) {
        autoerr Error *err = NULL;
        uint32_t list[4];
        Dev d;
        /* An incomplete name is left to the caller as unread bytes. */
        bool want = len >= SUB_AT && len < SUB_AT + 9;

        g_assert_cmpint(load(&d, list, golden, len, 2, &err), ==, want);
        g_assert_true(want == !err);
    }
}

static void test_count_above_the_table_is_refused(void)
{
    autoerr Error *err = NULL;
    uint8_t bad[sizeof(golden)];
    uint32_t list[4];
    Dev d;

    memcpy(bad, golden, sizeof(bad));
    bad[LIST_COUNT_AT] = 5;
    g_assert_false(load(&d, list, bad, sizeof(bad), 2, &err));
    g_assert_cmpstr(error_text(err), ==,
                    "dev: list: 5 elements, at most 4");
}

static void test_check_stops_post_load(void)
{
    autoerr Error *err = NULL;
    uint8_t bad[sizeof(golden)];
    uint32_t list[4];
    Dev d;

    memcpy(bad, golden, sizeof(bad));
    bad[1] = 0xee;
    g_assert_false(load(&d, list, bad, sizeof(bad), 2, &err));
    g_assert_cmpstr(error_text(err), ==, "dev: a is impossible");
    g_assert_cmpint(d.post_loads, ==, 0);
}

static void test_unknown_subsection_is_refused(void)
{
    autoerr Error *err = NULL;
    uint8_t bad[sizeof(golden)];
    uint32_t list[4];
    Dev d;

    memcpy(bad, golden, sizeof(bad));
    bad[SUB_AT + 8] = 'x';
    g_assert_false(load(&d, list, bad, sizeof(bad), 2, &err));
    g_assert_cmpstr(error_text(err), ==,
                    "dev: unknown subsection 'dev/sux'");
}

static void test_foreign_subsection_is_left_alone(void)
{
    uint8_t other[sizeof(golden)];
    uint32_t list[4];
    VmReader *r;
    Dev d = { .list = list };

    memcpy(other, golden, sizeof(other));
    other[SUB_AT + 2] = 'X';
    r = vm_reader_new(other, sizeof(other));
    g_assert_true(vmstate_load(r, &dev_vms, &d, 2, error_abort));
    g_assert_cmpint(vm_reader_left(r), ==, sizeof(other) - SUB_AT);
    vm_reader_free(r);
}

static void test_description_names_everything(void)
{
    g_autoptr(GString) s = g_string_new(NULL);

    vmstate_dump_json(&sub_vms, 1, s);
    g_assert_cmpstr(s->str, ==,
                    "{\n"
                    "    \"name\": \"dev/sub\",\n"
                    "    \"version_id\": 3,\n"
                    "    \"minimum_version_id\": 2,\n"
                    "    \"Fields\": [\n"
                    "      {\n"
                    "        \"field\": \"sub\",\n"
                    "        \"version_id\": 0,\n"
                    "        \"field_exists\": false,\n"
                    "        \"size\": 4\n"
                    "      }\n"
                    "    ]\n"
                    "  }");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmstate/save", test_saves_the_golden_bytes);
    g_test_add_func("/vmstate/load", test_loads_the_golden_bytes);
    g_test_add_func("/vmstate/version-1", test_version_1_lacks_the_newer_field);
    g_test_add_func("/vmstate/versions", test_unknown_versions_are_refused);
    g_test_add_func("/vmstate/truncated",
                    test_every_truncation_fails_but_at_the_subsection);
    g_test_add_func("/vmstate/count", test_count_above_the_table_is_refused);
    g_test_add_func("/vmstate/check", test_check_stops_post_load);
    g_test_add_func("/vmstate/unknown-sub", test_unknown_subsection_is_refused);
    g_test_add_func("/vmstate/foreign-sub",
                    test_foreign_subsection_is_left_alone);
    g_test_add_func("/vmstate/dump", test_description_names_everything);
    return g_test_run();
}
