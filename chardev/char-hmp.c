/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HMP: character devices. */
#include "util/osdep.h"

#include "chardev/char-internal.h"
#include "qapi/hmp.h"
#include "qapi/qapi-commands-char.h"
#include "util/error.h"

static bool info_chardev(Hmp *hmp, const QDict *args, Error **errp)
{
    g_autoptr(ChardevInfoList) list = qmp_query_chardev(hmp->vm, errp);

    QAPI_LIST_FOREACH(list, n) {
        hmp_printf(hmp, "%s: filename=%s\n", n->value->label,
                   n->value->filename);
    }
    return true;
}

static bool hmp_chardev_add(Hmp *hmp, const QDict *args, Error **errp)
{
    return chardev_add_opts(hmp->vm, qdict_get_str(args, "args"), errp);
}

static bool hmp_chardev_change(Hmp *hmp, const QDict *args, Error **errp)
{
    return chardev_change_opts(hmp->vm, qdict_get_str(args, "id"),
                               qdict_get_str(args, "args"), errp);
}

static bool hmp_chardev_remove(Hmp *hmp, const QDict *args, Error **errp)
{
    return chardev_remove(hmp->vm, qdict_get_str(args, "id"), errp);
}

static bool hmp_chardev_send_break(Hmp *hmp, const QDict *args, Error **errp)
{
    return qmp_chardev_send_break(hmp->vm, qdict_get_str(args, "id"), errp);
}

static bool hmp_ringbuf_read(Hmp *hmp, const QDict *args, Error **errp)
{
    g_autofree char *text =
        qmp_ringbuf_read(hmp->vm, qdict_get_str(args, "device"),
                         qdict_get_int(args, "size", 0), false, 0, errp);

    if (!text) {
        return false;
    }
    for (const char *p = text; *p; p++) {
        unsigned char c = *p;

        if (c == '\\') {
            hmp_printf(hmp, "\\\\");
        } else if ((c < ' ' && c != '\n' && c != '\t') || c == 0x7f) {
            hmp_printf(hmp, "\\u%04X", c);
        } else {
            hmp_printf(hmp, "%c", *p);
        }
    }
    hmp_printf(hmp, "\n");
    return true;
}

static bool hmp_ringbuf_write(Hmp *hmp, const QDict *args, Error **errp)
{
    return qmp_ringbuf_write(hmp->vm, qdict_get_str(args, "device"),
                             qdict_get_str(args, "data"), false, 0, errp);
}

static void complete_id(Hmp *hmp, const char *prefix, GPtrArray *list)
{
    Error *err = NULL;
    g_autoptr(ChardevInfoList) all = qmp_query_chardev(hmp->vm, &err);

    QAPI_LIST_FOREACH(all, n) {
        if (g_str_has_prefix(n->value->label, prefix)) {
            g_ptr_array_add(list, g_strdup(n->value->label));
        }
    }
}

static const HmpArg add_args[] = { { "args", HMP_REST }, {} };
static const HmpArg change_args[] = {
    { "id", HMP_WORD, .complete = complete_id },
    { "args", HMP_REST },
    {},
};
static const HmpArg id_args[] = {
    { "id", HMP_WORD, .complete = complete_id },
    {},
};
static const HmpArg read_args[] = {
    { "device", HMP_WORD, .complete = complete_id },
    { "size", HMP_INT },
    {},
};
static const HmpArg write_args[] = {
    { "device", HMP_WORD, .complete = complete_id },
    { "data", HMP_WORD },
    {},
};

static const HmpCommand chardev_commands[] = {
    { .name = "info chardev", .help = "show the character devices",
      .run = info_chardev },
    { .name = "chardev-add", .args = add_args,
      .help = "add chardev, like -chardev on the command line",
      .run = hmp_chardev_add },
    { .name = "chardev-change", .args = change_args,
      .help = "change chardev", .run = hmp_chardev_change },
    { .name = "chardev-remove", .args = id_args, .help = "remove chardev",
      .run = hmp_chardev_remove },
    { .name = "chardev-send-break", .args = id_args,
      .help = "send a break on chardev", .run = hmp_chardev_send_break },
    { .name = "ringbuf_read", .args = read_args,
      .help = "read from a ring buffer character device",
      .run = hmp_ringbuf_read },
    { .name = "ringbuf_write", .args = write_args,
      .help = "write to a ring buffer character device",
      .run = hmp_ringbuf_write },
};
HMP_COMMANDS(chardev_commands);
