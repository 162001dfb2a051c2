/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The expansion ROM: a file shown through the ROM base address register.
 * PCI Local Bus 3.0, 6.2.5.2.
 */
#include "util/osdep.h"

#include <sys/stat.h>

#include "hw/pci/pci-internal.h"
#include "util/error.h"

enum { ROM_MAX = 16 << 20 };

/* What is shown beyond the file's end reads as erased. */
static bool read_rom(PciDevice *d, int fd, const char *path, uint64_t len,
                     Error **errp)
{
    uint8_t *rom = mem_region_ram_ptr(d->rom);
    uint64_t done = 0;

    memset(rom, 0xff, mem_region_size(d->rom));
    while (done < len) {
        ssize_t n = RETRY_ON_EINTR(read(fd, rom + done, len - done));

        if (n < 0) {
            return error_errno(errp, errno, "cannot read romfile '%s'", path);
        }
        if (n == 0) {
            return error_set(errp, "romfile '%s' shrank while being read",
                             path);
        }
        done += n;
    }
    return true;
}

static uint64_t rom_size(const PciDevice *d, const char *path, uint64_t len,
                         Error **errp)
{
    uint64_t size = 2048;

    if (!len || len > ROM_MAX) {
        error_set(errp, "romfile '%s' is %s", path, len ? "too big" : "empty");
        return 0;
    }
    if (d->romsize != UINT32_MAX) {
        if (len > d->romsize) {
            error_set(errp, "romfile '%s' is larger than romsize %" PRIu32,
                      path, d->romsize);
            return 0;
        }
        return d->romsize;
    }
    while (size < len) {
        size *= 2;
    }
    return size;
}

static bool load_rom(PciDevice *d, const char *path, Error **errp)
{
    g_autofree char *name = g_strdup_printf("%s.rom", d->name);
    autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    uint64_t size;

    if (fd < 0 || fstat(fd, &st) < 0) {
        return error_errno(errp, errno, "cannot open romfile '%s'", path);
    }
    size = rom_size(d, path, st.st_size, errp);
    if (!size) {
        return false;
    }
    d->rom = g_new0(MemRegion, 1);
    if (!mem_region_init_rom(d->rom, &d->dev.obj, name, size, errp)) {
        g_clear_pointer(&d->rom, g_free);
        return false;
    }
    if (!read_rom(d, fd, path, st.st_size, errp)) {
        pci_rom_del(d);
        return false;
    }
    pci_bar_add(d, PCI_ROM_BAR, PCI_BASE_ADDRESS_SPACE_MEMORY, d->rom);
    return true;
}

bool pci_rom_add(PciDevice *d, Error **errp)
{
    if (d->romsize != UINT32_MAX &&
        (!is_power_of_2(d->romsize) || d->romsize > ROM_MAX)) {
        return error_set(errp, "romsize %" PRIu32
                         " is not a power of two up to 16 MiB", d->romsize);
    }
    if (!d->romfile || !*d->romfile) {
        return true;
    }
    if (!d->rombar) {
        return error_set(errp, "rombar=0 with romfile '%s' is not supported",
                         d->romfile);
    }
    return load_rom(d, d->romfile, errp);
}

void pci_rom_del(PciDevice *d)
{
    if (d->rom) {
        pci_bar_del(d, PCI_ROM_BAR);
        mem_region_cleanup(d->rom);
        g_clear_pointer(&d->rom, g_free);
    }
}
