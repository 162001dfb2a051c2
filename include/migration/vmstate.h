/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Device state as tables. A VmState lists the fields of a struct in stream
 * order with the names, versions and widths that QEMU 7.2 uses ("-dump-vmstate"
 * of 7.2 prints them), so that streams fit both ways. All integers travel
 * big-endian. Loading treats the stream as hostile: counts are checked against
 * the table, and .check may refuse impossible values before .post_load acts.
 */
#ifndef MIGRATION_VMSTATE_H
#define MIGRATION_VMSTATE_H

typedef struct VmField VmField;
typedef struct VmWriter VmWriter; /* append-only byte sink */
typedef struct VmReader VmReader; /* bounded byte source */

/* How one element travels. */
typedef struct VmFieldKind {
    const char *name; /* as -dump-vmstate shows it: "uint32" */
    size_t size;      /* of the element in memory; 0 when field->size says */
    void (*save)(VmWriter *w, const void *elem, const VmField *f);
    bool (*load)(VmReader *r, void *elem, const VmField *f, Error **errp);
} VmFieldKind;

enum {
    VMF_POINTER = 1,  /* the struct holds a pointer to the array */
    VMF_VARRAY = 2,   /* count in a uint32_t/uint16_t/uint8_t member */
    VMF_STRUCT = 4,   /* elements are structs described by .sub */
    VMF_UNUSED = 8,   /* zeros on save, skipped on load; size bytes */
    VMF_ARRAY_OF_POINTER = 16, /* each may be NULL, which travels as such */
};

struct VmField {
    const char *name; /* NULL ends the table */
    const VmFieldKind *kind;
    size_t offset;
    size_t size;        /* of one element */
    uint32_t num;       /* elements; the most there may be for VARRAY */
    size_t num_offset;  /* VARRAY: offset of the count ... */
    uint8_t num_size;   /* ... and its size: 1, 2 or 4 */
    uint8_t flags;
    int version;        /* present from this section version on */
    const VmState *sub;
    /* Decides in place of .version, or NULL. */
    bool (*exists)(const void *state, int version);
};

/* Priorities: what others hang on is saved, and loaded, first. */
enum {
    VMS_PRI_DEFAULT = 0,
    VMS_PRI_IOMMU,
    VMS_PRI_PCI_BUS,
    VMS_PRI_GICV3_ITS,
    VMS_PRI_GICV3,
};

struct VmState {
    const char *name;
    int version;
    int min_version; /* 0: same as version */
    int priority;    /* bigger is saved earlier; 0 default */
    const char *unmigratable; /* reason; NULL: it can migrate */
    /* Put state into the fields / take it out. All optional. */
    void (*pre_save)(void *state);
    bool (*pre_load)(void *state, Error **errp);
    bool (*check)(const void *state, int version, Error **errp);
    bool (*post_load)(void *state, int version, Error **errp);
    bool (*needed)(const void *state); /* subsections and devices */
    const VmField *fields;             /* ends with {} */
    const VmState *const *subsections; /* NULL-terminated or NULL */
};

extern const VmFieldKind vmk_bool, vmk_u8, vmk_u16, vmk_u32, vmk_u64, vmk_i8,
    vmk_i16, vmk_i32, vmk_i64, vmk_buffer, vmk_struct, vmk_unused;

#define VMK_OF_(lvalue)                                                        \
    _Generic(lvalue,                                                           \
        bool: &vmk_bool,                                                       \
        uint8_t: &vmk_u8,                                                      \
        uint16_t: &vmk_u16,                                                    \
        uint32_t: &vmk_u32,                                                    \
        uint64_t: &vmk_u64,                                                    \
        int8_t: &vmk_i8,                                                       \
        int16_t: &vmk_i16,                                                     \
        int32_t: &vmk_i32,                                                     \
        int64_t: &vmk_i64)

/* Field @f of struct T; enums need an explicit kind (VMS_AS). */
#define VMS(T, f) VMS_N(T, f, #f)
#define VMS_N(T, f, nam) VMS_V(T, f, nam, 0)
#define VMS_V(T, f, nam, ver)                                                  \
    { .name = nam, .kind = VMK_OF_(((T *)0)->f), .offset = offsetof(T, f),     \
      .size = sizeof(((T *)0)->f), .num = 1, .version = ver }
#define VMS_AS(T, f, nam, knd)                                                 \
    { .name = nam, .kind = knd, .offset = offsetof(T, f),                      \
      .size = sizeof(((T *)0)->f), .num = 1 }
#define VMS_ARRAY(T, f, nam)                                                   \
    { .name = nam, .kind = VMK_OF_(((T *)0)->f[0]), .offset = offsetof(T, f),  \
      .size = sizeof(((T *)0)->f[0]), .num = ARRAY_SIZE(((T *)0)->f) }
#define VMS_BUFFER(T, f, nam)                                                  \
    { .name = nam, .kind = &vmk_buffer, .offset = offsetof(T, f),              \
      .size = sizeof(((T *)0)->f), .num = 1 }
#define VMS_STRUCT(T, f, nam, vms)                                             \
    { .name = nam, .kind = &vmk_struct, .offset = offsetof(T, f),              \
      .size = sizeof(((T *)0)->f), .num = 1, .flags = VMF_STRUCT, .sub = vms }
#define VMS_STRUCT_ARRAY(T, f, nam, vms)                                       \
    { .name = nam, .kind = &vmk_struct, .offset = offsetof(T, f),              \
      .size = sizeof(((T *)0)->f[0]), .num = ARRAY_SIZE(((T *)0)->f),          \
      .flags = VMF_STRUCT, .sub = vms }
/* @f points to max_n elements, of which member @n (u8/u16/u32) travel. */
#define VMS_VARRAY(T, f, n, nam, max_n)                                        \
    { .name = nam, .kind = VMK_OF_(*((T *)0)->f), .offset = offsetof(T, f),    \
      .size = sizeof(*((T *)0)->f), .num = max_n,                              \
      .num_offset = offsetof(T, n), .num_size = sizeof(((T *)0)->n),           \
      .flags = VMF_POINTER | VMF_VARRAY }
/* @f points to max_n structs described by vms, of which member @n travel. */
#define VMS_STRUCT_VARRAY(T, f, n, nam, vms, max_n)                            \
    { .name = nam, .kind = &vmk_struct, .offset = offsetof(T, f),              \
      .size = sizeof(*((T *)0)->f), .num = max_n,                              \
      .num_offset = offsetof(T, n), .num_size = sizeof(((T *)0)->n),           \
      .flags = VMF_STRUCT | VMF_POINTER | VMF_VARRAY, .sub = vms }
/* @f points to one struct, never NULL. */
#define VMS_STRUCT_POINTER(T, f, nam, vms)                                     \
    { .name = nam, .kind = &vmk_struct, .offset = offsetof(T, f),              \
      .size = sizeof(*((T *)0)->f), .num = 1,                                  \
      .flags = VMF_STRUCT | VMF_POINTER, .sub = vms }
#define VMS_UNUSED(nbytes) VMS_UNUSED_V(0, nbytes)
#define VMS_UNUSED_V(ver, nbytes)                                              \
    { .name = "unused", .kind = &vmk_unused, .size = nbytes, .num = 1,         \
      .flags = VMF_UNUSED, .version = ver }

/* Writing and reading for VmFieldKind implementations. A read past the end
 * fails and zeroes its result. */
void vm_put_u8(VmWriter *w, uint8_t v);
void vm_put_be16(VmWriter *w, uint16_t v);
void vm_put_be32(VmWriter *w, uint32_t v);
void vm_put_be64(VmWriter *w, uint64_t v);
void vm_put_bytes(VmWriter *w, const void *buf, size_t len);
bool vm_get_u8(VmReader *r, uint8_t *v, Error **errp) MUST_CHECK;
bool vm_get_be16(VmReader *r, uint16_t *v, Error **errp) MUST_CHECK;
bool vm_get_be32(VmReader *r, uint32_t *v, Error **errp) MUST_CHECK;
bool vm_get_be64(VmReader *r, uint64_t *v, Error **errp) MUST_CHECK;
bool vm_get_bytes(VmReader *r, void *buf, size_t len, Error **errp) MUST_CHECK;

/* To and from memory. */
VmWriter *vm_writer_new(void);
void vm_writer_free(VmWriter *w);
const uint8_t *vm_writer_data(const VmWriter *w, size_t *len);
VmReader *vm_reader_new(const void *buf, size_t len); /* @buf must outlive it */
void vm_reader_free(VmReader *r);
size_t vm_reader_left(const VmReader *r);

/* One device's state: fields, then subsections. @version is the stream's. */
void vmstate_save(VmWriter *w, const VmState *vms, void *state);
bool vmstate_load(VmReader *r, const VmState *vms, void *state, int version,
                  Error **errp);

/* Append the description of a table as -dump-vmstate prints it: a JSON object,
 * the lines after its first indented by @depth and more levels of two. */
void vmstate_dump_json(const VmState *vms, unsigned depth, GString *out);

#endif
