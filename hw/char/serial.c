/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 16550A UART: National Semiconductor PC16550D data sheet, section 8.
 *
 * Characters are sent as fast as the backend takes them; the baud rate only
 * sets how long received ones may wait in the FIFO.
 */
#include "util/osdep.h"

#include "hw/char/serial-private.h"
#include "util/error.h"

/* FIFOs -------------------------------------------------------------------- */

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

/* Interrupts --------------------------------------------------------------- */

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

void serial_update_irq(Serial *s)
{
    uint8_t cause = pending_cause(s);

    s->iir = cause | (s->iir & IIR_FIFOS);
    irq_set(s->irq, cause != IIR_NONE);
}

/* A host's line behind us follows the guest's settings -----------------------
 */

static void tell_params(Serial *s)
{
    const CharSerialParams p = {
        .speed = s->baudbase / MAX(s->divider, 1u),
        .parity = !(s->lcr & 8)   ? 'N'
                  : s->lcr & 0x10 ? 'E'
                                  : 'O',
        .data_bits = 5 + (s->lcr & 3),
        .stop_bits = s->lcr & 4 ? 2 : 1,
    };

    char_fe_serial_params(&s->chr, &p);
}

/* Take over the modem's lines, with what changed since the last look. */
static void poll_modem(Serial *s)
{
    unsigned lines, now, changed;

    if (!char_fe_modem_get(&s->chr, &lines)) {
        return;
    }
    now = (lines & CHAR_MODEM_CTS ? MSR_CTS : 0) |
          (lines & CHAR_MODEM_DSR ? MSR_DSR : 0) |
          (lines & CHAR_MODEM_RI ? MSR_RI : 0) |
          (lines & CHAR_MODEM_DCD ? MSR_DCD : 0);
    changed = (s->msr ^ now) & 0xf0;
    if (!(s->msr & MSR_RI)) {
        changed &= ~MSR_RI; /* its delta tells of the end of ringing */
    }
    s->msr = now | (s->msr & MSR_ANY_DELTA) | changed >> 4;
}

/* Receiving ---------------------------------------------------------------- */

/* Nanoseconds of one character: start, data, parity and stop bits. */
static int64_t char_time(const Serial *s)
{
    unsigned bits = 1 + 5 + (s->lcr & 3) + !!(s->lcr & 8) + 1 + !!(s->lcr & 4);
    uint64_t base = MAX(s->baudbase, 1u);

    return bits * UINT64_C(1000000000) / base * MAX(s->divider, 1u);
}

static void arm_rx_timeout(Serial *s)
{
    vm_timer_set(&s->rx_timeout,
                 vm_clock_ns(s->vm, VM_CLOCK_VIRTUAL) + 4 * char_time(s));
}

static void rx_timed_out(void *opaque)
{
    Serial *s = opaque;

    if (s->rx.num > 0) {
        s->timeout_ipending = 1;
        serial_update_irq(s);
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
    serial_update_irq(s);
}

static void receive_event(void *opaque, CharEvent event)
{
    Serial *s = opaque;

    if (event == CHAR_EVENT_BREAK) {
        receive_byte(s, 0);
        s->lsr |= LSR_BI;
        serial_update_irq(s);
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
    serial_update_irq(s);
    if (!(s->mcr & MCR_LOOP)) {
        char_fe_accept_input(&s->chr);
    }
    return byte;
}

/* Sending ------------------------------------------------------------------ */

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
void serial_transmit(void *opaque)
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
            char_fe_watch_out(&s->chr, serial_transmit, s);
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
    serial_update_irq(s);
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
    serial_update_irq(s);
    if (!s->tx_waiting) {
        serial_transmit(s);
    }
}

/* Registers ---------------------------------------------------------------- */

static void write_ier(Serial *s, uint8_t value)
{
    bool rose = (value & IER_THR) && !(s->ier & IER_THR);

    s->ier = value & 0xf;
    if (rose && (s->lsr & LSR_THRE)) {
        s->thr_ipending = 1;
    }
    serial_update_irq(s);
}

static void clear_rx(Serial *s)
{
    serial_fifo_clear(&s->rx);
    s->lsr &= ~(LSR_DR | LSR_BI);
    s->timeout_ipending = 0;
    vm_timer_cancel(&s->rx_timeout);
}

static void clear_tx(Serial *s)
{
    serial_fifo_clear(&s->tx);
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
    serial_update_irq(s);
    char_fe_accept_input(&s->chr);
}

/* In loopback the modem outputs feed the inputs. */
static uint8_t read_msr(Serial *s)
{
    uint8_t msr;

    if (s->mcr & MCR_LOOP) {
        return (s->mcr & MCR_RTS ? MSR_CTS : 0) |
               (s->mcr & MCR_DTR ? MSR_DSR : 0) |
               (s->mcr & MCR_OUT1 ? MSR_RI : 0) |
               (s->mcr & MCR_OUT2 ? MSR_DCD : 0);
    }
    poll_modem(s);
    msr = s->msr;
    s->msr &= ~MSR_ANY_DELTA;
    serial_update_irq(s);
    return msr;
}

static uint8_t read_iir(Serial *s)
{
    uint8_t iir = s->iir;

    if ((iir & IIR_ID) == IIR_THR) {
        s->thr_ipending = 0;
        serial_update_irq(s);
    }
    return iir;
}

static uint8_t read_lsr(Serial *s)
{
    uint8_t lsr = s->lsr;

    if (lsr & LSR_ERRORS) {
        s->lsr &= ~LSR_ERRORS;
        serial_update_irq(s);
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
            tell_params(s);
        } else {
            write_data(s, v);
        }
        break;
    case REG_IER:
        if (s->lcr & LCR_DLAB) {
            s->divider = (s->divider & 0xff) | v << 8;
            tell_params(s);
        } else {
            write_ier(s, v);
        }
        break;
    case REG_IIR_FCR:
        write_fcr(s, v);
        break;
    case REG_LCR:
        if ((s->lcr ^ v) & LCR_BREAK) {
            char_fe_serial_break(&s->chr, v & LCR_BREAK);
        }
        s->lcr = v;
        tell_params(s);
        break;
    case REG_MCR:
        s->mcr = v & 0x1f;
        if (!(v & MCR_LOOP)) {
            char_fe_modem_set(&s->chr, v & MCR_DTR, v & MCR_RTS);
        }
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

/* Life --------------------------------------------------------------------- */

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
    serial_fifo_clear(&s->rx);
    serial_fifo_clear(&s->tx);
    s->thr_ipending = s->timeout_ipending = 0;
    s->tx_waiting = false;
    s->tsr_retry = 0;
    s->poll_msl = -1;
    char_fe_watch_out(&s->chr, NULL, NULL);
    vm_timer_cancel(&s->rx_timeout);
    irq_lower(s->irq);
}
