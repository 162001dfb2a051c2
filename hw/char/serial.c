/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 16550A UART: National Semiconductor PC16550D data sheet, section 8.
 *
 * Characters are sent as fast as the backend takes them; the baud rate only
 * sets how long received ones may wait in the FIFO.
 */
#include "util/osdep.h"

#include "hw/char/serial.h"
#include "util/error.h"

enum { /* registers */
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

/* FIFOs ---------------------------------------------------------------------- */

static void fifo_clear(SerialFifo *f)
{
    f->head = f->num = 0;
}

static void fifo_push(SerialFifo *f, uint8_t byte)
{
    f->data[(f->head + f->num++) % SERIAL_FIFO_SIZE] = byte;
}

static uint8_t fifo_pop(SerialFifo *f)
{
    uint8_t byte = f->data[f->head];

    f->head = (f->head + 1) % SERIAL_FIFO_SIZE;
    f->num--;
    return byte;
}

static bool fifos_on(const Serial *s)
{
    return s->fcr & FCR_ENABLE;
}

static unsigned rx_trigger(const Serial *s)
{
    static const uint8_t levels[] = { 1, 4, 8, 14 };

    return levels[s->fcr >> FCR_TRIGGER_SHIFT];
}

/* Interrupts ------------------------------------------------------------------- */

/* The cause of highest priority, section 8.4.2. */
static uint8_t pending_cause(const Serial *s)
{
    if ((s->ier & IER_LINE) && (s->lsr & LSR_ERRORS)) {
        return IIR_LINE;
    }
    if ((s->ier & IER_RX) && s->timeout_ipending) {
        return IIR_TIMEOUT;
    }
    if ((s->ier & IER_RX) && (s->lsr & LSR_DR) &&
        (!fifos_on(s) || s->rx.num >= rx_trigger(s))) {
        return IIR_RX;
    }
    if ((s->ier & IER_THR) && s->thr_ipending) {
        return IIR_THR;
    }
    if ((s->ier & IER_MODEM) && (s->msr & MSR_ANY_DELTA)) {
        return 0; /* modem status */
    }
    return IIR_NONE;
}

static void update_irq(Serial *s)
{
    uint8_t cause = pending_cause(s);

    s->iir = cause | (s->iir & IIR_FIFOS);
    irq_set(s->irq, cause != IIR_NONE);
}

/* Receiving -------------------------------------------------------------------- */

/* Nanoseconds of one character: start, data, parity and stop bits. */
static int64_t char_time(const Serial *s)
{
    unsigned bits = 1 + 5 + (s->lcr & 3) + !!(s->lcr & 8) + 1 + !!(s->lcr & 4);
    uint64_t base = MAX(s->baudbase, 1u);

    return bits * UINT64_C(1000000000) / base * MAX(s->divider, 1u);
}

static void arm_rx_timeout(Serial *s)
{
    vm_timer_set(&s->rx_timeout, vm_clock_ns(s->vm, VM_CLOCK_VIRTUAL) +
                                     4 * char_time(s));
}

static void rx_timed_out(void *opaque)
{
    Serial *s = opaque;

    if (s->rx.num > 0) {
        s->timeout_ipending = 1;
        update_irq(s);
    }
}

static void receive_byte(Serial *s, uint8_t byte)
{
    if (fifos_on(s)) {
        if (s->rx.num < SERIAL_FIFO_SIZE) {
            fifo_push(&s->rx, byte);
        } else {
            s->lsr |= LSR_OE;
        }
        s->lsr |= LSR_DR;
        arm_rx_timeout(s);
    } else {
        if (s->lsr & LSR_DR) {
            s->lsr |= LSR_OE;
        }
        s->rbr = byte;
        s->lsr |= LSR_DR;
    }
}

static size_t can_receive(void *opaque)
{
    Serial *s = opaque;

    if (s->mcr & MCR_LOOP) {
        return 0; /* the line is cut */
    }
    return fifos_on(s) ? SERIAL_FIFO_SIZE - s->rx.num : !(s->lsr & LSR_DR);
}

static void receive(void *opaque, const uint8_t *buf, size_t len)
{
    Serial *s = opaque;

    for (size_t i = 0; i < len; i++) {
        receive_byte(s, buf[i]);
    }
    update_irq(s);
}

static void receive_event(void *opaque, CharEvent event)
{
    Serial *s = opaque;

    if (event == CHAR_EVENT_BREAK) {
        receive_byte(s, 0);
        s->lsr |= LSR_BI;
        update_irq(s);
    }
}

static bool backend_changed(void *opaque, Error **errp)
{
    return true; /* the line has no state that a backend would need */
}

static const CharHandlers handlers = {
    .can_read = can_receive,
    .read = receive,
    .event = receive_event,
    .change = backend_changed,
};

static uint8_t read_data(Serial *s)
{
    uint8_t byte;

    if (fifos_on(s)) {
        byte = s->rx.num ? fifo_pop(&s->rx) : 0;
        s->timeout_ipending = 0;
        if (s->rx.num == 0) {
            s->lsr &= ~(LSR_DR | LSR_BI);
            vm_timer_cancel(&s->rx_timeout);
        } else {
            arm_rx_timeout(s);
        }
    } else {
        byte = s->rbr;
        s->lsr &= ~(LSR_DR | LSR_BI);
    }
    update_irq(s);
    if (!(s->mcr & MCR_LOOP)) {
        char_fe_accept_input(&s->chr);
    }
    return byte;
}

/* Sending ---------------------------------------------------------------------- */

static void transmit(void *opaque);

/* True when the byte in tsr is gone. */
static bool send_tsr(Serial *s)
{
    if (s->mcr & MCR_LOOP) {
        receive_byte(s, s->tsr);
        return true;
    }
    return char_fe_write(&s->chr, &s->tsr, 1) == 1;
}

/* Send from FIFO or holding register until empty, or the backend is full. */
static void transmit(void *opaque)
{
    Serial *s = opaque;

    for (;;) {
        if (!s->tx_waiting) {
            if (fifos_on(s) && s->tx.num) {
                s->tsr = fifo_pop(&s->tx);
            } else if (!(s->lsr & LSR_THRE) && !fifos_on(s)) {
                s->tsr = s->thr;
            } else {
                break;
            }
            s->tx_waiting = true;
            s->lsr &= ~LSR_TEMT;
            if (s->tx.num == 0) {
                s->lsr |= LSR_THRE;
            }
        }
        if (!send_tsr(s)) {
            char_fe_watch_out(&s->chr, transmit, s);
            break;
        }
        s->tx_waiting = false;
        s->tsr_retry = 0;
    }
    if (s->lsr & LSR_THRE) {
        s->thr_ipending = 1;
    }
    if (!s->tx_waiting) {
        s->lsr |= LSR_TEMT | LSR_THRE;
    }
    update_irq(s);
}

static void write_data(Serial *s, uint8_t byte)
{
    s->thr = byte;
    if (fifos_on(s)) {
        if (s->tx.num == SERIAL_FIFO_SIZE) {
            return; /* full: the character is lost */
        }
        fifo_push(&s->tx, byte);
    }
    s->thr_ipending = 0;
    s->lsr &= ~(LSR_THRE | LSR_TEMT);
    update_irq(s);
    if (!s->tx_waiting) {
        transmit(s);
    }
}

/* Registers -------------------------------------------------------------------- */

static void write_ier(Serial *s, uint8_t value)
{
    bool rose = (value & IER_THR) && !(s->ier & IER_THR);

    s->ier = value & 0xf;
    if (rose && (s->lsr & LSR_THRE)) {
        s->thr_ipending = 1;
    }
    update_irq(s);
}

static void clear_rx(Serial *s)
{
    fifo_clear(&s->rx);
    s->lsr &= ~(LSR_DR | LSR_BI);
    s->timeout_ipending = 0;
    vm_timer_cancel(&s->rx_timeout);
}

static void clear_tx(Serial *s)
{
    fifo_clear(&s->tx);
    s->lsr |= LSR_THRE;
    s->thr_ipending = 1;
}

/* The change of FIFO enable clears both. */
static void write_fcr(Serial *s, uint8_t value)
{
    if ((value ^ s->fcr) & FCR_ENABLE) {
        value |= FCR_CLEAR_RX | FCR_CLEAR_TX;
    }
    if (value & FCR_CLEAR_RX) {
        clear_rx(s);
    }
    if (value & FCR_CLEAR_TX) {
        clear_tx(s);
    }
    s->fcr = value & FCR_ENABLE ? value & FCR_KEPT : 0;
    s->iir = (s->iir & ~IIR_FIFOS) | (fifos_on(s) ? IIR_FIFOS : 0);
    update_irq(s);
    char_fe_accept_input(&s->chr);
}

/* In loopback the modem outputs feed the inputs. */
static uint8_t read_msr(Serial *s)
{
    uint8_t msr = s->msr;

    if (s->mcr & MCR_LOOP) {
        return (s->mcr & MCR_RTS ? MSR_CTS : 0) |
               (s->mcr & MCR_DTR ? MSR_DSR : 0) |
               (s->mcr & MCR_OUT1 ? MSR_RI : 0) |
               (s->mcr & MCR_OUT2 ? MSR_DCD : 0);
    }
    s->msr &= ~MSR_ANY_DELTA;
    update_irq(s);
    return msr;
}

static uint8_t read_iir(Serial *s)
{
    uint8_t iir = s->iir;

    if ((iir & IIR_ID) == IIR_THR) {
        s->thr_ipending = 0;
        update_irq(s);
    }
    return iir;
}

static uint8_t read_lsr(Serial *s)
{
    uint8_t lsr = s->lsr;

    if (lsr & LSR_ERRORS) {
        s->lsr &= ~LSR_ERRORS;
        update_irq(s);
    }
    return lsr;
}

static uint64_t serial_read(void *opaque, hwaddr addr, unsigned size)
{
    Serial *s = opaque;

    switch (addr) {
    case REG_DATA:
        return s->lcr & LCR_DLAB ? s->divider & 0xff : read_data(s);
    case REG_IER:
        return s->lcr & LCR_DLAB ? s->divider >> 8 : s->ier;
    case REG_IIR_FCR:
        return read_iir(s);
    case REG_LCR:
        return s->lcr;
    case REG_MCR:
        return s->mcr;
    case REG_LSR:
        return read_lsr(s);
    case REG_MSR:
        return read_msr(s);
    default:
        return s->scr;
    }
}

static void serial_write(void *opaque, hwaddr addr, uint64_t value,
                         unsigned size)
{
    Serial *s = opaque;
    uint8_t v = value;

    switch (addr) {
    case REG_DATA:
        if (s->lcr & LCR_DLAB) {
            s->divider = (s->divider & 0xff00) | v;
        } else {
            write_data(s, v);
        }
        break;
    case REG_IER:
        if (s->lcr & LCR_DLAB) {
            s->divider = (s->divider & 0xff) | v << 8;
        } else {
            write_ier(s, v);
        }
        break;
    case REG_IIR_FCR:
        write_fcr(s, v);
        break;
    case REG_LCR:
        s->lcr = v;
        break;
    case REG_MCR:
        s->mcr = v & 0x1f;
        char_fe_accept_input(&s->chr);
        break;
    case REG_LSR:
    case REG_MSR:
        break; /* read-only */
    default:
        s->scr = v;
        break;
    }
}

static const MemOps serial_ops = {
    .read = serial_read,
    .write = serial_write,
    .impl = { 1, 1 },
};

/* Life ------------------------------------------------------------------------- */

static void modem_poll(void *opaque)
{
    /* No backend has modem lines; the timer only travels in streams. */
}

bool serial_realize(Serial *s, Object *owner, Error **errp)
{
    if (!char_fe_connect(&s->chr, s->vm, errp)) {
        return false;
    }
    vm_timer_init(&s->rx_timeout, s->vm, VM_CLOCK_VIRTUAL, rx_timed_out, s);
    vm_timer_init(&s->modem_poll, s->vm, VM_CLOCK_VIRTUAL, modem_poll, s);
    mem_region_init_io(&s->io, owner, &serial_ops, s, "serial", 8);
    serial_reset(s);
    char_fe_set_handlers(&s->chr, &handlers, s);
    return true;
}

void serial_unrealize(Serial *s)
{
    char_fe_deinit(&s->chr);
    vm_timer_cancel(&s->rx_timeout);
    vm_timer_cancel(&s->modem_poll);
    mem_region_cleanup(&s->io);
}

void serial_reset(Serial *s)
{
    s->divider = 12; /* 9600 baud */
    s->rbr = s->ier = s->lcr = s->scr = s->fcr = 0;
    s->iir = IIR_NONE;
    s->mcr = MCR_OUT2;
    s->lsr = LSR_THRE | LSR_TEMT;
    s->msr = MSR_DCD | MSR_DSR | MSR_CTS;
    fifo_clear(&s->rx);
    fifo_clear(&s->tx);
    s->thr_ipending = s->timeout_ipending = 0;
    s->tx_waiting = false;
    s->tsr_retry = 0;
    s->poll_msl = -1;
    char_fe_watch_out(&s->chr, NULL, NULL);
    vm_timer_cancel(&s->rx_timeout);
    irq_lower(s->irq);
}

/* State ------------------------------------------------------------------------ */

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
    .fields = (const VmField[]){
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
    .fields = (const VmField[]){
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
    .fields = (const VmField[]){
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
    .fields = (const VmField[]){
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
    .fields = (const VmField[]){
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
    .fields = (const VmField[]){
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
    fifo_clear(&s->rx);
    fifo_clear(&s->tx);
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
        char_fe_watch_out(&s->chr, transmit, s);
    }
    update_irq(s);
    return true;
}

const VmState serial_vmstate = {
    .name = "serial",
    .version = 3,
    .min_version = 2,
    .pre_save = pre_save,
    .pre_load = pre_load,
    .post_load = post_load,
    .fields = (const VmField[]){
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
    .subsections = (const VmState *const[]){
        &thr_ipending_vmstate, &tsr_vmstate, &rx_vmstate, &tx_vmstate,
        &timeout_vmstate, &timeout_ipending_vmstate, &poll_vmstate, NULL,
    },
};
