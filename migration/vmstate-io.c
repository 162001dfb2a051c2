/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Byte sinks and sources of device state, and the field kinds. Integers travel
 * big-endian.
 */
#include "util/osdep.h"

#include "migration/vmstate-internal.h"
#include "util/error.h"

VmWriter *vm_writer_new(void)
{
    VmWriter *w = g_new(VmWriter, 1);

    w->bytes = g_byte_array_new();
    return w;
}

void vm_writer_free(VmWriter *w)
{
    if (w) {
        g_byte_array_unref(w->bytes);
        g_free(w);
    }
}

const uint8_t *vm_writer_data(const VmWriter *w, size_t *len)
{
    *len = w->bytes->len;
    return w->bytes->data;
}

VmReader *vm_reader_new(const void *buf, size_t len)
{
    VmReader *r = g_new(VmReader, 1);

    *r = (VmReader){ .buf = buf, .len = len };
    return r;
}

void vm_reader_free(VmReader *r)
{
    g_free(r);
}

size_t vm_reader_left(const VmReader *r)
{
    return r->len - r->pos;
}

void vm_put_bytes(VmWriter *w, const void *buf, size_t len)
{
    g_byte_array_append(w->bytes, buf, len);
}

static void put_be(VmWriter *w, uint64_t v, unsigned size)
{
    uint8_t b[8];

    for (unsigned i = 0; i < size; i++) {
        b[i] = v >> (8 * (size - 1 - i));
    }
    vm_put_bytes(w, b, size);
}

void vm_put_u8(VmWriter *w, uint8_t v)
{
    put_be(w, v, 1);
}

void vm_put_be16(VmWriter *w, uint16_t v)
{
    put_be(w, v, 2);
}

void vm_put_be32(VmWriter *w, uint32_t v)
{
    put_be(w, v, 4);
}

void vm_put_be64(VmWriter *w, uint64_t v)
{
    put_be(w, v, 8);
}

bool vm_get_bytes(VmReader *r, void *buf, size_t len, Error **errp)
{
    if (len > vm_reader_left(r)) {
        memset(buf, 0, len);
        return error_set(errp, "state ends %zu bytes early",
                         len - vm_reader_left(r));
    }
    memcpy(buf, r->buf + r->pos, len);
    r->pos += len;
    return true;
}

bool vm_skip_bytes(VmReader *r, size_t len, Error **errp)
{
    if (len > vm_reader_left(r)) {
        return error_set(errp, "state ends %zu bytes early",
                         len - vm_reader_left(r));
    }
    r->pos += len;
    return true;
}

static bool get_be(VmReader *r, uint64_t *v, unsigned size, Error **errp)
{
    uint8_t b[8];
    bool ok = vm_get_bytes(r, b, size, errp);

    *v = 0;
    for (unsigned i = 0; i < size; i++) {
        *v = *v << 8 | b[i];
    }
    return ok;
}

bool vm_get_u8(VmReader *r, uint8_t *v, Error **errp)
{
    return vm_get_bytes(r, v, 1, errp);
}

bool vm_get_be16(VmReader *r, uint16_t *v, Error **errp)
{
    uint64_t wide;
    bool ok = get_be(r, &wide, 2, errp);

    *v = wide;
    return ok;
}

bool vm_get_be32(VmReader *r, uint32_t *v, Error **errp)
{
    uint64_t wide;
    bool ok = get_be(r, &wide, 4, errp);

    *v = wide;
    return ok;
}

bool vm_get_be64(VmReader *r, uint64_t *v, Error **errp)
{
    return get_be(r, v, 8, errp);
}

/* Integers of each width; elements may be unaligned in packed structs. */
#define INT_KIND(fn, type, bits)                                               \
    static void save_##fn(VmWriter *w, const void *elem, const VmField *f)     \
    {                                                                          \
        type v;                                                                \
                                                                               \
        memcpy(&v, elem, sizeof(v));                                           \
        put_be(w, (uint##bits##_t)v, sizeof(v));                               \
    }                                                                          \
    static bool load_##fn(VmReader *r, void *elem, const VmField *f,           \
                          Error **errp)                                        \
    {                                                                          \
        uint64_t wide;                                                         \
        bool ok = get_be(r, &wide, sizeof(type), errp);                        \
        type v = (type)wide;                                                   \
                                                                               \
        memcpy(elem, &v, sizeof(v));                                           \
        return ok;                                                             \
    }

INT_KIND(u8, uint8_t, 8)
INT_KIND(u16, uint16_t, 16)
INT_KIND(u32, uint32_t, 32)
INT_KIND(u64, uint64_t, 64)
INT_KIND(i8, int8_t, 8)
INT_KIND(i16, int16_t, 16)
INT_KIND(i32, int32_t, 32)
INT_KIND(i64, int64_t, 64)

const VmFieldKind vmk_u8 = { "uint8", 1, save_u8, load_u8 };
const VmFieldKind vmk_u16 = { "uint16", 2, save_u16, load_u16 };
const VmFieldKind vmk_u32 = { "uint32", 4, save_u32, load_u32 };
const VmFieldKind vmk_u64 = { "uint64", 8, save_u64, load_u64 };
const VmFieldKind vmk_i8 = { "int8", 1, save_i8, load_i8 };
const VmFieldKind vmk_i16 = { "int16", 2, save_i16, load_i16 };
const VmFieldKind vmk_i32 = { "int32", 4, save_i32, load_i32 };
const VmFieldKind vmk_i64 = { "int64", 8, save_i64, load_i64 };

static void save_bool(VmWriter *w, const void *elem, const VmField *f)
{
    vm_put_u8(w, *(const bool *)elem);
}

static bool load_bool(VmReader *r, void *elem, const VmField *f, Error **errp)
{
    uint8_t v;
    bool ok = vm_get_u8(r, &v, errp);

    *(bool *)elem = v != 0;
    return ok;
}

const VmFieldKind vmk_bool = { "bool", sizeof(bool), save_bool, load_bool };

static void save_buffer(VmWriter *w, const void *elem, const VmField *f)
{
    vm_put_bytes(w, elem, f->size);
}

static bool load_buffer(VmReader *r, void *elem, const VmField *f,
                        Error **errp)
{
    return vm_get_bytes(r, elem, f->size, errp);
}

const VmFieldKind vmk_buffer = { "buffer", 0, save_buffer, load_buffer };

static void save_unused(VmWriter *w, const void *elem, const VmField *f)
{
    for (size_t i = 0; i < f->size; i++) {
        vm_put_u8(w, 0);
    }
}

static bool load_unused(VmReader *r, void *elem, const VmField *f,
                        Error **errp)
{
    return vm_skip_bytes(r, f->size, errp);
}

const VmFieldKind vmk_unused = { "unused_buffer", 0, save_unused, load_unused };

/* vmstate.c walks into structs by .sub. */
const VmFieldKind vmk_struct = { "struct", 0, NULL, NULL };
