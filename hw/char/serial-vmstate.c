/* SPDX-License-Identifier: GPL-2.0-or-later */
/* State of the UART as QEMU 7.2's streams have it. */
#include "util/osdep.h"

#include "hw/char/serial-private.h"
#include "util/error.h"

static bool fifo_check(const void *state, int version, Error **errp)
{
    const SerialFifo *f = state;

    return (f->head < SERIAL_FIFO_SIZE && f->num <= SERIAL_FIFO_SIZE) ||
           error_set(errp, "serial: FIFO of %u at %u", f->num, f->head);
}

static const VmState fifo_vmstate = {
    .name = "Fifo8",
    .version = 1,
    .check = fifo_check,
    .fields =
        (const VmField[]){
            VMS_BUFFER(SerialFifo, data, "data"),
            VMS(SerialFifo, head),
            VMS(SerialFifo, num),
            {},
        },
};

/* What a reader without the subsection would make of iir. */
static bool thr_ipending_needed(const void *state)
{
    const Serial *s = state;

    return s->thr_ipending != ((s->iir & IIR_ID) == IIR_THR);
}

static const VmState thr_ipending_vmstate = {
    .name = "serial/thr_ipending",
    .version = 1,
    .needed = thr_ipending_needed,
    .fields = (const VmField[]){ VMS(Serial, thr_ipending), {} },
};

static bool tsr_needed(const void *state)
{
    return ((const Serial *)state)->tx_waiting;
}

static const VmState tsr_vmstate = {
    .name = "serial/tsr",
    .version = 1,
    .needed = tsr_needed,
    .fields =
        (const VmField[]){
            VMS(Serial, tsr_retry),
            VMS(Serial, thr),
            VMS(Serial, tsr),
            {},
        },
};

static bool rx_needed(const void *state)
{
    return ((const Serial *)state)->rx.num != 0;
}

static const VmState rx_vmstate = {
    .name = "serial/recv_fifo",
    .version = 1,
    .needed = rx_needed,
    .fields =
        (const VmField[]){
            VMS_STRUCT(Serial, rx, "recv_fifo", &fifo_vmstate),
            {},
        },
};

static bool tx_needed(const void *state)
{
    return ((const Serial *)state)->tx.num != 0;
}

static const VmState tx_vmstate = {
    .name = "serial/xmit_fifo",
    .version = 1,
    .needed = tx_needed,
    .fields =
        (const VmField[]){
            VMS_STRUCT(Serial, tx, "xmit_fifo", &fifo_vmstate),
            {},
        },
};

static bool timeout_needed(const void *state)
{
    return vm_timer_pending(&((const Serial *)state)->rx_timeout);
}

static const VmState timeout_vmstate = {
    .name = "serial/fifo_timeout_timer",
    .version = 1,
    .needed = timeout_needed,
    .fields =
        (const VmField[]){
            VMS_TIMER(Serial, rx_timeout, "fifo_timeout_timer"),
            {},
        },
};

static bool timeout_ipending_needed(const void *state)
{
    const Serial *s = state;

    return s->timeout_ipending != ((s->iir & IIR_ID) == IIR_TIMEOUT);
}

static const VmState timeout_ipending_vmstate = {
    .name = "serial/timeout_ipending",
    .version = 1,
    .needed = timeout_ipending_needed,
    .fields = (const VmField[]){ VMS(Serial, timeout_ipending), {} },
};

static bool poll_needed(const void *state)
{
    return ((const Serial *)state)->poll_msl >= 0;
}

static const VmState poll_vmstate = {
    .name = "serial/poll",
    .version = 1,
    .needed = poll_needed,
    .fields =
        (const VmField[]){
            VMS(Serial, poll_msl),
            VMS_TIMER(Serial, modem_poll, "modem_status_poll"),
            {},
        },
};

static void pre_save(void *state)
{
    Serial *s = state;

    s->fcr_vmstate = s->fcr;
    s->tsr_retry = s->tx_waiting;
}

static bool pre_load(void *state, Error **errp)
{
    Serial *s = state;

    s->thr_ipending = s->timeout_ipending = s->poll_msl = -1;
    s->tsr_retry = 0;
    s->fcr_vmstate = 0;
    serial_fifo_clear(&s->rx);
    serial_fifo_clear(&s->tx);
    return true;
}

static bool post_load(void *state, int version, Error **errp)
{
    Serial *s = state;

    s->fcr = version >= 3 && (s->fcr_vmstate & FCR_ENABLE)
                 ? s->fcr_vmstate & FCR_KEPT
                 : 0;
    if (s->thr_ipending == -1) {
        s->thr_ipending = (s->iir & IIR_ID) == IIR_THR;
    }
    if (s->timeout_ipending == -1) {
        s->timeout_ipending = (s->iir & IIR_ID) == IIR_TIMEOUT;
    }
    s->tx_waiting = s->tsr_retry > 0;
    if (s->tx_waiting || s->tx.num || !(s->lsr & LSR_THRE)) {
        char_fe_watch_out(&s->chr, serial_transmit, s);
    }
    serial_update_irq(s);
    return true;
}

const VmState serial_vmstate = {
    .name = "serial",
    .version = 3,
    .min_version = 2,
    .pre_save = pre_save,
    .pre_load = pre_load,
    .post_load = post_load,
    .fields =
        (const VmField[]){
            VMS_V(Serial, divider, "divider", 2),
            VMS(Serial, rbr),
            VMS(Serial, ier),
            VMS(Serial, iir),
            VMS(Serial, lcr),
            VMS(Serial, mcr),
            VMS(Serial, lsr),
            VMS(Serial, msr),
            VMS(Serial, scr),
            VMS_V(Serial, fcr_vmstate, "fcr_vmstate", 3),
            {},
        },
    .subsections =
        (const VmState *const[]){
            &thr_ipending_vmstate,
            &tsr_vmstate,
            &rx_vmstate,
            &tx_vmstate,
            &timeout_vmstate,
            &timeout_ipending_vmstate,
            &poll_vmstate,
            NULL,
        },
};
