/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Limits of throughput: leaky buckets, and groups that share them. */
#ifndef BLOCK_THROTTLE_H
#define BLOCK_THROTTLE_H

#include "block/block-graph.h"

/* Limits and buckets: throttle.c. Nothing here knows of clocks or locks. ----
 */

enum {
    THROTTLE_BPS_TOTAL,
    THROTTLE_BPS_READ,
    THROTTLE_BPS_WRITE,
    THROTTLE_IOPS_TOTAL,
    THROTTLE_IOPS_READ,
    THROTTLE_IOPS_WRITE,
    THROTTLE_BUCKETS,
};
/* "bps-total", ... */
extern const char *const throttle_bucket_names[THROTTLE_BUCKETS];

typedef struct ThrottleLimit {
    int64_t avg;    /* units per second; 0: no limit */
    int64_t max;    /* the same during bursts; 0: a tenth of a second's worth */
    int64_t length; /* of bursts, in seconds */
} ThrottleLimit;

typedef struct ThrottleConfig {
    ThrottleLimit limit[THROTTLE_BUCKETS];
    int64_t iops_size; /* requests above it count as several; 0: never */
} ThrottleConfig;

void throttle_config_init(ThrottleConfig *cfg); /* no limits */
bool throttle_config_check(const ThrottleConfig *cfg, Error **errp);
bool throttle_config_enabled(const ThrottleConfig *cfg);

/* By the names of docs/throttle.txt: "bps-total-max-length". */
const char *throttle_option_name(size_t i); /* NULL: there are no more */
int64_t *throttle_option(ThrottleConfig *cfg, const char *name); /* or NULL */

typedef struct ThrottleState {
    ThrottleConfig cfg;
    struct {
        double level;       /* units done that have not leaked */
        double burst_level; /* the same, leaking at the burst's rate */
    } bucket[THROTTLE_BUCKETS];
    int64_t last_ns; /* of the last leak */
} ThrottleState;

/* From @now_ns on, with empty buckets. */
void throttle_state_init(ThrottleState *s, const ThrottleConfig *cfg,
                         int64_t now_ns);
/* How many ns until a request may start; 0: now. */
int64_t throttle_state_wait(ThrottleState *s, bool is_write, int64_t now_ns);
/* A request of @bytes starts. */
void throttle_state_account(ThrottleState *s, bool is_write, int64_t bytes);

/* Groups: throttle-group.c. Their requests take turns. ---------------------
 */

typedef struct ThrottleGroup ThrottleGroup;
typedef struct ThrottleMember ThrottleMember;

/* Control code. The group of that name or NULL; no reference. */
ThrottleGroup *throttle_group_known(BlockGraph *g, const char *name);
/* The same; one that was defined before there was a graph comes into being. */
ThrottleGroup *throttle_group_find(BlockGraph *g, const char *name);
/* Find or make; one reference. */
ThrottleGroup *throttle_group_get(BlockGraph *g, const char *name);
/* The name is free; one reference. */
ThrottleGroup *throttle_group_new(BlockGraph *g, const char *name);
ThrottleGroup *throttle_group_ref(ThrottleGroup *tg);
void throttle_group_unref(ThrottleGroup *tg);
const char *throttle_group_name(const ThrottleGroup *tg);
/* Does anybody but one owner use it? */
bool throttle_group_in_use(const ThrottleGroup *tg);
void throttle_group_config(ThrottleGroup *tg, ThrottleConfig *cfg);
/* @cfg has been checked. Buckets start empty; who waits looks again. */
void throttle_group_set_config(ThrottleGroup *tg, const ThrottleConfig *cfg);

/* throttle-object.c: the group of the object @name, made now if it has none
 * yet. No reference; NULL: there is no such object. */
ThrottleGroup *throttle_object_group(BlockGraph *g, const char *name);

/* One user of a group, node @n or backend @blk; holds a reference to @tg. None
 * of its requests may be under way when it goes. */
ThrottleMember *throttle_member_new(ThrottleGroup *tg, BlockNode *n,
                                    BlockBackend *blk);
void throttle_member_free(ThrottleMember *m);
ThrottleGroup *throttle_member_group(const ThrottleMember *m);
/* Move to another group; no request is under way. */
void throttle_member_move(ThrottleMember *m, ThrottleGroup *tg);

/* Any loop: wait for the request's turn. */
void coroutine_fn throttle_wait(ThrottleMember *m, bool is_write,
                                int64_t bytes);

/* Requests of @blk do not wait any more, in whatever node below; the handle
 * (NULL: nobody waits there) goes to throttle_undrain(). */
GPtrArray *throttle_drain(BlockBackend *blk);
void throttle_undrain(GPtrArray *members);

/* -drive and block_set_io_throttle: throttle-blk.c. Control code. */
/* @group NULL: the one it is in, or one named after the backend. No limits at
 * all: not throttled any more. */
bool blk_set_throttle(BlockBackend *blk, const ThrottleConfig *cfg,
                      const char *group, Error **errp);
/* False: not throttled. *group lives as long as that. */
bool blk_throttle_info(const BlockBackend *blk, ThrottleConfig *cfg,
                       const char **group);

#endif
