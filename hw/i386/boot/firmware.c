/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Firmware images: where they are found, and the ROM at the top of 4 GiB. */
#include "util/osdep.h"

#include "hw/i386/boot/boot-private.h"
#include "hw/i386/boot/pc-boot-private.h"
#include "softmmu/vm.h"
#include "util/error.h"

#define ROM_UNIT    (64 * KiB)
#define ROM_MAX     (16 * MiB)
#define ISA_ROM_MAX (128 * KiB)

char *firmware_find(const Vm *vm, const char *name)
{
    static const char *const dirs[] = {
        CONFIG_DATADIR,
        "/usr/share/qemu",
        "/usr/share/seabios",
    };
    unsigned n_user = vm->data_dirs ? vm->data_dirs->len : 0;

    if (access(name, R_OK) == 0) {
        return g_strdup(name);
    }
    if (strchr(name, '/')) {
        return NULL;
    }
    for (unsigned i = 0; i < n_user + ARRAY_SIZE(dirs); i++) {
        const char *dir =
            i < n_user ? vm->data_dirs->pdata[i] : dirs[i - n_user];
        g_autofree char *path = g_build_filename(dir, name, NULL);

        if (access(path, R_OK) == 0) {
            return g_steal_pointer(&path);
        }
    }
    return NULL;
}

/* All of the ROM at the top, and its last part where real mode sees it. */
static bool map_rom(PcBoot *b, const BootFile *f, Error **errp)
{
    uint64_t isa_size = MIN(f->size, ISA_ROM_MAX);

    if (!mem_region_init_rom(&b->rom, NULL, "pc.bios", f->size, errp)) {
        return false;
    }
    b->has_rom = true;
    if (!boot_file_read(f, 0, mem_region_ram_ptr(&b->rom), f->size, errp)) {
        return false;
    }
    mem_region_init_alias(&b->isa_rom, NULL, "isa-bios", &b->rom,
                          f->size - isa_size, isa_size);
    mem_region_set_readonly(&b->isa_rom, true);
    mem_region_add_overlap(b->c.rom_memory, MiB - isa_size, &b->isa_rom, 1);
    mem_region_add(b->c.rom_memory, 4 * GiB - f->size, &b->rom);
    return true;
}

bool pc_boot_add_rom(PcBoot *b, Error **errp)
{
    const char *name = b->c.machine->firmware ?: "bios-256k.bin";
    g_autofree char *path = firmware_find(b->vm, name);
    BootFile f = { .fd = -1 };
    bool ok;

    if (!path) {
        return error_set(errp, "could not find PC BIOS '%s'", name);
    }
    if (!boot_file_open(&f, path, errp)) {
        return false;
    }
    ok = f.size > 0 && f.size % ROM_UNIT == 0 && f.size <= ROM_MAX;
    if (!ok) {
        error_set(errp,
                  "PC BIOS '%s' has %" PRIu64 " bytes, not a multiple "
                  "of 64 KiB up to 16 MiB",
                  path, f.size);
    }
    ok = ok && map_rom(b, &f, errp);
    boot_file_close(&f);
    return ok;
}
