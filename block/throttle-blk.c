/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Limits of a backend, by -drive and block_set_io_throttle. */
#include "util/osdep.h"

#include "block/block-int.h"
#include "block/drive-int.h"
#include "block/throttle.h"
#include "qobject/keyval.h"
#include "util/error.h"

/* Names of limits
 * --------------------------------------------------------------- */

static const char *const suffixes[] = { "", "-max", "-max-length" };

const char *throttle_option_name(size_t i)
{
    static const char *const names[] = {
        "bps-total",  "bps-total-max",  "bps-total-max-length",
        "bps-read",   "bps-read-max",   "bps-read-max-length",
        "bps-write",  "bps-write-max",  "bps-write-max-length",
        "iops-total", "iops-total-max", "iops-total-max-length",
        "iops-read",  "iops-read-max",  "iops-read-max-length",
        "iops-write", "iops-write-max", "iops-write-max-length",
        "iops-size",
    };

    return i < ARRAY_SIZE(names) ? names[i] : NULL;
}

int64_t *throttle_option(ThrottleConfig *cfg, const char *name)
{
    for (size_t i = 0; i < THROTTLE_BUCKETS; i++) {
        const char *bucket = throttle_bucket_names[i];
        int64_t *slots[] = { &cfg->limit[i].avg, &cfg->limit[i].max,
                             &cfg->limit[i].length };

        for (size_t j = 0; j < ARRAY_SIZE(suffixes); j++) {
            if (g_str_has_prefix(name, bucket) &&
                !strcmp(name + strlen(bucket), suffixes[j])) {
                return slots[j];
            }
        }
    }
    return strcmp(name, "iops-size") ? NULL : &cfg->iops_size;
}

/* Backends
 * ---------------------------------------------------------------------- */

static const char *default_group(const BlockBackend *blk)
{
    if (blk->throttle) {
        return throttle_group_name(throttle_member_group(blk->throttle));
    }
    return blk->name;
}

bool blk_set_throttle(BlockBackend *blk, const ThrottleConfig *cfg,
                      const char *group, Error **errp)
{
    ThrottleGroup *tg;

    if (!throttle_config_check(cfg, errp)) {
        return false;
    }
    blk_drained_begin(blk);
    if (!throttle_config_enabled(cfg)) {
        throttle_member_free(g_steal_pointer(&blk->throttle));
        blk_drained_end(blk);
        return true;
    }
    tg = throttle_group_get(blk->graph, group ? group : default_group(blk));
    if (blk->throttle) {
        throttle_member_move(blk->throttle, tg);
    } else {
        blk->throttle = throttle_member_new(tg, NULL, blk);
    }
    throttle_group_set_config(tg, cfg);
    throttle_group_unref(tg);
    blk_drained_end(blk);
    return true;
}

bool blk_throttle_info(const BlockBackend *blk, ThrottleConfig *cfg,
                       const char **group)
{
    ThrottleGroup *tg;

    if (!blk->throttle) {
        return false;
    }
    tg = throttle_member_group(blk->throttle);
    throttle_group_config(tg, cfg);
    *group = throttle_group_name(tg);
    return true;
}

/* -drive
 * ------------------------------------------------------------------------ */

/* The old names of options: "bps_rd_max" for "bps-read-max". */
static char *old_name(const char *name)
{
    GString *s = g_string_new(name);

    g_string_replace(s, "-total", "", 1);
    g_string_replace(s, "-read", "_rd", 1);
    g_string_replace(s, "-write", "_wr", 1);
    g_string_replace(s, "-", "_", 0);
    return g_string_free(s, FALSE);
}

/* By either name, not by both; NULL: absent. */
static bool take_alias(QDict *d, const char *name, const char *alias,
                       char **value, Error **errp)
{
    if (qdict_has(d, name) && qdict_has(d, alias)) {
        return error_set(errp,
                         "'%s' and its alias '%s' can't be used at the same "
                         "time",
                         name, alias);
    }
    *value = drive_take(d, qdict_has(d, alias) ? alias : name);
    return true;
}

static bool take_limit(QDict *d, const char *option, ThrottleConfig *cfg,
                       Error **errp)
{
    g_autofree char *name = g_strdup_printf("throttling.%s", option);
    g_autofree char *alias = old_name(option);
    g_autofree char *text = NULL;

    if (!take_alias(d, name, alias, &text, errp)) {
        return false;
    }
    return !text || parse_int64(text, throttle_option(cfg, option)) ||
           error_set(errp, "Parameter '%s' expects a number", name);
}

bool drive_take_throttling(QDict *d, ThrottleConfig *cfg, char **group,
                           Error **errp)
{
    throttle_config_init(cfg);
    if (!take_alias(d, "throttling.group", "group", group, errp)) {
        return false;
    }
    for (size_t i = 0; throttle_option_name(i); i++) {
        if (!take_limit(d, throttle_option_name(i), cfg, errp)) {
            return false;
        }
    }
    return throttle_config_check(cfg, errp);
}
