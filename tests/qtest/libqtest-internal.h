/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state of one emulator under test. */
#ifndef TESTS_QTEST_LIBQTEST_INTERNAL_H
#define TESTS_QTEST_LIBQTEST_INTERNAL_H

#include "qobject/json.h"
#include "tests/qtest/libqtest.h"

#define QTEST_MAX_IRQS 256

struct QTest {
    pid_t pid; /* 0: has ended */
    char *dir; /* of the sockets */
    int fd, qmp_fd;
    GString *rx; /* bytes of the qtest socket not yet used */
    JsonParser *parser;
    GQueue replies, events; /* QDict * */
    bool irq[QTEST_MAX_IRQS];
    unsigned raised[QTEST_MAX_IRQS];
};

void qtest_qmp_open(QTest *q);
void qtest_qmp_close(QTest *q);

#endif
