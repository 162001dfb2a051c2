/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bzImage by the Linux/x86 boot protocol: Documentation/x86/boot.rst (header,
 * 32-bit and 64-bit entries) and zero-page.rst of the kernel.
 */
#include "util/osdep.h"

#include "hw/i386/boot/boot-private.h"
#include "util/error.h"

/* offsets in the file, equally in the zero page */
enum {
    HDR_SETUP_SECTS = 0x1f1,
    HDR_SYSSIZE = 0x1f4,
    HDR_BOOT_FLAG = 0x1fe,
    HDR_JUMP = 0x200, /* the header ends at 0x202 + the byte at 0x201 */
    HDR_MAGIC = 0x202,
    HDR_VERSION = 0x206,
    HDR_TYPE_OF_LOADER = 0x210,
    HDR_LOADFLAGS = 0x211,
    HDR_CODE32_START = 0x214,
    HDR_RAMDISK_IMAGE = 0x218,
    HDR_RAMDISK_SIZE = 0x21c,
    HDR_CMD_LINE_PTR = 0x228,
    HDR_INITRD_ADDR_MAX = 0x22c,
    HDR_KERNEL_ALIGNMENT = 0x230,
    HDR_RELOCATABLE = 0x234,
    HDR_XLOADFLAGS = 0x236,
    HDR_CMDLINE_SIZE = 0x238,
    HDR_SETUP_DATA = 0x250,
    HDR_PREF_ADDRESS = 0x258,
    HDR_INIT_SIZE = 0x260,

    ZP_ACPI_RSDP = 0x070,
    ZP_E820_ENTRIES = 0x1e8,
    ZP_E820_TABLE = 0x2d0,
    ZP_SIZE = 0x1000,

    LOADED_HIGH = 1 << 0,
    CAN_USE_HEAP = 1 << 7,
    XLF_KERNEL_64 = 1 << 0,
    LOADER_UNDEFINED = 0xff,

    SETUP_RNG_SEED = 9,
    SETUP_DATA_HEADER = 16,
    SEED_SIZE = 32,
};

static uint64_t hdr(const LinuxImage *img, unsigned offset, unsigned bytes)
{
    unsigned at = offset - LINUX_HDR_START;

    /* Fields beyond an old, short header read as 0. */
    return at + bytes <= img->header_len ? boot_get_le(img->header + at, bytes)
                                         : 0;
}

bool linux_image_probe(const BootFile *f)
{
    autoerr Error *err = NULL;
    uint8_t magic[4];

    return boot_file_read(f, HDR_MAGIC, magic, 4, &err) &&
           !memcmp(magic, "HdrS", 4);
}

static bool read_header(const BootFile *f, LinuxImage *img, Error **errp)
{
    uint8_t end;

    if (!boot_file_read(f, HDR_JUMP + 1, &end, 1, errp)) {
        return false;
    }
    img->header_len = HDR_MAGIC + end - LINUX_HDR_START;
    if (img->header_len > sizeof(img->header)) {
        img->header_len = sizeof(img->header);
    }
    return boot_file_read(f, LINUX_HDR_START, img->header, img->header_len,
                          errp);
}

/* Where the kernel wants to be and what it needs there. */
static bool place(const BootFile *f, LinuxImage *img, Error **errp)
{
    uint64_t pref = hdr(img, HDR_PREF_ADDRESS, 8);
    uint64_t align = hdr(img, HDR_KERNEL_ALIGNMENT, 4);

    img->load_addr = BOOT_HIGH;
    img->init_size = img->kernel_size;
    if (img->version >= 0x20a) {
        img->load_addr = pref;
        if (hdr(img, HDR_RELOCATABLE, 1) && is_power_of_2(align) &&
            pref < UINT32_MAX && align < UINT32_MAX / 2) {
            img->load_addr = ALIGN_UP(pref, align);
        }
        img->init_size = MAX(hdr(img, HDR_INIT_SIZE, 4), img->kernel_size);
    }
    if (img->load_addr < BOOT_HIGH || img->load_addr >= UINT32_MAX) {
        return error_set(errp, "'%s': bad load address 0x%" PRIx64, f->path,
                         img->load_addr);
    }
    return true;
}

bool linux_image_parse(const BootFile *f, LinuxImage *img, Error **errp)
{
    unsigned sects;

    memset(img, 0, sizeof(*img));
    if (!read_header(f, img, errp)) {
        return false;
    }
    img->version = hdr(img, HDR_VERSION, 2);
    if (hdr(img, HDR_BOOT_FLAG, 2) != 0xaa55 ||
        hdr(img, HDR_MAGIC, 4) != 0x53726448) {
        return error_set(errp, "'%s' is not a Linux bzImage", f->path);
    }
    if (img->version < 0x203 || !(hdr(img, HDR_LOADFLAGS, 1) & LOADED_HIGH)) {
        return error_set(errp,
                         "'%s': boot protocol %u.%02u or zImage is too old",
                         f->path, img->version >> 8, img->version & 0xff);
    }
    sects = hdr(img, HDR_SETUP_SECTS, 1);
    img->kernel_offset = ((sects ? sects : 4) + 1) * 512;
    /* In units of 16 bytes. What follows in the file (a signature) is not
     * loaded. */
    img->kernel_size = hdr(img, HDR_SYSSIZE, 4) * 16;
    if (img->kernel_size == 0 ||
        img->kernel_offset + img->kernel_size > f->size) {
        return error_set(errp,
                         "'%s' is truncated: the header says %" PRIu64
                         " bytes, the file has %" PRIu64,
                         f->path, img->kernel_offset + img->kernel_size,
                         f->size);
    }
    img->entry64 =
        img->version >= 0x20c && (hdr(img, HDR_XLOADFLAGS, 2) & XLF_KERNEL_64);
    if (img->entry64 && img->kernel_size <= BOOT_ENTRY64_OFFSET) {
        return error_set(errp, "'%s' has no code at its 64-bit entry", f->path);
    }
    img->cmdline_size =
        img->version >= 0x206 ? hdr(img, HDR_CMDLINE_SIZE, 4) : 255;
    img->initrd_max = hdr(img, HDR_INITRD_ADDR_MAX, 4);
    return place(f, img, errp);
}

/* Random numbers for the guest's generator, so that it need not wait. */
static bool write_seed(AddressSpace *as, Error **errp)
{
    uint8_t node[SETUP_DATA_HEADER + SEED_SIZE] = { 0 };

    boot_set_le(node + 8, SETUP_RNG_SEED, 4);
    boot_set_le(node + 12, SEED_SIZE, 4);
    if (getentropy(node + SETUP_DATA_HEADER, SEED_SIZE) < 0) {
        return error_errno(errp, errno, "cannot get random numbers");
    }
    return boot_write(as, BOOT_SETUP_DATA, node, sizeof(node), errp);
}

static void fill_params(const X86Boot *b, const BootPlan *plan, uint8_t *zp)
{
    const LinuxImage *img = &b->linux_image;

    memcpy(zp + LINUX_HDR_START, img->header, img->header_len);
    zp[HDR_TYPE_OF_LOADER] = LOADER_UNDEFINED;
    zp[HDR_LOADFLAGS] &= ~CAN_USE_HEAP;
    boot_set_le(zp + HDR_CODE32_START, img->load_addr, 4);
    boot_set_le(zp + HDR_CMD_LINE_PTR, BOOT_CMDLINE, 4);
    if (b->has_initrd) {
        boot_set_le(zp + HDR_RAMDISK_IMAGE, plan->initrd_addr, 4);
        boot_set_le(zp + HDR_RAMDISK_SIZE, b->initrd.size, 4);
    }
    if (img->version >= 0x209) {
        boot_set_le(zp + HDR_SETUP_DATA, BOOT_SETUP_DATA, 8);
    }
    boot_set_le(zp + ZP_ACPI_RSDP, plan->rsdp_addr, 8);
    zp[ZP_E820_ENTRIES] = plan->n_map;
    for (unsigned i = 0; i < plan->n_map; i++) {
        uint8_t *e = zp + ZP_E820_TABLE + 20 * i;

        boot_set_le(e, plan->map[i].base, 8);
        boot_set_le(e + 8, plan->map[i].len, 8);
        boot_set_le(e + 16, plan->map[i].type, 4);
    }
}

bool boot_load_linux(X86Boot *b, const X86BootMachine *m, const BootPlan *plan,
                     Error **errp)
{
    const LinuxImage *img = &b->linux_image;
    g_autofree uint8_t *zp = g_malloc0(ZP_SIZE);

    fill_params(b, plan, zp);
    return boot_file_to_guest(&b->kernel, img->kernel_offset, m->memory,
                              img->load_addr, img->kernel_size, errp) &&
           boot_write(m->memory, BOOT_PARAMS, zp, ZP_SIZE, errp) &&
           boot_write(m->memory, BOOT_CMDLINE, b->cmdline,
                      strlen(b->cmdline) + 1, errp) &&
           write_seed(m->memory, errp);
}
