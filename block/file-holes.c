/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Data and holes of a file, by lseek(2) in a worker. A few areas ahead of the
 * question are remembered, more the longer questions come in order.
 *
 * Every change of the file forgets them when it is done; h->live spares it the
 * lock while there is nothing to forget. A scan that a change overtook is not
 * remembered: it may have seen the file before it.
 */
#include "util/osdep.h"

#include "block/file.h"

/* Area i is [bound[i], bound[i + 1]); data and holes alternate. */
typedef struct Scan {
    int fd;
    unsigned want, areas;
    bool data; /* the first one is */
    int64_t bound[FILE_HOLES_AREAS + 1];
} Scan;

/* Where the area at @at, of the other kind than the one before, ends. */
static int64_t area_end(int fd, int64_t at, bool data)
{
    int64_t end = lseek(fd, at, data ? SEEK_HOLE : SEEK_DATA);

    /* Nothing but a hole up to the end: what the file grows by is one too. */
    return end < 0 && errno == ENXIO && !data ? INT64_MAX : end;
}

static int scan_worker(void *opaque)
{
    Scan *s = opaque;
    int64_t at = s->bound[0];
    bool data = false;

    for (s->areas = 0; s->areas < s->want && at != INT64_MAX; data = !data) {
        int64_t end = area_end(s->fd, at, data);

        if (end < at) {
            break; /* an error, or the file shrinks */
        }
        if (end > at) {
            if (!s->areas) {
                s->data = data;
            }
            s->bound[++s->areas] = end;
            at = end;
        } else if (s->areas || data) {
            break; /* no area of either kind */
        }
    }
    return s->areas ? 0 : -EIO;
}

/* The area around @offset: true if known. */
static bool find_locked(const FileHoles *h, int64_t offset, int64_t *end,
                        bool *data) REQUIRES(h->lock)
{
    unsigned low = 0, high = h->areas;

    if (!high || offset < h->bound[0] || offset >= h->bound[high]) {
        return false;
    }
    while (high - low > 1) {
        unsigned mid = (low + high) / 2;

        if (offset < h->bound[mid]) {
            high = mid;
        } else {
            low = mid;
        }
    }
    *end = h->bound[low + 1];
    *data = h->data ^ (low & 1);
    return true;
}

static bool lookup(FileHoles *h, Scan *scan, uint64_t *changes, int64_t *end)
{
    int64_t offset = scan->bound[0];
    bool found;

    mutex_lock(&h->lock);
    found = find_locked(h, offset, end, &scan->data);
    if (!found) {
        bool in_order = h->areas && offset == h->bound[h->areas];

        scan->want = in_order ? MIN(h->areas * 4, FILE_HOLES_AREAS) : 1;
        *changes = h->changes;
        __atomic_store_n(&h->live, true, __ATOMIC_RELAXED);
        /* Before lseek(): a change that sees no h->live is seen by that. */
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
    mutex_unlock(&h->lock);
    return found;
}

static void remember(FileHoles *h, const Scan *scan, uint64_t changes)
{
    mutex_lock(&h->lock);
    if (h->changes == changes) {
        h->areas = scan->areas;
        h->data = scan->data;
        memcpy(h->bound, scan->bound, (scan->areas + 1) * sizeof(*h->bound));
    }
    mutex_unlock(&h->lock);
}

void file_holes_forget(FileHoles *h)
{
    if (!__atomic_load_n(&h->live, __ATOMIC_SEQ_CST)) {
        return;
    }
    mutex_lock(&h->lock);
    h->changes++;
    h->areas = 0;
    __atomic_store_n(&h->live, false, __ATOMIC_RELAXED);
    mutex_unlock(&h->lock);
}

int coroutine_fn file_holes_status(FileState *s, bool alone, int64_t offset,
                                   int64_t *end)
{
    FileHoles *h = &s->holes;
    Scan scan = { .fd = s->fd };
    uint64_t changes;

    scan.bound[0] = offset;
    if (!alone) {
        file_holes_forget(h);
    }
    if (!lookup(h, &scan, &changes, end)) {
        int ret = file_call(s, scan_worker, &scan);

        if (ret < 0) {
            return ret;
        }
        *end = scan.bound[1];
        if (alone) {
            remember(h, &scan, changes);
        }
    }
    return scan.data ? BLK_STATUS_DATA : BLK_STATUS_ZERO;
}
