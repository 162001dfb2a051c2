/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Error objects; see include/util/error.h for the contract. */
#include "util/osdep.h"

#include "util/error.h"

struct Error {
    ErrorClass cls;
    char *msg;
    char *nearest; /* the valid word that may have been meant, or NULL */
    GString *hint;
};

Error *error_abort_slot;

static bool error_deliver(Error **errp, Error *err)
{
    if (errp == error_abort) {
        fprintf(stderr, "Unexpected error: %s\n", err->msg);
        abort();
    }
    assert(errp && !*errp);
    *errp = err;
    return false;
}

static Error *error_new(ErrorClass cls, const char *fmt, va_list ap)
{
    Error *err = g_new0(Error, 1);

    err->cls = cls;
    err->msg = g_strdup_vprintf(fmt, ap);
    return err;
}

bool error_setv(Error **errp, const char *fmt, va_list ap)
{
    return error_deliver(errp, error_new(ERROR_CLASS_GENERIC_ERROR, fmt, ap));
}

bool error_set(Error **errp, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    error_setv(errp, fmt, ap);
    va_end(ap);
    return false;
}

bool error_set_class(Error **errp, ErrorClass cls, const char *fmt, ...)
{
    Error *err;
    va_list ap;

    va_start(ap, fmt);
    err = error_new(cls, fmt, ap);
    va_end(ap);
    return error_deliver(errp, err);
}

bool error_errno(Error **errp, int err, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return error_set(errp, "%s: %s", text, g_strerror(err));
}

bool error_prefix(Error **errp, const char *fmt, ...)
{
    g_autofree char *old = (*errp)->msg;
    g_autofree char *prefix = NULL;
    va_list ap;

    va_start(ap, fmt);
    prefix = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    (*errp)->msg = g_strdup_printf("%s: %s", prefix, old);
    return false;
}

void error_hint(Error **errp, const char *fmt, ...)
{
    Error *err = *errp;
    va_list ap;

    if (!err->hint) {
        err->hint = g_string_new(NULL);
    }
    va_start(ap, fmt);
    g_string_append_vprintf(err->hint, fmt, ap);
    va_end(ap);
}

/* Letters to add, drop or change, or neighbours to swap, between two short
 * words; cut off at @limit. */
static size_t word_distance(const char *a, const char *b, size_t limit)
{
    size_t la = strlen(a), lb = strlen(b);
    size_t rows[3][64] = { { 0 } };
    size_t *old = rows[0], *last = rows[1], *row = rows[2];

    if (lb >= ARRAY_SIZE(rows[0]) || la >= ARRAY_SIZE(rows[0])) {
        return limit;
    }
    for (size_t j = 0; j <= lb; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= la; i++) {
        size_t *free_row = old;

        old = last;
        last = row;
        row = free_row;
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            row[j] = MIN(last[j - 1] + (a[i - 1] != b[j - 1]),
                         MIN(last[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
                a[i - 2] == b[j - 1]) {
                row[j] = MIN(row[j], old[j - 2] + 1);
            }
        }
    }
    return MIN(row[lb], limit);
}

void error_hint_nearest(Error **errp, const char *word,
                        const char *const *candidates)
{
    size_t best = MIN(4, strlen(word) / 2 + 1);
    const char *nearest = NULL;

    for (; *candidates; candidates++) {
        size_t d = word_distance(word, *candidates, best);

        if (d < best) {
            best = d;
            nearest = *candidates;
        }
    }
    if (nearest) {
        g_free((*errp)->nearest);
        (*errp)->nearest = g_strdup(nearest);
    }
}

bool error_move(Error **errp, Error *err)
{
    return error_deliver(errp, err);
}

const char *error_text(const Error *err)
{
    return err->msg;
}

const char *error_nearest(const Error *err)
{
    return err->nearest;
}

const char *error_hint_text(const Error *err)
{
    return err->hint ? err->hint->str : NULL;
}

ErrorClass error_class(const Error *err)
{
    return err->cls;
}

const char *error_class_name(ErrorClass cls)
{
    static const char *const names[ERROR_CLASS__MAX] = {
        [ERROR_CLASS_GENERIC_ERROR] = "GenericError",
        [ERROR_CLASS_COMMAND_NOT_FOUND] = "CommandNotFound",
        [ERROR_CLASS_DEVICE_NOT_ACTIVE] = "DeviceNotActive",
        [ERROR_CLASS_DEVICE_NOT_FOUND] = "DeviceNotFound",
        [ERROR_CLASS_KVM_MISSING_CAP] = "KVMMissingCap",
    };

    return names[cls];
}

Error *error_copy(const Error *err)
{
    Error *copy = g_new0(Error, 1);

    copy->cls = err->cls;
    copy->msg = g_strdup(err->msg);
    copy->nearest = g_strdup(err->nearest);
    if (err->hint) {
        copy->hint = g_string_new(err->hint->str);
    }
    return copy;
}

void error_free(Error *err)
{
    if (err) {
        g_free(err->msg);
        g_free(err->nearest);
        if (err->hint) {
            g_string_free(err->hint, TRUE);
        }
        g_free(err);
    }
}
