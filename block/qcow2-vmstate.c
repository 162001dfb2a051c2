/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state of a VM in a qcow2 image: clusters like those of the data, in the
 * L1 entries behind those that the virtual disk needs.
 * Spec: docs/interop/qcow2.txt of QEMU 7.2, "Snapshots".
 */
#include "util/osdep.h"

#include "block/qcow2.h"
#include "qapi/qapi-types-block-core.h"

static int64_t vmstate_offset(const BlockNode *n)
{
    return qc_vmstate_offset(n->state);
}

/* Where @pos lies; negative: nowhere. */
static int64_t place(const BlockNode *n, int64_t pos, const IoVec *iov)
{
    int64_t start = vmstate_offset(n);

    return pos >= 0 && (int64_t)iov->size <= BLK_MAX_LENGTH - start &&
                   pos <= BLK_MAX_LENGTH - start - (int64_t)iov->size
               ? start + pos
               : -EFBIG;
}

static int coroutine_fn load(BlockNode *n, int64_t pos, const IoVec *iov)
{
    QcowState *s = n->state;
    int64_t at = place(n, pos, iov);

    qc_event(s, BLKDEBUG_EVENT_VMSTATE_LOAD);
    return at < 0 ? at : qc_preadv(n, at, iov->size, iov, 0, 0);
}

static int coroutine_fn save(BlockNode *n, int64_t pos, const IoVec *iov)
{
    QcowState *s = n->state;
    int64_t at = place(n, pos, iov);
    int ret = at;

    qc_event(s, BLKDEBUG_EVENT_VMSTATE_SAVE);
    if (s->raw_data) {
        return -ENOTSUP; /* the file would be more than the data */
    }
    if (at >= 0) {
        ret = qc_l1_cover(s, at + iov->size);
    }
    if (ret >= 0) {
        ret = qc_pwritev(n, at, iov->size, iov, 0, 0);
    }
    if (ret >= 0) {
        __atomic_store_n(&n->dirty, 1, __ATOMIC_SEQ_CST);
    }
    return ret;
}

const BlockVmStateOps qc_vmstate_ops = {
    .load = load,
    .save = save,
    .offset = vmstate_offset,
};
