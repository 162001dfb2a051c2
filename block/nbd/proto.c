/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Error values of the NBD protocol (proto.md, "Error values"). */
#include "util/osdep.h"

#include "block/nbd/proto.h"

static const struct {
    uint32_t wire;
    int err;
} errors[] = {
    { NBD_EPERM, EPERM },     { NBD_EIO, EIO },
    { NBD_ENOMEM, ENOMEM },   { NBD_EINVAL, EINVAL },
    { NBD_ENOSPC, ENOSPC },   { NBD_EOVERFLOW, EOVERFLOW },
    { NBD_ENOTSUP, ENOTSUP }, { NBD_ESHUTDOWN, ESHUTDOWN },
};

int nbd_error_to_errno(uint32_t error)
{
    for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
        if (errors[i].wire == error) {
            return errors[i].err;
        }
    }
    return EINVAL;
}

uint32_t nbd_error_from_errno(int err)
{
    switch (err) {
    case EROFS:
        return NBD_EPERM;
    case EDQUOT:
    case EFBIG:
        return NBD_ENOSPC;
    default:
        break;
    }
    for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
        if (errors[i].err == err) {
            return errors[i].wire;
        }
    }
    /* What the other side could not know by its number. */
    return err == ENOMEDIUM || err == ENXIO || err == ENODEV ? NBD_EIO
                                                             : NBD_EINVAL;
}
