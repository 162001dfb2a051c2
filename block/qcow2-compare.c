/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checking a qcow2 image, second half: the refcounts and "copied" flags against
 * the references that qcow2-check.c counted, and their repair.
 */
#include "util/osdep.h"

#include "block/qcow2-check.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

/* Refcounts
 * ------------------------------------------------------------------------- */

typedef struct Pass {
    QcCount *c;
    unsigned fix;
    bool count; /* into the result */
    int64_t leaks, corruptions;
} Pass;

static void note_one(QcCount *c, uint64_t i, uint64_t have)
{
    QcLeaf *leaf = qc_refs_leaf(c, i);

    if (leaf) {
        leaf->one = (leaf->one & ~BIT(i % QC_LEAF)) |
                    (have == 1 ? BIT(i % QC_LEAF) : 0);
    }
    if (have || (leaf && leaf->refs[i % QC_LEAF])) {
        c->result->image_end =
            MAX(c->result->image_end, (int64_t)((i + 1) << c->s->cluster_bits));
    }
}

/* New refcount blocks go behind all that there is: clusters further on may have
 * references but no count yet. */
static int coroutine_fn set_count(QcCount *c, uint64_t i)
{
    uint64_t free = c->s->free_index;
    uint32_t refs = qc_refs_get(c, i);
    int ret = qc_refcount_set(c->s, i, refs);

    if (c->s->free_index < c->clusters) {
        c->s->free_index = free;
    }
    if (ret >= 0) {
        note_one(c, i, refs);
        return 0;
    }
    qc_check_say(c, "ERROR repairing cluster %" PRIu64 ": %s", i,
                 g_strerror(-ret));
    return ret;
}

static int coroutine_fn compare_one(Pass *p, uint64_t i, uint64_t have)
{
    QcCount *c = p->c;
    uint32_t refs = qc_refs_get(c, i);
    bool low = have < refs;
    /* What has references that we do not know of is no leak. */
    bool fix = low ? p->fix & BLOCK_FIX_ERRORS
                   : (p->fix & BLOCK_FIX_LEAKS) && !c->unknown;
    int ret = 0;

    note_one(c, i, have);
    if (have == refs) {
        return 0;
    }
    *(low ? &p->corruptions : &p->leaks) += 1;
    c->rebuild = c->rebuild || !have;
    qc_check_say(c,
                 "%s cluster %" PRIu64 " refcount=%" PRIu64
                 " reference=%" PRIu32,
                 fix   ? "Repairing"
                 : low ? "ERROR"
                       : "Leaked",
                 i, have, refs);
    if (fix) {
        ret = set_count(c, i);
    }
    if (fix && ret >= 0) {
        *(low ? &c->result->corruptions_fixed : &c->result->leaks_fixed) += 1;
    } else if (p->count) {
        *(low ? &c->result->corruptions : &c->result->leaks) += 1;
    }
    /* A count that is too big for its field. */
    return ret == -EINVAL ? 0 : ret;
}

static void unreadable(Pass *p, uint64_t first, uint64_t n, int error)
{
    for (uint64_t i = first; i < first + n; i++) {
        qc_check_say(p->c, "Can't get refcount for cluster %" PRIu64 ": %s", i,
                     g_strerror(error));
    }
    p->c->result->check_errors += n;
}

/* The counts of one block, copied out, as repairing changes the cache. */
static int coroutine_fn compare_block(Pass *p, uint64_t first, uint64_t n,
                                      uint64_t *have)
{
    QcowState *s = p->c->s;
    uint64_t mask = BIT(s->refblock_bits) - 1;
    bool counts;
    QcTable *t;
    int ret = qc_refblock_get(s, first >> s->refblock_bits, &t);

    if (ret < 0) {
        unreadable(p, first, n, -ret);
        return 0;
    }
    for (uint64_t i = 0; i < n; i++) {
        have[i] = t ? qc_refcount_peek(t->data, s->h.refcount_order,
                                       (first + i) & mask)
                    : 0;
    }
    counts = t;
    if (t) {
        qc_cache_put(s->rbc, t);
    }
    for (uint64_t i = 0; i < n && ret >= 0; i++) {
        if (!counts && i % QC_LEAF == 0 && !qc_refs_leaf(p->c, first + i)) {
            i += QC_LEAF - 1; /* neither counts nor references */
        } else {
            ret = compare_one(p, first + i, have[i]);
        }
    }
    return ret;
}

/* At most this many at once; divides every block's or is a multiple. */
#define STEP 4096

static int coroutine_fn compare(Pass *p)
{
    QcCount *c = p->c;
    uint64_t step = MIN(BIT(c->s->refblock_bits), (uint64_t)STEP);
    g_autofree uint64_t *have = g_new(uint64_t, STEP);
    int ret = 0;

    for (uint64_t i = 0; i < c->clusters && ret >= 0; i += step) {
        ret = compare_block(p, i, MIN(step, c->clusters - i), have);
    }
    return ret;
}

/* So many blocks of counts beyond the end of the file are looked at. */
#define BEYOND 64

/*
 * A writer that was killed may have counted clusters that its file did not
 * reach yet. When the file grows over them they would be leaks.
 */
static int coroutine_fn forget_beyond(QcCount *c)
{
    QcowState *s = c->s;
    uint64_t block = c->clusters >> s->refblock_bits, end = block + BEYOND;
    uint64_t i = c->clusters;

    if (!(c->fix & BLOCK_FIX_LEAKS) || c->unknown || c->result->corruptions ||
        c->result->check_errors) {
        return 0; /* or something may refer to them */
    }
    for (; block < end; block++) {
        QcTable *t;
        int ret = qc_refblock_get(s, block, &t);

        if (ret < 0 || !t) {
            return ret;
        }
        qc_cache_put(s->rbc, t);
        for (; ret >= 0 && i < (block + 1) << s->refblock_bits; i++) {
            uint64_t have;

            ret = qc_refcount_get(s, i, &have);
            if (ret >= 0 && have) {
                ret = qc_refcount_set(s, i, 0);
            }
        }
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

int coroutine_fn qc_check_compare(QcCount *c)
{
    /* A first look when something is to be repaired: tells all of it. */
    Pass look = { .c = c, .count = !c->fix };
    Pass fix = { .c = c, .fix = c->fix, .count = true };
    int ret = compare(&look);

    if (ret >= 0) {
        ret = forget_beyond(c);
    }
    if (ret < 0 || !c->fix || (!look.leaks && !look.corruptions)) {
        return ret;
    }
    if (c->rebuild && !(c->fix & BLOCK_FIX_ERRORS)) {
        qc_check_say(c, "ERROR need to rebuild refcount structures");
        return -EIO;
    }
    c->s->free_index = c->clusters;
    ret = compare(&fix);
    c->s->free_index = 0;
    return ret;
}

/* Flags
 * ----------------------------------------------------------------------------
 */

/* Is the flag of @entry wrong, and if so, told and counted? The cluster's
 * count for the message. @data: it lies in the data file. */
static bool wrong_flag(QcCount *c, uint64_t entry, bool data, uint64_t *count)
{
    uint64_t i = (entry & QC_OFFSET_MASK) >> c->s->cluster_bits;
    const QcLeaf *leaf = qc_refs_leaf(c, i);
    bool one = data || (leaf && (leaf->one & BIT(i % QC_LEAF)));
    bool flag = entry & QC_COPIED;

    *count = one;
    if (!one && i < c->clusters && (flag || !leaf)) {
        qc_refcount_get(c->s, i, count);
        one = *count == 1;
    }
    if (one == flag) {
        return false;
    }
    *(c->fix & BLOCK_FIX_ERRORS ? &c->result->corruptions_fixed
                                : &c->result->corruptions) += 1;
    return true;
}

static bool check_l2(QcCount *c, uint64_t *table)
{
    bool changed = false;

    for (unsigned i = 0; i < BIT(c->s->l2_bits); i++) {
        uint64_t entry = qc_entry_get(c->s, table, i).desc, count;

        if (!qc_has_host(c->s, entry) ||
            !wrong_flag(c, entry, c->s->external, &count)) {
            continue;
        }
        qc_check_say(c,
                     "%s OFLAG_COPIED data cluster: l2_entry=%" PRIx64
                     " refcount=%" PRIu64,
                     qc_check_verb(c, BLOCK_FIX_ERRORS), entry, count);
        table[(uint64_t)i << (c->s->entry_bits - 3)] =
            htobe64(entry ^ QC_COPIED);
        changed = true;
    }
    return changed;
}

static int coroutine_fn check_l1_entry(QcCount *c, uint32_t i, uint64_t *buf)
{
    QcowState *s = c->s;
    BlockNode *file = s->n->file->node;
    uint64_t entry = s->l1[i], offset = entry & QC_OFFSET_MASK, count;
    bool fix = c->fix & BLOCK_FIX_ERRORS;
    int ret = 0;

    if (wrong_flag(c, entry, false, &count)) {
        qc_check_say(c,
                     "%s OFLAG_COPIED L2 cluster: l1_index=%u "
                     "l1_entry=%" PRIx64 " refcount=%" PRIu64,
                     qc_check_verb(c, BLOCK_FIX_ERRORS), i, entry, count);
        ret = fix ? qc_l1_write_entry(s, i, entry ^ QC_COPIED) : 0;
    }
    if (ret >= 0) {
        ret = node_pread(file, offset, s->cluster_size, buf);
    }
    if (ret >= 0 && check_l2(c, buf) && fix) {
        ret =
            qc_check_overlap(s, QC_OVERLAP_ACTIVE_L2, offset, s->cluster_size);
        if (ret >= 0) {
            ret = node_pwrite(file, offset, s->cluster_size, buf, 0);
        }
        qc_cache_forget(s->l2c, offset, s->cluster_size);
    }
    return ret;
}

int coroutine_fn qc_check_copied(QcCount *c)
{
    QcowState *s = c->s;
    g_autofree uint64_t *buf = g_try_malloc(s->cluster_size);
    const BlockCheck *r = c->result;
    int ret = buf ? 0 : -ENOMEM;

    if (c->fix && !r->corruptions && !r->leaks && !r->check_errors) {
        /* The counts can be trusted: flags are set right in any case. */
        c->fix |= BLOCK_FIX_ERRORS;
    }
    for (uint32_t i = 0; i < s->h.l1_size && ret >= 0; i++) {
        uint64_t offset = s->l1[i] & QC_OFFSET_MASK;

        /* Others were told of already, and are not safe to change. */
        if (offset && !(offset & (s->cluster_size - 1)) &&
            offset >> s->cluster_bits < c->clusters) {
            ret = check_l1_entry(c, i, buf);
        }
    }
    return ret;
}
