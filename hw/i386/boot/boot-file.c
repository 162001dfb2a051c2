/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that boot loaders read, and their way into guest memory. */
#include "util/osdep.h"

#include <sys/stat.h>

#include "hw/i386/boot/boot-private.h"
#include "util/error.h"

bool boot_file_open(BootFile *f, const char *path, Error **errp)
{
    autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd < 0) {
        return error_errno(errp, errno, "cannot open '%s'", path);
    }
    if (fstat(fd, &st) < 0) {
        return error_errno(errp, errno, "cannot stat '%s'", path);
    }
    if (!S_ISREG(st.st_mode)) {
        return error_set(errp, "'%s' is not a regular file", path);
    }
    *f = (BootFile){
        .path = g_strdup(path),
        .fd = steal_fd(&fd),
        .size = st.st_size,
    };
    return true;
}

void boot_file_mem(BootFile *f, const void *data, size_t len)
{
    *f = (BootFile){
        .path = g_strdup("memory"),
        .fd = -1,
        .mem = g_memdup2(data, len),
        .size = len,
    };
}

void boot_file_close(BootFile *f)
{
    if (f->path && f->fd >= 0) {
        close(f->fd);
    }
    g_free(f->path);
    g_free(f->mem);
    *f = (BootFile){ .fd = -1 };
}

static bool truncated(const BootFile *f, Error **errp)
{
    return error_set(errp, "'%s' is truncated", f->path);
}

bool boot_file_read(const BootFile *f, uint64_t offset, void *buf, size_t len,
                    Error **errp)
{
    uint8_t *p = buf;

    if (len > f->size || offset > f->size - len) {
        return truncated(f, errp);
    }
    if (f->fd < 0) {
        memcpy(p, f->mem + offset, len);
        return true;
    }
    while (len > 0) {
        ssize_t n = RETRY_ON_EINTR(pread(f->fd, p, len, offset));

        if (n < 0) {
            return error_errno(errp, errno, "cannot read '%s'", f->path);
        }
        if (n == 0) {
            return truncated(f, errp);
        }
        p += n;
        offset += n;
        len -= n;
    }
    return true;
}

static bool no_ram(uint64_t addr, Error **errp)
{
    return error_set(errp, "no RAM at guest address 0x%" PRIx64, addr);
}

bool boot_file_to_guest(const BootFile *f, uint64_t offset, AddressSpace *as,
                        uint64_t addr, uint64_t len, Error **errp)
{
    while (len > 0) {
        GmemMap map;
        bool ok;

        if (!gmem_map(as, addr, len, true, &map)) {
            return no_ram(addr, errp);
        }
        ok = boot_file_read(f, offset, map.ptr, map.len, errp);
        addr += map.len;
        offset += map.len;
        len -= map.len;
        gmem_unmap(&map, map.len);
        if (!ok) {
            return false;
        }
    }
    return true;
}

bool boot_write(AddressSpace *as, uint64_t addr, const void *buf, size_t len,
                Error **errp)
{
    return as_write_rom(as, addr, buf, len) == MEM_OK || no_ram(addr, errp);
}

bool boot_zero(AddressSpace *as, uint64_t addr, uint64_t len, Error **errp)
{
    while (len > 0) {
        GmemMap map;

        if (!gmem_map(as, addr, len, true, &map)) {
            return no_ram(addr, errp);
        }
        memset(map.ptr, 0, map.len);
        addr += map.len;
        len -= map.len;
        gmem_unmap(&map, map.len);
    }
    return true;
}
