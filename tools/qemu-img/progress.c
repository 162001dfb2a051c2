/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-img: how far a long command has come; with -p on standard output, on
 * SIGUSR1 on standard error. */
#include "util/osdep.h"

#include <signal.h>

#include "img.h"

static volatile sig_atomic_t asked;

static void on_signal(int number)
{
    asked = 1;
}

static void listen_to_signal(void)
{
    struct sigaction act = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    sigset_t set;

    sigemptyset(&act.sa_mask);
    sigaction(SIGUSR1, &act, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

void img_progress_begin(ImgProgress *p, bool shown, int64_t total)
{
    *p = (ImgProgress){ .shown = shown, .total = total, .least = 1 };
    if (shown) {
        printf("    (%3.2f/100%%)\r", 0.0);
        fflush(stdout);
    } else {
        listen_to_signal();
    }
}

bool img_progress_wanted(const ImgProgress *p)
{
    return p->shown || asked;
}

void img_progress_set(ImgProgress *p, int64_t done, int64_t total)
{
    p->done = done;
    p->total = total;
    img_progress_step(p, 0);
}

void img_progress_step(ImgProgress *p, int64_t done)
{
    double now;

    p->done += done;
    if (p->total < 0) {
        return;
    }
    now = p->total ? MIN(100.0 * p->done / p->total, 100.0) : 100.0;
    if (p->shown && p->total &&
        (now >= p->last + p->least || (now == 100 && p->last < 100))) {
        p->last = now;
        printf("    (%3.2f/100%%)\r", now);
        fflush(stdout);
    }
    if (asked && !p->shown) {
        asked = 0;
        fprintf(stderr, "    (%3.2f/100%%)\n", now);
    }
}

void img_progress_end(ImgProgress *p, bool ok)
{
    if (p->shown) {
        if (ok) {
            printf("    (%3.2f/100%%)\r", 100.0);
        }
        printf("\n");
        fflush(stdout);
    }
}

void img_hold_back(uint64_t rate, int64_t start_ns, int64_t done)
{
    int64_t due = start_ns + (int64_t)((double)done * 1e9 / rate);
    int64_t left = due - loop_now_ns();

    if (left > 0) {
        g_usleep(left / 1000);
    }
}
