/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Leaky buckets: what was done fills a bucket, which leaks at the rate that is
 * allowed on average; a request has to wait while it is over-full.
 * Spec: QEMU's docs/throttle.txt.
 */
#include "util/osdep.h"

#include "block/throttle.h"
#include "util/error.h"

#define RATE_MAX INT64_C(1000000000000000)
#define NS_PER_S 1e9

const char *const throttle_bucket_names[THROTTLE_BUCKETS] = {
    [THROTTLE_BPS_TOTAL] = "bps-total", [THROTTLE_BPS_READ] = "bps-read",
    [THROTTLE_BPS_WRITE] = "bps-write", [THROTTLE_IOPS_TOTAL] = "iops-total",
    [THROTTLE_IOPS_READ] = "iops-read", [THROTTLE_IOPS_WRITE] = "iops-write",
};

/* Limits
 * ------------------------------------------------------------------------ */

void throttle_config_init(ThrottleConfig *cfg)
{
    *cfg = (ThrottleConfig){ 0 };
    for (size_t i = 0; i < THROTTLE_BUCKETS; i++) {
        cfg->limit[i].length = 1;
    }
}

bool throttle_config_enabled(const ThrottleConfig *cfg)
{
    for (size_t i = 0; i < THROTTLE_BUCKETS; i++) {
        if (cfg->limit[i].avg) {
            return true;
        }
    }
    return false;
}

/* Of a total and of one direction, one is enough. */
static bool totals_conflict(const ThrottleLimit *l)
{
    return (l[0].avg && (l[1].avg || l[2].avg)) ||
           (l[0].max && (l[1].max || l[2].max));
}

static bool limit_check(const ThrottleLimit *l, Error **errp)
{
    if (l->avg < 0 || l->avg > RATE_MAX || l->max < 0 || l->max > RATE_MAX) {
        return error_set(errp,
                         "bps/iops/max values must be within [0, %" PRId64 "]",
                         RATE_MAX);
    }
    if (!l->length) {
        return error_set(errp, "the burst length cannot be 0");
    }
    if (l->length > 1 && !l->max) {
        return error_set(errp, "burst length set without burst rate");
    }
    if (l->max && (l->length < 0 || l->length > RATE_MAX / l->max)) {
        return error_set(errp, "burst length too high for this burst rate");
    }
    if (l->max && !l->avg) {
        return error_set(errp, "bps_max/iops_max require corresponding "
                               "bps/iops values");
    }
    if (l->max && l->max < l->avg) {
        return error_set(errp, "bps_max/iops_max cannot be lower than "
                               "bps/iops");
    }
    return true;
}

bool throttle_config_check(const ThrottleConfig *cfg, Error **errp)
{
    const ThrottleLimit *iops = &cfg->limit[THROTTLE_IOPS_TOTAL];

    if (totals_conflict(&cfg->limit[THROTTLE_BPS_TOTAL]) ||
        totals_conflict(iops)) {
        return error_set(errp, "bps/iops/max total values and read/write "
                               "values cannot be used at the same time");
    }
    if (cfg->iops_size && !iops[0].avg && !iops[1].avg && !iops[2].avg) {
        return error_set(errp, "iops size requires an iops value to be set");
    }
    for (size_t i = 0; i < THROTTLE_BUCKETS; i++) {
        if (!limit_check(&cfg->limit[i], errp)) {
            return false;
        }
    }
    return true;
}

/* Buckets
 * ----------------------------------------------------------------------- */

void throttle_state_init(ThrottleState *s, const ThrottleConfig *cfg,
                         int64_t now_ns)
{
    *s = (ThrottleState){ .cfg = *cfg, .last_ns = now_ns };
}

static void leak(ThrottleState *s, int64_t now_ns)
{
    double seconds = (now_ns - s->last_ns) / NS_PER_S;

    s->last_ns = now_ns;
    if (seconds <= 0) {
        return;
    }
    for (size_t i = 0; i < THROTTLE_BUCKETS; i++) {
        const ThrottleLimit *l = &s->cfg.limit[i];

        s->bucket[i].level = MAX(s->bucket[i].level - l->avg * seconds, 0);
        s->bucket[i].burst_level =
            MAX(s->bucket[i].burst_level - l->max * seconds, 0);
    }
}

/* Seconds until @level has leaked to @size. */
static double excess(double level, double size, double rate)
{
    return level > size ? (level - size) / rate : 0;
}

static double bucket_wait(const ThrottleState *s, size_t i)
{
    const ThrottleLimit *l = &s->cfg.limit[i];
    double wait;

    if (!l->avg) {
        return 0;
    }
    if (!l->max) {
        return excess(s->bucket[i].level, l->avg / 10.0, l->avg);
    }
    wait = excess(s->bucket[i].level, (double)l->max * l->length, l->avg);
    if (l->length > 1) {
        /* A long burst keeps its own rate. */
        wait =
            MAX(wait, excess(s->bucket[i].burst_level, l->max / 10.0, l->max));
    }
    return wait;
}

/* The buckets that a request in one direction uses. */
static const uint8_t used_buckets[2][4] = {
    { THROTTLE_BPS_TOTAL, THROTTLE_BPS_READ, THROTTLE_IOPS_TOTAL,
      THROTTLE_IOPS_READ },
    { THROTTLE_BPS_TOTAL, THROTTLE_BPS_WRITE, THROTTLE_IOPS_TOTAL,
      THROTTLE_IOPS_WRITE },
};

int64_t throttle_state_wait(ThrottleState *s, bool is_write, int64_t now_ns)
{
    double wait = 0;

    leak(s, now_ns);
    for (size_t i = 0; i < ARRAY_SIZE(used_buckets[0]); i++) {
        wait = MAX(wait, bucket_wait(s, used_buckets[is_write][i]));
    }
    /* Rounded up, so that it is over then; a year is as good as forever. */
    return wait <= 0 ? 0 : 1 + (int64_t)(MIN(wait, 3e7) * NS_PER_S);
}

void throttle_state_account(ThrottleState *s, bool is_write, int64_t bytes)
{
    double ops = 1;

    if (s->cfg.iops_size && bytes > s->cfg.iops_size) {
        ops = (double)bytes / s->cfg.iops_size;
    }
    for (size_t i = 0; i < ARRAY_SIZE(used_buckets[0]); i++) {
        size_t b = used_buckets[is_write][i];
        double units = b >= THROTTLE_IOPS_TOTAL ? ops : bytes;

        s->bucket[b].level += units;
        s->bucket[b].burst_level += units;
    }
}
