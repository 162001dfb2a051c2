/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Telnet's commands, taken out of the input stream. */
#include "util/osdep.h"

#include "chardev/char-telnet.h"

enum {
    IAC = 255,
    DONT = 254,
    DO = 253,
    WONT = 252,
    WILL = 251,
    SB = 250,
    BREAK = 243,
    SE = 240,
    OPT_BINARY = 0,
    OPT_ECHO = 1,
    OPT_NO_GO_AHEAD = 3,
};

enum { DATA, COMMAND, OPTION, SUBOPTION, SUBOPTION_IAC };

const uint8_t telnet_hello[12] = {
    IAC, WILL, OPT_ECHO,   IAC, WILL, OPT_NO_GO_AHEAD,
    IAC, WILL, OPT_BINARY, IAC, DO,   OPT_BINARY,
};

/* After IAC; true when the byte is data. */
static bool telnet_command(Telnet *t, uint8_t c, bool *brk)
{
    t->state = DATA;
    switch (c) {
    case IAC:
        return true;
    case WILL:
    case WONT:
    case DO:
    case DONT:
        t->state = OPTION;
        return false;
    case SB:
        t->state = SUBOPTION;
        return false;
    case BREAK:
        *brk = true;
        return false;
    default:
        return false;
    }
}

size_t telnet_filter(Telnet *t, uint8_t *buf, size_t len, bool *brk)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        uint8_t c = buf[i];

        switch (t->state) {
        case DATA:
            if (c == IAC) {
                t->state = COMMAND;
            } else {
                buf[n++] = c;
            }
            break;
        case COMMAND:
            if (telnet_command(t, c, brk)) {
                buf[n++] = c;
            }
            break;
        case SUBOPTION:
            t->state = c == IAC ? SUBOPTION_IAC : SUBOPTION;
            break;
        case SUBOPTION_IAC:
            t->state = c == SE ? DATA : SUBOPTION;
            break;
        default: /* OPTION: we take whatever the client wants */
            t->state = DATA;
        }
    }
    return n;
}
