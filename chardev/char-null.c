/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The backend that swallows everything and says nothing. */
#include "util/osdep.h"

#include "chardev/char-internal.h"

static bool null_open(Chardev *chr, const ChardevBackend *backend, Error **errp)
{
    return true;
}

static const ChardevClass null_class = {
    .name = "null",
    .kind = CHARDEV_BACKEND_KIND_NULL,
    .parse = char_parse_plain,
    .open = null_open,
};
QOM_DEFINE(Chardev, char_null, .name = "chardev-null", .parent = &chardev_type,
           .class = &null_class);
