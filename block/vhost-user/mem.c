/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory that a front end shares; see the header. */
#include "util/osdep.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include "block/vhost-user/mem.h"

/* A page of the dirty log, whatever the host's is. */
#define LOG_PAGE 4096

struct VuMap {
    unsigned refs;
    void *base;
    size_t size;
};

static void map_unref(VuMap *map)
{
    if (--map->refs == 0) {
        munmap(map->base, map->size);
        g_free(map);
    }
}

/* All of @fd from its start: what is mapped at an offset would have to begin at
 * a page of the file system, which may be a huge one. */
static void *map_file(int fd, uint64_t offset, uint64_t size, size_t *len,
                      Error **errp)
{
    struct stat st;
    uint64_t end;
    void *p;

    if (!size || __builtin_add_overflow(offset, size, &end) ||
        end > SSIZE_MAX) {
        error_set(errp, "impossible size of shared memory");
        return NULL;
    }
    /* Beyond the end of the file, memory kills who touches it. */
    if (fstat(fd, &st) < 0 || (S_ISREG(st.st_mode) && st.st_size < end)) {
        error_set(errp, "shared memory is larger than its file");
        return NULL;
    }
    p = mmap(NULL, end, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
             0);
    if (p == MAP_FAILED) {
        error_errno(errp, errno, "cannot map shared memory");
        return NULL;
    }
    madvise(p, end, MADV_DONTDUMP);
    *len = end;
    return p;
}

VuMem *vu_mem_new(void)
{
    VuMem *m = g_new0(VuMem, 1);

    m->refs = 1;
    return m;
}

VuMem *vu_mem_ref(VuMem *m)
{
    m->refs++;
    return m;
}

void vu_mem_unref(VuMem *m)
{
    if (m && --m->refs == 0) {
        for (unsigned i = 0; i < m->n; i++) {
            map_unref(m->region[i].map);
        }
        g_free(m);
    }
}

static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
    return a < b + b_size && b < a + a_size;
}

static bool region_ok(const VuMem *m, const VuRegion *r, Error **errp)
{
    if (m->n == VU_SLOTS) {
        return error_set(errp, "too many regions of shared memory");
    }
    if (!r->size || r->guest + r->size < r->guest ||
        r->user + r->size < r->user) {
        return error_set(errp, "impossible region of shared memory");
    }
    for (unsigned i = 0; i < m->n; i++) {
        const VuRegion *o = &m->region[i].r;

        if (overlap(r->guest, r->size, o->guest, o->size) ||
            overlap(r->user, r->size, o->user, o->size)) {
            return error_set(errp, "regions of shared memory overlap");
        }
    }
    return true;
}

/* The regions of @m, all but number @skip. */
static VuMem *copy(const VuMem *m, unsigned skip)
{
    VuMem *c = vu_mem_new();

    for (unsigned i = 0; i < m->n; i++) {
        if (i != skip) {
            c->region[c->n] = m->region[i];
            c->region[c->n++].map->refs++;
        }
    }
    return c;
}

VuMem *vu_mem_add(const VuMem *m, const VuRegion *r, int fd, Error **errp)
{
    VuMem *c;
    VuMap *map;
    size_t size;
    void *base;

    if (!region_ok(m, r, errp)) {
        return NULL;
    }
    base = map_file(fd, r->offset, r->size, &size, errp);
    if (!base) {
        return NULL;
    }
    map = g_new0(VuMap, 1);
    map->refs = 1;
    map->base = base;
    map->size = size;
    c = copy(m, UINT_MAX);
    c->region[c->n].r = *r;
    c->region[c->n].host = (uint8_t *)base + r->offset;
    c->region[c->n++].map = map;
    return c;
}

VuMem *vu_mem_remove(const VuMem *m, const VuRegion *r, Error **errp)
{
    for (unsigned i = 0; i < m->n; i++) {
        const VuRegion *o = &m->region[i].r;

        if (o->guest == r->guest && o->user == r->user && o->size == r->size) {
            return copy(m, i);
        }
    }
    error_set(errp, "no such region of shared memory");
    return NULL;
}

void *vu_mem_guest(const VuMem *m, uint64_t addr, uint64_t len, uint64_t *got)
{
    for (unsigned i = 0; i < m->n; i++) {
        uint64_t at = addr - m->region[i].r.guest;

        if (at < m->region[i].r.size) {
            *got = MIN(len, m->region[i].r.size - at);
            return m->region[i].host + at;
        }
    }
    return NULL;
}

void *vu_mem_user(const VuMem *m, uint64_t addr, uint64_t len)
{
    for (unsigned i = 0; i < m->n; i++) {
        uint64_t at = addr - m->region[i].r.user;

        if (at < m->region[i].r.size) {
            return len <= m->region[i].r.size - at ? m->region[i].host + at
                                                   : NULL;
        }
    }
    return NULL;
}

/* The dirty log --------------------------------------------------------------
 */

bool vu_log_open(VuDirtyLog *log, int fd, uint64_t size, uint64_t offset,
                 Error **errp)
{
    size_t mapped;
    uint8_t *base = map_file(fd, offset, size, &mapped, errp);

    if (!base) {
        return false;
    }
    vu_log_close(log);
    log->base = base;
    log->mapped = mapped;
    log->map = base + offset;
    log->size = size;
    return true;
}

void vu_log_close(VuDirtyLog *log)
{
    if (log->base) {
        munmap(log->base, log->mapped);
    }
    *log = (VuDirtyLog){ 0 };
}

void vu_log_mark(const VuDirtyLog *log, uint64_t addr, uint64_t len)
{
    uint64_t page = addr / LOG_PAGE, last;

    if (!log->map || !len) {
        return;
    }
    last = (addr + len - 1) / LOG_PAGE;
    for (; page <= last && page / 8 < log->size; page++) {
        __atomic_fetch_or(&log->map[page / 8], 1 << (page % 8),
                          __ATOMIC_RELAXED);
    }
}
