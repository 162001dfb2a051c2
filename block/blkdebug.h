/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules of blkdebug. */
#ifndef BLOCK_BLKDEBUG_H
#define BLOCK_BLKDEBUG_H

#include "qapi/qapi-types-block-core.h"
#include "util/coroutine.h"

typedef struct DebugRule DebugRule;
struct DebugRule {
    DebugRule *next;
    BlkdebugEvent event;
    int64_t state; /* 0: any */
    bool inject;   /* else: set the state */
    int64_t new_state;
    unsigned iotypes; /* bits of BlkdebugIOType */
    int error;
    int64_t sector; /* -1: any */
    bool once, immediately;
    bool active; /* lock */
    char *tag;   /* of a breakpoint, which is neither of both; or NULL */
};

/* A request that waits at a step, on its stack. */
typedef struct DebugStop DebugStop;
struct DebugStop {
    DebugStop *next;
    const char *tag;
    bool resumed;
    CoQueue queue;
};

typedef struct DebugRules {
    Mutex lock;
    int64_t state;    /* lock */
    DebugRule *first; /* lock */
    DebugStop *stops; /* lock; in order of coming */
} DebugRules;

void debug_rules_init(DebugRules *r);
void debug_rules_destroy(DebugRules *r);
/* Rules of the options, and of their config file. */
bool debug_rules_add(DebugRules *r, const BlockdevOptionsBlkdebug *o,
                     Error **errp);
/* Any loop; in a coroutine it waits at a breakpoint. */
void debug_rules_event(DebugRules *r, BlkdebugEvent event);
/* The error for a request, as a positive errno value; 0: none. @bytes 0: it
 * has no place. */
int debug_rules_error(DebugRules *r, BlkdebugIOType type, int64_t offset,
                      int64_t bytes, bool *immediately);

/* Breakpoints: see block-debug.h. */
int debug_rules_break(DebugRules *r, const char *event, const char *tag);
int debug_rules_remove(DebugRules *r, const char *tag);
int debug_rules_resume(DebugRules *r, const char *tag);
bool debug_rules_suspended(DebugRules *r, const char *tag);

#endif
