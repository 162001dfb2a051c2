/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writer of ACPI Machine Language. ACPI 6.4, chapter 20 (AML) and section 6.4
 * (resource descriptors).
 *
 * AML is prefix code, so it is written in order: an operator first, then its
 * operands. What encloses others is opened by the functions that are said to
 * "open" and closed by aml_end():
 *
 *     aml_device(a, "RTC");
 *     aml_name_eisaid(a, "_HID", "PNP0B00");
 *     aml_name(a, "_CRS");
 *     aml_resources(a);
 *     aml_res_io(a, 0x70, 0x70, 1, 8);
 *     aml_res_irq(a, 8);
 *     aml_end(a);
 *     aml_end(a);
 *
 *     aml_if(a);            // If (Arg0 == 1) { FOO = 2 }
 *     aml_op(a, AML_LEQUAL);
 *     aml_arg(a, 0);
 *     aml_int(a, 1);
 *     aml_op(a, AML_STORE); // value, then target
 *     aml_int(a, 2);
 *     aml_ref(a, "FOO");
 *     aml_end(a);
 *
 * Names and values are ours: a malformed one is a bug and asserts.
 */
#ifndef HW_ACPI_AML_H
#define HW_ACPI_AML_H

typedef struct Aml Aml; /* also in hw/core/device.h */

Aml *aml_new(void);
void aml_free(Aml *a);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Aml, aml_free)
/* What was written; everything must be closed. Owned by @a. */
const uint8_t *aml_data(const Aml *a, size_t *len);

/* Close what was opened last. */
void aml_end(Aml *a);

/* Objects. Paths are "NAME", "\\_SB.PCI0", "^FOO" ...; a name shorter than four
 * letters is padded with underscores. */
void aml_scope(Aml *a, const char *path);  /* opens */
void aml_device(Aml *a, const char *path); /* opens */
void aml_method(Aml *a, const char *path, unsigned n_args,
                bool serialized); /* opens */
/* Name (path, ...): one data object follows. */
void aml_name(Aml *a, const char *path);
void aml_name_int(Aml *a, const char *path, uint64_t value);
void aml_name_str(Aml *a, const char *path, const char *value);
void aml_name_eisaid(Aml *a, const char *path, const char *id);
void aml_mutex(Aml *a, const char *name, unsigned sync_level);

typedef enum AmlSpace {
    AML_SYSTEM_MEMORY = 0,
    AML_SYSTEM_IO = 1,
    AML_PCI_CONFIG = 2,
} AmlSpace;
void aml_region(Aml *a, const char *name, AmlSpace space, uint64_t offset,
                uint64_t len);

/* flags of a field: access, lock, update rule */
enum {
    AML_ANY_ACC = 0,
    AML_BYTE_ACC = 1,
    AML_WORD_ACC = 2,
    AML_DWORD_ACC = 3,
    AML_FIELD_LOCK = 1 << 4,
    AML_PRESERVE = 0,
    AML_WRITE_ZEROS = 2 << 5,
};
void aml_field(Aml *a, const char *region, unsigned flags); /* opens */
void aml_field_unit(Aml *a, const char *name, unsigned bits);
void aml_field_skip(Aml *a, unsigned bits);
/* CreateDWordField (...): source and byte index follow, then the name by
 * aml_ref(). */
void aml_create_dword_field(Aml *a);

/* Data. */
void aml_int(Aml *a, uint64_t value); /* the shortest encoding */
void aml_str(Aml *a, const char *s);
void aml_eisaid(Aml *a, const char *id); /* "PNP0A08" */
void aml_uuid(Aml *a, const char *uuid); /* ToUUID (...) */
void aml_buffer(Aml *a, const void *data, size_t len);
void aml_package(Aml *a, unsigned n);   /* opens; n objects follow, n < 256 */
void aml_ref(Aml *a, const char *path); /* also calls: arguments follow */
void aml_arg(Aml *a, unsigned n);
void aml_local(Aml *a, unsigned n);
void aml_null(Aml *a); /* no target */

/* Statements and expressions. Operands follow in the order of the ASL. */
typedef enum AmlOp {
    AML_STORE = 0x70, /* source, target */
    AML_ADD = 0x72,   /* a, b, target */
    AML_SUBTRACT = 0x74,
    AML_INCREMENT = 0x75, /* target */
    AML_SHIFT_LEFT = 0x79,
    AML_SHIFT_RIGHT = 0x7a,
    AML_AND = 0x7b,
    AML_OR = 0x7d,
    AML_XOR = 0x7f,
    AML_DEREF_OF = 0x83, /* ref */
    AML_NOTIFY = 0x86,   /* object, value */
    AML_SIZE_OF = 0x87,  /* object */
    AML_INDEX = 0x88,    /* object, index, target */
    AML_LAND = 0x90,     /* a, b */
    AML_LOR = 0x91,
    AML_LNOT = 0x92,
    AML_LEQUAL = 0x93,
    AML_LGREATER = 0x94,
    AML_LLESS = 0x95,
    AML_RETURN = 0xa4,
} AmlOp;
void aml_op(Aml *a, AmlOp op);
void aml_acquire(Aml *a, const char *mutex, uint16_t timeout);
void aml_release(Aml *a, const char *mutex);
void aml_if(Aml *a);    /* opens; predicate, then statements */
void aml_else(Aml *a);  /* opens; right after the aml_end() of an aml_if() */
void aml_while(Aml *a); /* opens; predicate, then statements */

/* Resource templates: a buffer of descriptors with its end tag. */
void aml_resources(Aml *a); /* opens */
void aml_res_io(Aml *a, uint16_t min, uint16_t max, uint8_t align, uint8_t len);
void aml_res_irq(Aml *a, unsigned irq); /* edge, active high */
void aml_res_memory32_fixed(Aml *a, uint32_t base, uint32_t len, bool writable);
/* Interrupts of an extended descriptor: level or edge, active high or low. */
void aml_res_interrupts(Aml *a, bool consumer, bool edge, bool active_low,
                        bool shared, const uint32_t *gsis, uint8_t n);
/* Address ranges that a bridge forwards: [min, max]. */
void aml_res_bus_range(Aml *a, uint16_t min, uint16_t max);
void aml_res_io_range(Aml *a, uint16_t min, uint16_t max);
void aml_res_memory_range(Aml *a, bool cacheable, uint32_t min, uint32_t max);
void aml_res_memory64_range(Aml *a, bool cacheable, uint64_t min, uint64_t max);

#endif
