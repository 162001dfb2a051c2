/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP and HMP sessions, driven over socket pairs. */
#include "util/osdep.h"

#include <sys/socket.h>

#include "io/channel.h"
#include "monitor/monitor.h"
#include "qapi/dispatch.h"
#include "qapi/event.h"
#include "qapi/hmp.h"
#include "qapi/qapi-commands-control.h"
#include "qapi/qapi-commands-misc.h"
#include "softmmu/vm.h"
#include "util/coroutine.h"
#include "util/error.h"
#include "util/fdset.h"

/* In place of the schema's commands ------------------------------------------------ */

static Coroutine *sleeper;
static int block_main; /* atomic */

static bool cmd_capabilities(Vm *vm, QDict *args, JsonWriter *ret, Error **errp)
{
    QMPCapabilityList oob = { .value = QMP_CAPABILITY_OOB };
    bool enable = qdict_has(args, "enable");

    return qmp_qmp_capabilities(vm, enable, enable ? &oob : NULL, errp);
}

static bool cmd_echo(Vm *vm, QDict *args, JsonWriter *ret, Error **errp)
{
    json_value(ret, QOBJECT(args));
    return true;
}

static bool cmd_fail(Vm *vm, QDict *args, JsonWriter *ret, Error **errp)
{
    return error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "no such thing");
}

static bool cmd_sleep(Vm *vm, QDict *args, JsonWriter *ret, Error **errp)
{
    sleeper = coroutine_self();
    g_assert_nonnull(sleeper);
    coroutine_yield();
    sleeper = NULL;
    json_str(ret, "slept");
    return true;
}

static bool cmd_hang(Vm *vm, QDict *args, JsonWriter *ret, Error **errp)
{
    __atomic_store_n(&block_main, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&block_main, __ATOMIC_SEQ_CST)) {
        g_usleep(100);
    }
    return true;
}

static bool cmd_rescue(Vm *vm, QDict *args, JsonWriter *ret, Error **errp)
{
    json_str(ret, loop_is_current(vm->loop) ? "main" : "oob");
    __atomic_store_n(&block_main, 0, __ATOMIC_SEQ_CST);
    return true;
}

static bool cmd_big(Vm *vm, QDict *args, JsonWriter *ret, Error **errp)
{
    g_autofree char *text = g_strnfill(3 << 20, 'x');

    json_str(ret, text);
    return true;
}

static bool cmd_getfd(Vm *vm, QDict *args, JsonWriter *ret, Error **errp)
{
    return qmp_getfd(vm, qdict_get_str(args, "fdname"), errp);
}

static bool cmd_version(Vm *vm, QDict *args, JsonWriter *ret, Error **errp)
{
    json_int(ret, 7);
    return true;
}

static bool cmd_hmp(Vm *vm, QDict *args, JsonWriter *ret, Error **errp)
{
    g_autofree char *text = qmp_human_monitor_command(
        vm, qdict_get_str(args, "command-line"), false, 0, errp);

    if (text) {
        json_str(ret, text);
    }
    return text;
}

static const QmpCommand commands[] = {
    { "big", cmd_big, 0 },
    { "echo", cmd_echo, 0 },
    { "fail", cmd_fail, 0 },
    { "getfd", cmd_getfd, 0 },
    { "hang", cmd_hang, 0 },
    { "hmp", cmd_hmp, 0 },
    { "qmp_capabilities", cmd_capabilities, QMP_ALLOW_PRECONFIG },
    { "query-version", cmd_version, 0 },
    { "rescue", cmd_rescue, QMP_OOB },
    { "sleep", cmd_sleep, QMP_COROUTINE },
};
static const QmpModule module = { "test", commands, ARRAY_SIZE(commands) };
QMP_MODULE(module);

/* HMP commands of the test --------------------------------------------------------- */

static bool hmp_args(Hmp *hmp, const QDict *args, Error **errp)
{
    g_autofree char *json = qobject_to_json(QOBJECT(args));

    hmp_printf(hmp, "%s\n", json);
    return true;
}

static bool hmp_warns(Hmp *hmp, const QDict *args, Error **errp)
{
    warn_report("careful");
    return error_set(errp, "broken");
}

static void complete_color(Hmp *hmp, const char *prefix, GPtrArray *list)
{
    static const char *const colors[] = { "red", "rose", "blue" };

    for (size_t i = 0; i < ARRAY_SIZE(colors); i++) {
        if (g_str_has_prefix(colors[i], prefix)) {
            g_ptr_array_add(list, g_strdup(colors[i]));
        }
    }
}

static const HmpArg test_args[] = {
    { "f", HMP_FLAG },
    { "fmt", HMP_FMT },
    { "word", HMP_WORD, .complete = complete_color },
    { "num", HMP_INT, .optional = true },
    { "bytes", HMP_SIZE, .optional = true },
    { "on", HMP_BOOL, .optional = true },
    { "rest", HMP_REST, .optional = true },
    {},
};
static const HmpCommand hmp_test[] = {
    { .name = "test-args|ta", .args = test_args, .help = "say arguments",
      .run = hmp_args },
    { .name = "test-warn", .help = "fail", .run = hmp_warns },
    { .name = "test-gone", .help = "not there", .needs = "no-such-command",
      .run = hmp_args },
    { .name = "info test", .help = "say nothing", .run = hmp_args },
};
HMP_COMMANDS(hmp_test);

/* Fixture -------------------------------------------------------------------------------- */

typedef struct Client {
    int fd;
    GString *in;
} Client;

typedef struct Fixture {
    Vm *vm;
    Client c; /* the first monitor's */
} Fixture;

static void client_open(Fixture *f, Client *c, const char *id, bool qmp,
                        bool pretty)
{
    g_autofree char *opts = NULL;
    Chardev *chr;
    int sv[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), ==, 0);
    opts = g_strdup_printf("socket,id=%s,fd=%d", id, sv[0]);
    chr = chardev_add_opts(f->vm, opts, error_abort);
    c->fd = sv[1];
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    c->in = g_string_new(NULL);
    g_assert_true(qmp ? monitor_add_qmp(f->vm, chr, pretty, error_abort)
                      : monitor_add_hmp(f->vm, chr, error_abort));
}

static void client_close(Client *c)
{
    close(c->fd);
    g_string_free(c->in, TRUE);
}

static void setup(Fixture *f, gconstpointer unused)
{
    f->vm = vm_new("x86_64", error_abort);
    f->vm->fdsets = fdsets_new();
    client_open(f, &f->c, "m0", true, false);
}

static void teardown(Fixture *f, gconstpointer unused)
{
    vm_shutdown(f->vm);
    client_close(&f->c);
    fdsets_free(f->vm->fdsets);
    g_free(f->vm->chardevs);
    g_free(f->vm->monitors);
    vm_free(f->vm);
}

static void collect(Client *c)
{
    char buf[65536];
    ssize_t n;

    while ((n = read(c->fd, buf, sizeof(buf))) > 0) {
        g_string_append_len(c->in, buf, n);
    }
}

static void say(Client *c, const char *text)
{
    size_t len = strlen(text);

    while (len) {
        ssize_t n = write(c->fd, text, len);

        g_assert_cmpint(n, >, 0);
        text += n;
        len -= n;
    }
}

/* Serve until the client has got @end. */
static void serve_until(Fixture *f, Client *c, const char *end)
{
    int64_t limit = loop_now_ns() + INT64_C(5000000000);

    for (;;) {
        collect(c);
        if (strstr(c->in->str, end)) {
            return;
        }
        if (loop_now_ns() > limit) {
            g_error("no '%s' in '%.200s'", end, c->in->str);
        }
        if (!loop_run_once(f->vm->loop, false)) {
            g_usleep(50);
        }
    }
}

/* One line, without its end, that arrived. */
static char *next_line(Fixture *f, Client *c)
{
    char *end, *line;

    serve_until(f, c, "\r\n");
    end = strstr(c->in->str, "\r\n");
    line = g_strndup(c->in->str, end - c->in->str);
    g_string_erase(c->in, 0, end + 2 - c->in->str);
    return line;
}

static void expect_line(Fixture *f, Client *c, const char *want)
{
    g_autofree char *line = next_line(f, c);

    g_assert_cmpstr(line, ==, want);
}

static void settle(Fixture *f)
{
    for (int i = 0; i < 5; i++) {
        loop_run_once(f->vm->loop, false);
    }
}

#define GREETING "{\"QMP\": {\"version\": 7, \"capabilities\": [\"oob\"]}}"

static void negotiate(Fixture *f, Client *c)
{
    expect_line(f, c, GREETING);
    say(c, "{'execute': 'qmp_capabilities'}");
    expect_line(f, c, "{\"return\": {}}");
}

/* QMP --------------------------------------------------------------------------------------- */

static void test_session_begins_with_negotiation(Fixture *f,
                                                 gconstpointer unused)
{
    expect_line(f, &f->c, GREETING);
    say(&f->c, "{'execute': 'echo'}");
    expect_line(f, &f->c,
                "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": "
                "\"Expecting capabilities negotiation with "
                "'qmp_capabilities'\"}}");
    say(&f->c, "{'execute': 'qmp_capabilities'}{'execute': 'echo'}");
    expect_line(f, &f->c, "{\"return\": {}}");
    expect_line(f, &f->c, "{\"return\": {}}");
    say(&f->c, "{'execute': 'qmp_capabilities'}");
    expect_line(f, &f->c,
                "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": "
                "\"Capabilities negotiation is already complete, command "
                "ignored\"}}");
}

static void test_id_comes_back(Fixture *f, gconstpointer unused)
{
    negotiate(f, &f->c);
    say(&f->c, "{'execute': 'echo', 'id': [1, {'a': null}]}");
    expect_line(f, &f->c, "{\"return\": {}, \"id\": [1, {\"a\": null}]}");
    say(&f->c, "{'execute': 'fail', 'id': 'x'}");
    expect_line(f, &f->c,
                "{\"error\": {\"class\": \"DeviceNotFound\", \"desc\": "
                "\"no such thing\"}, \"id\": \"x\"}");
    say(&f->c, "{'execute': 'none', 'id': 3}");
    expect_line(f, &f->c,
                "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": "
                "\"The command none has not been found\"}, \"id\": 3}");
}

static void test_requests_come_in_fragments(Fixture *f, gconstpointer unused)
{
    static const char text[] =
        "{\"execute\": \"echo\", \"arguments\": {\"k\": \"v\"}}";

    negotiate(f, &f->c);
    for (size_t i = 0; i < strlen(text); i++) {
        char byte[2] = { text[i] };

        say(&f->c, byte);
        settle(f);
    }
    expect_line(f, &f->c, "{\"return\": {\"k\": \"v\"}}");
}

static const struct {
    const char *text;
    const char *class;
} bad[] = {
    { "[]", "GenericError" },
    { "1", "GenericError" },
    { "'x'", "GenericError" },
    { "null", "GenericError" },
    { "true", "GenericError" },
    { "{}", "GenericError" },
    { "{'execute': 1}", "GenericError" },
    { "{'execute': null}", "GenericError" },
    { "{'execute': []}", "GenericError" },
    { "{'execute': {}}", "GenericError" },
    { "{'execute': ''}", "CommandNotFound" },
    { "{'execute': 'ECHO'}", "CommandNotFound" },
    { "{'execute': 'echo '}", "CommandNotFound" },
    { "{'execute': 'ech'}", "CommandNotFound" },
    { "{'execute': 'echo', 'arguments': 1}", "GenericError" },
    { "{'execute': 'echo', 'arguments': []}", "GenericError" },
    { "{'execute': 'echo', 'arguments': 'x'}", "GenericError" },
    { "{'execute': 'echo', 'arguments': null}", "GenericError" },
    { "{'execute': 'echo', 'args': {}}", "GenericError" },
    { "{'execute': 'echo', '': {}}", "GenericError" },
    { "{'execute': 'echo', 'execute': 'echo'}", "GenericError" },
    { "{'exec-oob': 'rescue'}", "GenericError" },
    { "{'execute': 'echo', 'exec-oob': 'rescue'}", "GenericError" },
    { "{'arguments': {}}", "GenericError" },
    { "{'id': 1}", "GenericError" },
    { "{'return': {}}", "GenericError" },
    { "{'QMP': {}}", "GenericError" },
    { "{'execute' 'echo'}", "GenericError" },
    { "{'execute': 'echo',}", "GenericError" },
    { "{,}", "GenericError" },
    { "{'execute': }", "GenericError" },
    { "{'execute': echo}", "GenericError" },
    { "{execute: 'echo'}", "GenericError" },
    { "{1: 2}", "GenericError" },
    { "{'a': [1,]}", "GenericError" },
    { "{'a': [,1]}", "GenericError" },
    { "{'a': 01}", "GenericError" },
    { "{'a': +1}", "GenericError" },
    { "{'a': 1.}", "GenericError" },
    { "{'a': .5}", "GenericError" },
    { "{'a': 1e}", "GenericError" },
    { "{'a': 0x1}", "GenericError" },
    { "{'a': nul}", "GenericError" },
    { "{'a': True}", "GenericError" },
    { "{'a': '\\x41'}", "GenericError" },
    { "{'a': '\\u12'}", "GenericError" },
    { "{'a': '\\ud800'}", "GenericError" },
    { "{'a': '\xff\xfe'}", "GenericError" },
    { "{'a': '\xc0\xaf'}", "GenericError" },
    { "{'a': '\x01'}", "GenericError" },
    { "]", "GenericError" },
    { "}", "GenericError" },
    { "{'a': ]}", "GenericError" },
    { "@", "GenericError" },
};

/* After any bad input the session answers the next request. */
static void test_bad_input_gets_an_error(Fixture *f, gconstpointer unused)
{
    negotiate(f, &f->c);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        g_autofree char *marker =
            g_strdup_printf("\n{'execute': 'echo', 'id': 'after %zu'}\n", i);
        g_autofree char *answer =
            g_strdup_printf("{\"return\": {}, \"id\": \"after %zu\"}", i);
        bool error = false;

        say(&f->c, bad[i].text);
        say(&f->c, marker);
        for (;;) {
            g_autofree char *line = next_line(f, &f->c);
            g_autoptr(QObject) reply = json_parse(line, error_abort);
            QDict *err = qdict_get_dict(qobject_to_dict(reply), "error");

            if (!strcmp(line, answer)) {
                break;
            }
            g_test_message("%s -> %s", bad[i].text, line);
            g_assert_nonnull(err);
            if (!error) {
                g_assert_cmpstr(qdict_get_str(err, "class"), ==, bad[i].class);
            }
            error = true;
        }
        g_assert_true(error);
    }
}

static void test_replies_are_one_line_or_pretty(Fixture *f,
                                                gconstpointer unused)
{
    Client p;

    negotiate(f, &f->c);
    client_open(f, &p, "pretty", true, true);
    serve_until(f, &p, "}\r\n");
    g_assert_nonnull(strstr(p.in->str, "{\n    \"QMP\": {\n"));
    g_string_truncate(p.in, 0);
    say(&p, "{'execute': 'qmp_capabilities'}");
    serve_until(f, &p, "\r\n");
    g_assert_cmpstr(p.in->str, ==, "{\n    \"return\": {\n    }\n}\r\n");
    client_close(&p);
}

static void test_next_client_negotiates_anew(Fixture *f, gconstpointer unused)
{
    g_autofree char *name = g_strdup_printf("nemu-test-mon-%d", getpid());
    g_autofree char *opts = g_strdup_printf(
        "socket,id=srv,path=%s,abstract=on,server=on,wait=off", name);
    g_autofree char *peer =
        g_strdup_printf("socket,id=cl,path=%s,abstract=on", name);
    Chardev *chr = chardev_add_opts(f->vm, opts, error_abort);
    CharFrontend fe = { .chr = NULL };

    g_assert_true(monitor_add_qmp(f->vm, chr, false, error_abort));
    for (int i = 0; i < 3; i++) {
        char buf[100] = "";

        g_assert_true(char_fe_init(
            &fe, chardev_add_opts(f->vm, peer, error_abort), error_abort));
        settle(f);
        g_assert_cmpint(char_fe_read_all(&fe, buf, strlen(GREETING) + 2), ==,
                        strlen(GREETING) + 2);
        g_assert_cmpstr(buf, ==, GREETING "\r\n");
        /* A request cut short must not reach the next session. */
        char_fe_write_all(&fe, "{'execute': 'qmp_capabilities'}{'exec", 37);
        settle(f);
        char_fe_deinit(&fe);
        g_assert_true(chardev_remove(f->vm, "cl", error_abort));
        settle(f);
    }
}

static void test_slow_reader_gets_everything(Fixture *f, gconstpointer unused)
{
    negotiate(f, &f->c);
    say(&f->c, "{'execute': 'big'}{'execute': 'echo', 'id': 1}");
    settle(f);
    serve_until(f, &f->c, "\"id\": 1}\r\n");
    g_assert_cmpint(f->c.in->len, >, 3 << 20);
}

static void test_commands_wait_for_a_coroutine(Fixture *f,
                                               gconstpointer unused)
{
    Client other;

    negotiate(f, &f->c);
    client_open(f, &other, "m1", true, false);
    negotiate(f, &other);
    say(&f->c, "{'execute': 'sleep'}");
    settle(f);
    g_assert_nonnull(sleeper);
    say(&other, "{'execute': 'echo', 'id': 'other'}");
    say(&f->c, "{'execute': 'echo', 'id': 'same'}");
    settle(f);
    collect(&other);
    g_assert_cmpstr(other.in->str, ==, "");
    coroutine_enter(sleeper);
    expect_line(f, &f->c, "{\"return\": \"slept\"}");
    expect_line(f, &other, "{\"return\": {}, \"id\": \"other\"}");
    expect_line(f, &f->c, "{\"return\": {}, \"id\": \"same\"}");
    client_close(&other);
}

static void *send_rescue(void *opaque)
{
    Client *c = opaque;

    while (!__atomic_load_n(&block_main, __ATOMIC_SEQ_CST)) {
        g_usleep(100);
    }
    say(c, "{'exec-oob': 'rescue', 'id': 'oob'}");
    return NULL;
}

static void test_out_of_band_overtakes(Fixture *f, gconstpointer unused)
{
    Thread t;

    expect_line(f, &f->c, GREETING);
    say(&f->c, "{'execute': 'qmp_capabilities', "
               "'arguments': {'enable': ['oob']}}");
    expect_line(f, &f->c, "{\"return\": {}}");
    say(&f->c, "{'exec-oob': 'echo'}");
    expect_line(f, &f->c, "{\"error\": {\"class\": \"GenericError\", \"desc\": "
                          "\"The command echo does not support OOB\"}}");
    g_assert_true(thread_create(&t, "rescue", send_rescue, &f->c,
                                error_abort));
    say(&f->c, "{'execute': 'hang', 'id': 'slow'}");
    expect_line(f, &f->c, "{\"return\": \"oob\", \"id\": \"oob\"}");
    expect_line(f, &f->c, "{\"return\": {}, \"id\": \"slow\"}");
    thread_join(&t);
    say(&f->c, "{'execute': 'rescue'}");
    expect_line(f, &f->c, "{\"return\": \"main\"}");
}

static void test_descriptors_come_with_getfd(Fixture *f, gconstpointer unused)
{
    g_autoptr(IoChannel) ch = NULL;
    IoFds fds = { .fd = { 0 }, .n = 1 };
    static const char cmd[] = "{'execute':'getfd','arguments':{'fdname':'n'}}";
    struct iovec iov = { .iov_base = (void *)cmd, .iov_len = strlen(cmd) };
    int fd;

    negotiate(f, &f->c);
    say(&f->c, cmd);
    expect_line(f, &f->c, "{\"error\": {\"class\": \"GenericError\", \"desc\": "
                          "\"No file descriptor supplied via SCM_RIGHTS\"}}");
    ch = io_channel_socket(dup(f->c.fd));
    g_assert_cmpint(io_writev_fds(ch, &iov, 1, &fds), ==, iov.iov_len);
    expect_line(f, &f->c, "{\"return\": {}}");
    fd = fdsets_take_name(f->vm->fdsets, "n", error_abort);
    close(fd);
}

/* Events ---------------------------------------------------------------------------------- */

static const QapiEventInfo plain_event = { .name = "TEST" };
static const QapiEventInfo limited_event = { .name = "VSERPORT_CHANGE" };

static void emit(Fixture *f, const QapiEventInfo *info, const char *json)
{
    g_autoptr(QObject) data = json ? json_parse(json, error_abort) : NULL;

    f->vm->events->emit(f->vm->events, info, qobject_to_dict(data));
}

static void expect_event(Fixture *f, const char *tail)
{
    g_autofree char *line = next_line(f, &f->c);

    g_assert_true(g_str_has_prefix(line, "{\"timestamp\": {\"seconds\": "));
    g_assert_true(g_str_has_suffix(line, tail));
}

static void test_events_need_a_negotiated_session(Fixture *f,
                                                  gconstpointer unused)
{
    emit(f, &plain_event, NULL);
    negotiate(f, &f->c);
    emit(f, &plain_event, "{'n': 1}");
    expect_event(f, "}, \"event\": \"TEST\", \"data\": {\"n\": 1}}");
    emit(f, &plain_event, NULL);
    expect_event(f, "}, \"event\": \"TEST\"}");
}

static void test_floods_are_limited(Fixture *f, gconstpointer unused)
{
    int64_t start = loop_now_ns();

    negotiate(f, &f->c);
    for (int i = 0; i < 100; i++) {
        emit(f, &limited_event, i % 2 ? "{'id': 'a', 'open': true}"
                                      : "{'id': 'a', 'open': false}");
    }
    emit(f, &limited_event, "{'id': 'b', 'open': true}");
    expect_event(f, "\"data\": {\"id\": \"a\", \"open\": false}}");
    expect_event(f, "\"data\": {\"id\": \"b\", \"open\": true}}");
    expect_event(f, "\"data\": {\"id\": \"a\", \"open\": true}}");
    g_assert_cmpint(loop_now_ns() - start, >=, INT64_C(900000000));
    settle(f);
    collect(&f->c);
    g_assert_cmpstr(f->c.in->str, ==, "");
}

/* HMP ------------------------------------------------------------------------------------- */

static char *hmp(Fixture *f, const char *line)
{
    g_autofree char *text = qmp_human_monitor_command(f->vm, line, false, 0,
                                                      error_abort);

    g_assert_nonnull(text);
    return g_steal_pointer(&text);
}

static void test_lines_are_taken_apart(Fixture *f, gconstpointer unused)
{
    static const char *const lines[][2] = {
        { "test-args a", "{\"word\": \"a\"}\r\n" },
        { "ta -f /8xg \"a b\\n\" (1+2)*3 4k on to the end  ",
          "{\"f\": true, \"count\": 8, \"format\": \"x\", \"size\": \"g\", "
          "\"word\": \"a b\\n\", \"num\": 9, \"bytes\": 4096, \"on\": true, "
          "\"rest\": \"to the end\"}\r\n" },
        { "ta/4 a 0x10 2", "{\"count\": 4, \"word\": \"a\", \"num\": 16, "
                           "\"bytes\": 2097152}\r\n" },
        { "  ", "" },
        { "# comment", "" },
        { "info test", "{}\r\n" },
        { "print/x 255", "0xff\r\n" },
        { "p /d -1*2", "-2\r\n" },
        { "p ~0&0xf", "15\r\n" },
        { "p 'a'", "97\r\n" },
        { "nope", "unknown command: 'nope'\r\n" },
        { "info nope", "unknown command: 'info nope'\r\n" },
        { "test-gone a", "unknown command: 'test-gone'\r\n" },
        { "p 1/0", "print|p: division by zero\r\n"
                   "Try \"help print\" for more information\r\n" },
        { "test-warn", "warning: careful\r\nError: broken\r\n" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        g_autofree char *text = hmp(f, lines[i][0]);

        g_assert_cmpstr(text, ==, lines[i][1]);
    }
}

static void test_missing_and_extra_arguments(Fixture *f, gconstpointer unused)
{
    g_autofree char *missing = hmp(f, "ta");
    g_autofree char *extra = hmp(f, "print 1 2");
    g_autofree char *deep = NULL;
    g_autofree char *parens = g_strnfill(1000, '(');
    g_autofree char *line = g_strdup_printf("p %s", parens);

    g_assert_true(g_str_has_prefix(missing, "test-args|ta: parameter 'word' "
                                            "is missing\r\n"));
    g_assert_true(g_str_has_prefix(extra, "print|p: extraneous "));
    deep = hmp(f, line);
    g_assert_cmpstr(deep, ==,
                    "print|p: expression is nested too deeply\r\n"
                    "Try \"help print\" for more information\r\n");
}

static void test_chardevs_from_the_terminal(Fixture *f, gconstpointer unused)
{
    static const char *const lines[][2] = {
        { "chardev-add ringbuf,id=r,size=16", "" },
        { "ringbuf_write r \"a\\\\b\"", "" },
        { "ringbuf_read r 100", "a\\\\b\r\n" },
        { "chardev-change r null", "" },
        { "ringbuf_read r 1", "Error: Device 'r' not found\r\n" },
        { "chardev-send-break r", "" },
        { "chardev-remove r", "" },
        { "chardev-remove r", "Error: Chardev 'r' not found\r\n" },
        { "chardev-change m0 null",
          "Error: Chardev user does not support chardev hotswap\r\n" },
        { "chardev-add nul,id=n",
          "Error: chardev: backend \"nul\" not found, "
          "did you mean 'null'?\r\n" },
        { "info chardev", "m0: filename=unix:\r\n" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        g_autofree char *text = hmp(f, lines[i][0]);

        g_assert_cmpstr(text, ==, lines[i][1]);
    }
}

static void test_help_lists_what_is_there(Fixture *f, gconstpointer unused)
{
    g_autofree char *all = hmp(f, "help"), *info = hmp(f, "info");
    g_autofree char *one = hmp(f, "help ta");

    g_assert_nonnull(strstr(all, "help|? [cmd] -- show the help\r\n"));
    g_assert_null(strstr(all, "test-gone"));
    g_assert_null(strstr(all, "info test"));
    g_assert_nonnull(strstr(info, "info test -- say nothing\r\n"));
    g_assert_cmpstr(one, ==,
                    "test-args|ta [-f] [/fmt] word [num] [bytes] [on] [rest] "
                    "-- say arguments\r\n");
}

static void test_terminal_runs_lines(Fixture *f, gconstpointer unused)
{
    Client h;

    client_open(f, &h, "hmp", false, false);
    serve_until(f, &h, "(qemu) ");
    say(&h, "tX\177a b\033[D\033[3~c\r");
    serve_until(f, &h, "{\"word\": \"c\"}\r\n(qemu) ");
    g_string_truncate(h.in, 0);
    say(&h, "test-a\t ro\t\n");
    serve_until(f, &h, "{\"word\": \"rose\"}\r\n(qemu) ");
    g_string_truncate(h.in, 0);
    say(&h, "ta r\t");
    serve_until(f, &h, "\r\nred\r\nrose\r\n");
    say(&h, "\025\033[A\r");
    serve_until(f, &h, "{\"word\": \"rose\"}\r\n(qemu) ");
    g_string_truncate(h.in, 0);
    say(&h, "info history\nta x\nta y\n");
    serve_until(f, &h, "'ta c'\r\n");
    serve_until(f, &h, "{\"word\": \"y\"}\r\n(qemu) ");
    client_close(&h);
}

#define ADD(path, fn) g_test_add(path, Fixture, NULL, setup, fn, teardown)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("/qmp/negotiation", test_session_begins_with_negotiation);
    ADD("/qmp/id", test_id_comes_back);
    ADD("/qmp/fragments", test_requests_come_in_fragments);
    ADD("/qmp/bad", test_bad_input_gets_an_error);
    ADD("/qmp/pretty", test_replies_are_one_line_or_pretty);
    ADD("/qmp/reconnect", test_next_client_negotiates_anew);
    ADD("/qmp/slow-reader", test_slow_reader_gets_everything);
    ADD("/qmp/coroutine", test_commands_wait_for_a_coroutine);
    ADD("/qmp/oob", test_out_of_band_overtakes);
    ADD("/qmp/fds", test_descriptors_come_with_getfd);
    ADD("/qmp/events", test_events_need_a_negotiated_session);
    ADD("/qmp/limits", test_floods_are_limited);
    ADD("/hmp/lines", test_lines_are_taken_apart);
    ADD("/hmp/arguments", test_missing_and_extra_arguments);
    ADD("/hmp/chardev", test_chardevs_from_the_terminal);
    ADD("/hmp/help", test_help_lists_what_is_there);
    ADD("/hmp/terminal", test_terminal_runs_lines);
    return g_test_run();
}
