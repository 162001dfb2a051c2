/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server side of the qtest protocol: one command a line, answered by one
 * line "OK [VALUE]" or "FAIL TEXT"; "IRQ raise N" and "IRQ lower N" come at any
 * time from intercepted pins. QEMU's manual, "QTest Device Emulation Testing
 * Framework".
 */
#include "util/osdep.h"

#include "hw/core/device.h"
#include "softmmu/memory.h"
#include "softmmu/qtest-server.h"
#include "softmmu/vm.h"
#include "util/error.h"

/* The longest line (a "write" of half as many bytes), and the largest read. */
#define MAX_LINE (64 * MiB)
#define MAX_DATA (32 * MiB)
#define MAX_WORDS 6

typedef struct QtestServer {
    Vm *vm;
    CharFrontend fe;
    GString *in;
    FILE *log; /* or NULL */
    int64_t start_us;
    Device *intercepted;
} QtestServer;

/* Replies --------------------------------------------------------------------- */

static void log_line(QtestServer *s, char dir, const char *line)
{
    if (s->log) {
        int64_t us = g_get_monotonic_time() - s->start_us;

        fprintf(s->log, "[%c +%.6f] %s\n", dir, us / 1e6, line);
        fflush(s->log);
    }
}

static void send_line(QtestServer *s, const char *line)
{
    log_line(s, 'S', line);
    char_fe_write_all(&s->fe, line, strlen(line));
    char_fe_write_all(&s->fe, "\n", 1);
}

static void PRINTF_LIKE(2, 3) reply(QtestServer *s, const char *fmt, ...)
{
    g_autofree char *line = NULL;
    va_list ap;

    va_start(ap, fmt);
    line = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    send_line(s, line);
}

static bool number(const char *word, uint64_t *v)
{
    return g_ascii_string_to_unsigned(word, 10, 0, UINT64_MAX, v, NULL) ||
           (g_str_has_prefix(word, "0x") &&
            g_ascii_string_to_unsigned(word + 2, 16, 0, UINT64_MAX, v, NULL));
}

/* Ports and memory --------------------------------------------------------------- */

static unsigned width(char letter)
{
    switch (letter) {
    case 'b':
        return 1;
    case 'w':
        return 2;
    case 'l':
        return 4;
    case 'q':
        return 8;
    default:
        return 0;
    }
}

/* "outb", "inl", "writeq" ...: false when @cmd is none of them. */
static bool cmd_access(QtestServer *s, char **w)
{
    static const struct {
        const char *stem;
        bool port, write;
    } kinds[] = {
        { "out", true, true },
        { "in", true, false },
        { "write", false, true },
        { "read", false, false },
    };
    uint64_t addr, value = 0;

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        size_t len = strlen(kinds[i].stem);
        unsigned size;

        if (strlen(w[0]) != len + 1 || strncmp(w[0], kinds[i].stem, len) ||
            !(size = width(w[0][len])) || (kinds[i].port && size > 4)) {
            continue;
        }
        if (!w[1] || !number(w[1], &addr) ||
            (kinds[i].write && (!w[2] || !number(w[2], &value)))) {
            reply(s, "FAIL bad argument");
            return true;
        }
        AddressSpace *as = kinds[i].port ? s->vm->io : s->vm->memory;

        if (!as) {
            reply(s, "FAIL this machine has no address space");
        } else if (kinds[i].write) {
            as_store(as, addr, value, size, MEM_ATTRS_NONE);
            reply(s, "OK");
        } else {
            as_load(as, addr, &value, size, MEM_ATTRS_NONE);
            reply(s, kinds[i].port ? "OK 0x%04" PRIx64 : "OK 0x%016" PRIx64,
                  value);
        }
        return true;
    }
    return false;
}

static bool range(QtestServer *s, char **w, uint64_t *addr, uint64_t *len)
{
    if (!w[1] || !w[2] || !number(w[1], addr) || !number(w[2], len)) {
        reply(s, "FAIL bad argument");
        return false;
    }
    if (*len == 0 || *len > MAX_DATA) {
        reply(s, "FAIL size must be 1 to %" PRIu64, MAX_DATA);
        return false;
    }
    if (!s->vm->memory) {
        reply(s, "FAIL this machine has no address space");
        return false;
    }
    return true;
}

static void cmd_read(QtestServer *s, char **w)
{
    g_autoptr(GString) text = NULL;
    g_autofree uint8_t *buf = NULL;
    uint64_t addr, len;

    if (!range(s, w, &addr, &len)) {
        return;
    }
    buf = g_malloc(len);
    as_read(s->vm->memory, addr, buf, len, MEM_ATTRS_NONE);
    text = g_string_sized_new(2 * len + 8);
    g_string_append(text, "OK 0x");
    for (uint64_t i = 0; i < len; i++) {
        g_string_append_printf(text, "%02x", buf[i]);
    }
    send_line(s, text->str);
}

static void cmd_write(QtestServer *s, char **w)
{
    g_autofree uint8_t *buf = NULL;
    const char *hex = w[3];
    uint64_t addr, len;

    if (!range(s, w, &addr, &len)) {
        return;
    }
    if (!hex || !g_str_has_prefix(hex, "0x")) {
        reply(s, "FAIL data must begin with 0x");
        return;
    }
    hex += 2;
    buf = g_malloc0(len);
    for (uint64_t i = 0; i < len && hex[0] && hex[1]; i++, hex += 2) {
        buf[i] = g_ascii_xdigit_value(hex[0]) << 4 |
                 g_ascii_xdigit_value(hex[1]);
    }
    as_write(s->vm->memory, addr, buf, len, MEM_ATTRS_NONE);
    reply(s, "OK");
}

static void cmd_b64read(QtestServer *s, char **w)
{
    g_autofree uint8_t *buf = NULL;
    g_autofree char *text = NULL;
    uint64_t addr, len;

    if (!range(s, w, &addr, &len)) {
        return;
    }
    buf = g_malloc(len);
    as_read(s->vm->memory, addr, buf, len, MEM_ATTRS_NONE);
    text = g_base64_encode(buf, len);
    reply(s, "OK %s", text);
}

static void cmd_b64write(QtestServer *s, char **w)
{
    g_autofree uint8_t *buf = NULL;
    uint64_t addr, len;
    gsize got;

    if (!range(s, w, &addr, &len)) {
        return;
    }
    if (!w[3]) {
        reply(s, "FAIL bad argument");
        return;
    }
    buf = g_base64_decode(w[3], &got);
    as_write(s->vm->memory, addr, buf, MIN(got, len), MEM_ATTRS_NONE);
    reply(s, "OK");
}

static void cmd_memset(QtestServer *s, char **w)
{
    uint64_t addr, len, byte;

    if (!w[1] || !w[2] || !w[3] || !number(w[1], &addr) ||
        !number(w[2], &len) || !number(w[3], &byte) || !s->vm->memory) {
        reply(s, "FAIL bad argument");
        return;
    }
    as_set(s->vm->memory, addr, byte, len);
    reply(s, "OK");
}

/* Interrupts ------------------------------------------------------------------------- */

static void pin_changed(void *opaque, int n, int level)
{
    reply(opaque, "IRQ %s %d", level ? "raise" : "lower", n);
}

static Device *find_device(QtestServer *s, const char *path)
{
    Object *obj = path ? object_resolve(s->vm->root, path, NULL) : NULL;
    Device *dev = object_dynamic_cast(obj, &device_type);

    if (!dev) {
        reply(s, "FAIL Unknown device");
    }
    return dev;
}

static void cmd_intercept(QtestServer *s, char **w)
{
    bool in = g_str_equal(w[0], "irq_intercept_in");
    Device *dev = find_device(s, w[1]);
    autoerr Error *err = NULL;
    bool ok;

    if (!dev) {
        return;
    }
    if (s->intercepted) {
        reply(s, s->intercepted == dev ? "OK"
                                       : "FAIL IRQ intercept already enabled");
        return;
    }
    ok = in ? device_intercept_in(dev, w[2], pin_changed, s, &err)
            : device_intercept_out(dev, w[2], pin_changed, s, &err);
    if (!ok) {
        reply(s, "FAIL %s", error_text(err));
        return;
    }
    s->intercepted = dev;
    reply(s, "OK");
}

static void cmd_set_irq_in(QtestServer *s, char **w)
{
    Device *dev = find_device(s, w[1]);
    const char *name;
    uint64_t n, level;
    IrqLine *irq;

    if (!dev) {
        return;
    }
    if (!w[2] || !w[3] || !w[4] || !number(w[3], &n) || !number(w[4], &level)) {
        reply(s, "FAIL bad argument");
        return;
    }
    name = g_str_equal(w[2], "unnamed-gpio-in") ? NULL : w[2];
    irq = device_irq_in_find(dev, name, MIN(n, INT_MAX));
    if (!irq) {
        reply(s, "FAIL no such pin");
        return;
    }
    irq_set(irq, level);
    reply(s, "OK");
}

/* Clock ---------------------------------------------------------------------------------- */

static void cmd_clock(QtestServer *s, char **w)
{
    int64_t now = vm_clock_ns(s->vm, VM_CLOCK_VIRTUAL);
    bool step = g_str_equal(w[0], "clock_step");
    uint64_t v = 0;
    int64_t target;

    if (w[1] && (!number(w[1], &v) || v > INT64_MAX / 2)) {
        reply(s, "FAIL bad argument");
        return;
    }
    if (!step) {
        target = v;
    } else if (w[1]) {
        target = now + v;
    } else {
        target = vm_clock_next_deadline(s->vm);
        target = target < 0 ? now : target;
    }
    reply(s, "OK %" PRIi64, vm_clock_step(s->vm, target));
}

static void cmd_endianness(QtestServer *s, char **w)
{
    reply(s, "OK little");
}

/* Dispatch ------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*fn)(QtestServer *s, char **words);
} commands[] = {
    { "read", cmd_read },
    { "write", cmd_write },
    { "b64read", cmd_b64read },
    { "b64write", cmd_b64write },
    { "memset", cmd_memset },
    { "irq_intercept_in", cmd_intercept },
    { "irq_intercept_out", cmd_intercept },
    { "set_irq_in", cmd_set_irq_in },
    { "clock_step", cmd_clock },
    { "clock_set", cmd_clock },
    { "endianness", cmd_endianness },
};

static void serve_line(QtestServer *s, const char *line)
{
    g_auto(GStrv) w = g_strsplit(line, " ", MAX_WORDS);

    log_line(s, 'R', line);
    if (!w[0] || !*w[0]) {
        reply(s, "FAIL Unknown command '%s'", line);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (g_str_equal(w[0], commands[i].name)) {
            commands[i].fn(s, w);
            return;
        }
    }
    if (!cmd_access(s, w)) {
        reply(s, "FAIL Unknown command '%s'", w[0]);
    }
}

static size_t server_can_read(void *opaque)
{
    return 65536;
}

static void server_read(void *opaque, const uint8_t *buf, size_t len)
{
    QtestServer *s = opaque;
    const char *nl;

    g_string_append_len(s->in, (const char *)buf, len);
    while ((nl = memchr(s->in->str, '\n', s->in->len))) {
        size_t n = nl - s->in->str;
        g_autofree char *line = g_strndup(s->in->str, n);

        g_string_erase(s->in, 0, n + 1);
        g_strchomp(line);
        serve_line(s, line);
    }
    if (s->in->len > MAX_LINE) {
        g_string_truncate(s->in, 0);
        reply(s, "FAIL line too long");
    }
}

static void server_event(void *opaque, CharEvent event)
{
    QtestServer *s = opaque;

    if (event == CHAR_EVENT_OPENED) {
        g_string_truncate(s->in, 0);
        /* A new client finds the machine as after power on. */
        vm_system_reset(s->vm, SHUTDOWN_CAUSE_NONE);
        if (s->log) {
            fprintf(s->log, "[I %" PRIi64 "] OPENED\n", g_get_real_time());
        }
    }
}

static const CharHandlers server_handlers = {
    .can_read = server_can_read,
    .read = server_read,
    .event = server_event,
};

bool qtest_server_start(Vm *vm, Chardev *chr, const char *log, Error **errp)
{
    QtestServer *s = g_new0(QtestServer, 1);

    s->vm = vm;
    s->in = g_string_new(NULL);
    s->start_us = g_get_monotonic_time();
    if (!log) {
        s->log = stderr;
    } else if (!g_str_equal(log, "none")) {
        s->log = fopen(log, "we");
        if (!s->log) {
            return error_errno(errp, errno, "-qtest-log %s", log);
        }
    }
    if (!char_fe_init(&s->fe, chr, errp)) {
        return false;
    }
    char_fe_set_handlers(&s->fe, &server_handlers, s);
    return true;
}
