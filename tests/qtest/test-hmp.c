/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The human monitor of a whole machine: every command, and what some print. */
#include "util/osdep.h"

#include "tests/qtest/libqtest.h"

static void expect(QTest *q, const char *line, const char *want)
{
    g_autofree char *got = qtest_hmp(q, "%s", line);
    g_autoptr(GString) text = g_string_new(got);

    g_string_replace(text, "\r", "", 0);
    g_assert_cmpstr(text->str, ==, want);
}

static void test_memory_and_ports_are_shown(void)
{
    g_autoptr(QTest) q = qtest_start("-machine q35 -m 64");
    int64_t i;

    for (i = 0; i < 16; i++) {
        qtest_writeb(q, 0x1000 + i, 'a' + i);
    }
    expect(q, "xp 0x1000", "0000000000001000: 0x64636261\n");
    expect(q, "xp /2xg 0x1000",
           "0000000000001000: 0x6867666564636261 0x706f6e6d6c6b6a69\n");
    expect(q, "xp/3c 0x1000+1", "0000000000001001: 'b' 'c' 'd'\n");
    expect(q, "xp/5dw 4096",
           "0000000000001000:  1684234849  1751606885  1818978921  1886350957\n"
           "0000000000001010:           0\n");
    expect(q, "xp/2oh 0x1000", "0000000000001000: 061141 062143\n");
    expect(q, "xp/2ub 0x1000", "0000000000001000:  97  98\n");
    expect(q, "xp/0 0", "Error: count must be between 1 and 65536\n");
    /* The RTC's index port: register 0xd says that the battery is good. */
    expect(q, "o /b 0x70 0xd", "");
    expect(q, "i /b 0x71", "portb[0x0071] = 0x80\n");
    expect(q, "i /b 0x70 0xd", "portb[0x0071] = 0x80\n");
    expect(q, "i /g 0x70", "Error: ports have up to 4 bytes\n");
}

static void test_state_is_shown(void)
{
    g_autoptr(QTest) q = qtest_start(
        "-machine q35 -m 64 -name hmp -smp 2,maxcpus=3 "
        "-uuid 12345678-1234-1234-1234-123456789abc -object iothread,id=io1 "
        "-chardev null,id=n0");

    expect(q, "info name", "hmp\n");
    expect(q, "info uuid", "12345678-1234-1234-1234-123456789abc\n");
    expect(q, "info status", "VM status: running\n");
    expect(q, "stop", "");
    expect(q, "info status", "VM status: paused\n");
    expect(q, "cont", "");
    expect(q, "info status", "VM status: running\n");
    expect(q, "info memory_size_summary",
           "base memory: 67108864\nplugged memory: 0\n");
    expect(q, "netdev_del none", "Error: Device 'none' not found\n");
    expect(q, "info no-such", "unknown command: 'info no-such'\n");
}

/* Every "info" that is listed answers without arguments. */
static void test_every_info_answers(void)
{
    g_autoptr(QTest) q = qtest_start("-machine q35 -m 64");
    g_autofree char *list = qtest_hmp(q, "info");
    g_auto(GStrv) lines = g_strsplit(list, "\r\n", -1);
    unsigned n = 0;

    for (size_t i = 0; lines[i] && *lines[i]; i++) {
        g_autofree char *name = g_strndup(lines[i], strcspn(lines[i], " ") + 1 +
                                          strcspn(strchr(lines[i], ' ') + 1, " "));
        g_autofree char *text = qtest_hmp(q, "%s", name);

        g_assert_true(g_str_has_prefix(name, "info "));
        g_test_message("%s: %.60s", name, text);
        g_assert_false(g_str_has_prefix(text, "Error"));
        g_assert_false(g_str_has_prefix(text, "unknown"));
        n++;
    }
    g_assert_cmpint(n, >, 15);
}

static void test_trace_points_are_switched(void)
{
    g_autoptr(QTest) q = qtest_start("-machine none -D /dev/null");
    g_autofree char *text = NULL;

    expect(q, "info trace-events monitor_qmp_resp*",
           "monitor_qmp_respond : state 0\n");
    qtest_qmp_ok(q, "{'execute': 'trace-event-set-state', "
                    "'arguments': {'name': 'monitor_*', 'enable': true}}");
    expect(q, "info trace-events monitor_qmp_respond",
           "monitor_qmp_respond : state 1\n");
    expect(q, "trace-event monitor_qmp_respond off", "");
    expect(q, "info trace-events monitor_qmp_respond",
           "monitor_qmp_respond : state 0\n");
    text = qtest_qmp_error(q, "GenericError",
                           "{'execute': 'trace-event-get-state', "
                           "'arguments': {'name': 'none'}}");
    g_assert_cmpstr(text, ==, "unknown event \"none\"");
}

static void test_quit_ends_the_program(void)
{
    g_autoptr(QTest) q = qtest_start("-machine none");

    expect(q, "quit", "");
    g_assert_cmpint(qtest_wait_exit(q), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hmp/memory", test_memory_and_ports_are_shown);
    g_test_add_func("/hmp/state", test_state_is_shown);
    g_test_add_func("/hmp/info", test_every_info_answers);
    g_test_add_func("/hmp/trace", test_trace_points_are_switched);
    g_test_add_func("/hmp/quit", test_quit_ends_the_program);
    return g_test_run();
}
