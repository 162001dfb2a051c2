/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HMP: "info mtree" and "info ramblock". */
#include "util/osdep.h"

#include "qapi/hmp.h"
#include "softmmu/memory.h"

static bool info_mtree(Hmp *hmp, const QDict *args, Error **errp)
{
    g_autofree char *text =
        mem_info_mtree(hmp->vm, qdict_get_bool(args, "f", false),
                       qdict_get_bool(args, "o", false),
                       qdict_get_bool(args, "D", false));

    g_string_append(hmp->out, text);
    return true;
}

static bool info_ramblock(Hmp *hmp, const QDict *args, Error **errp)
{
    g_autofree char *text = mem_info_ramblock(hmp->vm);

    g_string_append(hmp->out, text);
    return true;
}

static const HmpArg mtree_args[] = {
    { .name = "f", .kind = HMP_FLAG, .optional = true },
    { .name = "o", .kind = HMP_FLAG, .optional = true },
    { .name = "D", .kind = HMP_FLAG, .optional = true },
    {},
};

static const HmpCommand memory_commands[] = {
    { .name = "info mtree", .args = mtree_args, .params = "[-f][-o][-D]",
      .help = "show memory tree (-f: dump flat view for address spaces;"
              "-o: dump region owners/parents;-D: dump disabled regions)",
      .run = info_mtree },
    { .name = "info ramblock", .help = "Display system ramblock information",
      .run = info_ramblock },
};
HMP_COMMANDS(memory_commands);
