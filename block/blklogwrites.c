/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blklogwrites: a filter that writes down all that changes its image, so that
 * tests can replay it up to any point and see what a power cut there leaves.
 *
 * A change is logged when it is done. A flush is logged after what was done
 * before it, and only then are the superblock and the log itself made durable.
 * Spec: Linux, Documentation/admin-guide/device-mapper/log-writes.rst
 */
#include "util/osdep.h"

#include <endian.h>

#include "block/drivers.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"
#include "util/thread.h"

#define LOG_MAGIC      UINT64_C(0x6a736677736872)
#define LOG_VERSION    1
#define LOG_SECTOR_MAX (1u << 23)
#define LOG_INTERVAL   4096
/* A log that is continued is read entry by entry. */
#define LOG_ENTRIES_MAX (UINT64_C(1) << 32)

enum { LOG_FLUSH = 1, LOG_DISCARD = 4 };

/* On disk, little-endian; each fills a sector. */
typedef struct LogSuper {
    uint64_t magic, version, entries;
    uint32_t sector_size;
} __attribute__((packed)) LogSuper;

typedef struct LogEntry {
    uint64_t sector, sectors, flags, data_len;
} LogEntry;

typedef struct LogState {
    BlockEdge *log;
    uint32_t sector_size;
    uint64_t interval;
    Mutex lock;
    uint64_t entries; /* lock */
    int64_t end;      /* lock; offset of the next entry */
} LogState;

/* The log
 * ----------------------------------------------------------------------- */

static int coroutine_fn write_super(LogState *s)
{
    g_autofree char *sector = g_malloc0(s->sector_size);
    LogSuper *super = (LogSuper *)sector;
    int ret;

    mutex_lock(&s->lock);
    super->entries = htole64(s->entries);
    mutex_unlock(&s->lock);
    super->magic = htole64(LOG_MAGIC);
    super->version = htole64(LOG_VERSION);
    super->sector_size = htole32(s->sector_size);
    ret = node_pwrite(s->log->node, 0, s->sector_size, sector, 0);
    return ret < 0 ? ret : node_flush(s->log->node);
}

/* Put down an entry for [offset, offset + bytes) with its data, if any; or
 * @bytes zeroes of it, if @zeroes. */
static int coroutine_fn log_entry(BlockNode *n, int64_t offset, int64_t bytes,
                                  uint64_t flags, const IoVec *iov,
                                  size_t iov_offset, bool zeroes)
{
    LogState *s = n->state;
    g_autofree char *sector = g_malloc0(s->sector_size);
    bool super;
    int64_t at;
    int ret;

    *(LogEntry *)sector = (LogEntry){
        .sector = htole64(offset / s->sector_size),
        .sectors = htole64(bytes / s->sector_size),
        .flags = htole64(flags),
    };
    mutex_lock(&s->lock);
    at = s->end;
    s->end += s->sector_size + (iov || zeroes ? bytes : 0);
    s->entries++;
    super = (flags & LOG_FLUSH) || s->entries % s->interval == 0;
    mutex_unlock(&s->lock);

    ret = node_pwrite(s->log->node, at, s->sector_size, sector, 0);
    at += s->sector_size;
    if (ret >= 0 && iov) {
        ret = node_pwritev(s->log->node, at, bytes, iov, iov_offset, 0);
    } else if (ret >= 0 && zeroes) {
        ret = node_pwrite_zeroes(s->log->node, at, bytes, 0);
    }
    return ret >= 0 && super ? write_super(s) : ret;
}

/* Opening
 * ----------------------------------------------------------------------- */

static bool check_sector_size(uint64_t size, Error **errp)
{
    return (is_power_of_2(size) && size >= 512 && size < LOG_SECTOR_MAX) ||
           error_set(errp, "Invalid log sector size %" PRIu64, size);
}

/* Go through what is there: the log goes on behind it. */
static bool coroutine_fn find_end(LogState *s, uint64_t entries, Error **errp)
{
    int64_t length = node_length(s->log->node);

    for (uint64_t i = 0; i < entries; i++) {
        uint64_t sectors = 0;
        LogEntry e;
        int ret = s->end < length
                      ? node_pread(s->log->node, s->end, sizeof(e), &e)
                      : -EINVAL;

        if (ret < 0) {
            return error_errno(errp, -ret, "Failed to read log entry %" PRIu64,
                               i);
        }
        if (!(le64toh(e.flags) & LOG_DISCARD)) {
            sectors = le64toh(e.sectors);
        }
        if (sectors >= (uint64_t)length / s->sector_size) {
            return error_set(errp,
                             "Log entry %" PRIu64 " is beyond the log's end",
                             i);
        }
        s->end += (sectors + 1) * s->sector_size;
    }
    s->entries = entries;
    return true;
}

static bool coroutine_fn continue_log(LogState *s, Error **errp)
{
    LogSuper super;
    int ret = node_pread(s->log->node, 0, sizeof(super), &super);

    if (ret < 0) {
        return error_errno(errp, -ret, "Could not read log superblock");
    }
    if (le64toh(super.magic) != LOG_MAGIC) {
        return error_set(errp, "Invalid log superblock magic");
    }
    if (le64toh(super.version) != LOG_VERSION) {
        return error_set(errp, "Unsupported log version %" PRIu64,
                         le64toh(super.version));
    }
    if (!check_sector_size(le32toh(super.sector_size), errp)) {
        return false;
    }
    if (le64toh(super.entries) > LOG_ENTRIES_MAX) {
        return error_set(errp, "Log of %" PRIu64 " entries is too long",
                         le64toh(super.entries));
    }
    s->sector_size = s->end = le32toh(super.sector_size);
    return find_end(s, le64toh(super.entries), errp);
}

static bool coroutine_fn start_log(LogState *s,
                                   const BlockdevOptionsBlklogwrites *o,
                                   Error **errp)
{
    uint64_t size = o->has_log_sector_size ? o->log_sector_size : 512;

    s->interval = o->has_log_super_update_interval
                      ? o->log_super_update_interval
                      : LOG_INTERVAL;
    if (!s->interval) {
        return error_set(errp, "Invalid log superblock update interval 0");
    }
    if (o->has_log_append && o->log_append) {
        if (o->has_log_sector_size) {
            return error_set(errp, "log-append and log-sector-size are "
                                   "mutually exclusive");
        }
        return continue_log(s, errp);
    }
    if (!check_sector_size(size, errp)) {
        return false;
    }
    s->sector_size = s->end = size;
    return true;
}

static bool coroutine_fn logwrites_open(BlockNode *n,
                                        const BlockdevOptions *opts,
                                        Error **errp)
{
    const BlockdevOptionsBlklogwrites *o = &opts->u.blklogwrites;
    LogState *s = n->state;

    n->file = node_open_child(n, "file", o->file,
                              BLOCK_ROLE_FILTERED | BLOCK_ROLE_PRIMARY, errp);
    if (!n->file) {
        return false;
    }
    s->log = node_open_child(n, "log", o->log, BLOCK_ROLE_METADATA, errp);
    if (!s->log || !start_log(s, o, errp)) {
        return false;
    }
    mutex_init(&s->lock);
    n->length = node_length(n->file->node);
    n->zero_flags = n->file->node->zero_flags & ~BLK_REQ_FUA;
    return true;
}

static void coroutine_fn logwrites_close(BlockNode *n)
{
    LogState *s = n->state;

    mutex_destroy(&s->lock);
}

static void logwrites_refresh_limits(BlockNode *n)
{
    const LogState *s = n->state;

    n->limits.request_alignment = s->sector_size;
}

/* Requests
 * ----------------------------------------------------------------------- */

static int coroutine_fn logwrites_flush(BlockNode *n)
{
    int ret = node_flush(n->file->node);

    return ret < 0 ? ret : log_entry(n, 0, 0, LOG_FLUSH, NULL, 0, false);
}

static int coroutine_fn logwrites_preadv(BlockNode *n, int64_t offset,
                                         int64_t bytes, const IoVec *iov,
                                         size_t iov_offset, unsigned flags)
{
    return node_preadv(n->file->node, offset, bytes, iov, iov_offset, flags);
}

/* A durable write is logged as a write and a flush. */
static int coroutine_fn logwrites_pwritev(BlockNode *n, int64_t offset,
                                          int64_t bytes, const IoVec *iov,
                                          size_t iov_offset, unsigned flags)
{
    int ret = node_pwritev(n->file->node, offset, bytes, iov, iov_offset,
                           flags & ~BLK_REQ_FUA);

    if (ret >= 0) {
        ret = log_entry(n, offset, bytes, 0, iov, iov_offset, false);
    }
    return ret >= 0 && (flags & BLK_REQ_FUA) ? logwrites_flush(n) : ret;
}

static int coroutine_fn logwrites_pwrite_zeroes(BlockNode *n, int64_t offset,
                                                int64_t bytes, unsigned flags)
{
    int ret =
        node_pwrite_zeroes(n->file->node, offset, bytes, flags & ~BLK_REQ_FUA);

    if (ret >= 0) {
        ret = log_entry(n, offset, bytes, 0, NULL, 0, true);
    }
    return ret >= 0 && (flags & BLK_REQ_FUA) ? logwrites_flush(n) : ret;
}

static int coroutine_fn logwrites_pdiscard(BlockNode *n, int64_t offset,
                                           int64_t bytes)
{
    int ret = node_pdiscard(n->file->node, offset, bytes);

    return ret < 0 ? ret
                   : log_entry(n, offset, bytes, LOG_DISCARD, NULL, 0, false);
}

static int coroutine_fn logwrites_block_status(BlockNode *n, bool want_zero,
                                               int64_t offset, int64_t bytes,
                                               int64_t *pnum, int64_t *map,
                                               BlockNode **file)
{
    *pnum = bytes;
    *map = offset;
    *file = n->file->node;
    return BLK_STATUS_OFFSET | BLK_STATUS_RECURSE;
}

static int64_t coroutine_fn logwrites_getlength(BlockNode *n)
{
    return node_length(n->file->node);
}

/* No resize: the log has no word for it. */
static const BlockSizeOps logwrites_size_ops = {
    .getlength = logwrites_getlength,
};

static const BlockIoOps logwrites_io_ops = {
    .preadv = logwrites_preadv,
    .pwritev = logwrites_pwritev,
    .pwrite_zeroes = logwrites_pwrite_zeroes,
    .pdiscard = logwrites_pdiscard,
    .flush = logwrites_flush,
    .block_status = logwrites_block_status,
};

const BlockDriver block_driver_blklogwrites = {
    .name = "blklogwrites",
    .driver = BLOCKDEV_DRIVER_BLKLOGWRITES,
    .state_size = sizeof(LogState),
    .filter = true,
    .open = logwrites_open,
    .close = logwrites_close,
    .refresh_limits = logwrites_refresh_limits,
    .io = &logwrites_io_ops,
    .size = &logwrites_size_ops,
};
