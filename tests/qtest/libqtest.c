/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starting an emulator and speaking the qtest text protocol with it: one
 * request a line, answered by "OK ...", "FAIL ..." or "ERR ..."; lines that
 * begin with "IRQ" come in between.
 */
#include "util/osdep.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "tests/qtest/libqtest-internal.h"
#include "util/error.h"

static const char *program(void)
{
    const char *path = getenv("QTEST_QEMU_BINARY");

    if (!path) {
        g_error("QTEST_QEMU_BINARY names no emulator");
    }
    return path;
}

const char *qtest_arch(void)
{
    const char *dash = strrchr(program(), '-');

    g_assert_nonnull(dash);
    return dash + 1;
}

/* Process -------------------------------------------------------------------- */

static int listen_at(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpuint(strlen(path), <, sizeof(addr.sun_path));
    strcpy(addr.sun_path, path);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), ==, 0);
    g_assert_cmpint(listen(fd, 1), ==, 0);
    return fd;
}

static pid_t spawn(char **argv, int out, int err)
{
    pid_t parent = getpid(), pid = fork();

    g_assert_cmpint(pid, >=, 0);
    if (pid) {
        return pid;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(1);
    }
    if (out >= 0) {
        dup2(out, STDOUT_FILENO);
    }
    if (err >= 0) {
        dup2(err, STDERR_FILENO);
    }
    execvp(argv[0], argv);
    fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static char **parse_args(const char *text)
{
    g_autoptr(GError) err = NULL;
    char **argv = NULL;

    if (!g_shell_parse_argv(text, NULL, &argv, &err)) {
        g_error("%s: %s", text, err->message);
    }
    return argv;
}

/* Accept, unless the emulator ends before it connects. */
static int accept_from(QTest *q, int listener)
{
    struct timeval tv = { .tv_usec = 20000 };

    setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    for (;;) {
        int status, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd >= 0) {
            close(listener);
            return fd;
        }
        g_assert_true(errno == EAGAIN || errno == EINTR);
        if (waitpid(q->pid, &status, WNOHANG) == q->pid) {
            g_error("the emulator ended with status 0x%x at start", status);
        }
    }
}

static const char *extra_args;

void qtest_set_extra_args(const char *args)
{
    extra_args = args;
}

QTest *qtest_start(const char *args)
{
    QTest *q = g_new0(QTest, 1);
    g_autofree char *sock = NULL, *qmp = NULL, *line = NULL;
    g_auto(GStrv) argv = NULL;
    int listener, qmp_listener;

    signal(SIGPIPE, SIG_IGN);
    q->dir = g_dir_make_tmp("qtest-XXXXXX", NULL);
    g_assert_nonnull(q->dir);
    sock = g_strdup_printf("%s/qtest", q->dir);
    qmp = g_strdup_printf("%s/qmp", q->dir);
    listener = listen_at(sock);
    qmp_listener = listen_at(qmp);
    line = g_strdup_printf(
        "%s -qtest unix:%s -qtest-log %s -chardev socket,path=%s,id=qtest-qmp "
        "-mon chardev=qtest-qmp,mode=control -display none -nodefaults "
        "-accel qtest %s %s",
        program(), sock, getenv("QTEST_LOG") ? "/dev/stderr" : "/dev/null", qmp,
        extra_args ? extra_args : "", args);
    argv = parse_args(line);
    q->pid = spawn(argv, -1, -1);
    q->fd = accept_from(q, listener);
    q->qmp_fd = accept_from(q, qmp_listener);
    unlink(sock);
    unlink(qmp);
    rmdir(q->dir);
    q->rx = g_string_new(NULL);
    qtest_qmp_open(q);
    return q;
}

QTest *qtest_startf(const char *fmt, ...)
{
    g_autofree char *args = NULL;
    va_list ap;

    va_start(ap, fmt);
    args = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return qtest_start(args);
}

pid_t qtest_pid(const QTest *q)
{
    return q->pid;
}

int qtest_wait_exit(QTest *q)
{
    int status;

    g_assert_cmpint(RETRY_ON_EINTR(waitpid(q->pid, &status, 0)), ==, q->pid);
    q->pid = 0;
    if (!WIFEXITED(status)) {
        g_error("the emulator was killed by signal %d", WTERMSIG(status));
    }
    return WEXITSTATUS(status);
}

void qtest_quit(QTest *q)
{
    if (q->pid) {
        kill(q->pid, SIGTERM);
        g_assert_cmpint(qtest_wait_exit(q), ==, 0);
    }
    qtest_qmp_close(q);
    close(q->fd);
    g_string_free(q->rx, true);
    g_free(q->dir);
    g_free(q);
}

static char *read_all(int fd)
{
    GString *s = g_string_new(NULL);
    char buf[4096];
    ssize_t n;

    lseek(fd, 0, SEEK_SET);
    while ((n = RETRY_ON_EINTR(read(fd, buf, sizeof(buf)))) > 0) {
        g_string_append_len(s, buf, n);
    }
    return g_string_free(s, false);
}

static int temp_fd(void)
{
    FILE *f = tmpfile();
    int fd = dup(fileno(f));

    fclose(f);
    return fd;
}

int qtest_run(const char *args, char **out, char **err)
{
    g_autofree char *line = g_strdup_printf("%s %s", program(), args);
    g_auto(GStrv) argv = parse_args(line);
    autofd int out_fd = temp_fd();
    autofd int err_fd = temp_fd();
    QTest q = { .pid = spawn(argv, out_fd, err_fd) };
    int status = qtest_wait_exit(&q);

    if (out) {
        *out = read_all(out_fd);
    }
    if (err) {
        *err = read_all(err_fd);
    }
    return status;
}

bool qtest_has_type(const char *name)
{
    g_autoptr(QTest) q = qtest_start("-machine none");
    g_autoptr(QDict) reply =
        qtest_qmp(q, "{'execute': 'qom-list-properties', "
                  "'arguments': {'typename': '%s'}}", name);

    return qdict_has(reply, "return");
}

/* Protocol -------------------------------------------------------------------- */

static char *read_line(QTest *q)
{
    for (;;) {
        char *end = memchr(q->rx->str, '\n', q->rx->len);
        char buf[4096];
        ssize_t n;

        if (end) {
            char *line = g_strndup(q->rx->str, end - q->rx->str);

            g_string_erase(q->rx, 0, end - q->rx->str + 1);
            return line;
        }
        n = RETRY_ON_EINTR(read(q->fd, buf, sizeof(buf)));
        if (n <= 0) {
            g_error("the emulator closed its qtest connection");
        }
        g_string_append_len(q->rx, buf, n);
    }
}

static bool heard_irq(QTest *q, const char *line)
{
    char what[8];
    unsigned n;

    if (sscanf(line, "IRQ %7s %u", what, &n) != 2 || n >= QTEST_MAX_IRQS) {
        return false;
    }
    q->irq[n] = !strcmp(what, "raise");
    q->raised[n] += q->irq[n];
    return true;
}

static char *exchange(QTest *q, const char *request)
{
    g_autofree char *line = g_strconcat(request, "\n", NULL);
    size_t len = strlen(line), done = 0;

    while (done < len) {
        ssize_t n = RETRY_ON_EINTR(write(q->fd, line + done, len - done));

        g_assert_cmpint(n, >, 0);
        done += n;
    }
    for (;;) {
        char *reply = read_line(q);

        if (!heard_irq(q, reply)) {
            return reply;
        }
        g_free(reply);
    }
}

static char *exchange_ok(QTest *q, const char *request)
{
    g_autofree char *reply = exchange(q, request);

    if (!g_str_has_prefix(reply, "OK")) {
        g_error("qtest: '%s' for '%s'", reply, request);
    }
    return g_strdup(reply + (reply[2] ? 3 : 2));
}

char *qtest_command(QTest *q, const char *fmt, ...)
{
    g_autofree char *line = NULL;
    va_list ap;

    va_start(ap, fmt);
    line = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return exchange_ok(q, line);
}

char *qtest_command_fails(QTest *q, const char *fmt, ...)
{
    g_autofree char *line = NULL;
    char *reply;
    va_list ap;

    va_start(ap, fmt);
    line = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    reply = exchange(q, line);
    g_assert_false(g_str_has_prefix(reply, "OK"));
    return reply;
}

static uint64_t PRINTF_LIKE(2, 3) number(QTest *q, const char *fmt, ...)
{
    g_autofree char *line = NULL, *reply = NULL;
    va_list ap;

    va_start(ap, fmt);
    line = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    reply = exchange_ok(q, line);
    return *reply ? g_ascii_strtoull(reply, NULL, 0) : 0;
}

#define PORT(letter, type)                                                     \
    void qtest_out##letter(QTest *q, uint16_t port, type v)                    \
    {                                                                          \
        number(q, "out" #letter " 0x%x 0x%x", port, v);                        \
    }                                                                          \
    type qtest_in##letter(QTest *q, uint16_t port)                             \
    {                                                                          \
        return number(q, "in" #letter " 0x%x", port);                          \
    }
PORT(b, uint8_t)
PORT(w, uint16_t)
PORT(l, uint32_t)

#define MEMORY(letter, type)                                                   \
    void qtest_write##letter(QTest *q, uint64_t addr, type v)                  \
    {                                                                          \
        number(q, "write" #letter " 0x%" PRIx64 " 0x%" PRIx64, addr,           \
               (uint64_t)v);                                                   \
    }                                                                          \
    type qtest_read##letter(QTest *q, uint64_t addr)                           \
    {                                                                          \
        return number(q, "read" #letter " 0x%" PRIx64, addr);                  \
    }
MEMORY(b, uint8_t)
MEMORY(w, uint16_t)
MEMORY(l, uint32_t)
MEMORY(q, uint64_t)

void qtest_memread(QTest *q, uint64_t addr, void *buf, size_t len)
{
    g_autofree char *text = NULL;
    g_autofree uint8_t *data = NULL;
    gsize got;

    if (!len) {
        return;
    }
    text = qtest_command(q, "b64read 0x%" PRIx64 " 0x%zx", addr, len);
    data = g_base64_decode(text, &got);
    g_assert_cmpuint(got, ==, len);
    memcpy(buf, data, len);
}

void qtest_memwrite(QTest *q, uint64_t addr, const void *buf, size_t len)
{
    g_autofree char *text = g_base64_encode(buf, len);

    if (len) {
        g_free(qtest_command(q, "b64write 0x%" PRIx64 " 0x%zx %s", addr, len,
                             text));
    }
}

void qtest_memset(QTest *q, uint64_t addr, uint8_t byte, size_t len)
{
    number(q, "memset 0x%" PRIx64 " 0x%zx 0x%02x", addr, len, byte);
}

/* Interrupts and time --------------------------------------------------------- */

void qtest_irq_intercept_in(QTest *q, const char *path)
{
    number(q, "irq_intercept_in %s", path);
}

void qtest_irq_intercept_out(QTest *q, const char *path)
{
    number(q, "irq_intercept_out %s", path);
}

void qtest_set_irq_in(QTest *q, const char *path, const char *pin, int n,
                      int level)
{
    number(q, "set_irq_in %s %s %d %d", path, pin ? pin : "unnamed-gpio-in", n,
           level);
}

bool qtest_irq(QTest *q, int n)
{
    g_assert_cmpint(n, <, QTEST_MAX_IRQS);
    number(q, "clock_step 0"); /* hear what came meanwhile */
    return q->irq[n];
}

unsigned qtest_irq_raised(QTest *q, int n)
{
    qtest_irq(q, n);
    return q->raised[n];
}

int64_t qtest_clock_step_next(QTest *q)
{
    return number(q, "clock_step");
}

int64_t qtest_clock_step(QTest *q, int64_t ns)
{
    return number(q, "clock_step %" PRId64, ns);
}

int64_t qtest_clock_set(QTest *q, int64_t ns)
{
    return number(q, "clock_set %" PRId64, ns);
}
