/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the parts of the file, host_device and host_cdrom drivers. */
#ifndef BLOCK_FILE_H
#define BLOCK_FILE_H

#include "block/block-node.h"
#include "util/thread.h"
#include "util/thread-pool.h"

typedef enum FileAio {
    FILE_AIO_THREADS,
    FILE_AIO_NATIVE,
    FILE_AIO_URING
} FileAio;

/* What is known of data and holes: area i is [bound[i], bound[i + 1]). */
#define FILE_HOLES_AREAS 64
typedef struct FileHoles {
    bool live; /* atomic: something is, or may soon be, remembered */
    Mutex lock;
    unsigned areas;
    bool data; /* the first area is */
    int64_t bound[FILE_HOLES_AREAS + 1];
    uint64_t changes; /* of the file that forgot something */
} FileHoles;

typedef struct FileState {
    int fd;      /* number is const after open; see file_replace_fd() */
    int lock_fd; /* the locks live on this open file description; or -1 */
    char *path;
    FileAio aio;
    bool device; /* host_device, host_cdrom */
    bool use_locks;
    bool drop_cache;
    bool in_place;  /* const after open: calls that end soon are made on the
                     * loop's own thread */
    bool in_memory; /* const after open: on tmpfs, where no read waits */
    bool no_nowait; /* atomic: RWF_NOWAIT does not work */
    unsigned cache_misses; /* atomic: reads in a row that had to wait */
    unsigned max_batch;
    /* Control code */
    int open_flags;                        /* of fd */
    uint64_t locked_perm, locked_unshared; /* bits of the locks we hold */
    uint64_t want_perm, want_unshared;     /* between prepare and commit */
    int new_fd; /* between prepare and commit; or -1 */
    int new_flags;
    /* Atomic hints: cleared when the host said that it cannot. */
    bool can_discard, can_zero_range, can_punch, can_reserve;
    int64_t written_out; /* atomic; what a growing file has below is with the
                          * disk or on its way */
    uint64_t discards_ok, discards_failed, discarded_bytes; /* atomic */
    FileHoles holes;
} FileState;

/* file-lock.c: image locking as QEMU does it. True when the host has open file
 * description locks. */
bool file_lock_supported(int fd);
/* Make the locks cover what is held and what is wanted; check for others. */
bool file_lock_prepare(FileState *s, uint64_t perm, uint64_t unshared,
                       Error **errp);
void file_lock_commit(FileState *s);
void file_lock_abort(FileState *s);

/* file.c: of all three drivers */
bool coroutine_fn file_open(BlockNode *n, const BlockdevOptions *opts,
                            Error **errp);
void coroutine_fn file_close(BlockNode *n);
void file_refresh_limits(BlockNode *n);
int64_t coroutine_fn file_getlength(BlockNode *n);
bool coroutine_fn file_truncate(BlockNode *n, int64_t size, bool exact,
                                Error **errp);
int64_t file_allocated(BlockNode *n);
bool file_blocksizes(BlockNode *n, uint32_t *logical, uint32_t *physical);
extern const BlockPermOps file_perm_ops;
extern const BlockReopenOps file_reopen_ops;

/* host-cdrom.c: is @path a CD drive, full or empty? */
bool host_cdrom_probe(const char *path);

/* file-io.c */
extern const BlockIoOps file_io_ops;
/* @fn(@opaque), which changes metadata or looks at it, where it disturbs
 * nobody. */
int coroutine_fn file_call(const FileState *s, ThreadPoolFn *fn, void *opaque);
/* file-zero.c: zeroes, discard, holes */
int coroutine_fn file_pwrite_zeroes(BlockNode *n, int64_t offset, int64_t bytes,
                                    unsigned flags);
int coroutine_fn file_pdiscard(BlockNode *n, int64_t offset, int64_t bytes);
int coroutine_fn file_block_status(BlockNode *n, bool want_zero, int64_t offset,
                                   int64_t bytes, int64_t *pnum, int64_t *map,
                                   BlockNode **file);

/* file-holes.c, with s->holes: BLK_STATUS_DATA or BLK_STATUS_ZERO for what is
 * at @offset and goes on until *end, or -errno. @alone: nobody else writes to
 * the file. */
int coroutine_fn file_holes_status(FileState *s, bool alone, int64_t offset,
                                   int64_t *end);
/* After each change of the file, before its request ends. Any thread. */
void file_holes_forget(FileHoles *h);

#ifdef CONFIG_LINUX_AIO
/* file-laio.c: one request through Linux AIO; bytes done or -errno. */
int coroutine_fn laio_rw(int fd, bool write, int64_t offset, const IoVec *iov,
                         bool dsync, unsigned max_batch);
void laio_plug(void);
void laio_unplug(void);
/* Does this kernel have it? */
bool laio_available(void);
#endif

/* create.c: the first block of a file that gets @size bytes. */
void file_first_block(int fd, int64_t size);

#endif
