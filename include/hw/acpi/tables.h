/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A set of ACPI tables under construction. ACPI 6.4, section 5.2.
 *
 * Tables go one after the other into a blob; where one holds the address of
 * another, that is noted as a relocation. Then either the VMM places the blob
 * in guest memory itself (direct boot), or firmware does, following a linker
 * script made from the same relocations (fw_cfg "etc/table-loader").
 */
#ifndef HW_ACPI_TABLES_H
#define HW_ACPI_TABLES_H

typedef struct AcpiTables AcpiTables;

/* Names of the blobs in fw_cfg and in the linker script. */
#define ACPI_FILE_TABLES "etc/acpi/tables"
#define ACPI_FILE_RSDP   "etc/acpi/rsdp"
#define ACPI_FILE_LOADER "etc/table-loader"

/* @oem_id and @oem_table_id are cut or padded with spaces to 6 and 8 bytes. */
AcpiTables *acpi_tables_new(const char *oem_id, const char *oem_table_id);
void acpi_tables_free(AcpiTables *t);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AcpiTables, acpi_tables_free)

/* Start a table with the standard header and list it in the RSDT or XSDT
 * (@listed); returns its offset in the blob. */
size_t acpi_table_begin(AcpiTables *t, const char *signature, uint8_t revision,
                        bool listed);
/* Fill in length and checksum of the table begun last. */
void acpi_table_end(AcpiTables *t);
/* Append to the table; little-endian. */
void acpi_put(AcpiTables *t, uint64_t value, unsigned bytes);
void acpi_put_bytes(AcpiTables *t, const void *data, size_t len);
/* Append the address of what is at @offset of the blob. */
void acpi_put_pointer(AcpiTables *t, size_t offset, unsigned bytes);
/* Generic address structure (section 5.2.3.2); @pad is its access size. */
void acpi_put_gas(AcpiTables *t, uint8_t space, uint8_t bits, uint8_t access,
                  uint64_t address);
/* The FACS, which has no header: 64 bytes, 64-byte aligned. First in the blob.
 * Returns its offset. */
size_t acpi_put_facs(AcpiTables *t);
/* A whole table of the user's (-acpitable); false when it is malformed. */
bool acpi_add_raw_table(AcpiTables *t, const void *data, size_t len,
                        Error **errp);

/*
 * RSDT, or XSDT when @revision is 2, and the RSDP. The set is complete then;
 * call once.
 */
void acpi_tables_finish(AcpiTables *t, unsigned revision);

/* The blobs before relocation, for fw_cfg. Owned by @t. */
const GByteArray *acpi_tables_blob(const AcpiTables *t);
const GByteArray *acpi_tables_rsdp(const AcpiTables *t);
/* The linker script for firmware; free with g_byte_array_unref(). */
GByteArray *acpi_tables_loader(const AcpiTables *t);

/*
 * Relocate for direct boot: the blob will be at guest address @tables (64-byte
 * aligned). Once, in place; not for sets that go to firmware.
 */
void acpi_tables_relocate(AcpiTables *t, uint64_t tables);

#endif
