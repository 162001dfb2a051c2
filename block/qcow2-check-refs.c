/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How often each cluster of a qcow2 image is referred to, as far as checking it
 * has counted. The file may be of any length with next to nothing in it, so
 * memory is taken only for the neighbourhood of clusters with references.
 */
#include "util/osdep.h"

#include "block/qcow2-check.h"

#define MANY UINT16_MAX /* or more: c->many has the number */

/*
 * A file is filled from the front, and where it is used at all it is rather
 * full. Only who wants us to take memory (200 bytes for 8 of an L2 table)
 * strews references over more leaves than this, and so few in each.
 */
enum { LEAVES = 1 << 16, FEW = 4 };

void qc_refs_init(QcCount *c)
{
    c->leaves = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    c->many = g_hash_table_new(NULL, NULL);
    c->last_page = UINT64_MAX;
}

void qc_refs_free(QcCount *c)
{
    g_hash_table_unref(c->leaves);
    g_hash_table_unref(c->many);
}

QcLeaf *qc_refs_leaf(QcCount *c, uint64_t cluster)
{
    uint64_t page = cluster / QC_LEAF;

    if (page != c->last_page) {
        c->last = g_hash_table_lookup(c->leaves, GSIZE_TO_POINTER(page));
        c->last_page = page;
    }
    return c->last;
}

static QcLeaf *leaf_new(QcCount *c, uint64_t cluster)
{
    uint64_t page = cluster / QC_LEAF, n = g_hash_table_size(c->leaves);

    if (n > LEAVES && n > c->distinct / FEW) {
        if (!c->too_many) {
            qc_check_say(c, "ERROR references are strewn over too much of the "
                            "file to be counted");
        }
        c->too_many = true;
        return NULL;
    }
    c->last = g_new0(QcLeaf, 1);
    c->last_page = page;
    g_hash_table_insert(c->leaves, GSIZE_TO_POINTER(page), c->last);
    return c->last;
}

uint32_t qc_refs_get(QcCount *c, uint64_t cluster)
{
    const QcLeaf *leaf = qc_refs_leaf(c, cluster);
    uint32_t n = leaf ? leaf->refs[cluster % QC_LEAF] : 0;

    return n < MANY
               ? n
               : GPOINTER_TO_UINT(
                     g_hash_table_lookup(c->many, GSIZE_TO_POINTER(cluster)));
}

static void set_many(QcCount *c, uint64_t cluster, uint32_t n)
{
    g_hash_table_insert(c->many, GSIZE_TO_POINTER(cluster),
                        GUINT_TO_POINTER(n));
}

void qc_refs_add(QcCount *c, uint64_t cluster)
{
    QcLeaf *leaf = qc_refs_leaf(c, cluster);
    uint16_t *n;

    if (!leaf) {
        leaf = leaf_new(c, cluster);
    }
    if (!leaf) {
        return;
    }
    n = &leaf->refs[cluster % QC_LEAF];
    if (*n < MANY) {
        c->distinct += !*n;
        (*n)++;
        if (*n == MANY) {
            set_many(c, cluster, MANY);
        }
    } else {
        uint32_t old = qc_refs_get(c, cluster);

        set_many(c, cluster, old + (old != UINT32_MAX));
    }
}

void qc_refs_drop(QcCount *c, uint64_t cluster)
{
    QcLeaf *leaf = qc_refs_leaf(c, cluster);
    uint32_t n = qc_refs_get(c, cluster);

    if (n > MANY) {
        set_many(c, cluster, n - 1);
    } else if (n) {
        leaf->refs[cluster % QC_LEAF] = n - 1;
    }
}
