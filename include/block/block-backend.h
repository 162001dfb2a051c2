/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * BlockBackend: the handle through which a device, job, export or tool uses a
 * tree of block nodes.
 *
 * Requests may be submitted on any loop, on several at once; each runs as a
 * coroutine on the loop that submits it (loop_current()) and completes there.
 * Everything else ("control") belongs to the main loop's thread with the
 * machine lock, or to the only thread of a tool. Where control code waits for
 * requests it serves block I/O of its loop (loop_run_io()) and nothing else.
 *
 * Data path errors are -errno. Offsets and lengths are bytes.
 */
#ifndef BLOCK_BLOCK_BACKEND_H
#define BLOCK_BLOCK_BACKEND_H

#include "block/block-common.h"
#include "util/coroutine.h"
#include "util/iov.h"

/* Life (control) ------------------------------------------------------------
 */

/* A backend without a node; one reference. */
BlockBackend *blk_new(BlockGraph *graph, uint64_t perm, uint64_t shared);
BlockBackend *blk_ref(BlockBackend *blk);
/* The last one drains and detaches. NULL is fine. */
void blk_unref(BlockBackend *blk);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BlockBackend, blk_unref)

/* Attach @node with the backend's permissions, which must fit the node's
 * other users. Takes its own reference. */
bool blk_insert_node(BlockBackend *blk, BlockNode *node, Error **errp);
void blk_remove_node(BlockBackend *blk);
BlockNode *blk_node(const BlockBackend *blk); /* or NULL; not owned */
bool blk_set_perm(BlockBackend *blk, uint64_t perm, uint64_t shared,
                  Error **errp);

/* "-drive id=", or "" for backends that devices make. */
const char *blk_name(const BlockBackend *blk);
BlockBackend *blk_find(BlockGraph *graph, const char *name);
/*
 * What a device's "drive" property names: the backend of "-drive id=", which
 * must not have a device yet, or a new anonymous one on the node of that
 * node-name. One reference for the caller.
 */
BlockBackend *blk_for_device(BlockGraph *graph, const char *drive,
                             Error **errp);

/* What the layer tells the device. All on the main loop, with the machine
 * lock, and all optional. */
typedef struct BlkDevOps {
    void (*resized)(void *opaque);
    /* No request may be submitted between these; one that is waits inside. */
    void (*drained_begin)(void *opaque);
    void (*drained_end)(void *opaque);
} BlkDevOps;
/* @dev (an Object, for its path) becomes the user of @blk; false when it has
 * one. @ops and @opaque must outlive the attachment. */
bool blk_attach_dev(BlockBackend *blk, Object *dev, const BlkDevOps *ops,
                    void *opaque, Error **errp);
void blk_detach_dev(BlockBackend *blk);
/* The same for a user that is no device; NULL ends it. */
void blk_set_ops(BlockBackend *blk, const BlkDevOps *ops, void *opaque);
Object *blk_dev(const BlockBackend *blk);

/*
 * The permissions of an emulated disk: read, and write unless @read_only
 * (which the node must then allow); others may not write unless @share_rw.
 * Applies what -drive or the device said about werror/rerror when not already.
 */
bool blk_apply_disk_perm(BlockBackend *blk, bool read_only, bool share_rw,
                         Error **errp);

/* Properties. Readable on any thread while attached. -------------------------
 */

int64_t blk_getlength(BlockBackend *blk); /* -ENOMEDIUM: not available */
/* The same in whole sectors of 512 bytes, as guests and clients see it. What is
 * behind the end of the last one reads as zeroes; writes make it whole. */
int64_t blk_getlength_sectors(BlockBackend *blk);
/* There is a node, and a medium in the host's drive if it is of one. */
bool blk_is_available(const BlockBackend *blk);
/* The tray of the host's drive, for devices with one; others do nothing. */
void blk_eject(BlockBackend *blk, bool open);
void blk_lock_medium(BlockBackend *blk, bool locked);
/* The node cannot be written (or there is none). */
bool blk_is_read_only(const BlockBackend *blk);
bool blk_supports_write_perm(const BlockBackend *blk);
/* Never NULL; request_alignment is at least 1. */
const BlockLimits *blk_limits(const BlockBackend *blk);
/* Write-back caching as the guest sees it; off: every write is durable. */
bool blk_write_cache(const BlockBackend *blk);
void blk_set_write_cache(BlockBackend *blk, bool on);
/* Block sizes of a host device; false when the image has none of its own. */
bool blk_probe_blocksizes(BlockBackend *blk, uint32_t *logical,
                          uint32_t *physical);

/* Requests (any loop) ---------------------------------------------------------
 */

typedef void BlkDone(void *opaque, int ret);

/*
 * Start a request; @done gets 0 or -errno on this loop. It MAY BE CALLED
 * BEFORE THE FUNCTION RETURNS. The array and the buffers of @iov (not the IoVec
 * itself) belong to the request until then; iov->size is the request's length.
 * Nothing is allocated. The request counts as in flight until @done returns,
 * so @done must not drain.
 */
void blk_aio_preadv(BlockBackend *blk, int64_t offset, const IoVec *iov,
                    unsigned flags, BlkDone *done, void *opaque);
void blk_aio_pwritev(BlockBackend *blk, int64_t offset, const IoVec *iov,
                     unsigned flags, BlkDone *done, void *opaque);
void blk_aio_pwrite_zeroes(BlockBackend *blk, int64_t offset, int64_t bytes,
                           unsigned flags, BlkDone *done, void *opaque);
void blk_aio_pdiscard(BlockBackend *blk, int64_t offset, int64_t bytes,
                      BlkDone *done, void *opaque);
void blk_aio_flush(BlockBackend *blk, BlkDone *done, void *opaque);

/* The same from a coroutine. */
int coroutine_fn blk_co_preadv(BlockBackend *blk, int64_t offset,
                               const IoVec *iov, unsigned flags);
int coroutine_fn blk_co_pwritev(BlockBackend *blk, int64_t offset,
                                const IoVec *iov, unsigned flags);
int coroutine_fn blk_co_pread(BlockBackend *blk, int64_t offset, int64_t bytes,
                              void *buf, unsigned flags);
int coroutine_fn blk_co_pwrite(BlockBackend *blk, int64_t offset, int64_t bytes,
                               const void *buf, unsigned flags);
int coroutine_fn blk_co_pwrite_zeroes(BlockBackend *blk, int64_t offset,
                                      int64_t bytes, unsigned flags);
int coroutine_fn blk_co_pdiscard(BlockBackend *blk, int64_t offset,
                                 int64_t bytes);
int coroutine_fn blk_co_flush(BlockBackend *blk);
bool coroutine_fn blk_co_truncate(BlockBackend *blk, int64_t size, bool exact,
                                  Error **errp);
/* For what has no function here: the node, which stays and may be used as by a
 * request until blk_co_leave(). NULL, and nothing to leave: no medium. */
BlockNode *coroutine_fn blk_co_enter(BlockBackend *blk);
void blk_co_leave(BlockBackend *blk);

/* Blocking, for control code: from outside coroutines they serve the loop's
 * block I/O (and nothing else of it) until done. */
int blk_pread(BlockBackend *blk, int64_t offset, int64_t bytes, void *buf);
int blk_pwrite(BlockBackend *blk, int64_t offset, int64_t bytes,
               const void *buf, unsigned flags);
int blk_pwrite_zeroes(BlockBackend *blk, int64_t offset, int64_t bytes,
                      unsigned flags);
int blk_pdiscard(BlockBackend *blk, int64_t offset, int64_t bytes);
int blk_flush(BlockBackend *blk);
bool blk_truncate(BlockBackend *blk, int64_t size, bool exact, Error **errp);

/*
 * Between these, requests that this thread submits may be held back to go to
 * the host in one batch. Nestable; cheap. Requests go out at the latest when
 * the loop next waits.
 */
void blk_plug(void);
void blk_unplug(void);

/* Draining (control)
 * ----------------------------------------------------------- */

/* Wait until no request of @blk is under way. New ones are held back between
 * begin and end, on whichever loop they come. Nestable. */
void blk_drain(BlockBackend *blk);
void blk_drained_begin(BlockBackend *blk);
void blk_drained_end(BlockBackend *blk);
void blk_drain_all(BlockGraph *graph);
void blk_flush_all(BlockGraph *graph);
unsigned blk_in_flight(const BlockBackend *blk);

/* Error policy
 * ------------------------------------------------------------------ */

typedef enum BlkErrorPolicy {
    BLK_ON_ERROR_REPORT,
    BLK_ON_ERROR_IGNORE,
    BLK_ON_ERROR_ENOSPC, /* stop on ENOSPC, else report */
    BLK_ON_ERROR_STOP,
    BLK_ON_ERROR_AUTO, /* ENOSPC for writes, report for reads */
} BlkErrorPolicy;
typedef enum BlkErrorAction {
    BLK_ACTION_REPORT,
    BLK_ACTION_IGNORE,
    BLK_ACTION_STOP, /* keep the request; submit it again on resume */
} BlkErrorAction;

/* How requests are counted, see below. */
typedef enum BlkAcctType {
    BLK_ACCT_READ,
    BLK_ACCT_WRITE,
    BLK_ACCT_FLUSH,
    BLK_ACCT_UNMAP,
    BLK_ACCT__MAX,
} BlkAcctType;

/* A device's rerror= and werror=: BLK_ON_ERROR_AUTO leaves -drive's. */
void blk_set_on_error(BlockBackend *blk, BlkErrorPolicy rerror,
                      BlkErrorPolicy werror);
BlkErrorPolicy blk_on_error(const BlockBackend *blk, bool is_read);
/*
 * Any loop: a device's request for @bytes failed with errno value @error (> 0).
 * Decides, counts (as a failure, for IGNORE as a success, for STOP not yet),
 * emits BLOCK_IO_ERROR, sets the I/O status and, for STOP, asks the VM to stop
 * with run state io-error.
 */
BlkErrorAction blk_error(BlockBackend *blk, BlkAcctType type, int64_t bytes,
                         int error);
/* The device calls blk_error() for each request that fails, and reports an I/O
 * status in query-block. */
void blk_iostatus_enable(BlockBackend *blk);
/* Is it told? Only where some error would stop the VM. */
bool blk_iostatus_is_enabled(const BlockBackend *blk);
void blk_iostatus_reset(BlockBackend *blk);

/* Statistics: requests are counted by the layer; a device adds what it refuses
 * or merges itself. Any loop. */
void blk_acct_invalid(BlockBackend *blk, BlkAcctType type);
/* Control code. Do requests that fail, or are invalid, not count in times? */
void blk_acct_ignore(BlockBackend *blk, bool failed, bool invalid);
void blk_acct_ignored(const BlockBackend *blk, bool *failed, bool *invalid);
/* @n requests go along with another one... */
void blk_acct_merged(BlockBackend *blk, BlkAcctType type, unsigned n);
/* ... and are done: they count as operations too. */
void blk_acct_merged_done(BlockBackend *blk, BlkAcctType type, unsigned n);

#endif
