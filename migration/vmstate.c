/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Walks state tables: fields in order, then subsections, each introduced by
 * the byte 5, the length and text of its name, and its version. The stream of
 * a load is hostile: see the contract in migration/vmstate.h.
 */
#include "util/osdep.h"

#include "migration/vmstate-internal.h"
#include "util/error.h"

enum {
    SUBSECTION_MARK = 5,
    NULL_POINTER_MARK = '0',
};

static bool field_present(const VmField *f, const void *state, int version)
{
    return f->exists ? f->exists(state, version) : f->version <= version;
}

/* How many elements travel; more than the table allows is an error. */
static bool field_count(const VmField *f, const void *state, uint32_t *count,
                        Error **errp)
{
    const uint8_t *at = (const uint8_t *)state + f->num_offset;
    uint16_t n16;

    *count = f->num;
    if (!(f->flags & VMF_VARRAY)) {
        return true;
    }
    switch (f->num_size) {
    case 1:
        *count = *at;
        break;
    case 2:
        memcpy(&n16, at, sizeof(n16));
        *count = n16;
        break;
    default:
        memcpy(count, at, sizeof(*count));
        break;
    }
    if (*count > f->num) {
        return error_set(errp, "%" PRIu32 " elements, at most %" PRIu32, *count,
                         f->num);
    }
    return true;
}

static uint8_t *field_base(const VmField *f, void *state)
{
    uint8_t *base = (uint8_t *)state + f->offset;

    return f->flags & VMF_POINTER ? *(uint8_t **)base : base;
}

static uint8_t *field_elem(const VmField *f, uint8_t *base, uint32_t i)
{
    if (f->flags & VMF_ARRAY_OF_POINTER) {
        return ((uint8_t **)base)[i];
    }
    return base + (size_t)i * f->size;
}

static void save_field(VmWriter *w, const VmField *f, void *state)
{
    uint8_t *base = field_base(f, state);
    uint32_t n;

    /* Our own state fits our own table. */
    field_count(f, state, &n, error_abort);
    for (uint32_t i = 0; i < n; i++) {
        uint8_t *elem = field_elem(f, base, i);

        if (!elem && (f->flags & VMF_ARRAY_OF_POINTER)) {
            vm_put_u8(w, NULL_POINTER_MARK);
        } else if (f->flags & VMF_STRUCT) {
            vmstate_save(w, f->sub, elem);
        } else {
            f->kind->save(w, elem, f);
        }
    }
}

void vmstate_save(VmWriter *w, const VmState *vms, void *state)
{
    if (vms->pre_save) {
        vms->pre_save(state);
    }
    for (const VmField *f = vms->fields; f && f->name; f++) {
        if (field_present(f, state, vms->version)) {
            save_field(w, f, state);
        }
    }
    for (const VmState *const *sub = vms->subsections; sub && *sub; sub++) {
        size_t len = strlen((*sub)->name);

        if ((*sub)->needed && !(*sub)->needed(state)) {
            continue;
        }
        vm_put_u8(w, SUBSECTION_MARK);
        vm_put_u8(w, len);
        vm_put_bytes(w, (*sub)->name, len);
        vm_put_be32(w, (*sub)->version);
        vmstate_save(w, *sub, state);
    }
}

static bool load_elem(VmReader *r, const VmField *f, uint8_t *elem,
                      Error **errp)
{
    uint8_t mark;

    if (!elem && (f->flags & VMF_ARRAY_OF_POINTER)) {
        if (!vm_get_u8(r, &mark, errp)) {
            return false;
        }
        return mark == NULL_POINTER_MARK ||
               error_set(errp, "an element that does not exist here");
    }
    if (f->flags & VMF_STRUCT) {
        return vmstate_load(r, f->sub, elem, f->sub->version, errp);
    }
    return f->kind->load(r, elem, f, errp);
}

static bool load_field(VmReader *r, const VmField *f, void *state,
                       Error **errp)
{
    uint8_t *base = field_base(f, state);
    uint32_t n;

    if (!field_count(f, state, &n, errp)) {
        return error_prefix(errp, "%s", f->name);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!load_elem(r, f, field_elem(f, base, i), errp)) {
            return error_prefix(errp, "%s", f->name);
        }
    }
    return true;
}

static const VmState *find_subsection(const VmState *vms, const char *name)
{
    for (const VmState *const *sub = vms->subsections; sub && *sub; sub++) {
        if (g_str_equal((*sub)->name, name)) {
            return *sub;
        }
    }
    return NULL;
}

/*
 * Subsections of @vms have names that begin with its own; any other belongs to
 * the table around this one. The name is read ahead without being taken.
 */
static bool peek_subsection(const VmReader *r, const VmState *vms,
                            char name[256])
{
    const uint8_t *p = r->buf + r->pos;
    size_t left = vm_reader_left(r);

    if (left < 2 || p[0] != SUBSECTION_MARK || left - 2 < p[1]) {
        return false;
    }
    memcpy(name, p + 2, p[1]);
    name[p[1]] = '\0';
    return g_str_has_prefix(name, vms->name) && !g_str_equal(name, vms->name);
}

static bool load_subsections(VmReader *r, const VmState *vms, void *state,
                             Error **errp)
{
    char name[256];

    while (peek_subsection(r, vms, name)) {
        const VmState *sub = find_subsection(vms, name);
        uint32_t version;

        if (!sub) {
            return error_set(errp, "unknown subsection '%s'", name);
        }
        r->pos += 2 + r->buf[r->pos + 1];
        if (!vm_get_be32(r, &version, errp)) {
            return false;
        }
        if (version > INT_MAX) {
            return error_set(errp, "%s: version %" PRIu32, name, version);
        }
        if (!vmstate_load(r, sub, state, version, errp)) {
            return false;
        }
    }
    return true;
}

static bool check_version(const VmState *vms, int version, Error **errp)
{
    int min = vms->min_version ? vms->min_version : vms->version;

    if (version < min || version > vms->version) {
        return error_set(errp, "version %d, supported are %d to %d", version,
                         min, vms->version);
    }
    return true;
}

static bool load_fields(VmReader *r, const VmState *vms, void *state,
                        int version, Error **errp)
{
    for (const VmField *f = vms->fields; f && f->name; f++) {
        if (field_present(f, state, version) &&
            !load_field(r, f, state, errp)) {
            return false;
        }
    }
    return true;
}

bool vmstate_load(VmReader *r, const VmState *vms, void *state, int version,
                  Error **errp)
{
    bool ok = check_version(vms, version, errp) &&
              (!vms->pre_load || vms->pre_load(state, errp)) &&
              load_fields(r, vms, state, version, errp) &&
              load_subsections(r, vms, state, errp) &&
              (!vms->check || vms->check(state, version, errp)) &&
              (!vms->post_load || vms->post_load(state, version, errp));

    return ok || error_prefix(errp, "%s", vms->name);
}

/* Description ----------------------------------------------------------------- */

/* A line of JSON, @depth levels of two spaces in. */
static void PRINTF_LIKE(3, 4)
    line(GString *out, unsigned depth, const char *fmt, ...)
{
    va_list ap;

    g_string_append_printf(out, "\n%*s", (int)depth * 2, "");
    va_start(ap, fmt);
    g_string_append_vprintf(out, fmt, ap);
    va_end(ap);
}

static void dump_field(const VmField *f, unsigned depth, GString *out)
{
    line(out, depth, "{");
    line(out, depth + 1, "\"field\": \"%s\",", f->name);
    line(out, depth + 1, "\"version_id\": %d,", f->version);
    line(out, depth + 1, "\"field_exists\": %s,", f->exists ? "true" : "false");
    line(out, depth + 1, "\"size\": %zu", f->size);
    if (f->flags & VMF_STRUCT) {
        g_string_append_c(out, ',');
        line(out, depth + 1, "\"Description\": ");
        vmstate_dump_json(f->sub, depth + 1, out);
    }
    line(out, depth, "}");
}

static void dump_fields(const VmField *f, unsigned depth, GString *out)
{
    g_string_append_c(out, ',');
    line(out, depth, "\"Fields\": [");
    while (f->name) {
        dump_field(f++, depth + 1, out);
        g_string_append(out, f->name ? "," : "");
    }
    line(out, depth, "]");
}

static void dump_subsections(const VmState *const *sub, unsigned depth,
                             GString *out)
{
    g_string_append_c(out, ',');
    line(out, depth, "\"Subsections\": [");
    while (*sub) {
        line(out, depth + 1, "%s", "");
        vmstate_dump_json(*sub++, depth + 1, out);
        g_string_append(out, *sub ? "," : "");
    }
    line(out, depth, "]");
}

void vmstate_dump_json(const VmState *vms, unsigned depth, GString *out)
{
    g_string_append_c(out, '{');
    line(out, depth + 1, "\"name\": \"%s\",", vms->name);
    line(out, depth + 1, "\"version_id\": %d,", vms->version);
    line(out, depth + 1, "\"minimum_version_id\": %d",
         vms->min_version ? vms->min_version : vms->version);
    if (vms->fields && vms->fields->name) {
        dump_fields(vms->fields, depth + 1, out);
    }
    if (vms->subsections && *vms->subsections) {
        dump_subsections(vms->subsections, depth + 1, out);
    }
    line(out, depth, "}");
}
