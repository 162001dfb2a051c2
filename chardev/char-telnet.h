/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The little of the telnet protocol that a console needs: RFC 854 to 858. */
#ifndef CHARDEV_CHAR_TELNET_H
#define CHARDEV_CHAR_TELNET_H

typedef struct Telnet {
    uint8_t state;
} Telnet;

/* What a server says first: we echo, no go-ahead, eight bits both ways. */
extern const uint8_t telnet_hello[12];

/*
 * Take the telnet commands out of @buf, in place; returns the new length.
 * *@brk is set when the client sent a break.
 */
size_t telnet_filter(Telnet *t, uint8_t *buf, size_t len, bool *brk);

#endif
