/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * File descriptors that clients pass in: by name (getfd) and in numbered sets
 * (add-fd, -add-fd), which paths "/dev/fdset/N" open.
 *
 * Any thread; the functions lock the table.
 */
#ifndef UTIL_FDSET_H
#define UTIL_FDSET_H

typedef struct FdSets FdSets;

FdSets *fdsets_new(void);
void fdsets_free(FdSets *f); /* closes everything; NULL is fine */

/* Named: takes over @fd; one of the same name is closed. Names that begin with
 * a digit are refused (and @fd closed). */
bool fdsets_put_name(FdSets *f, const char *name, int fd, Error **errp);
/* Take the descriptor out: the caller owns it. -1 and *errp when missing. */
int fdsets_take_name(FdSets *f, const char *name, Error **errp);
/*
 * The value of an option such as "fd=": a number (an inherited descriptor) or
 * a name. The caller owns the result. -1 and *errp on failure.
 */
int fdsets_param(FdSets *f, const char *text, Error **errp);

/* Add @fd (taken over) to set @id, -1 for the first free number. Returns the
 * number, or -1 and *errp (then @fd is closed). @opaque may be NULL. */
int64_t fdsets_add(FdSets *f, int64_t id, int fd, const char *opaque,
                   Error **errp);
/* @fd -1: all of the set. */
bool fdsets_remove(FdSets *f, int64_t id, int64_t fd, Error **errp);
/* Close the sets of which fdsets_open() gave nothing away that is still open:
 * the clients that passed them have left. */
void fdsets_drop_unused(FdSets *f);
/* Sets ascending, in each the descriptors in order of adding. */
typedef void FdSetFn(void *user, int64_t id, int fd, const char *opaque);
void fdsets_foreach(FdSets *f, FdSetFn *fn, void *user);

/*
 * open(2) with O_CLOEXEC for paths that users give: "/dev/fdset/N" is a
 * duplicate of the set's descriptor with the access mode that @flags ask for.
 * @f may be NULL. -errno on failure.
 */
int fdsets_open(FdSets *f, const char *path, int flags, mode_t mode);

#endif
