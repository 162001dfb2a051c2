/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-img amend: other properties for an image that exists. */
#include "util/osdep.h"

#include "img.h"
#include "util/error.h"

enum { OPT_FORCE = IMG_OPT_FIRST };

typedef struct Amend {
    ImgOpen open;
    QDict *opts;
    bool given, help, progress, quiet, force;
} Amend;

typedef struct AmendJob {
    BlockNode *n;
    BlockAmend amend;
    Error **errp;
    bool ok;
} AmendJob;

static void show_progress(void *opaque, int64_t done, int64_t total)
{
    img_progress_set(opaque, done, total);
}

static void coroutine_fn amend_entry(void *opaque)
{
    AmendJob *j = opaque;

    j->ok = j->n->drv->image->amend(j->n, &j->amend, j->errp);
    if (j->ok) {
        node_flush(j->n);
    }
}

static bool check_driver(const BlockDriver *drv)
{
    if (drv->image && drv->image->amend) {
        return true;
    }
    error_report("Format driver '%s' does not support option amendment",
                 drv->name);
    return false;
}

static int print_help(const BlockDriver *drv)
{
    g_autofree char *title = NULL;

    if (!check_driver(drv)) {
        return 1;
    }
    title = g_strdup_printf("Amend options for '%s':", drv->name);
    img_print_options(title, drv->image->amend_options);
    return 0;
}

static bool check_options(const BlockDriver *drv, const QDict *opts,
                          Error **errp)
{
    if (block_options_check(drv->image->amend_options, opts, errp)) {
        return true;
    }
    for (const BlockCreateOption *o = drv->create ? drv->create->options : NULL;
         o && o->name; o++) {
        bool known = false;

        for (const BlockCreateOption *a = drv->image->amend_options; a->name;
             a++) {
            known = known || !strcmp(a->name, o->name);
        }
        if (!known && qdict_has(opts, o->name)) {
            error_hint(errp, "This option is only supported for image "
                             "creation\n");
            break;
        }
    }
    return false;
}

/* The end of what did not begin. */
static void no_progress(const Amend *a)
{
    if (a->progress && !a->quiet) {
        printf("\n");
    }
}

static int amend(Amend *a, BlockNode *n)
{
    ImgProgress p;
    Error *err = NULL;
    AmendJob j = { .n = n,
                   .amend = { .opts = a->opts,
                              .force = a->force,
                              .progress = show_progress,
                              .opaque = &p },
                   .errp = &err };

    if (!check_options(n->drv, a->opts, &err)) {
        no_progress(a);
        error_report_err(err);
        return 1;
    }
    img_progress_begin(&p, a->progress && !a->quiet, 1);
    block_run(amend_entry, &j);
    /* As in 7.2, also after a failure. */
    img_progress_end(&p, true);
    if (!j.ok) {
        error_report_err(err);
    }
    return !j.ok;
}

static bool parse(ImgTool *t, Amend *a, int argc, char **argv)
{
    static const struct option options[] = {
        { "help", no_argument, NULL, 'h' },
        { "object", required_argument, NULL, IMG_OPT_OBJECT },
        { "image-opts", no_argument, NULL, IMG_OPT_IMAGE_OPTS },
        { "force", no_argument, NULL, OPT_FORCE },
        { 0 },
    };
    int c;

    while ((c = img_getopt(t, argc, argv, ":ho:f:t:pq", options)) != -1) {
        switch (c) {
        case 'o':
            a->given = true;
            a->help = a->help || img_options_help(optarg);
            if (!a->help && !img_add_options(a->opts, optarg)) {
                return false;
            }
            break;
        case 'f':
            a->open.format = optarg;
            break;
        case 't':
            a->open.cache = optarg;
            break;
        case 'p':
            a->progress = true;
            break;
        case 'q':
            a->quiet = true;
            break;
        case IMG_OPT_IMAGE_OPTS:
            a->open.image_opts = true;
            break;
        case OPT_FORCE:
            a->force = true;
            break;
        default:
            return false;
        }
    }
    if (!a->given) {
        img_usage_error("Must specify options (-o)");
    }
    return a->given;
}

static int run(ImgTool *t, Amend *a, const char *filename)
{
    BlockBackend *blk = img_open(t, filename, &a->open);
    const BlockDriver *drv;
    int status;

    if (!blk) {
        no_progress(a);
        return 1;
    }
    drv = blk_node(blk)->drv;
    if (a->help) {
        status = print_help(drv);
        no_progress(a);
    } else {
        status = check_driver(drv) ? amend(a, blk_node(blk)) : 1;
        if (!drv->image || !drv->image->amend) {
            no_progress(a);
        }
    }
    blk_unref(blk);
    return status;
}

int img_amend(ImgTool *t, int argc, char **argv)
{
    g_autoptr(QDict) opts = qdict_new();
    Amend a = { .opts = opts, .open = { .writable = true } };
    int status;

    if (!parse(t, &a, argc, argv)) {
        return 1;
    }
    if (a.help && a.open.format) {
        const BlockDriver *drv = block_driver_find(a.open.format);

        if (!drv) {
            error_report("Unknown file format '%s'", a.open.format);
            no_progress(&a);
            return 1;
        }
        status = print_help(drv);
        no_progress(&a);
        return status;
    }
    if (optind != argc - 1) {
        error_report("Expecting one image file name");
        return 1;
    }
    if (!img_check_cache("Invalid cache option", a.open.cache)) {
        no_progress(&a);
        return 1;
    }
    return run(t, &a, argv[optind]);
}
