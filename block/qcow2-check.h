/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the two halves of checking a qcow2 image share: counting references
 * (qcow2-check.c) and comparing with them (qcow2-compare.c). */
#ifndef BLOCK_QCOW2_CHECK_H
#define BLOCK_QCOW2_CHECK_H

#include "block/qcow2.h"

#define QC_LEAF 64

/* Of so many clusters in a row. */
typedef struct QcLeaf {
    uint64_t one;           /* bits: the refcount is 1 */
    uint16_t refs[QC_LEAF]; /* see qc_refs_get() */
} QcLeaf;

typedef struct QcCount {
    QcowState *s;
    BlockCheck *result;
    unsigned fix;       /* BLOCK_FIX_* */
    GHashTable *leaves; /* QcLeaf * by number: those with references */
    GHashTable *many;   /* by cluster: counts that a leaf has no room for */
    QcLeaf *last;       /* number "last_page", or NULL if there is none */
    uint64_t last_page;
    uint64_t distinct;  /* clusters with references */
    bool too_many;      /* leaves: counting was given up */
    uint64_t clusters;  /* of the file */
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

/* qcow2-check-refs.c: references found per cluster */
void qc_refs_init(QcCount *c);
void qc_refs_free(QcCount *c);
/* The leaf that has @cluster, or NULL. */
QcLeaf *qc_refs_leaf(QcCount *c, uint64_t cluster);
uint32_t qc_refs_get(QcCount *c, uint64_t cluster);
/* One more; stops at UINT32_MAX. May set c->too_many instead. */
void qc_refs_add(QcCount *c, uint64_t cluster);
void qc_refs_drop(QcCount *c, uint64_t cluster);

/* Compare the references with the refcounts and make these right as far as
 * c->fix says; fills the leaves' "one". 0 or -errno. */
int coroutine_fn qc_check_compare(QcCount *c);
/* Do the "copied" flags of the active tables agree with the refcounts? */
int coroutine_fn qc_check_copied(QcCount *c);

#endif
