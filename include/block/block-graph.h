/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The graph: all nodes and backends of a process (Vm.block), opening nodes
 * from options, and looking them up. Control code only; see block-backend.h.
 */
#ifndef BLOCK_BLOCK_GRAPH_H
#define BLOCK_BLOCK_GRAPH_H

#include "block/block-node.h"
#include "qobject/qobject.h"
#include "util/loop.h"

/* A clock that requests wait by, in place of the host's: qtest's. */
typedef struct BlockClock {
    int64_t (*now)(void *opaque); /* ns; any thread */
    /* On the graph's loop: call @fn(@arg) at @deadline, once. Freed by
     * alarm_free(), after or instead of that. */
    void *(*alarm)(void *opaque, int64_t deadline, LoopFn *fn, void *arg);
    void (*alarm_free)(void *alarm);
} BlockClock;

typedef struct BlockHooks {
    /* Stop the VM because of a disk error; any thread. */
    void (*stop_vm)(void *opaque);
    /* A descriptor for "/dev/fdset/N" that fits open(2) @flags, or -errno. */
    int (*open_fdset)(void *opaque, const char *path, int flags);
    /* Where events go; may be NULL, may return NULL. */
    QapiEventSink *(*events)(void *opaque);
    /* Any thread; may be NULL, may return NULL for the host's. */
    const BlockClock *(*clock)(void *opaque);
    /* Descriptors that the monitor has; may be NULL, may return NULL. */
    struct FdSets *(*fdsets)(void *opaque);
    void *opaque;
} BlockHooks;

struct BlockGraph {
    Loop *loop;        /* of control code */
    Object *root;      /* has the objects that options name, or NULL */
    GHashTable *names; /* node-name to BlockNode * */
    GPtrArray *nodes;  /* BlockNode *, in order of opening */
    GPtrArray *blks;   /* BlockBackend *, in order of creation */
    struct BlockExports *exports; /* or NULL before the first */
    GPtrArray *jobs;              /* Job *, in order of creation, or NULL */
    GPtrArray *throttle_groups;   /* ThrottleGroup *, or NULL */
    BlockHooks hooks;
    QDict *iscsi;    /* -iscsi: options by id= (or ""), or NULL */
    char *initiator; /* after "iqn.2008-11.org.linux-kvm:", or NULL */
    unsigned next_name;
    unsigned opening; /* nested block_open() */
    bool probing;     /* the node being opened was probed */
    bool no_backing;  /* open no backing files that images name */
    bool describing;  /* open images to tell of them: no data files,
                       * no keys */
    bool any_encryption; /* nobody said how the images are encrypted */
    bool emulator;       /* of a system: refuses what only tools shall read */
    bool checking;    /* open images to check them: as they are, broken too */
    bool snapshot;    /* -snapshot: the default of -drive snapshot= */
    bool filling;     /* images that are made need not be durable: whoever
                       * makes them fills them next */
    bool one_command; /* nobody else waits for the loop: system calls that end
                       * soon need no other thread */
};

BlockGraph *block_graph_new(Loop *loop);
/* Take the nodes from all backends and close what control code owns. */
void blk_graph_close(BlockGraph *g);
/* Closes what control code still owns; no device may be attached. */
void block_graph_free(BlockGraph *g);

static inline QapiEventSink *block_events(const BlockGraph *g)
{
    return g->hooks.events ? g->hooks.events(g->hooks.opaque) : NULL;
}

static inline const BlockClock *block_clock(const BlockGraph *g)
{
    return g->hooks.clock ? g->hooks.clock(g->hooks.opaque) : NULL;
}

/* Open nodes
 * -------------------------------------------------------------------- */

/* Open what @opts describes, children first; one reference. @inherit: flags of
 * the parent it is defined in, or NULL at the top. */
BlockNode *block_open(BlockGraph *g, const BlockdevOptions *opts,
                      const BlockOpenFlags *inherit, Error **errp);
/*
 * Open a file name, "PROTOCOL:..." or "json:{...}", as a backing file or a tool
 * does: @format NULL probes it. @options (may be NULL) are added.
 */
BlockNode *block_open_filename(BlockGraph *g, const char *filename,
                               const char *format, const QDict *options,
                               const BlockOpenFlags *inherit, Error **errp);
BlockNode *node_ref(BlockNode *n);
/* The last reference closes the node. NULL is fine. */
void node_unref(BlockNode *n);

BlockNode *node_find(BlockGraph *g, const char *name); /* or NULL */
/* A node by node-name, or the root of a backend. */
BlockNode *node_lookup(BlockGraph *g, const char *device, const char *node_name,
                       Error **errp);

/* Is @n a legal node-name or backend id? */
bool block_name_ok(const char *name);
/* Is @n used by anyone but the monitor? */
bool node_in_use(const BlockNode *n);

/* Run @fn as a coroutine and return when it has ended: directly when in a
 * coroutine, else serving the loop's block I/O meanwhile. */
void block_run(CoroutineFn *fn, void *opaque);

/* Check and apply what follows from changed users of @n. */
bool node_refresh_perms(BlockNode *n, Error **errp);
/* Names for messages: "read, write". Free with g_free(). */
char *block_perm_names(uint64_t perm);

/*
 * Give nodes new options, all or none of them. Each names its node; what is
 * absent gets its default.
 */
bool block_reopen(BlockGraph *g, const BlockdevOptionsList *list,
                  Error **errp);
/* Options of one node and of what is defined in it that change; the others
 * stay as they were given. Sizes may have a suffix. */
bool block_reopen_change(BlockNode *n, const QDict *changes, Error **errp);
/* All nodes forget what they hold of the images' data: another host had them
 * until now. Nothing is written yet. */
bool block_invalidate_all(BlockGraph *g, Error **errp);

/*
 * Drain every backend above @n; the handle goes to node_undrain(). Requests of
 * these backends wait meanwhile, so that the graph below may change.
 */
GPtrArray *node_drain_users(BlockNode *n);
void node_undrain(GPtrArray *users);

#endif
