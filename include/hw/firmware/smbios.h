/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SMBIOS tables: what -smbios says, completed with what the machine is like.
 * DMTF DSP0134 3.4; entry points of versions 2.8 and 3.0.
 */
#ifndef HW_FIRMWARE_SMBIOS_H
#define HW_FIRMWARE_SMBIOS_H

#define SMBIOS_FILE_ANCHOR "etc/smbios/smbios-anchor"
#define SMBIOS_FILE_TABLES "etc/smbios/smbios-tables"

/* The -smbios options of a VM. */
typedef struct Smbios Smbios;

Smbios *smbios_new(void);
void smbios_free(Smbios *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Smbios, smbios_free)

/* One -smbios: "type=N,field=value..." or "file=NAME" (a structure with its
 * strings). A comma in a value is doubled. */
bool smbios_add(Smbios *s, const char *options, Error **errp);
/* uuid= of type 1, in textual order; false (and untouched) when not given. */
bool smbios_uuid(const Smbios *s, uint8_t uuid[16]);

typedef struct SmbiosRange {
    uint64_t base, len; /* RAM */
} SmbiosRange;

typedef struct SmbiosMachine {
    const char *manufacturer, *product,
        *version;                     /* "QEMU", "Standard PC ..." */
    const uint8_t *uuid;              /* -uuid, in textual order; NULL: none */
    unsigned sockets, cores, threads; /* per machine, socket, core */
    uint32_t cpuid_signature, cpuid_features; /* leaf 1: EAX and EDX */
    uint64_t ram_size;
    const SmbiosRange *ranges;
    unsigned n_ranges;
    bool entry_64; /* version 3.0 instead of 2.8 */
    /* Direct boot: type 0, which firmware adds elsewhere, where no option asks
     * for it. NULL: leave it out. */
    const char *bios_vendor, *bios_version, *bios_date;
    /* Where the PCI device @id is on the root bus. */
    bool (*find_pci)(void *opaque, const char *id, uint8_t *devfn,
                     Error **errp);
    void *opaque;
} SmbiosMachine;

/*
 * Build the structures and the entry point, the latter with address and
 * checksums 0: whoever places it fills them in. @s may be NULL.
 */
bool smbios_build(const Smbios *s, const SmbiosMachine *m, GByteArray **anchor,
                  GByteArray **tables, Error **errp);

#endif
