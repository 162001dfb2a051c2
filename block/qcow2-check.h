/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the two halves of checking a qcow2 image share: counting references
 * (qcow2-check.c) and comparing with them (qcow2-compare.c). */
#ifndef BLOCK_QCOW2_CHECK_H
#define BLOCK_QCOW2_CHECK_H

#include "block/qcow2.h"

typedef struct QcCount {
    QcowState *s;
    BlockCheck *result;
    unsigned fix;       /* BLOCK_FIX_* */
    uint32_t *refs;     /* found per cluster; stops at UINT32_MAX */
    uint64_t *one;      /* bitmap: the refcount is 1 */
    uint64_t clusters;  /* of the file: length of both */
    uint64_t next_data; /* where data would go on that is in one piece */
    bool unknown;       /* something has references that we do not count */
    bool complete;      /* snapshots lack part of their extra data */
    bool rebuild;       /* refcounts are missing: errors must be fixed too */
} QcCount;

/* One line for the user. */
void qc_check_say(const QcCount *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

static inline const char *qc_check_verb(const QcCount *c, unsigned fix)
{
    return c->fix & fix ? "Repairing" : "ERROR";
}

/* Compare c->refs with the refcounts and make these right as far as c->fix
 * says; fills c->one. 0 or -errno. */
int coroutine_fn qc_check_compare(QcCount *c);
/* Do the "copied" flags of the active tables agree with the refcounts? */
int coroutine_fn qc_check_copied(QcCount *c);

#endif
