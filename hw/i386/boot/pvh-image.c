/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ELF kernels (vmlinux) with the PVH entry: System V ABI (ELF), Xen's public
 * elfnote.h (note 18, PHYS32_ENTRY) and "x86/HVM direct boot ABI" (pvh.pandoc,
 * arch-x86/hvm/start_info.h).
 */
#include "util/osdep.h"

#include <elf.h>

#include "hw/i386/boot/boot-private.h"
#include "util/error.h"

enum {
    NOTE_PHYS32_ENTRY = 18,
    MAX_NOTES = 64 * 1024, /* bytes of notes that are searched */
    MAX_PHDRS = 128,

    START_INFO_MAGIC = 0x336ec578,
    START_INFO_SIZE = 56,
    MODULE_SIZE = 32,
    MAP_ENTRY_SIZE = 24,
    MODULE_AT = BOOT_PVH_INFO + 0x40,
    MAP_AT = BOOT_PVH_INFO + 0x80,
};

typedef struct Segment {
    uint32_t type;
    PvhSegment s;
} Segment;

bool pvh_image_probe(const BootFile *f)
{
    autoerr Error *err = NULL;
    uint8_t ident[4];

    return boot_file_read(f, 0, ident, 4, &err) &&
           !memcmp(ident, ELFMAG, SELFMAG);
}

/* One program header, of either class. */
static void decode_phdr(const uint8_t *p, bool wide, Segment *seg)
{
    seg->type = boot_get_le(p, 4);
    if (wide) {
        seg->s.offset = boot_get_le(p + 8, 8);
        seg->s.addr = boot_get_le(p + 24, 8);
        seg->s.file_size = boot_get_le(p + 32, 8);
        seg->s.mem_size = boot_get_le(p + 40, 8);
    } else {
        seg->s.offset = boot_get_le(p + 4, 4);
        seg->s.addr = boot_get_le(p + 12, 4);
        seg->s.file_size = boot_get_le(p + 16, 4);
        seg->s.mem_size = boot_get_le(p + 20, 4);
    }
}

/* Look for the entry in one PT_NOTE segment. Names and descriptions are padded
 * to 4 bytes. */
static bool search_notes(const BootFile *f, const PvhSegment *s, PvhImage *img,
                         Error **errp)
{
    g_autofree uint8_t *notes = NULL;
    size_t len = MIN(s->file_size, MAX_NOTES), at = 0;

    notes = g_malloc(len + 1);
    if (!boot_file_read(f, s->offset, notes, len, errp)) {
        return false;
    }
    while (len - at >= 12) {
        uint64_t name = boot_get_le(notes + at, 4);
        uint64_t desc = boot_get_le(notes + at + 4, 4);
        uint32_t type = boot_get_le(notes + at + 8, 4);
        uint64_t need = ALIGN_UP(name, 4) + desc;

        if (need > len - at - 12) {
            break;
        }
        if (type == NOTE_PHYS32_ENTRY && name == 4 && desc >= 4 &&
            !memcmp(notes + at + 12, "Xen", 4)) {
            img->entry = boot_get_le(notes + at + 16, 4);
        }
        at += MIN(12 + ALIGN_UP(need, 4), len - at);
    }
    return true;
}

static bool add_segment(const BootFile *f, const PvhSegment *s, PvhImage *img,
                        Error **errp)
{
    if (s->mem_size == 0) {
        return true;
    }
    if (s->file_size > s->mem_size || s->addr < BOOT_HIGH ||
        s->addr > UINT32_MAX || s->mem_size > UINT32_MAX) {
        return error_set(errp, "'%s': bad segment at 0x%" PRIx64, f->path,
                         s->addr);
    }
    if (s->file_size > f->size || s->offset > f->size - s->file_size) {
        return error_set(errp,
                         "'%s' is truncated: no data for the segment at "
                         "0x%" PRIx64,
                         f->path, s->addr);
    }
    if (img->n_segments == PVH_MAX_SEGMENTS) {
        return error_set(errp, "'%s' has too many segments", f->path);
    }
    img->segments[img->n_segments++] = *s;
    img->end = MAX(img->end, s->addr + s->mem_size);
    return true;
}

static bool entry_is_inside(const PvhImage *img)
{
    for (unsigned i = 0; i < img->n_segments; i++) {
        const PvhSegment *s = &img->segments[i];

        if (img->entry >= s->addr && img->entry - s->addr < s->file_size) {
            return true;
        }
    }
    return false;
}

static bool read_segments(const BootFile *f, bool wide, PvhImage *img,
                          Error **errp)
{
    uint8_t eh[sizeof(Elf64_Ehdr)], ph[sizeof(Elf64_Phdr)];
    uint64_t phoff;
    unsigned n, size = wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);

    if (!boot_file_read(f, 0, eh,
                        wide ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr), errp)) {
        return false;
    }
    phoff = wide ? boot_get_le(eh + 32, 8) : boot_get_le(eh + 28, 4);
    n = boot_get_le(eh + (wide ? 56 : 44), 2);
    if (boot_get_le(eh + (wide ? 54 : 42), 2) != size || n > MAX_PHDRS) {
        return error_set(errp, "'%s': bad ELF program headers", f->path);
    }
    if (phoff > f->size) {
        return error_set(errp, "'%s' is truncated", f->path);
    }
    for (unsigned i = 0; i < n; i++) {
        Segment seg;

        if (!boot_file_read(f, phoff + i * size, ph, size, errp)) {
            return false;
        }
        decode_phdr(ph, wide, &seg);
        if (seg.type == PT_LOAD && !add_segment(f, &seg.s, img, errp)) {
            return false;
        }
        if (seg.type == PT_NOTE && !search_notes(f, &seg.s, img, errp)) {
            return false;
        }
    }
    return true;
}

bool pvh_image_parse(const BootFile *f, PvhImage *img, Error **errp)
{
    uint8_t ident[20];
    unsigned machine;

    memset(img, 0, sizeof(*img));
    if (!boot_file_read(f, 0, ident, sizeof(ident), errp)) {
        return false;
    }
    machine = boot_get_le(ident + 18, 2);
    if (ident[EI_DATA] != ELFDATA2LSB ||
        !((ident[EI_CLASS] == ELFCLASS64 && machine == EM_X86_64) ||
          (ident[EI_CLASS] == ELFCLASS32 && machine == EM_386))) {
        return error_set(errp, "'%s' is not an x86 ELF file", f->path);
    }
    if (!read_segments(f, ident[EI_CLASS] == ELFCLASS64, img, errp)) {
        return false;
    }
    if (!img->entry) {
        return error_set(errp,
                         "'%s' has no PVH entry point "
                         "(a kernel needs CONFIG_PVH)",
                         f->path);
    }
    if (!entry_is_inside(img)) {
        return error_set(errp, "'%s': PVH entry 0x%x lies outside the kernel",
                         f->path, img->entry);
    }
    return true;
}

/* hvm_start_info version 1 with its module list and memory map. */
static bool write_info(const X86Boot *b, const X86BootMachine *m,
                       const BootPlan *plan, Error **errp)
{
    uint8_t info[START_INFO_SIZE] = { 0 }, module[MODULE_SIZE] = { 0 };
    g_autofree uint8_t *map = g_malloc0(plan->n_map * MAP_ENTRY_SIZE + 1);

    boot_set_le(info, START_INFO_MAGIC, 4);
    boot_set_le(info + 4, 1, 4);
    if (b->has_initrd) {
        boot_set_le(info + 12, 1, 4);
        boot_set_le(info + 16, MODULE_AT, 8);
        boot_set_le(module, plan->initrd_addr, 8);
        boot_set_le(module + 8, b->initrd.size, 8);
    }
    boot_set_le(info + 24, BOOT_CMDLINE, 8);
    boot_set_le(info + 32, plan->rsdp_addr, 8);
    boot_set_le(info + 40, MAP_AT, 8);
    boot_set_le(info + 48, plan->n_map, 4);
    for (unsigned i = 0; i < plan->n_map; i++) {
        uint8_t *e = map + i * MAP_ENTRY_SIZE;

        boot_set_le(e, plan->map[i].base, 8);
        boot_set_le(e + 8, plan->map[i].len, 8);
        boot_set_le(e + 16, plan->map[i].type, 4);
    }
    return boot_write(m->memory, BOOT_PVH_INFO, info, sizeof(info), errp) &&
           boot_write(m->memory, MODULE_AT, module, sizeof(module), errp) &&
           boot_write(m->memory, MAP_AT, map, plan->n_map * MAP_ENTRY_SIZE,
                      errp);
}

bool boot_load_pvh(X86Boot *b, const X86BootMachine *m, const BootPlan *plan,
                   Error **errp)
{
    const PvhImage *img = &b->pvh_image;

    for (unsigned i = 0; i < img->n_segments; i++) {
        const PvhSegment *s = &img->segments[i];

        if (!boot_file_to_guest(&b->kernel, s->offset, m->memory, s->addr,
                                s->file_size, errp) ||
            !boot_zero(m->memory, s->addr + s->file_size,
                       s->mem_size - s->file_size, errp)) {
            return false;
        }
    }
    return boot_write(m->memory, BOOT_CMDLINE, b->cmdline,
                      strlen(b->cmdline) + 1, errp) &&
           write_info(b, m, plan, errp);
}
