/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x-query-virtio and its relatives, and "info virtio" of HMP. */
#include "util/osdep.h"

#include "tests/qtest/virtio-driver.h"

#define PATH "/machine/peripheral/r0/virtio-backend"

typedef struct Rng {
    QTest *q;
    VDev *v;
    VRing *r;
} Rng;

static void rng_open(Rng *s, uint64_t features)
{
    s->q = qtest_start("-machine q35 -device virtio-rng-pci,id=r0,addr=4 "
                       "-device virtio-serial-pci,id=s0,addr=5");
    s->v = vdev_open(s->q, 4, false);
    vdev_negotiate(s->v, features);
    s->r = vring_new(s->v, 0);
    vdev_driver_ok(s->v);
}

static void rng_close(Rng *s)
{
    g_free(s->r);
    vdev_close(s->v);
    qtest_quit(s->q);
}

static QDict *query(Rng *s, const char *command, const char *more)
{
    QObject *o = qtest_qmp_return(s->q,
                                  "{'execute': '%s', 'arguments': "
                                  "{'path': '" PATH "'%s}}",
                                  command, more);

    return qobject_to_dict(o);
}

static int64_t number(const QDict *d, const char *key)
{
    g_assert_true(qdict_has(d, key));
    return qdict_get_int(d, key, -1);
}

static bool has_word(const QList *list, const char *word)
{
    for (size_t i = 0; i < qlist_size(list); i++) {
        if (g_str_has_prefix(qobject_get_str(qlist_get(list, i)), word)) {
            return true;
        }
    }
    return false;
}

static void test_devices_are_listed(void)
{
    g_autoptr(QObject) all = NULL;
    g_autofree char *text = NULL;
    const QDict *first, *second;
    Rng s;

    rng_open(&s, 0);
    all = qtest_qmp_return(s.q, "{'execute': 'x-query-virtio'}");
    g_assert_cmpuint(qlist_size(qobject_to_list(all)), ==, 2);
    first = qobject_to_dict(qlist_get(qobject_to_list(all), 0));
    second = qobject_to_dict(qlist_get(qobject_to_list(all), 1));
    g_assert_cmpstr(qdict_get_str(first, "name"), ==, "virtio-serial");
    g_assert_cmpstr(qdict_get_str(second, "name"), ==, "virtio-rng");
    g_assert_cmpstr(qdict_get_str(second, "path"), ==, PATH);
    text = qtest_hmp(s.q, "info virtio");
    g_assert_nonnull(strstr(text, PATH " [virtio-rng]"));
    rng_close(&s);
}

static void test_status_tells_what_was_negotiated(void)
{
    g_autofree char *text = NULL, *err = NULL;
    g_autoptr(QDict) d = NULL;
    const QDict *guest;
    Rng s;

    rng_open(&s, BIT(29));
    d = query(&s, "x-query-virtio-status", "");
    guest = qdict_get_dict(d, "guest-features");
    g_assert_cmpint(number(d, "device-id"), ==, 4);
    g_assert_cmpint(number(d, "num-vqs"), ==, 1);
    g_assert_true(qdict_get_bool(d, "started", false));
    g_assert_true(qdict_get_bool(d, "vm-running", false));
    g_assert_false(qdict_get_bool(d, "broken", true));
    g_assert_true(has_word(qdict_get_list(guest, "transports"),
                           "VIRTIO_RING_F_EVENT_IDX:"));
    g_assert_true(
        has_word(qdict_get_list(guest, "transports"), "VIRTIO_F_VERSION_1:"));
    g_assert_false(has_word(qdict_get_list(guest, "transports"),
                            "VIRTIO_RING_F_INDIRECT_DESC:"));
    g_assert_true(has_word(qdict_get_list(qdict_get_dict(d, "host-features"),
                                          "transports"),
                           "VIRTIO_RING_F_INDIRECT_DESC:"));
    g_assert_true(
        has_word(qdict_get_list(qdict_get_dict(d, "status"), "statuses"),
                 "VIRTIO_CONFIG_S_DRIVER_OK:"));
    text = qtest_hmp(s.q, "info virtio-status " PATH);
    g_assert_nonnull(strstr(text, "VIRTIO_RING_F_EVENT_IDX"));
    err = qtest_qmp_error(s.q, "GenericError",
                          "{'execute': 'x-query-virtio-status', 'arguments': "
                          "{'path': '/machine/peripheral/r0'}}");
    g_assert_nonnull(strstr(err, "is not a VirtIODevice"));
    rng_close(&s);
}

static void test_queue_status_follows_the_ring(void)
{
    VSeg seg;
    g_autofree char *text = NULL, *err = NULL;
    g_autoptr(QDict) d = NULL;
    Rng s;

    rng_open(&s, 0);
    seg = (VSeg){ vdev_alloc(s.v, 64), 64, true };
    vring_do(s.r, &seg, 1);
    vring_do(s.r, &seg, 1);
    d = query(&s, "x-query-virtio-queue-status", ", 'queue': 0");
    g_assert_cmpint(number(d, "vring-num"), ==, s.r->num);
    g_assert_cmpint(number(d, "vring-desc"), ==, s.r->desc);
    g_assert_cmpint(number(d, "vring-avail"), ==, s.r->avail);
    g_assert_cmpint(number(d, "vring-used"), ==, s.r->used);
    g_assert_cmpint(number(d, "last-avail-idx"), ==, 2);
    g_assert_cmpint(number(d, "used-idx"), ==, 2);
    g_assert_cmpint(number(d, "inuse"), ==, 0);
    text = qtest_hmp(s.q, "info virtio-queue-status " PATH " 0");
    g_assert_nonnull(strstr(text, "last_avail_idx:       2"));
    err = qtest_qmp_error(s.q, "GenericError",
                          "{'execute': 'x-query-virtio-queue-status', "
                          "'arguments': {'path': '" PATH "', 'queue': 1}}");
    g_assert_nonnull(strstr(err, "Invalid virtqueue number 1"));
    rng_close(&s);
}

static void test_element_shows_the_chain(void)
{
    VSeg segs[2];
    g_autofree char *text = NULL;
    g_autoptr(QDict) d = NULL, later = NULL;
    const QDict *desc;
    const QList *descs;
    Rng s;

    rng_open(&s, 0);
    segs[0] = (VSeg){ vdev_alloc(s.v, 64), 48, true };
    segs[1] = (VSeg){ vdev_alloc(s.v, 64), 16, true };
    vring_do(s.r, segs, 1);
    qtest_qmp_ok(s.q, "{'execute': 'stop'}");
    vring_add(s.r, segs, 2);
    d = query(&s, "x-query-virtio-queue-element", ", 'queue': 0");
    g_assert_cmpint(number(d, "index"), ==, 1);
    descs = qdict_get_list(d, "descs");
    g_assert_cmpuint(qlist_size(descs), ==, 2);
    desc = qobject_to_dict(qlist_get(descs, 0));
    g_assert_cmpint(number(desc, "addr"), ==, segs[0].addr);
    g_assert_cmpint(number(desc, "len"), ==, 48);
    g_assert_true(has_word(qdict_get_list(desc, "flags"), "next"));
    g_assert_true(has_word(qdict_get_list(desc, "flags"), "write"));
    desc = qobject_to_dict(qlist_get(descs, 1));
    g_assert_cmpint(number(desc, "len"), ==, 16);
    g_assert_false(has_word(qdict_get_list(desc, "flags"), "next"));
    g_assert_cmpint(number(qdict_get_dict(d, "avail"), "idx"), ==, 2);
    g_assert_cmpint(number(qdict_get_dict(d, "used"), "idx"), ==, 1);
    later =
        query(&s, "x-query-virtio-queue-element", ", 'queue': 0, 'index': 0");
    g_assert_cmpuint(qlist_size(qdict_get_list(later, "descs")), ==, 1);
    text = qtest_hmp(s.q, "info virtio-queue-element " PATH " 0");
    g_assert_nonnull(strstr(text, "len 16 (write)"));
    rng_close(&s);
}

/* A chain without end, and a table far outside memory, are errors. */
static void test_bad_chains_are_refused(void)
{
    VSeg seg;
    g_autofree char *loop = NULL, *outside = NULL;
    Rng s;

    rng_open(&s, BIT(28));
    seg = (VSeg){ vdev_alloc(s.v, 64), 64, true };
    qtest_qmp_ok(s.q, "{'execute': 'stop'}");
    vring_add(s.r, &seg, 1);
    qtest_writew(s.q, s.r->desc + 12, 3); /* to itself */
    qtest_writew(s.q, s.r->desc + 14, 0);
    loop = qtest_qmp_error(s.q, "GenericError",
                           "{'execute': 'x-query-virtio-queue-element', "
                           "'arguments': {'path': '" PATH "', 'queue': 0}}");
    g_assert_nonnull(strstr(loop, "no end"));
    qtest_writeq(s.q, s.r->desc, UINT64_MAX - 16);
    qtest_writew(s.q, s.r->desc + 12, 4);
    outside = qtest_qmp_error(s.q, "GenericError",
                              "{'execute': 'x-query-virtio-queue-element', "
                              "'arguments': {'path': '" PATH "', 'queue': 0}}");
    g_assert_nonnull(strstr(outside, "memory"));
    rng_close(&s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-query/list", test_devices_are_listed);
    g_test_add_func("/virtio-query/status",
                    test_status_tells_what_was_negotiated);
    g_test_add_func("/virtio-query/queue-status",
                    test_queue_status_follows_the_ring);
    g_test_add_func("/virtio-query/element", test_element_shows_the_chain);
    g_test_add_func("/virtio-query/bad-chains", test_bad_chains_are_refused);
    return g_test_run();
}
