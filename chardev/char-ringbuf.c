/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A ring buffer that keeps the newest output; ringbuf-read takes it out. */
#include "util/osdep.h"

#include "chardev/char-internal.h"
#include "qapi/qapi-commands-char.h"
#include "qobject/keyval.h"
#include "util/error.h"

#define RINGBUF_DEFAULT 65536
#define RINGBUF_MAX     (64 * MiB)

QOM_DECLARE(CharRingbuf, char_ringbuf)
struct CharRingbuf {
    Chardev parent;
    size_t size; /* a power of two */
    /* guarded by parent.lock; positions run on, prod - cons <= size */
    uint64_t prod, cons;
    uint8_t *buf;
};

static bool ringbuf_parse(QDict *opts, ChardevBackend *backend, Error **errp)
{
    ChardevRingbuf *r = g_new0(ChardevRingbuf, 1);
    g_autofree char *size = char_opt_str(opts, "size");
    uint64_t v;

    backend->u.ringbuf.data = r;
    if (size) {
        if (!parse_size(size, 'B', &v) || v > INT64_MAX) {
            return error_set(errp, "Parameter 'size' expects a size");
        }
        r->has_size = true;
        r->size = v;
    }
    return char_parse_common(opts, qapi_ChardevRingbuf_base(r), errp);
}

static bool ringbuf_open(Chardev *chr, const ChardevBackend *backend,
                         Error **errp)
{
    const ChardevRingbuf *r = backend->u.ringbuf.data;
    CharRingbuf *s = char_ringbuf(chr);
    int64_t size = r->has_size ? r->size : RINGBUF_DEFAULT;

    if (size <= 0 || !is_power_of_2(size)) {
        return error_set(errp, "size of ringbuf chardev must be power of two");
    }
    if (size > (int64_t)RINGBUF_MAX) {
        return error_set(errp, "size of ringbuf chardev must be at most %" PRIu64,
                         RINGBUF_MAX);
    }
    s->size = size;
    s->buf = g_malloc0(size);
    return true;
}

static void ringbuf_close(Chardev *chr)
{
    CharRingbuf *s = char_ringbuf(chr);

    mutex_lock(&chr->lock);
    g_clear_pointer(&s->buf, g_free);
    mutex_unlock(&chr->lock);
}

static ssize_t ringbuf_write(Chardev *chr, const void *buf, size_t len)
{
    CharRingbuf *s = char_ringbuf(chr);
    const uint8_t *p = buf;

    if (!s->buf) {
        return len;
    }
    for (size_t i = 0; i < len; i++) {
        s->buf[s->prod++ & (s->size - 1)] = p[i];
    }
    if (s->prod - s->cons > s->size) {
        s->cons = s->prod - s->size;
    }
    return len;
}

static const ChardevClass ringbuf_class = {
    .name = "ringbuf",
    .kind = CHARDEV_BACKEND_KIND_RINGBUF,
    .parse = ringbuf_parse,
    .open = ringbuf_open,
    .close = ringbuf_close,
    .write = ringbuf_write,
};
QOM_DEFINE(CharRingbuf, char_ringbuf, .name = "chardev-ringbuf",
           .parent = &chardev_type, .class = &ringbuf_class);

/* QMP ----------------------------------------------------------------------------- */

static Chardev *find_ringbuf(Vm *vm, const char *device, Error **errp)
{
    Chardev *chr = chardev_find(vm, device);

    if (!chr || !type_is_a(chr->obj.type, &char_ringbuf_type)) {
        error_set(errp, "Device '%s' not found", device);
        return NULL;
    }
    return chr;
}

bool qmp_ringbuf_write(Vm *vm, const char *device, const char *data,
                       bool has_format, DataFormat format, Error **errp)
{
    Chardev *chr = find_ringbuf(vm, device, errp);
    g_autofree guchar *bytes = NULL;
    gsize len;

    if (!chr) {
        return false;
    }
    if (has_format && format == DATA_FORMAT_BASE64) {
        bytes = g_base64_decode(data, &len);
        if (!*data || !len) {
            return !*data || error_set(errp, "Data is not valid base64");
        }
        char_write(chr, bytes, len);
    } else {
        char_write(chr, data, strlen(data));
    }
    return true;
}

/* Bytes to text: what is not UTF-8 becomes U+FFFD, and so does NUL. */
static char *to_utf8(const uint8_t *buf, size_t len)
{
    GString *s = g_string_sized_new(len);

    while (len) {
        const char *end;
        size_t n;

        g_utf8_validate((const char *)buf, len, &end);
        n = end - (const char *)buf;
        g_string_append_len(s, (const char *)buf, n);
        if (n < len) {
            g_string_append(s, "\xef\xbf\xbd");
            n++;
        }
        buf += n;
        len -= n;
    }
    return g_string_free(s, FALSE);
}

char *qmp_ringbuf_read(Vm *vm, const char *device, int64_t size,
                       bool has_format, DataFormat format, Error **errp)
{
    Chardev *chr = find_ringbuf(vm, device, errp);
    CharRingbuf *s;
    g_autofree uint8_t *bytes = NULL;
    size_t n;

    if (!chr) {
        return NULL;
    }
    if (size <= 0) {
        error_set(errp, "size must be greater than zero");
        return NULL;
    }
    s = char_ringbuf(chr);
    mutex_lock(&chr->lock);
    n = MIN((uint64_t)size, s->prod - s->cons);
    bytes = g_malloc(n + 1);
    for (size_t i = 0; i < n; i++) {
        bytes[i] = s->buf[s->cons++ & (s->size - 1)];
    }
    mutex_unlock(&chr->lock);
    return has_format && format == DATA_FORMAT_BASE64
               ? g_base64_encode(bytes, n)
               : to_utf8(bytes, n);
}
