/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel loaders share. */
#ifndef HW_I386_BOOT_PRIVATE_H
#define HW_I386_BOOT_PRIVATE_H

#include "hw/i386/boot.h"

/* Where things go in low memory; below 1 MiB nothing else is loaded. */
enum {
    BOOT_GDT = 0x500,
    BOOT_PARAMS = 0x7000,      /* one page */
    BOOT_PVH_INFO = 0x8000,    /* hvm_start_info, modules, memory map */
    BOOT_PAGE_TABLES = 0xa000, /* six pages */
    BOOT_SETUP_DATA = 0x10000,
    BOOT_CMDLINE = 0x20000,
    BOOT_CMDLINE_MAX = 0x10000,
    BOOT_EBDA = 0x9fc00,
    BOOT_FSEG = 0xf0000,
    BOOT_HIGH = 0x100000,
};

/* A file to load from: an open file, or bytes in memory (tests). Pieces are
 * read when needed; it may change or shrink meanwhile, so lengths are checked
 * at every read. */
typedef struct BootFile {
    char *path;
    int fd; /* -1: mem */
    uint8_t *mem;
    uint64_t size;
} BootFile;

bool boot_file_open(BootFile *f, const char *path, Error **errp);
void boot_file_mem(BootFile *f, const void *data, size_t len);
void boot_file_close(BootFile *f);
/* Exactly @len bytes at @offset, or an error. */
bool boot_file_read(const BootFile *f, uint64_t offset, void *buf, size_t len,
                    Error **errp);
/* The same into guest memory. */
bool boot_file_to_guest(const BootFile *f, uint64_t offset, AddressSpace *as,
                        uint64_t addr, uint64_t len, Error **errp);
bool boot_write(AddressSpace *as, uint64_t addr, const void *buf, size_t len,
                Error **errp);
bool boot_zero(AddressSpace *as, uint64_t addr, uint64_t len, Error **errp);

enum {
    BOOT_ENTRY64_OFFSET = 0x200, /* of the 64-bit entry from load_addr */
};

/* bzImage: Linux Documentation/x86/boot.rst */
#define LINUX_HDR_START 0x1f1
#define LINUX_HDR_MAX   0x290 /* end of the header's room in the zero page */
typedef struct LinuxImage {
    uint16_t version;       /* of the protocol: 0x20c */
    uint64_t kernel_offset; /* of the protected-mode part in the file */
    uint64_t kernel_size;
    bool entry64;          /* offers the 64-bit entry */
    uint64_t load_addr;    /* where we put it ... */
    uint64_t init_size;    /* ... and how much memory it needs there */
    uint32_t cmdline_size; /* without the final 0 */
    uint64_t initrd_max;   /* last address its initrd may use */
    uint8_t header[LINUX_HDR_MAX - LINUX_HDR_START];
    unsigned header_len;
} LinuxImage;
bool linux_image_probe(const BootFile *f);
bool linux_image_parse(const BootFile *f, LinuxImage *img, Error **errp);

/* ELF with a PVH note: System V ABI; Xen's xen/include/public/elfnote.h and
 * docs/misc/pvh.pandoc name the note. */
#define PVH_MAX_SEGMENTS 64
typedef struct PvhSegment {
    uint64_t offset, file_size, addr, mem_size;
} PvhSegment;
typedef struct PvhImage {
    uint32_t entry;
    unsigned n_segments;
    PvhSegment segments[PVH_MAX_SEGMENTS];
    uint64_t end; /* of all segments in memory */
} PvhImage;
bool pvh_image_probe(const BootFile *f);
bool pvh_image_parse(const BootFile *f, PvhImage *img, Error **errp);

struct X86Boot {
    BootFile kernel, initrd;
    bool has_initrd, is_pvh;
    char *cmdline; /* never NULL */
    LinuxImage linux_image;
    PvhImage pvh_image;
};

/* Where the movable parts go. */
typedef struct BootPlan {
    uint64_t kernel_end;
    uint64_t initrd_addr;
    uint64_t acpi_addr; /* low_ram when there are no tables */
    uint64_t rsdp_addr; /* 0: none */
    E820Range map[128];
    unsigned n_map;
} BootPlan;
bool boot_load_linux(X86Boot *b, const X86BootMachine *m, const BootPlan *plan,
                     Error **errp);
bool boot_load_pvh(X86Boot *b, const X86BootMachine *m, const BootPlan *plan,
                   Error **errp);

static inline uint64_t boot_get_le(const uint8_t *p, unsigned bytes)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < bytes; i++) {
        v |= (uint64_t)p[i] << (8 * i);
    }
    return v;
}

static inline void boot_set_le(uint8_t *p, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        p[i] = v >> (8 * i);
    }
}

#endif
