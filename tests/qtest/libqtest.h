/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Driving an emulator without guest code: a process with "-accel qtest" on one
 * socket and QMP on another. The program is $QTEST_QEMU_BINARY.
 *
 * What cannot happen in a passing test (the emulator dies, a reply is not
 * understood) fails the test there and then.
 */
#ifndef TESTS_QTEST_LIBQTEST_H
#define TESTS_QTEST_LIBQTEST_H

#include "qobject/qobject.h"

typedef struct QTest QTest;

/* Start with @args (shell quoting), the guest stopped at nothing: -display none,
 * -accel qtest and -nodefaults are added. */
QTest *qtest_start(const char *args);
QTest *qtest_startf(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* More arguments for all that start from now on; NULL: none. Not copied. */
void qtest_set_extra_args(const char *args);
/* End the process and free @q; a crash fails the test. */
void qtest_quit(QTest *q);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QTest, qtest_quit)
pid_t qtest_pid(const QTest *q);
/* Wait for the process to end by itself; its exit status. */
int qtest_wait_exit(QTest *q);
/* Run the program to its end with exactly these arguments; its exit status.
 * What it wrote goes to *out and *err where not NULL. */
int qtest_run(const char *args, char **out, char **err);
/* The program's name ends so: "x86_64". */
const char *qtest_arch(void);
/* Is this type known (-device TYPE exists)? */
bool qtest_has_type(const char *name);

/* Ports and memory. */
void qtest_outb(QTest *q, uint16_t port, uint8_t v);
void qtest_outw(QTest *q, uint16_t port, uint16_t v);
void qtest_outl(QTest *q, uint16_t port, uint32_t v);
uint8_t qtest_inb(QTest *q, uint16_t port);
uint16_t qtest_inw(QTest *q, uint16_t port);
uint32_t qtest_inl(QTest *q, uint16_t port);
void qtest_writeb(QTest *q, uint64_t addr, uint8_t v);
void qtest_writew(QTest *q, uint64_t addr, uint16_t v);
void qtest_writel(QTest *q, uint64_t addr, uint32_t v);
void qtest_writeq(QTest *q, uint64_t addr, uint64_t v);
uint8_t qtest_readb(QTest *q, uint64_t addr);
uint16_t qtest_readw(QTest *q, uint64_t addr);
uint32_t qtest_readl(QTest *q, uint64_t addr);
uint64_t qtest_readq(QTest *q, uint64_t addr);
void qtest_memread(QTest *q, uint64_t addr, void *buf, size_t len);
void qtest_memwrite(QTest *q, uint64_t addr, const void *buf, size_t len);
void qtest_memset(QTest *q, uint64_t addr, uint8_t byte, size_t len);

/* Interrupt pins of the device at the QOM path @path. */
void qtest_irq_intercept_in(QTest *q, const char *path);
void qtest_irq_intercept_out(QTest *q, const char *path);
void qtest_set_irq_in(QTest *q, const char *path, const char *pin, int n,
                      int level);
/* Level of intercepted pin @n as last heard. */
bool qtest_irq(QTest *q, int n);
/* How often it went up since the start. */
unsigned qtest_irq_raised(QTest *q, int n);

/* Virtual clock, ns: to the next timer, by an amount, to a time. Returns the
 * new time. */
int64_t qtest_clock_step_next(QTest *q);
int64_t qtest_clock_step(QTest *q, int64_t ns);
int64_t qtest_clock_set(QTest *q, int64_t ns);

/* Any line of the protocol; the words after "OK", to be g_free()d. */
char *qtest_command(QTest *q, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same for lines that must fail: the whole reply. */
char *qtest_command_fails(QTest *q, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * QMP. The command is JSON text from a printf format (quotes may be single):
 *     qtest_qmp_ok(q, "{'execute': 'device_del', 'arguments': {'id': '%s'}}",
 *                  id);
 * Events that arrive meanwhile are kept.
 */
QDict *qtest_qmp(QTest *q, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The "return" value; an error reply fails the test. */
QObject *qtest_qmp_return(QTest *q, const char *fmt, ...) PRINTF_LIKE(2, 3);
void qtest_qmp_ok(QTest *q, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The reply must be an error of class @cls; its text. */
char *qtest_qmp_error(QTest *q, const char *cls, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* The next event called @name, already here or to come; others are kept. */
QDict *qtest_wait_event(QTest *q, const char *name);
/* Is such an event here already? */
bool qtest_has_event(QTest *q, const char *name);
/* An HMP command's output. */
char *qtest_hmp(QTest *q, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
