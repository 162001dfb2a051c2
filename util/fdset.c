/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Passed descriptors; see include/util/fdset.h. */
#include "util/osdep.h"

#include <sys/stat.h>

#include "util/error.h"
#include "util/fdset.h"
#include "util/thread.h"

#define FDSET_PREFIX "/dev/fdset/"

/* A duplicate that fdsets_open() gave away: nobody tells when it is closed. */
typedef struct FdDup {
    int fd;
    dev_t dev; /* of the file, to know it again */
    ino_t ino;
} FdDup;

typedef struct FdEntry {
    struct FdEntry *next;
    int64_t id;   /* of the set; unused for named ones */
    int fd;
    char *text;   /* name, or what the user said of it (may be NULL) */
    GArray *dups; /* FdDup, or NULL */
} FdEntry;

struct FdSets {
    Mutex lock;
    FdEntry *named; /* guarded by lock */
    FdEntry *sets;  /* guarded by lock; sorted by id */
};

FdSets *fdsets_new(void)
{
    FdSets *f = g_new0(FdSets, 1);

    mutex_init(&f->lock);
    return f;
}

/* Take *@p out of its list; returns its descriptor. */
static int fd_entry_drop(FdEntry **p)
{
    FdEntry *e = *p;
    int fd = e->fd;

    *p = e->next;
    g_clear_pointer(&e->dups, g_array_unref);
    g_free(e->text);
    g_free(e);
    return fd;
}

void fdsets_free(FdSets *f)
{
    if (!f) {
        return;
    }
    while (f->named) {
        close(fd_entry_drop(&f->named));
    }
    while (f->sets) {
        close(fd_entry_drop(&f->sets));
    }
    mutex_destroy(&f->lock);
    g_free(f);
}

static FdEntry **fdsets_find_name(FdSets *f, const char *name)
{
    FdEntry **p = &f->named;

    while (*p && strcmp((*p)->text, name)) {
        p = &(*p)->next;
    }
    return p;
}

bool fdsets_put_name(FdSets *f, const char *name, int fd, Error **errp)
{
    FdEntry **p, *e;

    if (!*name || g_ascii_isdigit(*name)) {
        close(fd);
        return error_set(errp, "Parameter 'fdname' expects a name not "
                               "starting with a digit");
    }
    e = g_new0(FdEntry, 1);
    e->fd = fd;
    e->text = g_strdup(name);
    mutex_lock(&f->lock);
    p = fdsets_find_name(f, name);
    if (*p) {
        close(fd_entry_drop(p));
    }
    e->next = f->named;
    f->named = e;
    mutex_unlock(&f->lock);
    return true;
}

int fdsets_take_name(FdSets *f, const char *name, Error **errp)
{
    FdEntry **p;
    int fd = -1;

    if (f) {
        mutex_lock(&f->lock);
        p = fdsets_find_name(f, name);
        if (*p) {
            fd = fd_entry_drop(p);
        }
        mutex_unlock(&f->lock);
    }
    if (fd < 0) {
        error_set(errp, "File descriptor named '%s' not found", name);
    }
    return fd;
}

int fdsets_param(FdSets *f, const char *text, Error **errp)
{
    char *end;
    long v;

    if (!g_ascii_isdigit(*text)) {
        return fdsets_take_name(f, text, errp);
    }
    errno = 0;
    v = strtol(text, &end, 10);
    if (*end || errno || v > INT_MAX || fcntl(v, F_GETFD) < 0) {
        error_set(errp, "'%s' is not an open file descriptor", text);
        return -1;
    }
    return v;
}

int64_t fdsets_add(FdSets *f, int64_t id, int fd, const char *opaque,
                   Error **errp)
{
    FdEntry *e, **p;
    bool pick = id == -1;

    if (id < -1) {
        close(fd);
        error_set(errp, "Parameter 'fdset-id' expects a non-negative value");
        return -1;
    }
    e = g_new0(FdEntry, 1);
    e->fd = fd;
    e->text = g_strdup(opaque);
    mutex_lock(&f->lock);
    p = &f->sets;
    if (pick) {
        id = 0;
        for (; *p && (*p)->id <= id; p = &(*p)->next) {
            id = (*p)->id + 1;
        }
    } else {
        while (*p && (*p)->id <= id) {
            p = &(*p)->next;
        }
    }
    e->id = id;
    e->next = *p;
    *p = e;
    mutex_unlock(&f->lock);
    return id;
}

bool fdsets_remove(FdSets *f, int64_t id, int64_t fd, Error **errp)
{
    FdEntry **p = &f->sets;
    bool found = false;

    mutex_lock(&f->lock);
    while (*p) {
        if ((*p)->id == id && (fd < 0 || (*p)->fd == fd)) {
            close(fd_entry_drop(p));
            found = true;
        } else {
            p = &(*p)->next;
        }
    }
    mutex_unlock(&f->lock);
    if (found) {
        return true;
    }
    if (fd < 0) {
        return error_set(errp,
                         "File descriptor named 'fdset-id:%" PRId64
                         "' not found", id);
    }
    return error_set(errp,
                     "File descriptor named 'fdset-id:%" PRId64
                     ", fd:%" PRId64 "' not found", id, fd);
}

void fdsets_foreach(FdSets *f, FdSetFn *fn, void *user)
{
    if (!f) {
        return;
    }
    mutex_lock(&f->lock);
    for (FdEntry *e = f->sets; e; e = e->next) {
        fn(user, e->id, e->fd, e->text);
    }
    mutex_unlock(&f->lock);
}

static int fd_entry_dup(FdEntry *e)
{
    FdDup d = { .fd = fcntl(e->fd, F_DUPFD_CLOEXEC, 0) };
    struct stat st;

    if (d.fd < 0 || fstat(d.fd, &st) < 0) {
        return d.fd;
    }
    d.dev = st.st_dev;
    d.ino = st.st_ino;
    if (!e->dups) {
        e->dups = g_array_new(false, false, sizeof(FdDup));
    }
    g_array_append_val(e->dups, d);
    return d.fd;
}

/* Is one of its duplicates still open? Forgets the others. */
static bool fd_entry_in_use(FdEntry *e)
{
    for (guint i = e->dups ? e->dups->len : 0; i > 0; i--) {
        FdDup *d = &g_array_index(e->dups, FdDup, i - 1);
        struct stat st;

        if (fstat(d->fd, &st) < 0 || st.st_dev != d->dev ||
            st.st_ino != d->ino) {
            g_array_remove_index_fast(e->dups, i - 1);
        }
    }
    return e->dups && e->dups->len;
}

void fdsets_drop_unused(FdSets *f)
{
    FdEntry **p;

    if (!f) {
        return;
    }
    mutex_lock(&f->lock);
    p = &f->sets;
    while (*p) {
        int64_t id = (*p)->id;
        bool used = false;

        for (FdEntry *e = *p; e && e->id == id; e = e->next) {
            used |= fd_entry_in_use(e);
        }
        while (*p && (*p)->id == id) {
            if (used) {
                p = &(*p)->next;
            } else {
                close(fd_entry_drop(p));
            }
        }
    }
    mutex_unlock(&f->lock);
}

/* A duplicate of the descriptor in set @id that was opened as @flags want. */
static int fdsets_dup(FdSets *f, int64_t id, int flags)
{
    bool seen = false;
    int ret = -1;

    mutex_lock(&f->lock);
    for (FdEntry *e = f->sets; e && ret < 0; e = e->next) {
        int have;

        if (e->id != id) {
            continue;
        }
        seen = true;
        have = fcntl(e->fd, F_GETFL);
        if (have >= 0 && (have & O_ACCMODE) == (flags & O_ACCMODE)) {
            ret = fd_entry_dup(e);
        }
    }
    mutex_unlock(&f->lock);
    if (ret >= 0) {
        return ret;
    }
    return seen ? -EACCES : -ENOENT;
}

int fdsets_open(FdSets *f, const char *path, int flags, mode_t mode)
{
    int fd;

    if (g_str_has_prefix(path, FDSET_PREFIX)) {
        char *end;
        int64_t id;

        path += strlen(FDSET_PREFIX);
        errno = 0;
        id = g_ascii_strtoll(path, &end, 10);
        if (!g_ascii_isdigit(*path) || *end || errno) {
            return -EINVAL;
        }
        return f ? fdsets_dup(f, id, flags) : -ENOENT;
    }
    fd = RETRY_ON_EINTR(open(path, flags | O_CLOEXEC, mode));
    return fd < 0 ? -errno : fd;
}
