/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -kernel for firmware: the files go into fw_cfg as QEMU's manual
 * (docs/specs/fw_cfg) lists them; OVMF reads them itself, SeaBIOS runs the
 * option ROM linuxboot_dma.bin. Linux Documentation/x86/boot.rst for the
 * header.
 */
#include "util/osdep.h"

#include "hw/i386/boot/boot-private.h"
#include "hw/i386/boot/pc-boot-private.h"
#include "hw/nvram/fw_cfg.h"
#include "util/error.h"

enum {
    REAL_ADDR = 0x10000,
    CMDLINE_ADDR = 0x20000,
    PROT_ADDR = 0x100000,
    /* What firmware keeps at the top of low RAM for its tables. */
    TABLES_ROOM = 2 * 1024 * 1024,

    HDR_TYPE_OF_LOADER = 0x210,
    HDR_LOADFLAGS = 0x211,
    HDR_RAMDISK_IMAGE = 0x218,
    HDR_RAMDISK_SIZE = 0x21c,
    HDR_HEAP_END_PTR = 0x224,
    HDR_CMD_LINE_PTR = 0x228,
    LOADER_QEMU = 0xb0,
    CAN_USE_HEAP = 0x80,
};

#define OPTION_ROM "linuxboot_dma.bin"

static uint8_t *read_all(const BootFile *f, uint64_t offset, uint64_t len,
                         Error **errp)
{
    g_autofree uint8_t *data = g_try_malloc(len + 1);

    if (!data) {
        error_set(errp, "no memory for '%s'", f->path);
        return NULL;
    }
    return boot_file_read(f, offset, data, len, errp) ? g_steal_pointer(&data)
                                                      : NULL;
}

static bool give_initrd(PcBoot *b, const LinuxImage *img, uint8_t *setup,
                        Error **errp)
{
    const Machine *m = b->c.machine;
    FwCfg *f = m->fw_cfg;
    BootFile initrd = { .fd = -1 };
    g_autofree uint8_t *data = NULL;
    uint64_t top = MIN(img->initrd_max + 1, b->c.low_ram - TABLES_ROOM);
    uint64_t size;

    if (!m->initrd || !m->initrd[0]) {
        return true;
    }
    if (!boot_file_open(&initrd, m->initrd, errp)) {
        return error_prefix(errp, "initrd");
    }
    size = initrd.size;
    if (size > top) {
        error_set(errp,
                  "initrd '%s' of %" PRIu64 " bytes does not fit into "
                  "memory",
                  m->initrd, size);
    } else {
        data = read_all(&initrd, 0, size, errp);
    }
    boot_file_close(&initrd);
    if (!data) {
        return false;
    }
    top = ALIGN_DOWN(top - size, 4096);
    fw_cfg_set_uint(f, FW_CFG_INITRD_ADDR, top, 4);
    fw_cfg_set_uint(f, FW_CFG_INITRD_SIZE, size, 4);
    fw_cfg_set_bytes(f, FW_CFG_INITRD_DATA, data, size);
    boot_set_le(setup + HDR_RAMDISK_IMAGE, top, 4);
    boot_set_le(setup + HDR_RAMDISK_SIZE, size, 4);
    return true;
}

static bool give_option_rom(PcBoot *b, Error **errp)
{
    FwCfg *f = b->c.machine->fw_cfg;
    static const char order[] = "/rom@genroms/" OPTION_ROM;
    g_autofree char *path = firmware_find(b->vm, OPTION_ROM);
    g_autofree uint8_t *data = NULL;
    BootFile rom = { .fd = -1 };
    bool ok;

    if (!path) {
        return error_set(errp,
                         "could not find '%s', which boots -kernel "
                         "under firmware",
                         OPTION_ROM);
    }
    if (!boot_file_open(&rom, path, errp)) {
        return false;
    }
    data = read_all(&rom, 0, rom.size, errp);
    ok = data &&
         fw_cfg_add_file(f, "genroms/" OPTION_ROM, data, rom.size, errp) &&
         fw_cfg_set_file(f, "bootorder", order, sizeof(order), errp);
    boot_file_close(&rom);
    return ok;
}

static bool give_linux(PcBoot *b, const BootFile *kernel, Error **errp)
{
    const char *cmdline = b->c.machine->append ?: "";
    FwCfg *f = b->c.machine->fw_cfg;
    g_autofree uint8_t *setup = NULL, *prot = NULL;
    LinuxImage img;

    if (!linux_image_parse(kernel, &img, errp)) {
        return false;
    }
    if (strlen(cmdline) > img.cmdline_size) {
        return error_set(errp,
                         "kernel command line is too long: %zu "
                         "characters, the kernel takes %u",
                         strlen(cmdline), img.cmdline_size);
    }
    setup = read_all(kernel, 0, img.kernel_offset, errp);
    prot = setup ? read_all(kernel, img.kernel_offset,
                            kernel->size - img.kernel_offset, errp)
                 : NULL;
    if (!prot || !give_initrd(b, &img, setup, errp)) {
        return false;
    }
    setup[HDR_TYPE_OF_LOADER] = LOADER_QEMU;
    setup[HDR_LOADFLAGS] |= CAN_USE_HEAP;
    boot_set_le(setup + HDR_HEAP_END_PTR, CMDLINE_ADDR - REAL_ADDR - 0x200, 2);
    boot_set_le(setup + HDR_CMD_LINE_PTR, CMDLINE_ADDR, 4);
    fw_cfg_set_uint(f, FW_CFG_CMDLINE_ADDR, CMDLINE_ADDR, 4);
    fw_cfg_set_uint(f, FW_CFG_CMDLINE_SIZE, strlen(cmdline) + 1, 4);
    fw_cfg_set_str(f, FW_CFG_CMDLINE_DATA, cmdline);
    fw_cfg_set_uint(f, FW_CFG_SETUP_ADDR, REAL_ADDR, 4);
    fw_cfg_set_uint(f, FW_CFG_SETUP_SIZE, img.kernel_offset, 4);
    fw_cfg_set_bytes(f, FW_CFG_SETUP_DATA, setup, img.kernel_offset);
    fw_cfg_set_uint(f, FW_CFG_KERNEL_ADDR, PROT_ADDR, 4);
    fw_cfg_set_uint(f, FW_CFG_KERNEL_SIZE, kernel->size - img.kernel_offset, 4);
    fw_cfg_set_bytes(f, FW_CFG_KERNEL_DATA, prot,
                     kernel->size - img.kernel_offset);
    return give_option_rom(b, errp);
}

bool pc_boot_give_kernel(PcBoot *b, Error **errp)
{
    BootFile kernel = { .fd = -1 };
    bool ok;

    if (!boot_file_open(&kernel, b->c.machine->kernel, errp)) {
        return error_prefix(errp, "kernel");
    }
    ok = linux_image_probe(&kernel) && kernel.size < UINT32_MAX
             ? give_linux(b, &kernel, errp)
             : error_set(errp,
                         "kernel '%s' is no Linux bzImage, which is what "
                         "firmware boots",
                         kernel.path);
    boot_file_close(&kernel);
    return ok;
}
