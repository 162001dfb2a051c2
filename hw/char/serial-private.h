/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers and functions that the UART's files share. */
#ifndef HW_CHAR_SERIAL_PRIVATE_H
#define HW_CHAR_SERIAL_PRIVATE_H

#include "hw/char/serial.h"

/* registers */
enum {
    REG_DATA = 0, /* and low byte of the divisor */
    REG_IER = 1,  /* and high byte */
    REG_IIR_FCR = 2,
    REG_LCR = 3,
    REG_MCR = 4,
    REG_LSR = 5,
    REG_MSR = 6,
    REG_SCR = 7,

    IER_RX = 1,
    IER_THR = 2,
    IER_LINE = 4,
    IER_MODEM = 8,

    IIR_NONE = 1,
    IIR_THR = 2,
    IIR_RX = 4,
    IIR_LINE = 6,
    IIR_TIMEOUT = 0xc,
    IIR_ID = 0xe,
    IIR_FIFOS = 0xc0,

    FCR_ENABLE = 1,
    FCR_CLEAR_RX = 2,
    FCR_CLEAR_TX = 4,
    FCR_TRIGGER_SHIFT = 6,
    FCR_KEPT = 0xc9,

    LCR_BREAK = 0x40,
    LCR_DLAB = 0x80,

    MCR_DTR = 1,
    MCR_RTS = 2,
    MCR_OUT1 = 4,
    MCR_OUT2 = 8,
    MCR_LOOP = 0x10,

    LSR_DR = 1,
    LSR_OE = 2,
    LSR_BI = 0x10,
    LSR_THRE = 0x20,
    LSR_TEMT = 0x40,
    LSR_ERRORS = 0x1e,

    MSR_ANY_DELTA = 0xf,
    MSR_CTS = 0x10,
    MSR_DSR = 0x20,
    MSR_RI = 0x40,
    MSR_DCD = 0x80,
};

static inline void serial_fifo_clear(SerialFifo *f)
{
    f->head = f->num = 0;
}

/* Recompute cause and line. */
void serial_update_irq(Serial *s);
/* Send what waits; @opaque is the Serial. */
void serial_transmit(void *opaque);

#endif
