/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Character devices: byte streams between a frontend (a serial port, a console,
 * a monitor, a vhost-user device) and a backend (socket, pty, file ...).
 *
 * A Chardev is the backend, an object below "/chardevs". A CharFrontend is
 * embedded in its user and holds at most one backend. A backend serves one
 * frontend; a "mux" serves several and switches between them.
 *
 * Threads: making, finding and removing chardevs, and attaching frontends,
 * happen under the machine lock. The handlers run on the backend's loop: the
 * main loop, thus under the machine lock, unless char_fe_set_loop() moved it.
 * Functions marked "any thread" may also be called inside the handlers.
 *
 * A CharFrontend without a backend is fine everywhere: writes are swallowed,
 * no handler ever runs.
 */
#ifndef CHARDEV_CHAR_H
#define CHARDEV_CHAR_H

#include "qom/object.h"
#include "util/loop.h"

QOM_DECLARE_TYPE(Chardev, chardev)

/* What the frontend is told ------------------------------------------------- */

typedef enum CharEvent {
    CHAR_EVENT_OPENED,  /* somebody is at the other end; also told at once when
                         * handlers are set on a backend that is open */
    CHAR_EVENT_CLOSED,  /* gone; OPENED may come again */
    CHAR_EVENT_BREAK,   /* a serial line break */
    CHAR_EVENT_MUX_IN,  /* the mux switched its focus to this frontend */
    CHAR_EVENT_MUX_OUT, /* ... away from it */
} CharEvent;

typedef struct CharHandlers {
    /* How many bytes read() takes now. 0 pauses the input until
     * char_fe_accept_input(). NULL: none, ever. */
    size_t (*can_read)(void *opaque);
    /* 0 < len <= what can_read() said. */
    void (*read)(void *opaque, const uint8_t *buf, size_t len);
    void (*event)(void *opaque, CharEvent event); /* may be NULL */
    /*
     * chardev-change gives the frontend another backend: called after the
     * switch, the handlers are on the new one; on failure the old one comes
     * back. NULL: the frontend cannot change backends.
     */
    bool (*change)(void *opaque, Error **errp);
} CharHandlers;

typedef struct CharFrontend {
    Chardev *chr; /* NULL: no backend */
    char *id;     /* set by PROP_CHARDEV until the frontend is connected */
    const CharHandlers *handlers; /* private from here on */
    void *opaque;
    LoopFn *out_fn; /* char_fe_watch_out() */
    void *out_opaque;
    unsigned tag; /* number among the frontends of a mux */
    bool open;    /* char_fe_set_open() */
} CharFrontend;

/* Attaching ------------------------------------------------------------------ */

/* A property that names a chardev; shown as "str". The device connects it in
 * realize by char_fe_connect(). */
extern const PropKind prop_kind_chardev;
#define PROP_CHARDEV(T, f, nam)                                                \
    { .name = nam, .kind = &prop_kind_chardev,                                 \
      .offset = PROP_OFFSET_(T, f, CharFrontend),                             \
      .help = "ID of a chardev to use as a backend" }

/* Attach @fe to @chr (NULL: to nothing). Fails when @chr is in use. */
bool char_fe_init(CharFrontend *fe, Chardev *chr, Error **errp);
/* Attach @fe to the chardev that its property names, if it names one. */
bool char_fe_connect(CharFrontend *fe, Vm *vm, Error **errp);
/* Detach: no handler runs any more. On the backend's loop, or when that has
 * ended. Harmless when nothing is attached. */
void char_fe_deinit(CharFrontend *fe);

/*
 * Set the handlers (a constant table) and start input; NULL stops it. When the
 * backend is open, OPENED is told before this returns. On the backend's loop
 * only. Also says char_fe_set_open(fe, handlers != NULL).
 */
void char_fe_set_handlers(CharFrontend *fe, const CharHandlers *handlers,
                          void *opaque);
/*
 * Move the backend to @loop. On the backend's present loop only; handlers run
 * on the new one soon after. False when the backend cannot move (mux).
 */
bool char_fe_set_loop(CharFrontend *fe, Loop *loop);
bool char_fe_can_move(const CharFrontend *fe);

/* Data ------------------------------------------------------------------------ */

/*
 * Any thread: hand bytes to the backend without blocking. Returns how many it
 * took: fewer than @len (also 0) when it is full, see char_fe_watch_out(). A
 * backend that nobody listens to takes and drops everything.
 */
size_t char_fe_write(CharFrontend *fe, const void *buf, size_t len);
/* Any thread: the same, waiting until all is written. False when the other
 * end went away meanwhile. */
bool char_fe_write_all(CharFrontend *fe, const void *buf, size_t len);
/*
 * Call @fn once on the backend's loop when it may take bytes again, or has
 * closed. One watch per frontend; a new one replaces it, NULL removes it. On
 * the backend's loop, or under the machine lock where that loop is the main
 * loop: a vCPU fills a backend up, too.
 */
void char_fe_watch_out(CharFrontend *fe, LoopFn *fn, void *opaque);
/* Any thread: can_read() may say more than it did. */
void char_fe_accept_input(CharFrontend *fe);

/* Is somebody at the other end? Any thread. */
bool char_fe_is_open(const CharFrontend *fe);
/* The guest opened or closed its end; query-chardev shows it. */
void char_fe_set_open(CharFrontend *fe, bool open);
/* Make this frontend the one that a mux feeds. */
void char_fe_take_focus(CharFrontend *fe);
/* A text for the user, such as a prompt; "\n" becomes "\r\n". */
void char_fe_printf(CharFrontend *fe, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Serial lines of the host; other backends ignore these. Machine lock. */

typedef struct CharSerialParams {
    unsigned speed; /* bits per second */
    char parity;    /* 'N', 'E' or 'O' */
    uint8_t data_bits, stop_bits;
} CharSerialParams;

enum {
    CHAR_MODEM_CTS = 1,
    CHAR_MODEM_DSR = 2,
    CHAR_MODEM_RI = 4,
    CHAR_MODEM_DCD = 8,
};

void char_fe_serial_params(CharFrontend *fe, const CharSerialParams *params);
void char_fe_serial_break(CharFrontend *fe, bool on);
/* The lines that the modem drives; false: there are none to read. */
bool char_fe_modem_get(CharFrontend *fe, unsigned *lines);
void char_fe_modem_set(CharFrontend *fe, bool dtr, bool rts);

/* Protocols over sockets (vhost-user, TPM emulators): backend's loop only. */

/* Read exactly @len bytes, waiting for them: @len, fewer at the end of the
 * stream, or -errno. Only while no handlers are set. */
ssize_t char_fe_read_all(CharFrontend *fe, void *buf, size_t len);
/* Take over the descriptors that came with the bytes read last. Returns their
 * number; what is above @max is closed. */
size_t char_fe_take_fds(CharFrontend *fe, int *fds, size_t max);
/* Send copies of @fds with the first byte of the next write. */
bool char_fe_send_fds(CharFrontend *fe, const int *fds, size_t n, Error **errp);
/* Wait until a client or server is there; for sockets. */
bool char_fe_wait_connected(CharFrontend *fe, Error **errp);
/* Drop the connection. CLOSED is told; a server takes the next client. */
void char_fe_disconnect(CharFrontend *fe);

/* Backends -------------------------------------------------------------------- */

/* Machine lock for all of these. */

Chardev *chardev_find(Vm *vm, const char *id); /* not owned; or NULL */
const char *chardev_id(const Chardev *chr);
/* "unix:/tmp/x,server=on", "pty:/dev/pts/3"; free. */
char *chardev_filename(Chardev *chr);
Loop *chardev_loop(const Chardev *chr);

/* "-chardev TYPE,id=ID,..." or chardev-add's arguments as JSON. */
Chardev *chardev_add_opts(Vm *vm, const char *text, Error **errp);
/*
 * The argument of -serial, -monitor, -qmp and their kin: "stdio",
 * "unix:PATH,server=on,wait=off", "chardev:ID" ... The chardev is called @id
 * unless it exists ("chardev:"). *@chr becomes NULL for "none". "mon:..."
 * makes a mux and sets *@monitor: the caller puts a human monitor on it; a
 * NULL @monitor refuses that.
 */
bool chardev_add_legacy(Vm *vm, const char *id, const char *text,
                        Chardev **chr, bool *monitor, Error **errp);
/* Fails while a frontend uses it. */
bool chardev_remove(Vm *vm, const char *id, Error **errp);
/* Terminals restored, sockets unlinked. vm_shutdown() does it. */
void chardevs_cleanup(Vm *vm);
/* "-chardev help": names, one a line. Free. */
char *chardev_help(void);

#endif
