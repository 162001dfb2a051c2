/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Image locking between processes, compatible with QEMU's: shared open file
 * description locks on single bytes. A process locks byte 100 + p for each
 * permission number p that it uses and byte 200 + p for each that it does not
 * let others use. It may go on when nobody else holds 200 + p for what it
 * uses, nor 100 + p for what it does not share.
 *
 * Found out by watching QEMU 7.2's locks in /proc/locks; see fcntl(2).
 */
#include "util/osdep.h"

#include "block/block-graph.h"
#include "block/file.h"
#include "util/error.h"

#define LOCK_PERM_BASE     100
#define LOCK_UNSHARED_BASE 200

static int lock_byte(int fd, off_t byte, short type)
{
    struct flock fl = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1
    };

    return fcntl(fd, F_OFD_SETLK, &fl) < 0 ? -errno : 0;
}

/* Does another open file description hold a lock on @byte? */
static bool lock_taken(int fd, off_t byte)
{
    struct flock fl = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1
    };

    return fcntl(fd, F_OFD_GETLK, &fl) == 0 && fl.l_type != F_UNLCK;
}

bool file_lock_supported(int fd)
{
    struct flock fl = { .l_type = F_WRLCK,
                        .l_whence = SEEK_SET,
                        .l_start = LOCK_PERM_BASE,
                        .l_len = 1 };

    return fcntl(fd, F_OFD_GETLK, &fl) == 0;
}

/* Hold exactly the locks of @want among those at @base; @have are held. */
static int lock_bits(int fd, off_t base, uint64_t have, uint64_t want)
{
    for (int i = 0; BIT(i) <= BLK_PERM_ALL; i++) {
        bool old = have & BIT(i), new = want &BIT(i);

        if (old != new) {
            int ret = lock_byte(fd, base + i, new ? F_RDLCK : F_UNLCK);

            if (ret < 0) {
                return ret;
            }
        }
    }
    return 0;
}

static void lock_hold(FileState *s, uint64_t perm, uint64_t unshared)
{
    lock_bits(s->lock_fd, LOCK_PERM_BASE, s->locked_perm, perm);
    lock_bits(s->lock_fd, LOCK_UNSHARED_BASE, s->locked_unshared, unshared);
    s->locked_perm = perm;
    s->locked_unshared = unshared;
}

static bool lock_check(FileState *s, uint64_t perm, uint64_t unshared,
                       Error **errp)
{
    for (int i = 0; BIT(i) <= BLK_PERM_ALL; i++) {
        bool blocked =
            (perm & BIT(i)) && lock_taken(s->lock_fd, LOCK_UNSHARED_BASE + i);
        bool in_use =
            (unshared & BIT(i)) && lock_taken(s->lock_fd, LOCK_PERM_BASE + i);

        if (blocked || in_use) {
            g_autofree char *name = block_perm_names(BIT(i));

            error_set(errp, "Failed to get %s\"%s\" lock",
                      blocked ? "" : "shared ", name);
            error_hint(errp, "Is another process using the image [%s]?\n",
                       s->path);
            return false;
        }
    }
    return true;
}

bool file_lock_prepare(FileState *s, uint64_t perm, uint64_t unshared,
                       Error **errp)
{
    uint64_t old_perm = s->locked_perm, old_unshared = s->locked_unshared;
    int ret;

    s->want_perm = perm;
    s->want_unshared = unshared;
    if (!s->use_locks) {
        return true;
    }
    ret = lock_bits(s->lock_fd, LOCK_PERM_BASE, old_perm, old_perm | perm);
    if (!ret) {
        s->locked_perm = old_perm | perm;
        ret = lock_bits(s->lock_fd, LOCK_UNSHARED_BASE, old_unshared,
                        old_unshared | unshared);
    }
    if (ret < 0) {
        error_errno(errp, -ret, "Failed to lock byte range of '%s'", s->path);
    } else {
        s->locked_unshared = old_unshared | unshared;
        if (lock_check(s, perm & ~old_perm, unshared & ~old_unshared, errp)) {
            return true;
        }
    }
    lock_hold(s, old_perm, old_unshared);
    return false;
}

void file_lock_commit(FileState *s)
{
    if (s->use_locks) {
        lock_hold(s, s->want_perm, s->want_unshared);
    }
}

void file_lock_abort(FileState *s)
{
    /* More than needed may stay locked until the next change: harmless. */
}
