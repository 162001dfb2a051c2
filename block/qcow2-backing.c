/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qcow2: another backing file in the header.
 * Spec: the qcow2 specification, sections Header and Header extensions. */
#include "util/osdep.h"

#include "block/qcow2.h"

int coroutine_fn qc_change_backing(BlockNode *n, const char *file,
                                   const char *format)
{
    QcowState *s = n->state;
    char *old_name = s->backing_name, *old_format = s->backing_format;
    int ret;

    if (file && (strlen(file) > 1023 || s->raw_data)) {
        return -EINVAL;
    }
    s->backing_name = g_strdup(file);
    s->backing_format = g_strdup(file ? format : NULL);
    ret = qc_header_write(s);
    if (ret < 0) {
        g_free(s->backing_name);
        g_free(s->backing_format);
        s->backing_name = old_name;
        s->backing_format = old_format;
        return ret;
    }
    g_free(old_name);
    g_free(old_format);
    return 0;
}
