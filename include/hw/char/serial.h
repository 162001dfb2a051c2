/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The 16550A UART, apart from how it sits in the machine: National
 * Semiconductor PC16550D data sheet. Machine lock.
 */
#ifndef HW_CHAR_SERIAL_H
#define HW_CHAR_SERIAL_H

#include "chardev/char.h"
#include "hw/core/irq.h"
#include "migration/vmstate.h"
#include "softmmu/memory.h"
#include "softmmu/vm.h"

#define SERIAL_FIFO_SIZE 16

typedef struct SerialFifo {
    uint8_t data[SERIAL_FIFO_SIZE];
    uint32_t head, num;
} SerialFifo;

typedef struct Serial {
    Vm *vm;
    IrqLine *irq;      /* not owned */
    CharFrontend chr;  /* property of the device around */
    uint32_t baudbase; /* input clock / 16, Hz */
    MemRegion io;      /* eight registers */

    /* Guest state. */
    uint16_t divider;
    uint8_t rbr, thr, tsr; /* received, to be sent, being sent */
    uint8_t ier, iir, lcr, mcr, lsr, msr, scr, fcr;
    SerialFifo rx, tx;
    VmTimer rx_timeout; /* characters wait below the trigger level */
    bool tx_waiting;    /* tsr holds a byte the backend did not take */

    /* Interrupt causes that no register shows, and forms of the wire. */
    int32_t thr_ipending, timeout_ipending;
    uint32_t tsr_retry;
    uint8_t fcr_vmstate;
    int32_t poll_msl;
    VmTimer modem_poll;
} Serial;

/* vm, irq, chr.id and baudbase are set. Connects the backend. */
bool serial_realize(Serial *s, Object *owner, Error **errp);
void serial_unrealize(Serial *s);
void serial_reset(Serial *s);
extern const VmState serial_vmstate;

/* Properties of devices that embed a Serial at member @f. */
#define SERIAL_PROPS(T, f) \
    PROP_CHARDEV(T, f.chr, "chardev"), PROP(T, f.baudbase, "baudbase", 115200)

#endif
