/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Terms, names and package lengths of AML. ACPI 6.4, section 20.2. */
#include "util/osdep.h"

#include "hw/acpi/aml-private.h"

enum {
    OP_ZERO = 0x00,
    OP_ONE = 0x01,
    OP_NAME = 0x08,
    OP_BYTE = 0x0a,
    OP_WORD = 0x0b,
    OP_DWORD = 0x0c,
    OP_STRING = 0x0d,
    OP_QWORD = 0x0e,
    OP_SCOPE = 0x10,
    OP_BUFFER = 0x11,
    OP_PACKAGE = 0x12,
    OP_METHOD = 0x14,
    OP_DUAL_NAME = 0x2e,
    OP_MULTI_NAME = 0x2f,
    OP_EXT = 0x5b,
    OP_LOCAL0 = 0x60,
    OP_ARG0 = 0x68,
    OP_CREATE_DWORD_FIELD = 0x8a,
    OP_IF = 0xa0,
    OP_ELSE = 0xa1,
    OP_WHILE = 0xa2,
    /* after OP_EXT */
    OP_EXT_MUTEX = 0x01,
    OP_EXT_ACQUIRE = 0x23,
    OP_EXT_RELEASE = 0x27,
    OP_EXT_REGION = 0x80,
    OP_EXT_FIELD = 0x81,
    OP_EXT_DEVICE = 0x82,
};

#define SMALL_END_TAG 0x79

Aml *aml_new(void)
{
    Aml *a = g_new0(Aml, 1);

    a->buf = g_byte_array_new();
    a->open = g_array_new(false, false, sizeof(AmlMark));
    return a;
}

void aml_free(Aml *a)
{
    if (a) {
        g_byte_array_unref(a->buf);
        g_array_unref(a->open);
        g_free(a);
    }
}

const uint8_t *aml_data(const Aml *a, size_t *len)
{
    assert(a->open->len == 0);
    *len = a->buf->len;
    return a->buf->data;
}

void aml_put(Aml *a, uint64_t value, unsigned bytes)
{
    uint8_t le[8];

    for (unsigned i = 0; i < bytes; i++) {
        le[i] = value >> (8 * i);
    }
    g_byte_array_append(a->buf, le, bytes);
}

static void put_bytes(Aml *a, const void *data, size_t len)
{
    g_byte_array_append(a->buf, data, len);
}

/* Package lengths ---------------------------------------------------------- */

/*
 * The encoding of a PkgLength in @out; @len does not count the bytes of the
 * encoding itself when @self, which the result then does.
 */
static unsigned pkg_length(uint8_t out[4], size_t len, bool self)
{
    unsigned extra = 0; /* bytes after the lead byte */
    size_t total = len + (self ? 1 : 0);

    if (total > 0x3f) {
        while (total >= (size_t)1 << (4 + 8 * extra)) {
            extra++;
            total = len + (self ? 1 + extra : 0);
        }
        assert(extra >= 1 && extra <= 3);
        out[0] = extra << 6 | (total & 0xf);
    } else {
        out[0] = total;
    }
    for (unsigned i = 0; i < extra; i++) {
        out[1 + i] = total >> (4 + 8 * i);
    }
    return 1 + extra;
}

void aml_open(Aml *a, AmlOpen kind)
{
    AmlMark m = { kind, a->buf->len };

    g_array_append_val(a->open, m);
}

static void insert(Aml *a, size_t at, const uint8_t *data, size_t len)
{
    size_t tail = a->buf->len - at;

    g_byte_array_set_size(a->buf, a->buf->len + len);
    memmove(a->buf->data + at + len, a->buf->data + at, tail);
    memcpy(a->buf->data + at, data, len);
}

void aml_end(Aml *a)
{
    AmlMark m;
    uint8_t enc[4];
    unsigned n;

    assert(a->open->len > 0);
    m = g_array_index(a->open, AmlMark, a->open->len - 1);
    g_array_set_size(a->open, a->open->len - 1);
    if (m.kind == AML_OPEN_RESOURCES) {
        g_autoptr(Aml) size = aml_new();

        aml_put(a, SMALL_END_TAG, 1);
        aml_put(a, 0, 1); /* no checksum */
        aml_int(size, a->buf->len - m.start);
        insert(a, m.start, size->buf->data, size->buf->len);
    }
    n = pkg_length(enc, a->buf->len - m.start, true);
    insert(a, m.start, enc, n);
}

/* Names -------------------------------------------------------------------- */

static const char *put_segment(Aml *a, const char *p)
{
    unsigned i;

    for (i = 0; i < 4 && *p && *p != '.'; i++, p++) {
        assert((*p >= 'A' && *p <= 'Z') || *p == '_' ||
               (i > 0 && *p >= '0' && *p <= '9'));
        aml_put(a, *p, 1);
    }
    assert(i > 0 && (*p == '\0' || *p == '.'));
    for (; i < 4; i++) {
        aml_put(a, '_', 1);
    }
    return p;
}

static void put_path(Aml *a, const char *path)
{
    unsigned n = 1;

    if (*path == '\\') {
        aml_put(a, *path++, 1);
    }
    for (; *path == '^'; path++) {
        aml_put(a, '^', 1);
    }
    if (*path == '\0') {
        aml_put(a, 0, 1); /* NullName: the root or the parent itself */
        return;
    }
    for (const char *p = path; *p; p++) {
        n += *p == '.';
    }
    if (n == 2) {
        aml_put(a, OP_DUAL_NAME, 1);
    } else if (n > 2) {
        aml_put(a, OP_MULTI_NAME, 1);
        aml_put(a, n, 1);
    }
    for (const char *p = put_segment(a, path); *p; p = put_segment(a, p + 1)) {
    }
}

void aml_ref(Aml *a, const char *path)
{
    put_path(a, path);
}

/* Objects ------------------------------------------------------------------ */

void aml_scope(Aml *a, const char *path)
{
    aml_put(a, OP_SCOPE, 1);
    aml_open(a, AML_OPEN_PACKAGE_LENGTH);
    put_path(a, path);
}

void aml_device(Aml *a, const char *path)
{
    aml_put(a, OP_EXT, 1);
    aml_put(a, OP_EXT_DEVICE, 1);
    aml_open(a, AML_OPEN_PACKAGE_LENGTH);
    put_path(a, path);
}

void aml_method(Aml *a, const char *path, unsigned n_args, bool serialized)
{
    assert(n_args <= 7);
    aml_put(a, OP_METHOD, 1);
    aml_open(a, AML_OPEN_PACKAGE_LENGTH);
    put_path(a, path);
    aml_put(a, n_args | (serialized ? 1 << 3 : 0), 1);
}

void aml_name(Aml *a, const char *path)
{
    aml_put(a, OP_NAME, 1);
    put_path(a, path);
}

void aml_name_int(Aml *a, const char *path, uint64_t value)
{
    aml_name(a, path);
    aml_int(a, value);
}

void aml_name_str(Aml *a, const char *path, const char *value)
{
    aml_name(a, path);
    aml_str(a, value);
}

void aml_name_eisaid(Aml *a, const char *path, const char *id)
{
    aml_name(a, path);
    aml_eisaid(a, id);
}

void aml_mutex(Aml *a, const char *name, unsigned sync_level)
{
    assert(sync_level <= 15);
    aml_put(a, OP_EXT, 1);
    aml_put(a, OP_EXT_MUTEX, 1);
    put_path(a, name);
    aml_put(a, sync_level, 1);
}

void aml_region(Aml *a, const char *name, AmlSpace space, uint64_t offset,
                uint64_t len)
{
    aml_put(a, OP_EXT, 1);
    aml_put(a, OP_EXT_REGION, 1);
    put_path(a, name);
    aml_put(a, space, 1);
    aml_int(a, offset);
    aml_int(a, len);
}

void aml_field(Aml *a, const char *region, unsigned flags)
{
    aml_put(a, OP_EXT, 1);
    aml_put(a, OP_EXT_FIELD, 1);
    aml_open(a, AML_OPEN_PACKAGE_LENGTH);
    put_path(a, region);
    aml_put(a, flags, 1);
}

static void put_bit_count(Aml *a, unsigned bits)
{
    uint8_t enc[4];

    put_bytes(a, enc, pkg_length(enc, bits, false));
}

void aml_field_unit(Aml *a, const char *name, unsigned bits)
{
    put_segment(a, name);
    put_bit_count(a, bits);
}

void aml_field_skip(Aml *a, unsigned bits)
{
    aml_put(a, 0, 1);
    put_bit_count(a, bits);
}

void aml_create_dword_field(Aml *a)
{
    aml_put(a, OP_CREATE_DWORD_FIELD, 1);
}

/* Data --------------------------------------------------------------------- */

void aml_int(Aml *a, uint64_t value)
{
    if (value <= 1) {
        aml_put(a, value ? OP_ONE : OP_ZERO, 1);
    } else if (value <= UINT8_MAX) {
        aml_put(a, OP_BYTE, 1);
        aml_put(a, value, 1);
    } else if (value <= UINT16_MAX) {
        aml_put(a, OP_WORD, 1);
        aml_put(a, value, 2);
    } else if (value <= UINT32_MAX) {
        aml_put(a, OP_DWORD, 1);
        aml_put(a, value, 4);
    } else {
        aml_put(a, OP_QWORD, 1);
        aml_put(a, value, 8);
    }
}

void aml_str(Aml *a, const char *s)
{
    aml_put(a, OP_STRING, 1);
    put_bytes(a, s, strlen(s) + 1);
}

/* Section 19.6.36: three letters of five bits, four hex digits; big-endian. */
void aml_eisaid(Aml *a, const char *id)
{
    uint32_t v = 0;

    assert(strlen(id) == 7);
    for (unsigned i = 0; i < 3; i++) {
        assert(id[i] >= 'A' && id[i] <= 'Z');
        v = v << 5 | (id[i] - 'A' + 1);
    }
    for (unsigned i = 3; i < 7; i++) {
        assert(g_ascii_isxdigit(id[i]));
        v = v << 4 | g_ascii_xdigit_value(id[i]);
    }
    aml_put(a, OP_DWORD, 1);
    aml_put(a, GUINT32_SWAP_LE_BE(v), 4);
}

/* Section 19.6.142: the first three groups are stored little-endian. */
void aml_uuid(Aml *a, const char *uuid)
{
    static const uint8_t place[16] = {
        6, 4, 2, 0, 11, 9, 16, 14, 19, 21, 24, 26, 28, 30, 32, 34,
    };
    uint8_t out[16];

    assert(strlen(uuid) == 36);
    for (unsigned i = 0; i < 16; i++) {
        out[i] = g_ascii_xdigit_value(uuid[place[i]]) << 4 |
                 g_ascii_xdigit_value(uuid[place[i] + 1]);
    }
    aml_buffer(a, out, sizeof(out));
}

void aml_buffer(Aml *a, const void *data, size_t len)
{
    aml_put(a, OP_BUFFER, 1);
    aml_open(a, AML_OPEN_PACKAGE_LENGTH);
    aml_int(a, len);
    put_bytes(a, data, len);
    aml_end(a);
}

void aml_resources(Aml *a)
{
    aml_put(a, OP_BUFFER, 1);
    aml_open(a, AML_OPEN_RESOURCES);
}

void aml_package(Aml *a, unsigned n)
{
    assert(n <= UINT8_MAX);
    aml_put(a, OP_PACKAGE, 1);
    aml_open(a, AML_OPEN_PACKAGE_LENGTH);
    aml_put(a, n, 1);
}

void aml_arg(Aml *a, unsigned n)
{
    assert(n <= 6);
    aml_put(a, OP_ARG0 + n, 1);
}

void aml_local(Aml *a, unsigned n)
{
    assert(n <= 7);
    aml_put(a, OP_LOCAL0 + n, 1);
}

void aml_null(Aml *a)
{
    aml_put(a, 0, 1);
}

/* Code --------------------------------------------------------------------- */

void aml_op(Aml *a, AmlOp op)
{
    aml_put(a, op, 1);
}

void aml_acquire(Aml *a, const char *mutex, uint16_t timeout)
{
    aml_put(a, OP_EXT, 1);
    aml_put(a, OP_EXT_ACQUIRE, 1);
    put_path(a, mutex);
    aml_put(a, timeout, 2);
}

void aml_release(Aml *a, const char *mutex)
{
    aml_put(a, OP_EXT, 1);
    aml_put(a, OP_EXT_RELEASE, 1);
    put_path(a, mutex);
}

void aml_if(Aml *a)
{
    aml_put(a, OP_IF, 1);
    aml_open(a, AML_OPEN_PACKAGE_LENGTH);
}

void aml_else(Aml *a)
{
    aml_put(a, OP_ELSE, 1);
    aml_open(a, AML_OPEN_PACKAGE_LENGTH);
}

void aml_while(Aml *a)
{
    aml_put(a, OP_WHILE, 1);
    aml_open(a, AML_OPEN_PACKAGE_LENGTH);
}
