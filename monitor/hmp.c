/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HMP sessions, and human-monitor-command. */
#include "util/osdep.h"

#include "monitor/hmp.h"
#include "monitor/hmp-session.h"
#include "monitor/monitor-internal.h"
#include "monitor/readline.h"
#include "qapi/qapi-commands-misc.h"
#include "util/error.h"
#include "util/trace.h"

TRACE_POINT(handle_hmp_command);

typedef struct HmpMonitor {
    Monitor mon;
    Hmp hmp;
    Readline *readline;
    char *line;      /* waits for its turn */
    GString *rest;   /* input behind it */
    bool greeted, unfocused, open;
    LoopTask greet;
} HmpMonitor;

static const MonitorOps hmp_ops;

static HmpMonitor *hmp_monitor(Monitor *mon)
{
    return container_of(mon, HmpMonitor, mon);
}

/* Terminals want a carriage return before each line feed. */
static void to_terminal(GString *s)
{
    g_string_replace(s, "\n", "\r\n", 0);
}

/* Input ------------------------------------------------------------------------------ */

/* Feed the editor until a line is complete. */
static void hmp_consume(HmpMonitor *s)
{
    size_t used = 0;

    while (used < s->rest->len && !s->line) {
        s->line = readline_byte(s->readline, s->rest->str[used++]);
    }
    g_string_erase(s->rest, 0, used);
    if (s->line) {
        monitors_kick(s->mon.all);
    }
}

static size_t hmp_can_read(void *opaque)
{
    HmpMonitor *s = opaque;

    return s->line || s->rest->len || monitor_is_clogged(&s->mon) ? 0
                                                                  : SIZE_MAX;
}

static void hmp_read(void *opaque, const uint8_t *buf, size_t len)
{
    HmpMonitor *s = opaque;

    g_string_append_len(s->rest, (const char *)buf, len);
    hmp_consume(s);
}

static bool hmp_run_one(Monitor *mon)
{
    HmpMonitor *s = hmp_monitor(mon);
    g_autofree char *line = g_steal_pointer(&s->line);

    if (!line) {
        return false;
    }
    g_string_truncate(s->hmp.out, 0);
    trace(handle_hmp_command, "mon %p %s", mon, line);
    hmp_run_line(&s->hmp, line);
    to_terminal(s->hmp.out);
    monitor_write(mon, s->hmp.out->str, s->hmp.out->len);
    monitors_command_done(mon->all);
    if (s->open) {
        readline_prompt(s->readline);
        hmp_consume(s);
    }
    return true;
}

static void hmp_idle(Monitor *mon)
{
    HmpMonitor *s = hmp_monitor(mon);

    if (!s->line && !s->rest->len) {
        char_fe_accept_input(&mon->fe);
    }
}

/* Coming and going ---------------------------------------------------------------------- */

static void hmp_greet(void *opaque)
{
    HmpMonitor *s = opaque;
    static const char banner[] =
        "QEMU " CONFIG_VERSION " monitor - type 'help' for more information\r\n";

    if (!s->open || s->unfocused) {
        return;
    }
    if (!s->greeted) {
        s->greeted = true;
        monitor_write(&s->mon, banner, strlen(banner));
    }
    readline_prompt(s->readline);
}

static void hmp_event(void *opaque, CharEvent event)
{
    HmpMonitor *s = opaque;

    switch (event) {
    case CHAR_EVENT_OPENED:
        s->open = true;
        /* Later: on a mux the serial port may still take the focus. */
        loop_task_post(&s->greet);
        break;
    case CHAR_EVENT_CLOSED:
        s->open = s->greeted = false;
        g_clear_pointer(&s->line, g_free);
        g_string_truncate(s->rest, 0);
        mutex_lock(&s->mon.lock);
        monitor_reset_locked(&s->mon);
        mutex_unlock(&s->mon.lock);
        break;
    case CHAR_EVENT_MUX_IN:
        s->unfocused = false;
        loop_task_post(&s->greet);
        break;
    case CHAR_EVENT_MUX_OUT:
        if (s->greeted && !s->unfocused) {
            monitor_write(&s->mon, "\r\n", 2);
        }
        s->unfocused = true;
        break;
    default:
        break;
    }
}

static const CharHandlers hmp_handlers = {
    .can_read = hmp_can_read,
    .read = hmp_read,
    .event = hmp_event,
};

static void readline_write(void *opaque, const char *text, size_t len)
{
    HmpMonitor *s = opaque;

    monitor_write(&s->mon, text, len);
}

static GPtrArray *readline_complete(void *opaque, const char *line,
                                    size_t *typed)
{
    HmpMonitor *s = opaque;

    return hmp_complete(&s->hmp, line, typed);
}

static const ReadlineOps readline_ops = {
    .write = readline_write,
    .complete = readline_complete,
};

static void hmp_free(Monitor *mon)
{
    HmpMonitor *s = hmp_monitor(mon);

    loop_task_cancel(&s->greet);
    readline_free(s->readline);
    g_string_free(s->hmp.out, TRUE);
    g_string_free(s->rest, TRUE);
    g_free(s->line);
}

static const MonitorOps hmp_ops = {
    .run_one = hmp_run_one,
    .idle = hmp_idle,
    .free = hmp_free,
};

bool monitor_add_hmp(Vm *vm, Chardev *chr, Error **errp)
{
    HmpMonitor *s = g_new0(HmpMonitor, 1);

    if (!monitor_init(&s->mon, &hmp_ops, vm, chr, errp)) {
        g_free(s);
        return false;
    }
    s->hmp.vm = vm;
    s->hmp.out = g_string_new(NULL);
    s->rest = g_string_new(NULL);
    s->readline = readline_new("(qemu) ", &readline_ops, s);
    loop_task_init(&s->greet, vm->loop, hmp_greet, s);
    char_fe_set_handlers(&s->mon.fe, &hmp_handlers, s);
    return true;
}

const GPtrArray *hmp_history(Hmp *hmp)
{
    return hmp->remote ? NULL
                       : readline_history(
                             container_of(hmp, HmpMonitor, hmp)->readline);
}

char *qmp_human_monitor_command(Vm *vm, const char *command_line,
                                bool has_cpu_index, int64_t cpu_index,
                                Error **errp)
{
    Hmp hmp = { .vm = vm, .out = g_string_new(NULL), .remote = true };

    if (has_cpu_index) {
        if (cpu_index < 0 || cpu_index >= vm->cpus->len ||
            !vm->cpus->pdata[cpu_index]) {
            g_string_free(hmp.out, TRUE);
            error_set(errp, "Parameter 'cpu-index' expects a CPU number");
            return NULL;
        }
        hmp.cpu = cpu_index;
    }
    hmp_run_line(&hmp, command_line);
    to_terminal(hmp.out);
    return g_string_free(hmp.out, FALSE);
}
