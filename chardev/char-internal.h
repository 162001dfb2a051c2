/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What chardev backends share. */
#ifndef CHARDEV_CHAR_INTERNAL_H
#define CHARDEV_CHAR_INTERNAL_H

#include "chardev/char.h"
#include "io/channel.h"
#include "qapi/qapi-types-char.h"
#include "softmmu/vm.h"

/* Read from the host at once. */
#define CHAR_READ_SIZE 4096

struct Chardev {
    Object obj;
    Vm *vm;
    char *id;
    Loop *loop;       /* where input is served */
    CharFrontend *fe; /* NULL: free; a mux has its own list */
    Mutex lock;       /* held around write() */
    int log_fd;       /* guarded by lock; -1: none */
    bool open;        /* atomic: OPENED was told, CLOSED was not */
    LoopTask accept_task, out_task, watch_task, arrive_task;
};

typedef struct ChardevClass {
    OBJECT_CLASS_FIELDS
    const char *name; /* as in -chardev; NULL: not for users */
    ChardevBackendKind kind;
    /* Fill in backend->u from what is in @opts, taking out what it knows. */
    bool (*parse)(QDict *opts, ChardevBackend *backend, Error **errp);
    /* An open backend may have nobody at the other end: it tells itself when
     * that changes. Else OPENED comes with opening. */
    bool connects;
    /* Take the host's resources. close() is called in any case. */
    bool (*open)(Chardev *chr, const ChardevBackend *backend, Error **errp);
    void (*close)(Chardev *chr);
    /* Called with the lock held: bytes taken, or -EAGAIN; other errors mean
     * that the bytes are lost. NULL: takes everything. */
    ssize_t (*write)(Chardev *chr, const void *buf, size_t len);
    /* Descriptor to wait on when write() says -EAGAIN; -1 when closed. Called
     * with the lock held. */
    int (*out_fd)(Chardev *chr);
    /* The frontend came, went, or takes more or less input than it did. */
    void (*update_input)(Chardev *chr);
    /* Call char_out_ready() when write() may take something. NULL: always. */
    void (*watch_out)(Chardev *chr);
    /* Stop, and start again, everything on chr->loop. NULL: cannot move. */
    void (*detach)(Chardev *chr);
    void (*attach)(Chardev *chr);
    char *(*filename)(Chardev *chr); /* NULL: the name */
    /* In place of chr->fe: for mux. */
    bool (*add_frontend)(Chardev *chr, CharFrontend *fe, Error **errp);
    void (*del_frontend)(Chardev *chr, CharFrontend *fe);
    void (*take_focus)(Chardev *chr, CharFrontend *fe);
    /* Sockets */
    ssize_t (*read_all)(Chardev *chr, void *buf, size_t len);
    size_t (*take_fds)(Chardev *chr, int *fds, size_t max);
    bool (*send_fds)(Chardev *chr, const int *fds, size_t n, Error **errp);
    bool (*wait_connected)(Chardev *chr, Error **errp);
    void (*disconnect)(Chardev *chr);
} ChardevClass;

static inline const ChardevClass *chardev_class(const Chardev *chr)
{
    return object_class(chr);
}

/* For backends, on chr->loop: */

/* Room for input: 0 when it must wait. */
size_t char_can_read(Chardev *chr);
/* len <= char_can_read(). */
void char_input(Chardev *chr, const uint8_t *buf, size_t len);
/* Tell the frontend; OPENED and CLOSED also set chr->open. */
void char_event(Chardev *chr, CharEvent event);
/* Run the frontend's char_fe_watch_out() callback. */
void char_out_ready(Chardev *chr);
/* Does the frontend wait for that? */
bool char_wants_out(Chardev *chr);

/* Without the lock: the whole of char_fe_write(). */
size_t char_write(Chardev *chr, const void *buf, size_t len);

/* Options (char-opts.c) -------------------------------------------------------- */

/* Take an option out of @opts: the value (free), or NULL. */
char *char_opt_str(QDict *opts, const char *name);
bool char_opt_bool(QDict *opts, const char *name, bool *has, bool *v,
                   Error **errp);
bool char_opt_path(QDict *opts, const char *type, const char *name, char **path,
                   Error **errp);
bool char_parse_common(QDict *opts, ChardevCommon *common, Error **errp);
/* For backends that have nothing but the common members in u.null's place. */
bool char_parse_plain(QDict *opts, ChardevBackend *backend, Error **errp);
bool char_parse_socket(QDict *opts, ChardevBackend *backend, Error **errp);

/* chardev-change with options as text, without "id=". */
bool chardev_change_opts(Vm *vm, const char *id, const char *text,
                         Error **errp);

/* The backend type of a name or kind; NULL: none. */
const ObjectType *char_type_by_name(const char *name);
const ObjectType *char_type_by_kind(ChardevBackendKind kind);
ChardevCommon *char_backend_common(const ChardevBackend *backend);

/* Make and open; the caller has the reference (char-mgr.c). */
Chardev *chardev_new(Vm *vm, const char *id, const ChardevBackend *backend,
                     Error **errp);
/* The same, put below /chardevs: lent. */
Chardev *chardev_add(Vm *vm, const char *id, const ChardevBackend *backend,
                     Error **errp);
void chardev_set_loop(Chardev *chr, Loop *loop);
/* Give the frontend of @old to @chr; private to chardev-change. */
void chardev_move_frontend(Chardev *old, Chardev *chr);

/* Serving descriptors (char-io.c) ---------------------------------------------- */

/*
 * Reads from one channel and waits for room on another; may be the same. An
 * idle one has no channels.
 */
typedef struct CharIo {
    Chardev *chr;
    IoChannel *in, *out; /* not owned */
    LoopFd *w_in, *w_out; /* w_out NULL when in and out are the same */
    IoFds *fds;           /* received last; NULL: not wanted */
    /* What was read; NULL: char_input(). */
    void (*input)(Chardev *chr, uint8_t *buf, size_t len);
    void (*gone)(Chardev *chr); /* end of the stream, or error */
} CharIo;

/* Start on chr->loop. @in or @out may be NULL. */
void char_io_start(CharIo *io, IoChannel *in, IoChannel *out);
void char_io_stop(CharIo *io);
/* To be called from update_input() and watch_out(). */
void char_io_update(CharIo *io);
/* io_write() by the rules of ChardevClass.write. */
ssize_t char_io_write(IoChannel *out, const void *buf, size_t len);

#endif
