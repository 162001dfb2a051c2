/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Statistics that a backend keeps only when asked to. An interval is seen
 * through two windows of its length that start half of it apart; the older one
 * is shown, so that it covers at least half an interval.
 * Spec: block-latency-histogram-set and BlockDeviceTimedStats in QEMU 7.2's
 * QMP reference.
 */
#include "util/osdep.h"

#include "block/blk-stats.h"
#include "block/block-int.h"
#include "util/error.h"
#include "util/loop.h"

#define NS_PER_S INT64_C(1000000000)
#define TYPES    3 /* read, write, flush */

typedef struct Window {
    int64_t end, min, max, sum, count;
} Window;

typedef struct Interval {
    int64_t length;          /* ns; const */
    Window window[TYPES][2]; /* from the first look at the clock on */
} Interval;

typedef struct Histogram {
    unsigned n; /* boundaries; one bin more. 0 bins: there is none */
    uint64_t *boundaries, *bins;
} Histogram;

typedef struct BlkStats {
    Mutex lock;
    Histogram histogram[TYPES]; /* lock; changes while drained, too */
    GArray *intervals;          /* lock; Interval */
} BlkStats;

int64_t blk_stats_now(const BlockBackend *blk)
{
    const BlockClock *clock =
        unlikely(blk->stats) ? block_clock(blk->graph) : NULL;

    return clock ? clock->now(blk->graph->hooks.opaque) : loop_now_ns();
}

/* The backend is drained. */
static BlkStats *get_stats(BlockBackend *blk)
{
    BlkStats *s = blk->stats;

    if (!s) {
        s = g_new0(BlkStats, 1);
        mutex_init(&s->lock);
        s->intervals = g_array_new(FALSE, FALSE, sizeof(Interval));
        blk->stats = s;
    }
    return s;
}

static void histogram_clear(Histogram *h)
{
    g_free(h->boundaries);
    g_free(h->bins);
    *h = (Histogram){ 0 };
}

void blk_stats_free(BlockBackend *blk)
{
    BlkStats *s = blk->stats;

    if (s) {
        for (size_t i = 0; i < TYPES; i++) {
            histogram_clear(&s->histogram[i]);
        }
        g_array_free(s->intervals, TRUE);
        mutex_destroy(&s->lock);
        g_free(s);
    }
}

/* Accounting
 * -------------------------------------------------------------------- */

static void window_start(Window *w, int64_t end)
{
    *w = (Window){ .end = end, .min = INT64_MAX };
}

/* Windows that are over begin again. */
static void interval_advance(Interval *i, int64_t now)
{
    for (size_t t = 0; t < TYPES; t++) {
        for (size_t k = 0; k < 2; k++) {
            Window *w = &i->window[t][k];

            if (!w->end) {
                window_start(w, now + (k ? i->length / 2 : i->length));
            } else if (now >= w->end) {
                int64_t missed = (now - w->end) / i->length + 1;

                window_start(w, w->end + missed * i->length);
            }
        }
    }
}

static void window_add(Window *w, int64_t latency)
{
    w->min = MIN(w->min, latency);
    w->max = MAX(w->max, latency);
    w->sum += latency;
    w->count++;
}

static void histogram_add(Histogram *h, uint64_t latency)
{
    unsigned lo = 0, hi = h->n;

    if (!h->bins) {
        return;
    }
    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;

        if (latency < h->boundaries[mid]) {
            hi = mid;
        } else {
            lo = mid + 1;
        }
    }
    h->bins[lo]++;
}

static int stats_type(BlkAcctType type)
{
    return type == BLK_ACCT_READ    ? 0
           : type == BLK_ACCT_WRITE ? 1
           : type == BLK_ACCT_FLUSH ? 2
                                    : -1;
}

void blk_stats_account(BlockBackend *blk, BlkAcctType type, int64_t latency_ns,
                       int64_t now_ns)
{
    BlkStats *s = blk->stats;
    int t = stats_type(type);

    if (t < 0) {
        return;
    }
    mutex_lock(&s->lock);
    histogram_add(&s->histogram[t], latency_ns);
    for (guint i = 0; i < s->intervals->len; i++) {
        Interval *in = &g_array_index(s->intervals, Interval, i);

        interval_advance(in, now_ns);
        window_add(&in->window[t][0], latency_ns);
        window_add(&in->window[t][1], latency_ns);
    }
    mutex_unlock(&s->lock);
}

/* Settings
 * ---------------------------------------------------------------------- */

bool blk_stats_set_histogram(BlockBackend *blk, BlkAcctType type,
                             const uint64List *boundaries)
{
    Histogram h = { 0 };
    uint64_t last = 0;
    BlkStats *s;

    for (const uint64List *e = boundaries; e; e = e->next) {
        if (e->value <= last) {
            return false;
        }
        last = e->value;
        h.n++;
    }
    h.boundaries = g_new(uint64_t, MAX(h.n, 1));
    h.bins = g_new0(uint64_t, h.n + 1);
    h.n = 0;
    for (const uint64List *e = boundaries; e; e = e->next) {
        h.boundaries[h.n++] = e->value;
    }
    blk_drained_begin(blk);
    s = get_stats(blk);
    histogram_clear(&s->histogram[stats_type(type)]);
    s->histogram[stats_type(type)] = h;
    blk_drained_end(blk);
    return true;
}

void blk_stats_drop_histograms(BlockBackend *blk)
{
    BlkStats *s = blk->stats;

    if (!s) {
        return;
    }
    blk_drained_begin(blk);
    for (size_t i = 0; i < TYPES; i++) {
        histogram_clear(&s->histogram[i]);
    }
    blk_drained_end(blk);
}

bool blk_stats_add_interval(BlockBackend *blk, int64_t seconds, Error **errp)
{
    Interval i = { 0 };

    if (seconds <= 0 || seconds > UINT32_MAX) {
        return error_set(errp, "Invalid interval length: %" PRId64, seconds);
    }
    i.length = seconds * NS_PER_S;
    blk_drained_begin(blk);
    get_stats(blk);
    g_array_append_val(((BlkStats *)blk->stats)->intervals, i);
    blk_drained_end(blk);
    return true;
}

/* Showing
 * ----------------------------------------------------------------------- */

BlockLatencyHistogramInfo *blk_stats_histogram(const BlockBackend *blk,
                                               BlkAcctType type)
{
    BlkStats *s = blk->stats;
    BlockLatencyHistogramInfo *info = NULL;
    const Histogram *h;

    if (!s) {
        return NULL;
    }
    mutex_lock(&s->lock);
    h = &s->histogram[stats_type(type)];
    if (h->bins) {
        uint64List **tail, **bin_tail;

        info = g_new0(BlockLatencyHistogramInfo, 1);
        tail = &info->boundaries;
        bin_tail = &info->bins;
        for (unsigned i = 0; i <= h->n; i++) {
            if (i < h->n) {
                QAPI_LIST_APPEND(tail, h->boundaries[i]);
            }
            QAPI_LIST_APPEND(bin_tail, h->bins[i]);
        }
    }
    mutex_unlock(&s->lock);
    return info;
}

static const Window *older(const Interval *i, size_t type)
{
    const Window *w = i->window[type];

    return w[0].end < w[1].end ? &w[0] : &w[1];
}

static void show_latency(const Window *w, int64_t *min, int64_t *max,
                         int64_t *avg)
{
    *min = w->count ? w->min : 0;
    *max = w->max;
    *avg = w->count ? w->sum / w->count : 0;
}

static double queue_depth(const Interval *i, const Window *w, int64_t now)
{
    int64_t elapsed = now - (w->end - i->length);

    return elapsed > 0 ? (double)w->sum / elapsed : 0;
}

BlockDeviceTimedStatsList *blk_stats_intervals(const BlockBackend *blk)
{
    BlockDeviceTimedStatsList *list = NULL, **tail = &list;
    BlkStats *s = blk->stats;
    int64_t now;

    if (!s) {
        return NULL;
    }
    now = blk_stats_now(blk);
    mutex_lock(&s->lock);
    for (guint i = 0; i < s->intervals->len; i++) {
        BlockDeviceTimedStats *t = g_new0(BlockDeviceTimedStats, 1);
        Interval *in = &g_array_index(s->intervals, Interval, i);

        interval_advance(in, now);
        t->interval_length = in->length / NS_PER_S;
        show_latency(older(in, 0), &t->min_rd_latency_ns, &t->max_rd_latency_ns,
                     &t->avg_rd_latency_ns);
        show_latency(older(in, 1), &t->min_wr_latency_ns, &t->max_wr_latency_ns,
                     &t->avg_wr_latency_ns);
        show_latency(older(in, 2), &t->min_flush_latency_ns,
                     &t->max_flush_latency_ns, &t->avg_flush_latency_ns);
        t->avg_rd_queue_depth = queue_depth(in, older(in, 0), now);
        t->avg_wr_queue_depth = queue_depth(in, older(in, 1), now);
        QAPI_LIST_APPEND(tail, t);
    }
    mutex_unlock(&s->lock);
    return list;
}
