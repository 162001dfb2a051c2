/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Channels and socket addresses. */
#include "util/osdep.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include "io/channel.h"
#include "io/socket.h"
#include "util/error.h"
#include "util/thread.h"

static void make_pair(IoChannel **a, IoChannel **b)
{
    int sv[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), ==, 0);
    *a = io_channel_socket(sv[0]);
    *b = io_channel_socket(sv[1]);
}

static void test_reading_an_empty_socket_would_block(void)
{
    g_autoptr(IoChannel) a = NULL, b = NULL;
    char c;

    make_pair(&a, &b);
    g_assert_cmpint(io_read(a, &c, 1), ==, -EAGAIN);
    io_channel_close(b);
    g_assert_cmpint(io_read(a, &c, 1), ==, 0);
    g_assert_cmpint(io_write(a, "x", 1), ==, -EPIPE);
    g_assert_cmpint(io_read(b, &c, 1), ==, -EBADF);
}

static void test_descriptors_travel_with_bytes(void)
{
    g_autoptr(IoChannel) a = NULL, b = NULL;
    IoFds out = { .fd = { 0, 1 }, .n = 2 }, in;
    struct iovec iov = { .iov_base = "x", .iov_len = 1 };
    char c;
    struct iovec back = { .iov_base = &c, .iov_len = 1 };
    struct stat s0, s1;

    make_pair(&a, &b);
    g_assert_cmpint(io_writev_fds(a, &iov, 1, &out), ==, 1);
    g_assert_cmpint(io_readv_fds(b, &back, 1, &in), ==, 1);
    g_assert_cmpint(in.n, ==, 2);
    fstat(0, &s0);
    fstat(in.fd[0], &s1);
    g_assert_true(s0.st_ino == s1.st_ino);
    g_assert_cmpint(fcntl(in.fd[1], F_GETFD) & FD_CLOEXEC, !=, 0);
    io_fds_close(&in);
    g_assert_cmpint(in.n, ==, 0);
}

static int count_fds(void)
{
    g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
    int n = 0;

    while (g_dir_read_name(dir)) {
        n++;
    }
    return n;
}

static void test_unwanted_descriptors_are_closed(void)
{
    g_autoptr(IoChannel) a = NULL, b = NULL;
    IoFds out = { .n = IO_MAX_FDS };
    struct iovec iov = { .iov_base = "x", .iov_len = 1 };
    char c;
    int before;

    make_pair(&a, &b);
    before = count_fds();
    g_assert_cmpint(io_writev_fds(a, &iov, 1, &out), ==, 1);
    g_assert_cmpint(io_read(b, &c, 1), ==, 1);
    g_assert_cmpint(count_fds(), ==, before);
}

static void *write_much(void *opaque)
{
    g_autofree char *data = g_malloc0(1 << 20);

    g_assert_cmpint(io_write_all(opaque, data, 1 << 20), ==, 0);
    io_channel_shutdown(opaque, SHUT_WR);
    return NULL;
}

static void test_whole_transfers_wait(void)
{
    g_autoptr(IoChannel) a = NULL, b = NULL;
    g_autofree char *data = g_malloc(2 << 20);
    Thread t;

    make_pair(&a, &b);
    g_assert_true(thread_create(&t, "writer", write_much, a, error_abort));
    g_assert_cmpint(io_read_all(b, data, 2 << 20), ==, 1 << 20);
    thread_join(&t);
}

static void test_files_carry_no_descriptors(void)
{
    int p[2];
    g_autoptr(IoChannel) ch = NULL;
    IoFds fds = { .n = 1 };
    struct iovec iov = { .iov_base = "x", .iov_len = 1 };

    g_assert_cmpint(pipe(p), ==, 0);
    ch = io_channel_file(p[1]);
    g_assert_cmpint(io_writev_fds(ch, &iov, 1, &fds), ==, -ENOTSUP);
    g_assert_cmpint(io_write_all(ch, "x", 1), ==, 0);
    close(p[0]);
}

static void set_nonblock(int fd)
{
    fcntl(fd, F_SETFL, O_NONBLOCK);
}

static void test_unix_socket(void)
{
    g_autofree char *dir = g_dir_make_tmp("nemu-io-XXXXXX", NULL);
    g_autofree char *path = g_strdup_printf("%s/s", dir);
    g_autofree char *text = g_strdup_printf("unix:%s", path);
    g_autoptr(SocketAddress) addr = socket_address_parse(text, error_abort);
    autofd int server = socket_listen(addr, 1, NULL, error_abort);
    autofd int client G_GNUC_UNUSED = socket_connect(addr, NULL, error_abort);
    autofd int peer = socket_accept(server);
    g_autofree char *bound = NULL;

    set_nonblock(server);
    g_assert_cmpint(peer, >=, 0);
    g_assert_cmpint(socket_accept(server), ==, -EAGAIN);
    bound = socket_bound_path(addr);
    g_assert_true(g_path_is_absolute(bound));
    g_assert_cmpint(unlink(bound), ==, 0);
    g_assert_cmpint(access(path, F_OK), ==, -1);
    rmdir(dir);
}

static void test_abstract_socket_needs_no_file(void)
{
    SocketAddress addr = {
        .type = SOCKET_ADDRESS_TYPE_UNIX,
        .u.q_unix = { .has_abstract = true, .abstract = true },
    };
    g_autofree char *name = g_strdup_printf("nemu-test-io-%d", getpid());
    autofd int server = -1, client = -1;
    g_autoptr(SocketAddress) local = NULL;

    addr.u.q_unix.path = name;
    server = socket_listen(&addr, 1, NULL, error_abort);
    client = socket_connect(&addr, NULL, error_abort);
    g_assert_cmpint(client, >=, 0);
    local = socket_local(server);
    g_assert_true(local->u.q_unix.abstract);
    g_assert_cmpstr(local->u.q_unix.path, ==, name);
}

static void test_tcp_socket_on_any_port(void)
{
    g_autoptr(SocketAddress) addr =
        socket_address_parse("127.0.0.1:0", error_abort);
    autofd int server = socket_listen(addr, 1, NULL, error_abort);
    g_autoptr(SocketAddress) local = socket_local(server);
    autofd int client = socket_connect(local, NULL, error_abort);
    autofd int peer = socket_accept(server);
    g_autoptr(SocketAddress) far = socket_peer(client);

    g_assert_cmpint(peer, >=, 0);
    g_assert_cmpstr(local->u.inet.port, !=, "0");
    g_assert_cmpstr(far->u.inet.port, ==, local->u.inet.port);
}

static void test_to_finds_a_free_port(void)
{
    g_autoptr(SocketAddress) addr =
        socket_address_parse("127.0.0.1:0", error_abort);
    autofd int first = socket_listen(addr, 1, NULL, error_abort);
    g_autoptr(SocketAddress) taken = socket_local(first);
    g_autoptr(SocketAddress) got = NULL;
    autofd int second = -1;

    taken->u.inet.has_to = true;
    taken->u.inet.to = 65535;
    second = socket_listen(taken, 1, NULL, error_abort);
    got = socket_local(second);
    g_assert_cmpstr(got->u.inet.port, !=, taken->u.inet.port);
}

static void test_passed_descriptor_must_fit(void)
{
    autoerr Error *err = NULL, *err2 = NULL;
    g_autoptr(SocketAddress) addr = NULL;
    g_autofree char *text = NULL;
    int sv[2], fd;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), ==, 0);
    text = g_strdup_printf("fd:%d", sv[0]);
    addr = socket_address_parse(text, error_abort);
    fd = socket_connect(addr, NULL, &err);
    g_assert_cmpint(fd, ==, sv[0]);
    g_assert_cmpint(socket_listen(addr, 1, NULL, &err), ==, -1);
    g_assert_cmpint(socket_connect(addr, NULL, &err2), ==, -1);
    close(sv[1]);
}

static void test_bad_addresses_are_refused(void)
{
    static const char *const bad[] = {
        "",       "unix:",      "fd:",          "host",       "host:",
        "vsock:", "vsock:3",    "h:1,ipv4=may", "h:1,to=a",   "h:1,to=70000",
        "[::1",   "[::1]1",     "h:1,bogus",    "[::1]:",     "vsock::1",
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        autoerr Error *err = NULL;

        g_assert_null(socket_address_parse(bad[i], &err));
        g_assert_nonnull(err);
    }
}

static void test_good_addresses_are_taken_apart(void)
{
    g_autoptr(SocketAddress) a =
        socket_address_parse("[::1]:80,ipv6,to=90", error_abort);
    g_autofree char *text = socket_address_text(a);

    g_assert_cmpstr(a->u.inet.host, ==, "::1");
    g_assert_true(a->u.inet.has_ipv6 && a->u.inet.ipv6);
    g_assert_cmpint(a->u.inet.to, ==, 90);
    g_assert_cmpstr(text, ==, "[::1]:80");
}

static void test_too_long_path_is_an_error(void)
{
    g_autofree char *path = g_strnfill(200, 'x');
    g_autofree char *text = g_strdup_printf("unix:%s", path);
    g_autoptr(SocketAddress) addr = socket_address_parse(text, error_abort);
    autoerr Error *err = NULL;

    g_assert_cmpint(socket_listen(addr, 1, NULL, &err), ==, -1);
    g_assert_true(strstr(error_text(err), "too long"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/io/block", test_reading_an_empty_socket_would_block);
    g_test_add_func("/io/fds", test_descriptors_travel_with_bytes);
    g_test_add_func("/io/fds-closed", test_unwanted_descriptors_are_closed);
    g_test_add_func("/io/all", test_whole_transfers_wait);
    g_test_add_func("/io/file", test_files_carry_no_descriptors);
    g_test_add_func("/socket/unix", test_unix_socket);
    g_test_add_func("/socket/abstract", test_abstract_socket_needs_no_file);
    g_test_add_func("/socket/tcp", test_tcp_socket_on_any_port);
    g_test_add_func("/socket/to", test_to_finds_a_free_port);
    g_test_add_func("/socket/fd", test_passed_descriptor_must_fit);
    g_test_add_func("/socket/bad", test_bad_addresses_are_refused);
    g_test_add_func("/socket/good", test_good_addresses_are_taken_apart);
    g_test_add_func("/socket/long", test_too_long_path_is_an_error);
    return g_test_run();
}
