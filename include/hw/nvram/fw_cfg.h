/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The firmware configuration device: numbered items and named files that the
 * VMM gives to firmware (and to Linux' qemu_fw_cfg). QEMU's manual,
 * docs/specs/fw_cfg. Machine lock.
 *
 * Items are added while the machine is made. File numbers follow the order of
 * their names, so they are final only when the guest starts.
 */
#ifndef HW_NVRAM_FW_CFG_H
#define HW_NVRAM_FW_CFG_H

#include "util/loop.h"

/* well-known items */
enum {
    FW_CFG_SIGNATURE = 0x00,
    FW_CFG_ID = 0x01,
    FW_CFG_UUID = 0x02,
    FW_CFG_RAM_SIZE = 0x03,
    FW_CFG_NOGRAPHIC = 0x04,
    FW_CFG_NB_CPUS = 0x05,
    FW_CFG_KERNEL_ADDR = 0x07,
    FW_CFG_KERNEL_SIZE = 0x08,
    FW_CFG_KERNEL_CMDLINE = 0x09,
    FW_CFG_INITRD_ADDR = 0x0a,
    FW_CFG_INITRD_SIZE = 0x0b,
    FW_CFG_NUMA = 0x0d,
    FW_CFG_BOOT_MENU = 0x0e,
    FW_CFG_MAX_CPUS = 0x0f,
    FW_CFG_KERNEL_ENTRY = 0x10,
    FW_CFG_KERNEL_DATA = 0x11,
    FW_CFG_INITRD_DATA = 0x12,
    FW_CFG_CMDLINE_ADDR = 0x13,
    FW_CFG_CMDLINE_SIZE = 0x14,
    FW_CFG_CMDLINE_DATA = 0x15,
    FW_CFG_SETUP_ADDR = 0x16,
    FW_CFG_SETUP_SIZE = 0x17,
    FW_CFG_SETUP_DATA = 0x18,
    FW_CFG_FILE_DIR = 0x19,
    FW_CFG_FILE_FIRST = 0x20,
    FW_CFG_WRITE_CHANNEL = 0x4000,
    FW_CFG_ARCH_LOCAL = 0x8000,
    FW_CFG_ACPI_TABLES = 0x8000,
    FW_CFG_SMBIOS_ENTRIES = 0x8001,
    FW_CFG_IRQ0_OVERRIDE = 0x8002,
    FW_CFG_HPET = 0x8004,

    FW_CFG_MAX_NAME = 56, /* of a file, with its 0 */
    FW_CFG_IO_PORT = 0x510,
};

/* A number, little-endian, of @bytes; replaces what the item had. */
void fw_cfg_set_uint(FwCfg *f, uint16_t key, uint64_t value, unsigned bytes);
/* Copies @len bytes. */
void fw_cfg_set_bytes(FwCfg *f, uint16_t key, const void *data, size_t len);
/* The text with its final 0. */
void fw_cfg_set_str(FwCfg *f, uint16_t key, const char *s);

/* A file with a copy of @data. Names are unique; fails when there is one, or
 * when all slots are taken. */
bool fw_cfg_add_file(FwCfg *f, const char *name, const void *data, size_t len,
                     Error **errp);
/* Replace (or add) a file's contents. */
bool fw_cfg_set_file(FwCfg *f, const char *name, const void *data, size_t len,
                     Error **errp);
/*
 * A file whose contents come when the guest selects it: @fn calls
 * fw_cfg_fill_file(). The directory shows @len, zeros fill up what is missing.
 */
bool fw_cfg_add_file_fn(FwCfg *f, const char *name, size_t len, LoopFn *fn,
                        void *opaque, Error **errp);
void fw_cfg_fill_file(FwCfg *f, const char *name, const void *data, size_t len);
/* A file that the guest may write by DMA; @written is called after. */
typedef void FwCfgWritten(void *opaque, const uint8_t *data, size_t len);
bool fw_cfg_add_file_rw(FwCfg *f, const char *name, const void *data,
                        size_t len, FwCfgWritten *written, void *opaque,
                        Error **errp);
bool fw_cfg_has_file(const FwCfg *f, const char *name);

/* One -fw_cfg: "[name=]NAME,file=PATH" or "...,string=TEXT". */
bool fw_cfg_add_option(FwCfg *f, const char *options, Error **errp);

/* Make the device of x86 machines ("fw_cfg_io") at /machine/fw_cfg; also
 * machine->fw_cfg. DMA goes to vm->memory. */
FwCfg *fw_cfg_io_create(Machine *machine, Error **errp);
/* The machine's, or NULL. */
FwCfg *fw_cfg_find(Vm *vm);

#endif
