/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chardevs: frontends, every backend, options, removal and exchange. */
#include "util/osdep.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "chardev/char.h"
#include "chardev/char-telnet.h"
#include "io/channel.h"
#include "qapi/qapi-commands-char.h"
#include "softmmu/vm.h"
#include "util/error.h"
#include "util/fdset.h"

typedef struct Fixture {
    Vm *vm;
    char *dir;
    GString *in;     /* what the frontend read */
    GString *events; /* O, C, B, I, U (mux in, out) */
    size_t room;
    CharFrontend fe;
    bool refuse_change;
} Fixture;

static size_t fe_can_read(void *opaque)
{
    return ((Fixture *)opaque)->room;
}

static void fe_read(void *opaque, const uint8_t *buf, size_t len)
{
    g_string_append_len(((Fixture *)opaque)->in, (const char *)buf, len);
}

static void fe_event(void *opaque, CharEvent event)
{
    g_string_append_c(((Fixture *)opaque)->events, "OCBIU"[event]);
}

static bool fe_change(void *opaque, Error **errp)
{
    return !((Fixture *)opaque)->refuse_change || error_set(errp, "no");
}

static const CharHandlers handlers = {
    .can_read = fe_can_read,
    .read = fe_read,
    .event = fe_event,
    .change = fe_change,
};

static void setup(Fixture *f, gconstpointer backend)
{
    f->vm = vm_new("x86_64", error_abort);
    f->vm->fdsets = fdsets_new();
    f->dir = g_dir_make_tmp("nemu-char-XXXXXX", NULL);
    f->in = g_string_new(NULL);
    f->events = g_string_new(NULL);
    f->room = 1000;
}

static void teardown(Fixture *f, gconstpointer backend)
{
    g_autofree char *cmd = g_strdup_printf("rm -r %s", f->dir);

    char_fe_deinit(&f->fe);
    chardevs_cleanup(f->vm);
    fdsets_free(f->vm->fdsets);
    g_free(f->vm->chardevs);
    vm_free(f->vm);
    g_string_free(f->in, TRUE);
    g_string_free(f->events, TRUE);
    g_assert_cmpint(system(cmd), ==, 0);
    g_free(f->dir);
}

static void attach(Fixture *f, Chardev *chr)
{
    g_assert_true(char_fe_init(&f->fe, chr, error_abort));
    char_fe_set_handlers(&f->fe, &handlers, f);
}

/* "%s" in the options is the test's directory. */
static Chardev *add(Fixture *f, const char *fmt)
{
    g_auto(GStrv) parts = g_strsplit(fmt, "%s", -1);
    g_autofree char *opts = g_strjoinv(f->dir, parts);
    autoerr Error *err = NULL;
    Chardev *chr = chardev_add_opts(f->vm, opts, &err);

    g_assert_cmpstr(err ? error_text(err) : NULL, ==, NULL);
    return chr;
}

static void run_until(Fixture *f, GString *s, const char *text)
{
    int64_t end = loop_now_ns() + INT64_C(5000000000);

    while (!strstr(s->str, text) && loop_now_ns() < end) {
        loop_run_once(f->vm->loop, true);
    }
    g_assert_nonnull(strstr(s->str, text));
}

static int connect_to(Fixture *f, const char *name)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_snprintf(un.sun_path, sizeof(un.sun_path), "%s/%s", f->dir, name);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&un, sizeof(un)), ==, 0);
    return fd;
}

static void expect_file(Fixture *f, const char *name, const char *text)
{
    g_autofree char *path = g_strdup_printf("%s/%s", f->dir, name);
    g_autofree char *got = NULL;

    g_assert_true(g_file_get_contents(path, &got, NULL, NULL));
    g_assert_cmpstr(got, ==, text);
}

static void expect_filename(Chardev *chr, const char *want)
{
    g_autofree char *name = chardev_filename(chr);

    g_assert_cmpstr(name, ==, want);
}

/* Frontends ------------------------------------------------------------------------ */

static void test_frontend_without_backend_swallows(Fixture *f, gconstpointer b)
{
    g_assert_cmpint(char_fe_write(&f->fe, "abc", 3), ==, 3);
    g_assert_true(char_fe_write_all(&f->fe, "abc", 3));
    g_assert_false(char_fe_is_open(&f->fe));
    char_fe_accept_input(&f->fe);
}

static void test_backend_serves_one_frontend(Fixture *f, gconstpointer b)
{
    autoerr Error *err = NULL, *err2 = NULL;
    CharFrontend other = { .chr = NULL };

    attach(f, add(f, "null,id=n"));
    g_assert_cmpstr(f->events->str, ==, "O");
    g_assert_false(char_fe_init(&other, chardev_find(f->vm, "n"), &err));
    g_assert_false(chardev_remove(f->vm, "n", &err2));
    g_assert_cmpstr(error_text(err2), ==, "Chardev 'n' is busy");
    char_fe_deinit(&f->fe);
    g_assert_true(chardev_remove(f->vm, "n", error_abort));
    g_assert_null(chardev_find(f->vm, "n"));
}

/* Backends ------------------------------------------------------------------------- */

static void test_ringbuf_keeps_the_newest(Fixture *f, gconstpointer b)
{
    autoerr Error *err = NULL;
    g_autofree char *first = NULL, *rest = NULL, *b64 = NULL;

    attach(f, add(f, "ringbuf,id=r,size=8"));
    char_fe_write(&f->fe, "0123456789", 10);
    first = qmp_ringbuf_read(f->vm, "r", 3, false, 0, error_abort);
    g_assert_cmpstr(first, ==, "234");
    rest = qmp_ringbuf_read(f->vm, "r", 100, false, 0, error_abort);
    g_assert_cmpstr(rest, ==, "56789");
    qmp_ringbuf_write(f->vm, "r", "AP8=", true, DATA_FORMAT_BASE64,
                      error_abort);
    b64 = qmp_ringbuf_read(f->vm, "r", 9, true, DATA_FORMAT_BASE64,
                           error_abort);
    g_assert_cmpstr(b64, ==, "AP8=");
    g_assert_null(qmp_ringbuf_read(f->vm, "r", 0, false, 0, &err));
}

static void test_file_and_log_get_the_output(Fixture *f, gconstpointer b)
{
    attach(f, add(f, "file,id=f,path=%s/out,logfile=%s/log"));
    char_fe_write_all(&f->fe, "hello", 5);
    expect_file(f, "out", "hello");
    expect_file(f, "log", "hello");
    char_fe_deinit(&f->fe);
    chardev_remove(f->vm, "f", error_abort);
    attach(f, add(f, "file,id=f,path=%s/out,append=on,logfile=%s/log"));
    char_fe_write_all(&f->fe, "!", 1);
    expect_file(f, "out", "hello!");
    expect_file(f, "log", "!");
}

static void test_log_may_be_a_passed_descriptor(Fixture *f, gconstpointer b)
{
    g_autofree char *path = g_strdup_printf("%s/passed", f->dir);

    fdsets_add(f->vm->fdsets, 0, open(path, O_WRONLY | O_CREAT, 0600), NULL,
               error_abort);
    attach(f, add(f, "null,id=n,logfile=/dev/fdset/0,logappend=on"));
    char_fe_write_all(&f->fe, "x", 1);
    expect_file(f, "passed", "x");
}

static void test_server_takes_one_client_after_another(Fixture *f,
                                                       gconstpointer b)
{
    Chardev *chr = add(f, "socket,id=s,path=%s/s,server=on,wait=off");
    g_autofree char *down =
        g_strdup_printf("disconnected:unix:%s/s,server=on", f->dir);
    char buf[8] = "";
    int fd;

    attach(f, chr);
    expect_filename(chr, down);
    g_assert_cmpint(char_fe_write(&f->fe, "lost", 4), ==, 4);
    fd = connect_to(f, "s");
    g_assert_cmpint(write(fd, "one", 3), ==, 3);
    run_until(f, f->in, "one");
    expect_filename(chr, down + strlen("disconnected:"));
    char_fe_write_all(&f->fe, "reply", 5);
    g_assert_cmpint(read(fd, buf, sizeof(buf)), ==, 5);
    close(fd);
    run_until(f, f->events, "OC");
    fd = connect_to(f, "s");
    run_until(f, f->events, "OCO");
    g_assert_cmpint(write(fd, "two", 3), ==, 3);
    run_until(f, f->in, "two");
    close(fd);
}

static void test_paused_input_waits(Fixture *f, gconstpointer b)
{
    int fd;

    f->room = 0;
    attach(f, add(f, "socket,id=s,path=%s/s,server=on,wait=off"));
    fd = connect_to(f, "s");
    g_assert_cmpint(write(fd, "abcdef", 6), ==, 6);
    run_until(f, f->events, "O");
    while (loop_run_once(f->vm->loop, false)) {
    }
    g_assert_cmpstr(f->in->str, ==, "");
    f->room = 2;
    char_fe_accept_input(&f->fe);
    run_until(f, f->in, "ab");
    run_until(f, f->in, "abcdef");
    close(fd);
}

static void test_passed_socket_and_descriptors(Fixture *f, gconstpointer b)
{
    g_autofree char *opts = NULL;
    g_autoptr(IoChannel) peer = NULL;
    struct iovec iov = { .iov_base = "x", .iov_len = 1 };
    IoFds fds = { .fd = { 0, 1 }, .n = 2 };
    char c;
    struct iovec back = { .iov_base = &c, .iov_len = 1 };
    int sv[2], got[4], send = 1;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), ==, 0);
    opts = g_strdup_printf("socket,id=s,fd=%d", sv[0]);
    attach(f, add(f, opts));
    g_assert_cmpstr(f->events->str, ==, "O");
    peer = io_channel_socket(sv[1]);
    g_assert_cmpint(io_writev_fds(peer, &iov, 1, &fds), ==, 1);
    run_until(f, f->in, "x");
    g_assert_cmpint(char_fe_take_fds(&f->fe, got, 4), ==, 2);
    close(got[0]);
    close(got[1]);
    g_assert_cmpint(char_fe_take_fds(&f->fe, got, 4), ==, 0);
    g_assert_true(char_fe_send_fds(&f->fe, &send, 1, error_abort));
    char_fe_write_all(&f->fe, "y", 1);
    g_assert_cmpint(io_readv_fds(peer, &back, 1, &fds), ==, 1);
    g_assert_cmpint(fds.n, ==, 1);
    io_fds_close(&fds);
}

static void test_client_connects_again(Fixture *f, gconstpointer b)
{
    Chardev *client = add(f, "socket,id=c,path=%s/s,reconnect=1");
    int64_t end = loop_now_ns() + INT64_C(5000000000);

    attach(f, client);
    /* The first attempt fails: there is no server yet. */
    loop_run_once(f->vm->loop, true);
    add(f, "socket,id=s,path=%s/s,server=on,wait=off");
    while (!char_fe_is_open(&f->fe) && loop_now_ns() < end) {
        loop_run_once(f->vm->loop, true);
    }
    g_assert_cmpstr(f->events->str, ==, "O");
}

static void set_flag(void *opaque)
{
    *(bool *)opaque = true;
}

static void test_full_socket_says_when_there_is_room(Fixture *f,
                                                     gconstpointer b)
{
    g_autofree char *data = g_malloc0(1 << 20);
    bool ready = false;
    size_t n;
    int fd;

    attach(f, add(f, "socket,id=s,path=%s/s,server=on,wait=off"));
    fd = connect_to(f, "s");
    run_until(f, f->events, "O");
    n = char_fe_write(&f->fe, data, 1 << 20);
    g_assert_cmpint(n, <, 1 << 20);
    g_assert_cmpint(char_fe_write(&f->fe, data, 1), ==, 0);
    char_fe_watch_out(&f->fe, set_flag, &ready);
    loop_run_once(f->vm->loop, false);
    g_assert_false(ready);
    while (n) {
        n -= read(fd, data, n);
    }
    while (!ready) {
        loop_run_once(f->vm->loop, true);
    }
    close(fd);
}

typedef struct Filler {
    Fixture *f;
    int fd; /* the other end */
    bool ready;
} Filler;

/* As a vCPU does, while the loop sleeps. */
static void *fill_then_drain(void *opaque)
{
    g_autofree char *data = g_malloc0(1 << 20);
    Filler *x = opaque;
    size_t n;

    g_usleep(50000);
    n = char_fe_write(&x->f->fe, data, 1 << 20);
    g_assert_cmpint(n, <, 1 << 20);
    char_fe_watch_out(&x->f->fe, set_flag, &x->ready);
    g_usleep(50000);
    while (n) {
        n -= read(x->fd, data, n);
    }
    return NULL;
}

static void test_room_is_told_to_another_thread(Fixture *f, gconstpointer b)
{
    bool late = false;
    Filler x = { f };
    LoopTimer limit;
    GThread *t;

    attach(f, add(f, "socket,id=s,path=%s/s,server=on,wait=off"));
    x.fd = connect_to(f, "s");
    run_until(f, f->events, "O");
    while (loop_run_once(f->vm->loop, false)) {
        /* nothing else is to wake it */
    }
    loop_timer_init(&limit, f->vm->loop, set_flag, &late);
    loop_timer_set(&limit, loop_now_ns() + INT64_C(5000000000));
    t = g_thread_new("filler", fill_then_drain, &x);
    while (!x.ready) {
        loop_run_once(f->vm->loop, true);
        g_assert_false(late);
    }
    loop_timer_cancel(&limit);
    g_thread_join(t);
    close(x.fd);
}

static void test_pty_notices_who_comes_and_goes(Fixture *f, gconstpointer b)
{
    Chardev *chr = add(f, "pty,id=p");
    g_autofree char *name = chardev_filename(chr);
    char buf[8];
    int fd;

    attach(f, chr);
    g_assert_cmpstr(f->events->str, ==, "");
    g_assert_cmpint(char_fe_write(&f->fe, "lost", 4), ==, 4);
    g_assert_true(g_str_has_prefix(name, "pty:/dev/pts/"));
    fd = open(name + strlen("pty:"), O_RDWR | O_NOCTTY);
    g_assert_cmpint(fd, >=, 0);
    char_fe_write(&f->fe, "hi", 2);
    run_until(f, f->events, "O");
    g_assert_cmpint(read(fd, buf, sizeof(buf)), ==, 2);
    g_assert_cmpint(write(fd, "key", 3), ==, 3);
    run_until(f, f->in, "key");
    close(fd);
    run_until(f, f->events, "OC");
}

static void test_pipe_reads_and_writes(Fixture *f, gconstpointer b)
{
    g_autofree char *in = g_strdup_printf("%s/p.in", f->dir);
    g_autofree char *out = g_strdup_printf("%s/p.out", f->dir);
    autofd int w = -1, r = -1;
    char c;

    g_assert_cmpint(mkfifo(in, 0600), ==, 0);
    g_assert_cmpint(mkfifo(out, 0600), ==, 0);
    attach(f, add(f, "pipe,id=p,path=%s/p"));
    w = open(in, O_RDWR);
    r = open(out, O_RDWR);
    g_assert_cmpint(write(w, "in", 2), ==, 2);
    run_until(f, f->in, "in");
    char_fe_write_all(&f->fe, "o", 1);
    g_assert_cmpint(read(r, &c, 1), ==, 1);
}

static void test_mux_switches_and_escapes(Fixture *f, gconstpointer b)
{
    Fixture second = *f;
    int fd;

    second.fe = (CharFrontend){ .chr = NULL };
    second.in = g_string_new(NULL);
    second.events = g_string_new(NULL);
    attach(f, add(f, "socket,id=m,path=%s/s,server=on,wait=off,mux=on"));
    attach(&second, chardev_find(f->vm, "m"));
    g_assert_cmpstr(second.events->str, ==, "I");
    fd = connect_to(f, "s");
    g_assert_cmpint(write(fd, "b\001ca\001\001\001b\001cb", 11), ==, 11);
    run_until(f, second.in, "bb");
    g_assert_cmpstr(f->in->str, ==, "a\001");
    g_assert_cmpstr(f->events->str, ==, "UOIBU");
    expect_filename(chardev_find(f->vm, "m"), "mux");
    char_fe_deinit(&second.fe);
    g_assert_cmpint(write(fd, "c", 1), ==, 1);
    run_until(f, f->in, "a\001c");
    g_string_free(second.in, TRUE);
    g_string_free(second.events, TRUE);
    close(fd);
}

static void test_telnet_commands_are_no_data(void)
{
    uint8_t in[] = "a\377\375\001b\377\377c\377\372\030x\377\360d\377\363e";
    Telnet t = { 0 };
    bool brk = false;
    size_t n = 0, len = sizeof(in) - 1;

    /* One byte at a time: the state must survive. */
    for (size_t i = 0; i < len; i++) {
        uint8_t c = in[i];

        if (telnet_filter(&t, &c, 1, &brk)) {
            in[n++] = c;
        }
    }
    g_assert_cmpmem(in, n, "ab\377cde", 6);
    g_assert_true(brk);
}

/* Options ------------------------------------------------------------------------------- */

static void test_wrong_options_are_named(Fixture *f, gconstpointer b)
{
    static const char *const bad[][2] = {
        { "null", "chardev: no id specified" },
        { "nul,id=x", "chardev: backend \"nul\" not found" },
        { "null,id=x,size=3", "chardev 'null' has no option 'size'" },
        { "file,id=x", "chardev: file: no filename given" },
        { "ringbuf,id=x,size=3", "size of ringbuf chardev must be power of two" },
        { "socket,id=x,path=/a,fd=3",
          "None or one of 'path', 'fd' or 'host' option required." },
        { "socket,id=x,host=a", "chardev: socket: no port given" },
        { "socket,id=x,path=/a,server=maybe",
          "Parameter 'server' expects 'on' or 'off'" },
        { "socket,id=x,path=/a,wait=off",
          "'wait' option is incompatible with socket in client connect mode" },
        { "socket,id=x,path=/a,tls-creds=t",
          "chardev 'socket' has no option 'tls-creds'" },
        { "mux,id=x,chardev=y", "mux: base chardev y not found" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        autoerr Error *err = NULL;

        g_assert_null(chardev_add_opts(f->vm, bad[i][0], &err));
        g_assert_cmpstr(error_text(err), ==, bad[i][1]);
        g_assert_null(chardev_find(f->vm, "x"));
    }
}

static Chardev *legacy(Fixture *f, const char *text, bool *monitor)
{
    autoerr Error *err = NULL;
    Chardev *chr;

    g_assert_true(chardev_add_legacy(f->vm, "old", text, &chr, monitor, &err));
    return chr;
}

static void test_short_forms(Fixture *f, gconstpointer b)
{
    g_autofree char *path = g_strdup_printf("unix:path=%s/a,server,nowait",
                                            f->dir);
    g_autofree char *name =
        g_strdup_printf("disconnected:unix:%s/a,server=on", f->dir);
    g_autofree char *tcp = NULL;
    autoerr Error *err = NULL;
    bool monitor = false;
    Chardev *chr;

    g_assert_null(legacy(f, "none", NULL));
    expect_filename(legacy(f, path, NULL), name);
    g_assert_true(legacy(f, "chardev:old", NULL) == chardev_find(f->vm, "old"));
    chardev_remove(f->vm, "old", error_abort);
    chr = legacy(f, "tcp:127.0.0.1:0,server=on,wait=off", NULL);
    tcp = chardev_filename(chr);
    g_assert_true(g_str_has_prefix(tcp, "disconnected:tcp:127.0.0.1:"));
    chardev_remove(f->vm, "old", error_abort);
    expect_filename(legacy(f, "mon:null", &monitor), "mux");
    g_assert_true(monitor);
    expect_filename(chardev_find(f->vm, "old-base"), "null");
    g_assert_false(chardev_add_legacy(f->vm, "no", "bogus", &chr, NULL, &err));
    g_assert_cmpstr(error_text(err), ==, "'bogus' is not a valid char driver");
}

static void test_json_is_taken_too(Fixture *f, gconstpointer b)
{
    Chardev *chr = add(f, "{'id': 'j', 'backend': {'type': 'null', "
                          "'data': {}}}");

    expect_filename(chr, "null");
}

static void test_exchange_keeps_the_frontend(Fixture *f, gconstpointer b)
{
    ChardevRingbuf ring = { .has_size = true, .size = 16 };
    ChardevBackend backend = { .type = CHARDEV_BACKEND_KIND_RINGBUF,
                               .u.ringbuf.data = &ring };
    autoerr Error *err = NULL, *err2 = NULL;
    g_autofree char *text = NULL;

    attach(f, add(f, "null,id=x"));
    f->refuse_change = true;
    g_assert_null(qmp_chardev_change(f->vm, "x", &backend, &err));
    expect_filename(f->fe.chr, "null");
    f->refuse_change = false;
    qapi_free_ChardevReturn(
        qmp_chardev_change(f->vm, "x", &backend, error_abort));
    expect_filename(f->fe.chr, "ringbuf");
    char_fe_write(&f->fe, "new", 3);
    text = qmp_ringbuf_read(f->vm, "x", 9, false, 0, error_abort);
    g_assert_cmpstr(text, ==, "new");
    g_assert_null(qmp_chardev_change(f->vm, "none", &backend, &err2));
}

static void test_query_lists_all(Fixture *f, gconstpointer b)
{
    ChardevInfoList *list;

    attach(f, add(f, "null,id=a"));
    add(f, "null,id=b");
    list = qmp_query_chardev(f->vm, error_abort);
    g_assert_cmpstr(list->value->label, ==, "a");
    g_assert_true(list->value->frontend_open);
    g_assert_cmpstr(list->next->value->label, ==, "b");
    g_assert_false(list->next->value->frontend_open);
    qapi_free_ChardevInfoList(list);
    g_assert_true(qmp_chardev_send_break(f->vm, "a", error_abort));
    g_assert_cmpstr(f->events->str, ==, "OB");
}

#define ADD(path, fn) g_test_add(path, Fixture, NULL, setup, fn, teardown)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("/char/nothing", test_frontend_without_backend_swallows);
    ADD("/char/one", test_backend_serves_one_frontend);
    ADD("/char/ringbuf", test_ringbuf_keeps_the_newest);
    ADD("/char/file", test_file_and_log_get_the_output);
    ADD("/char/log-fd", test_log_may_be_a_passed_descriptor);
    ADD("/char/server", test_server_takes_one_client_after_another);
    ADD("/char/pause", test_paused_input_waits);
    ADD("/char/fds", test_passed_socket_and_descriptors);
    ADD("/char/reconnect", test_client_connects_again);
    ADD("/char/room", test_full_socket_says_when_there_is_room);
    ADD("/char/room-thread", test_room_is_told_to_another_thread);
    ADD("/char/pty", test_pty_notices_who_comes_and_goes);
    ADD("/char/pipe", test_pipe_reads_and_writes);
    ADD("/char/mux", test_mux_switches_and_escapes);
    g_test_add_func("/char/telnet", test_telnet_commands_are_no_data);
    ADD("/char/wrong", test_wrong_options_are_named);
    ADD("/char/short", test_short_forms);
    ADD("/char/json", test_json_is_taken_too);
    ADD("/char/change", test_exchange_keeps_the_frontend);
    ADD("/char/query", test_query_lists_all);
    return g_test_run();
}
