/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hostile device state: every kind of field, nested tables, subsections. */
#include "util/osdep.h"

#include "migration/vmstate.h"
#include "util/error.h"

typedef struct Part {
    uint16_t n;
    uint32_t values[8];
    uint32_t *list;
} Part;

typedef struct Whole {
    bool flag;
    int64_t time;
    uint8_t blob[5];
    Part parts[2];
    Part *ptrs[2];
} Whole;

static const VmState part_sub = {
    .name = "part/s",
    .version = 1,
    .fields = (const VmField[]){ VMS_ARRAY(Part, values, "values"), {} },
};

static const VmState part_vms = {
    .name = "part",
    .version = 1,
    .fields = (const VmField[]){ VMS(Part, n),
                                 VMS_VARRAY(Part, list, n, "list", 8),
                                 {} },
    .subsections = (const VmState *const[]){ &part_sub, NULL },
};

static const VmState whole_vms = {
    .name = "whole",
    .version = 3,
    .min_version = 1,
    .fields =
        (const VmField[]){
            VMS(Whole, flag),
            VMS_V(Whole, time, "time", 2),
            VMS_BUFFER(Whole, blob, "blob"),
            VMS_STRUCT_ARRAY(Whole, parts, "parts", &part_vms),
            VMS_UNUSED(3),
            { .name = "ptrs", .kind = &vmk_struct,
              .offset = offsetof(Whole, ptrs), .size = sizeof(Part), .num = 2,
              .flags = VMF_STRUCT | VMF_ARRAY_OF_POINTER, .sub = &part_vms },
            {},
        },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    autoerr Error *err = NULL;
    uint32_t lists[3][8] = {};
    Part part = { .list = lists[2] };
    Whole w = { .parts = { { .list = lists[0] }, { .list = lists[1] } },
                .ptrs = { &part, NULL } };
    VmReader *r;

    if (size < 1) {
        return 0;
    }
    r = vm_reader_new(data + 1, size - 1);
    if (vmstate_load(r, &whole_vms, &w, data[0] % 5, &err)) {
        VmWriter *out = vm_writer_new();

        vmstate_save(out, &whole_vms, &w);
        vm_writer_free(out);
    }
    vm_reader_free(r);
    return 0;
}
