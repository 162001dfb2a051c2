/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of the NBD server share. */
#ifndef BLOCK_NBD_SERVER_H
#define BLOCK_NBD_SERVER_H

#include "block/dirty-bitmap.h"
#include "block/export.h"
#include "block/nbd/proto.h"
#include "block/nbd/stream.h"

/* Requests of one client that are under way at the same time ... */
#define NBD_CONN_REQUESTS 64
/* ... and the memory they may take, unless there is only one. */
#define NBD_CONN_BYTES (NBD_MAX_PAYLOAD)
/* A client that does not say what it wants is dropped after that. */
#define NBD_HANDSHAKE_NS INT64_C(10000000000)

typedef struct BlockExport BlockExport;

typedef struct NbdServer {
    struct BlockExports *all;
    int fd; /* listening; -1: not running */
    LoopFd *watch;
    char *path; /* of a unix socket, to remove */
    uint32_t max_conns;
    struct TlsCreds *tls; /* clients must use it; or NULL */
    char *tls_authz;      /* id, or NULL */
    GPtrArray *conns; /* NbdConn * */
    void (*left)(void *opaque, unsigned clients);
    void *left_opaque;
} NbdServer;

typedef struct BlockExports {
    BlockGraph *graph;
    GPtrArray *list; /* BlockExport *, until they are gone */
    NbdServer nbd;
} BlockExports;

/* A dirty bitmap that an export shows, and that is busy meanwhile. */
typedef struct NbdBitmap {
    BlockNode *n; /* a reference */
    DirtyBitmap *b;
    char *context; /* its name for clients */
} NbdBitmap;

/* One kind of export. On the loop of the graph. */
typedef struct BlockExportOps {
    /* The export is complete but for what is the kind's own. */
    bool (*start)(BlockExport *exp, const BlockExportOptions *opts,
                  Error **errp);
    /* Drop those who use it, whose references go. */
    void (*shutdown)(BlockExport *exp);
    /* Nobody uses it any more, or start() failed; may be NULL. */
    void (*free)(BlockExport *exp);
    bool clients_keep; /* those who use it, unless it must go */
} BlockExportOps;

extern const BlockExportOps export_ops_nbd, export_ops_vhost_user_blk,
    export_ops_fuse;

struct BlockExport {
    const BlockExportOps *ops;
    BlockExportType type;
    BlockExports *all;
    char *id;
    BlockBackend *blk;
    BlockExportThread thread;
    unsigned conns;     /* clients that use it */
    bool shutting_down; /* goes when conns is 0 */
    bool writable;      /* const */
    void *impl;         /* the kind's own */
    /* NBD only; const */
    char *name, *description; /* NULL: no description */
    bool allocation_depth, bitmaps_busy;
    GPtrArray *bitmaps; /* NbdBitmap * */
    uint64_t size;
    uint16_t flags; /* of the transmission */
    uint32_t min_block, pref_block;
};

/* Numbers of the metadata contexts on the wire, and bits of NbdConn. */
enum {
    NBD_CONTEXT_ALLOCATION,
    NBD_CONTEXT_DEPTH,
    NBD_CONTEXT_BITMAPS, /* one for each from here on */
    NBD_CONTEXT__MAX = 64,
};
#define NBD_BITMAPS_MAX (NBD_CONTEXT__MAX - NBD_CONTEXT_BITMAPS)

struct NbdRequest;

/* One client. The server's loop until the handshake is over, then that of the
 * export; back on the server's loop when it has ended. */
typedef struct NbdConn {
    NbdServer *server;
    NbdStream st;
    LoopTimer patience; /* with the handshake */
    BlockExport *exp;   /* set under the server's loop */
    bool fixed, no_zeroes, structured, tls;
    uint64_t contexts;  /* bits */
    char *context_name; /* of the export they are for, or NULL */
    /* Transmission */
    unsigned in_flight; /* not yet replied to */
    size_t bytes;       /* their buffers */
    Coroutine *waiting; /* for in_flight or bytes to fall */
    bool dead;          /* output failed */
    struct NbdRequest *out_head, **out_tail; /* replies to send */
    struct NbdRequest *pool;
    unsigned pooled;
    LoopTask flush; /* send them */
    bool blocked;   /* the stream takes no more now */
} NbdConn;

/* Say hello and agree on an export: 0 with conn->exp set and counted, or
 * -errno to end. */
int coroutine_fn nbd_handshake(NbdConn *conn);
/* Serve requests until the client leaves. */
void coroutine_fn nbd_transmit(NbdConn *conn);

/* An export by its NBD name that takes clients, or NULL. */
BlockExport *nbd_export_find(BlockExports *all, const char *name);
/* A client uses it, or has left: then it may go. */
void nbd_export_get(BlockExport *exp);
void nbd_export_put(BlockExport *exp);
/* How the bytes at @offset are, through all layers: BLK_STATUS_*, fewer than
 * asked for in *pnum, and how many layers down in *depth. */
int coroutine_fn export_block_status(BlockBackend *blk, int64_t offset,
                                     int64_t bytes, int64_t *pnum,
                                     unsigned *depth);
/* Ask it to go now, of whatever kind. */
void nbd_export_shutdown(BlockExport *exp);

/* bitmaps.c; control code */
struct BlockDirtyBitmapOrStrList;
bool nbd_export_take_bitmaps(BlockExport *exp, BlockNode *n,
                             const struct BlockDirtyBitmapOrStrList *list,
                             bool writable, Error **errp);
void nbd_export_drop_bitmaps(BlockExport *exp);
/* Any loop: is @offset dirty? The next *pnum (of @bytes) are alike. */
bool nbd_bitmap_status(const NbdBitmap *e, int64_t offset, int64_t bytes,
                       int64_t *pnum);

BlockExports *block_exports_get(BlockGraph *g);
/* Serve a client on the connected socket @fd (taken over). */
void nbd_server_adopt(NbdServer *s, int fd);
/* Drop the clients of @exp; NULL: all. */
void nbd_server_kick(NbdServer *s, const BlockExport *exp);

#endif
