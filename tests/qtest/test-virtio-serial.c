/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-serial: control messages, data both ways, events, both port types. */
#include "util/osdep.h"

#include <linux/virtio_console.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/qtest/virtio-driver.h"

typedef struct Serial {
    QTest *q;
    VDev *v;
    VRing *in, *out, *ctrl_in, *ctrl_out;
    uint64_t buf[4]; /* ctrl_in's */
    uint64_t msg;
    char *dir, *path;
    int sock; /* the host's end */
} Serial;

static int dial(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
    g_assert_cmpint(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), ==, 0);
    return fd;
}

static void post_ctrl_buffer(Serial *s, unsigned i)
{
    VSeg seg = { s->buf[i], 256, true };

    vring_add(s->ctrl_in, &seg, 1);
    vring_kick(s->ctrl_in);
}

static void serial_open(Serial *s)
{
    s->dir = g_dir_make_tmp("nemu-serial-XXXXXX", NULL);
    s->path = g_build_filename(s->dir, "sock", NULL);
    s->q = qtest_startf("-machine q35 -device virtio-serial-pci,id=vs,addr=4 "
                        "-chardev socket,id=c1,path=%s,server=on,wait=off "
                        "-device virtserialport,id=p1,chardev=c1,"
                        "name=org.test.0,bus=vs.0,nr=1",
                        s->path);
    s->v = vdev_open(s->q, 4, false);
    vdev_negotiate(s->v, BIT(VIRTIO_CONSOLE_F_MULTIPORT));
    s->ctrl_in = vring_new(s->v, 2);
    s->ctrl_out = vring_new(s->v, 3);
    s->in = vring_new(s->v, 4);
    s->out = vring_new(s->v, 5);
    vdev_driver_ok(s->v);
    s->msg = vdev_alloc(s->v, 64);
    for (unsigned i = 0; i < 4; i++) {
        s->buf[i] = vdev_alloc(s->v, 256);
        post_ctrl_buffer(s, i);
    }
    s->sock = -1;
}

static void serial_close(Serial *s)
{
    if (s->sock >= 0) {
        close(s->sock);
    }
    g_free(s->in);
    g_free(s->out);
    g_free(s->ctrl_in);
    g_free(s->ctrl_out);
    vdev_close(s->v);
    qtest_quit(s->q);
    unlink(s->path);
    rmdir(s->dir);
    g_free(s->path);
    g_free(s->dir);
}

static void send_ctrl(Serial *s, uint32_t id, uint16_t event, uint16_t value)
{
    VSeg seg = { s->msg, 8, false };

    qtest_writel(s->q, s->msg, id);
    qtest_writew(s->q, s->msg + 4, event);
    qtest_writew(s->q, s->msg + 6, value);
    vring_do(s->ctrl_out, &seg, 1);
}

/* The next message of the device must be this one. */
static void expect_ctrl(Serial *s, uint16_t event, uint16_t value,
                        const char *name)
{
    char text[64] = "";
    uint32_t len;
    unsigned head = vring_wait(s->ctrl_in, &len) % 4;
    uint64_t at = s->buf[head];

    g_assert_cmpuint(qtest_readl(s->q, at), ==, 1);
    g_assert_cmpuint(qtest_readw(s->q, at + 4), ==, event);
    g_assert_cmpuint(qtest_readw(s->q, at + 6), ==, value);
    if (name) {
        qtest_memread(s->q, at + 8, text, MIN(len - 8, sizeof(text) - 1));
        g_assert_cmpstr(text, ==, name);
    }
    post_ctrl_buffer(s, head);
}

static void open_port(Serial *s)
{
    g_autoptr(QDict) event = NULL;

    send_ctrl(s, 0, VIRTIO_CONSOLE_DEVICE_READY, 1);
    expect_ctrl(s, VIRTIO_CONSOLE_PORT_ADD, 1, NULL);
    send_ctrl(s, 1, VIRTIO_CONSOLE_PORT_READY, 1);
    expect_ctrl(s, VIRTIO_CONSOLE_PORT_NAME, 1, "org.test.0");
    send_ctrl(s, 1, VIRTIO_CONSOLE_PORT_OPEN, 1);
    event = qtest_wait_event(s->q, "VSERPORT_CHANGE");
    g_assert_cmpstr(qdict_get_str(qdict_get_dict(event, "data"), "id"), ==,
                    "p1");
    g_assert_true(qdict_get_bool(qdict_get_dict(event, "data"), "open", false));
}

static void test_port_is_introduced_and_opened(void)
{
    g_autoptr(QDict) event = NULL;
    Serial s;

    serial_open(&s);
    open_port(&s);
    s.sock = dial(s.path);
    expect_ctrl(&s, VIRTIO_CONSOLE_PORT_OPEN, 1, NULL);
    close(s.sock);
    s.sock = -1;
    expect_ctrl(&s, VIRTIO_CONSOLE_PORT_OPEN, 0, NULL);
    send_ctrl(&s, 1, VIRTIO_CONSOLE_PORT_OPEN, 0);
    event = qtest_wait_event(s.q, "VSERPORT_CHANGE");
    g_assert_false(qdict_get_bool(qdict_get_dict(event, "data"), "open", true));
    serial_close(&s);
}

static void test_bytes_go_both_ways(void)
{
    char text[16] = "";
    uint64_t at;
    VSeg seg;
    uint32_t len;
    Serial s;

    serial_open(&s);
    open_port(&s);
    s.sock = dial(s.path);
    expect_ctrl(&s, VIRTIO_CONSOLE_PORT_OPEN, 1, NULL);
    at = vdev_alloc(s.v, 64);
    qtest_memwrite(s.q, at, "to host", 7);
    seg = (VSeg){ at, 7, false };
    vring_do(s.out, &seg, 1);
    g_assert_cmpint(recv(s.sock, text, 7, MSG_WAITALL), ==, 7);
    g_assert_cmpstr(text, ==, "to host");

    /* Before there are buffers, then after. */
    g_assert_cmpint(send(s.sock, "to guest", 8, 0), ==, 8);
    g_usleep(10000);
    seg = (VSeg){ at, 64, true };
    vring_add(s.in, &seg, 1);
    vring_kick(s.in);
    vring_wait(s.in, &len);
    g_assert_cmpuint(len, ==, 8);
    memset(text, 0, sizeof(text));
    qtest_memread(s.q, at, text, 8);
    g_assert_cmpstr(text, ==, "to guest");
    serial_close(&s);
}

/* A host that does not read stops the guest; nothing is lost. */
static void test_full_host_makes_the_guest_wait(void)
{
    enum { PIECE = 4096, PIECES = 120 };
    g_autofree char *got = g_malloc(PIECE);
    unsigned sent = 0;
    uint64_t at;
    Serial s;

    serial_open(&s);
    open_port(&s);
    s.sock = dial(s.path);
    expect_ctrl(&s, VIRTIO_CONSOLE_PORT_OPEN, 1, NULL);
    at = vdev_alloc(s.v, PIECE);
    qtest_memset(s.q, at, 'x', PIECE);
    for (; sent < PIECES; sent++) {
        VSeg seg = { at, PIECE, false };

        vring_add(s.out, &seg, 1);
    }
    vring_kick(s.out);
    g_usleep(50000);
    for (unsigned i = 0; i < PIECES; i++) {
        g_assert_cmpint(recv(s.sock, got, PIECE, MSG_WAITALL), ==, PIECE);
        g_assert_cmpint(got[0], ==, 'x');
    }
    for (unsigned i = 0; i < PIECES; i++) {
        vring_wait(s.out, NULL);
    }
    serial_close(&s);
}

static void test_console_of_a_legacy_driver(void)
{
    g_autoptr(QTest) q =
        qtest_start("-machine q35 -device virtio-serial-pci,id=vs,addr=4,"
                    "max_ports=1 -chardev ringbuf,id=c0,size=4096 "
                    "-device virtconsole,chardev=c0");
    g_autoptr(VDev) v = vdev_open(q, 4, true);
    g_autofree VRing *out = NULL;
    g_autoptr(QObject) text = NULL;
    uint64_t at = vdev_alloc(v, 64);
    VSeg seg = { at, 5, false };

    vdev_negotiate(v, 0);
    out = vring_new(v, 1);
    vdev_driver_ok(v);
    qtest_memwrite(q, at, "hello", 5);
    vring_do(out, &seg, 1);
    text = qtest_qmp_return(q, "{'execute': 'ringbuf-read', 'arguments': "
                               "{'device': 'c0', 'size': 100}}");
    g_assert_cmpstr(qobject_get_str(text), ==, "hello");
}

static void test_emergency_write_reaches_the_console(void)
{
    g_autoptr(QTest) q =
        qtest_start("-machine q35 -device virtio-serial-pci,id=vs,addr=4 "
                    "-chardev ringbuf,id=c0,size=4096 "
                    "-device virtconsole,chardev=c0");
    g_autoptr(VDev) v = vdev_open(q, 4, false);
    g_autoptr(QObject) text = NULL;

    qtest_writel(q, v->mmio + v->device + 8, 'A');
    text = qtest_qmp_return(q, "{'execute': 'ringbuf-read', 'arguments': "
                               "{'device': 'c0', 'size': 100}}");
    g_assert_cmpstr(qobject_get_str(text), ==, "A");
}

static void test_ports_come_and_go(void)
{
    g_autoptr(QDict) event = NULL;
    g_autofree char *text = NULL;
    Serial s;

    serial_open(&s);
    open_port(&s);
    text = qtest_qmp_error(s.q, "GenericError",
                           "{'execute': 'device_add', 'arguments': {'driver': "
                           "'virtserialport', 'bus': 'vs.0', 'nr': 1}}");
    g_assert_nonnull(strstr(text, "id 1"));
    qtest_qmp_ok(s.q, "{'execute': 'device_add', 'arguments': {'driver': "
                      "'virtserialport', 'bus': 'vs.0', 'id': 'p2'}}");
    vring_wait(s.ctrl_in, NULL);
    qtest_qmp_ok(s.q, "{'execute': 'device_del', 'arguments': {'id': 'p2'}}");
    event = qtest_wait_event(s.q, "DEVICE_DELETED");
    g_assert_nonnull(event);
    serial_close(&s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    vdev_add_test("/virtio-serial/open", test_port_is_introduced_and_opened);
    vdev_add_test("/virtio-serial/data", test_bytes_go_both_ways);
    vdev_add_test("/virtio-serial/throttle",
                  test_full_host_makes_the_guest_wait);
    g_test_add_func("/virtio-serial/console", test_console_of_a_legacy_driver);
    g_test_add_func("/virtio-serial/emergency",
                    test_emergency_write_reaches_the_console);
    g_test_add_func("/virtio-serial/hotplug", test_ports_come_and_go);
    return g_test_run();
}
