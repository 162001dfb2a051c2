/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the two halves of the state tables' code share. */
#ifndef MIGRATION_VMSTATE_INTERNAL_H
#define MIGRATION_VMSTATE_INTERNAL_H

#include "migration/vmstate.h"

struct VmWriter {
    GByteArray *bytes;
};

struct VmReader {
    const uint8_t *buf;
    size_t len, pos;
};

bool vm_skip_bytes(VmReader *r, size_t len, Error **errp) MUST_CHECK;

#endif
