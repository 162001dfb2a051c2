/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A serial line of the host, termios(3) and ioctl_tty(2): the guest's UART sets
 * its speed and form, and sees and drives its modem lines.
 */
#include "util/osdep.h"

#include <sys/ioctl.h>
#include <termios.h>

#include "chardev/char-internal.h"
#include "util/error.h"
#include "util/fdset.h"

QOM_DECLARE(CharSerial, char_serial)
struct CharSerial {
    Chardev parent;
    CharIo io;
    IoChannel *line;    /* cleared under parent.lock */
    struct termios old; /* to put back */
};

/* Speed and form ------------------------------------------------------------- */

/* The nearest speed that termios has a name for, from below. */
static speed_t speed_name(unsigned speed)
{
    static const struct {
        unsigned speed;
        speed_t name;
    } speeds[] = {
        { 50, B50 },           { 75, B75 },           { 110, B110 },
        { 134, B134 },         { 150, B150 },         { 200, B200 },
        { 300, B300 },         { 600, B600 },         { 1200, B1200 },
        { 1800, B1800 },       { 2400, B2400 },       { 4800, B4800 },
        { 9600, B9600 },       { 19200, B19200 },     { 38400, B38400 },
        { 57600, B57600 },     { 115200, B115200 },   { 230400, B230400 },
        { 460800, B460800 },   { 500000, B500000 },   { 576000, B576000 },
        { 921600, B921600 },   { 1000000, B1000000 }, { 1152000, B1152000 },
        { 1500000, B1500000 }, { 2000000, B2000000 }, { 2500000, B2500000 },
        { 3000000, B3000000 }, { 3500000, B3500000 }, { 4000000, B4000000 },
    };
    size_t i = ARRAY_SIZE(speeds) - 1;

    while (i && speeds[i].speed > speed) {
        i--;
    }
    return speeds[i].name;
}

static void set_params(int fd, const CharSerialParams *p)
{
    static const tcflag_t bits[] = { CS5, CS6, CS7, CS8 };
    struct termios tty;

    if (tcgetattr(fd, &tty) < 0) {
        return;
    }
    cfmakeraw(&tty);
    tty.c_iflag |= IGNBRK;
    tty.c_cflag &= ~(CSIZE | PARENB | PARODD | CSTOPB | CRTSCTS);
    tty.c_cflag |= CREAD | CLOCAL | bits[(p->data_bits - 5) & 3];
    tty.c_cflag |= p->parity == 'N'   ? 0
                   : p->parity == 'E' ? PARENB
                                      : PARENB | PARODD;
    tty.c_cflag |= p->stop_bits == 2 ? CSTOPB : 0;
    cfsetspeed(&tty, speed_name(p->speed));
    tcsetattr(fd, TCSANOW, &tty);
}

/* What a frontend asks ------------------------------------------------------- */

/* The line behind @fe, or -1 where there is none. */
static int line_fd(CharFrontend *fe)
{
    Chardev *chr = fe->chr;

    if (!chr || chr->obj.type != &char_serial_type || !char_serial(chr)->line) {
        return -1;
    }
    return char_serial(chr)->line->fd;
}

void char_fe_serial_params(CharFrontend *fe, const CharSerialParams *params)
{
    int fd = line_fd(fe);

    if (fd >= 0) {
        set_params(fd, params);
    }
}

void char_fe_serial_break(CharFrontend *fe, bool on)
{
    int fd = line_fd(fe);

    if (fd >= 0) {
        ioctl(fd, on ? TIOCSBRK : TIOCCBRK);
    }
}

bool char_fe_modem_get(CharFrontend *fe, unsigned *lines)
{
    int fd = line_fd(fe), v;

    if (fd < 0 || ioctl(fd, TIOCMGET, &v) < 0) {
        return false;
    }
    *lines = (v & TIOCM_CTS ? CHAR_MODEM_CTS : 0) |
             (v & TIOCM_DSR ? CHAR_MODEM_DSR : 0) |
             (v & TIOCM_RI ? CHAR_MODEM_RI : 0) |
             (v & TIOCM_CAR ? CHAR_MODEM_DCD : 0);
    return true;
}

void char_fe_modem_set(CharFrontend *fe, bool dtr, bool rts)
{
    int fd = line_fd(fe), v;

    if (fd >= 0 && ioctl(fd, TIOCMGET, &v) == 0) {
        v &= ~(TIOCM_DTR | TIOCM_RTS);
        v |= (dtr ? TIOCM_DTR : 0) | (rts ? TIOCM_RTS : 0);
        ioctl(fd, TIOCMSET, &v);
    }
}

/* Backend -------------------------------------------------------------------- */

static void serial_gone(Chardev *chr)
{
    char_io_stop(&char_serial(chr)->io);
    char_event(chr, CHAR_EVENT_CLOSED);
}

static void serial_attach(Chardev *chr)
{
    CharSerial *s = char_serial(chr);

    char_io_start(&s->io, s->line, s->line);
}

static void serial_detach(Chardev *chr)
{
    char_io_stop(&char_serial(chr)->io);
}

static bool serial_parse(QDict *opts, ChardevBackend *backend, Error **errp)
{
    ChardevHostdev *h = g_new0(ChardevHostdev, 1);

    backend->u.serial.data = h;
    return char_opt_path(opts, "serial", "path", &h->device, errp) &&
           char_parse_common(opts, qapi_ChardevHostdev_base(h), errp);
}

static bool serial_open(Chardev *chr, const ChardevBackend *backend,
                        Error **errp)
{
    static const CharSerialParams usual = { 115200, 'N', 8, 1 };
    const char *path = backend->u.serial.data->device;
    CharSerial *s = char_serial(chr);
    int fd = fdsets_open(chr->vm->fdsets, path, O_RDWR | O_NONBLOCK | O_NOCTTY,
                         0);

    if (fd < 0) {
        return error_errno(errp, -fd, "Could not open '%s'", path);
    }
    if (tcgetattr(fd, &s->old) < 0) {
        close(fd);
        return error_set(errp, "'%s' is not a serial line", path);
    }
    fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
    set_params(fd, &usual);
    s->line = io_channel_file(fd);
    s->io.chr = chr;
    s->io.gone = serial_gone;
    serial_attach(chr);
    return true;
}

static void serial_close(Chardev *chr)
{
    CharSerial *s = char_serial(chr);

    if (!s->line) {
        return;
    }
    char_io_stop(&s->io);
    tcsetattr(s->line->fd, TCSANOW, &s->old);
    mutex_lock(&chr->lock);
    g_clear_pointer(&s->line, io_channel_unref);
    mutex_unlock(&chr->lock);
}

static ssize_t serial_write(Chardev *chr, const void *buf, size_t len)
{
    CharSerial *s = char_serial(chr);

    return s->line ? char_io_write(s->line, buf, len) : -EBADF;
}

static int serial_out_fd(Chardev *chr)
{
    CharSerial *s = char_serial(chr);

    return s->line ? s->line->fd : -1;
}

static void serial_update(Chardev *chr)
{
    CharSerial *s = char_serial(chr);

    if (s->io.chr) {
        char_io_update(&s->io);
    }
}

static const ChardevClass serial_class = {
    .name = "serial",
    .kind = CHARDEV_BACKEND_KIND_SERIAL,
    .parse = serial_parse,
    .open = serial_open,
    .close = serial_close,
    .write = serial_write,
    .out_fd = serial_out_fd,
    .update_input = serial_update,
    .watch_out = serial_update,
    .attach = serial_attach,
    .detach = serial_detach,
};
QOM_DEFINE(CharSerial, char_serial, .name = "chardev-serial",
           .parent = &chardev_type, .class = &serial_class);
