/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the AML writer share. */
#ifndef HW_ACPI_AML_PRIVATE_H
#define HW_ACPI_AML_PRIVATE_H

#include "hw/acpi/aml.h"

typedef enum AmlOpen {
    AML_OPEN_PACKAGE_LENGTH, /* a PkgLength goes before the contents */
    AML_OPEN_RESOURCES,      /* the same, after a BufferSize and an end tag */
} AmlOpen;

typedef struct AmlMark {
    AmlOpen kind;
    size_t start; /* of the contents */
} AmlMark;

struct Aml {
    GByteArray *buf;
    GArray *open; /* AmlMark, innermost last */
};

void aml_open(Aml *a, AmlOpen kind);
void aml_put(Aml *a, uint64_t value, unsigned bytes); /* little-endian */

#endif
