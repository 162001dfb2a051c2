/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-img check: exit status 0 for a good image, 1 when it cannot be told, 2
 * for corruption, 3 for leaks, 63 when the format knows no checks. */
#include "util/osdep.h"

#include "img.h"
#include "qobject/json.h"
#include "util/error.h"

enum { CORRUPT = 2, LEAKS = 3, NO_CHECKS = 63 };

typedef struct Check {
    const char *filename;
    unsigned fix;
    bool json, quiet;
    BlockCheck result;
} Check;

typedef struct CheckJob {
    BlockNode *n;
    unsigned fix;
    BlockCheck *result;
    bool ok;
    Error **errp;
} CheckJob;

static void say(const char *line)
{
    fprintf(stderr, "%s\n", line);
}

static void coroutine_fn check_entry(void *opaque)
{
    CheckJob *j = opaque;

    j->ok = j->n->drv->image->check(j->n, j->fix, j->result, j->errp);
}

static bool check_node(BlockNode *n, unsigned fix, BlockCheck *result)
{
    Error *err = NULL;
    CheckJob j = { n, fix, result, false, &err };

    result->say = say;
    fflush(stdout);
    block_run(check_entry, &j);
    if (!j.ok) {
        error_report_err(err);
    }
    return j.ok;
}

/* Result
 * ------------------------------------------------------------------------- */

static void put_nonzero(QDict *d, const char *name, int64_t v)
{
    if (v) {
        qdict_put_int(d, name, v);
    }
}

static void print_json(const Check *c, const char *format)
{
    const BlockCheck *r = &c->result;
    g_autoptr(QDict) d = qdict_new();
    g_autofree char *text = NULL;

    put_nonzero(d, "image-end-offset", r->image_end);
    put_nonzero(d, "total-clusters", r->total_clusters);
    qdict_put_int(d, "check-errors", r->check_errors);
    put_nonzero(d, "corruptions", r->corruptions);
    put_nonzero(d, "leaks", r->leaks);
    put_nonzero(d, "corruptions-fixed", r->corruptions_fixed);
    put_nonzero(d, "leaks-fixed", r->leaks_fixed);
    put_nonzero(d, "allocated-clusters", r->allocated_clusters);
    put_nonzero(d, "fragmented-clusters", r->fragmented_clusters);
    put_nonzero(d, "compressed-clusters", r->compressed_clusters);
    qdict_put_str(d, "filename", c->filename);
    qdict_put_str(d, "format", format);
    text = qobject_to_json_pretty(QOBJECT(d));
    printf("%s\n", text);
}

static void print_human(const BlockCheck *r)
{
    if (!r->corruptions && !r->leaks && !r->check_errors) {
        printf("No errors were found on the image.\n");
    }
    if (r->corruptions) {
        printf("\n%" PRId64 " errors were found on the image.\n"
               "Data may be corrupted, or further writes to the image may "
               "corrupt it.\n",
               r->corruptions);
    }
    if (r->leaks) {
        printf("\n%" PRId64 " leaked clusters were found on the image.\n"
               "This means waste of disk space, but no harm to data.\n",
               r->leaks);
    }
    if (r->check_errors) {
        printf("\n%" PRId64
               " internal errors have occurred during the check.\n",
               r->check_errors);
    }
    if (r->total_clusters && r->allocated_clusters) {
        double percent = 100.0 / r->total_clusters;
        double of_data = 100.0 / r->allocated_clusters;

        printf("%" PRId64 "/%" PRId64 " = %0.2f%% allocated, %0.2f%% "
               "fragmented, %0.2f%% compressed clusters\n",
               r->allocated_clusters, r->total_clusters,
               r->allocated_clusters * percent,
               r->fragmented_clusters * of_data,
               r->compressed_clusters * of_data);
    }
    if (r->image_end) {
        printf("Image end offset: %" PRId64 "\n", r->image_end);
    }
}

static int status_of(const BlockCheck *r)
{
    return r->check_errors  ? 1
           : r->corruptions ? CORRUPT
           : r->leaks       ? LEAKS
                            : 0;
}

/* Command
 * ------------------------------------------------------------------------ */

/* After a repair the image is looked at once more. */
static bool check_again(Check *c, BlockNode *n)
{
    int64_t leaks_fixed = c->result.leaks_fixed;
    int64_t corruptions_fixed = c->result.corruptions_fixed;
    bool ok;

    if (!leaks_fixed && !corruptions_fixed) {
        return true;
    }
    if (!c->json && !c->quiet) {
        printf("The following inconsistencies were found and repaired:\n\n"
               "    %" PRId64 " leaked clusters\n    %" PRId64
               " corruptions\n\nDouble checking the fixed image now...\n",
               leaks_fixed, corruptions_fixed);
    }
    ok = check_node(n, 0, &c->result);
    c->result.leaks_fixed = leaks_fixed;
    c->result.corruptions_fixed = corruptions_fixed;
    return ok;
}

static int run(ImgTool *t, Check *c, const ImgOpen *open)
{
    BlockBackend *blk;
    BlockNode *n;
    int status = 1;

    t->graph->checking = true;
    blk = img_open(t, c->filename, open);
    if (!blk) {
        return 1;
    }
    n = blk_node(blk);
    if (!n->drv->image || !n->drv->image->check) {
        error_report("This image format does not support checks");
        status = NO_CHECKS;
    } else if (check_node(n, c->fix, &c->result) && check_again(c, n)) {
        if (c->json && !c->quiet) {
            print_json(c, n->drv->name);
        } else if (!c->quiet) {
            print_human(&c->result);
        }
        status = status_of(&c->result);
        if (c->result.check_errors) {
            fflush(stdout);
            error_report("Check failed");
        }
    }
    blk_unref(blk);
    return status;
}

static bool parse_fix(const char *text, unsigned *fix)
{
    *fix = !strcmp(text, "leaks") ? BLOCK_FIX_LEAKS
           : !strcmp(text, "all") ? BLOCK_FIX_LEAKS | BLOCK_FIX_ERRORS
                                  : 0;
    if (!*fix) {
        img_usage_error("Unknown option value for -r (expecting 'leaks' or "
                        "'all'): %s",
                        text);
    }
    return *fix;
}

int img_check(ImgTool *t, int argc, char **argv)
{
    static const struct option options[] = {
        { "help", no_argument, NULL, 'h' },
        { "format", required_argument, NULL, 'f' },
        { "repair", required_argument, NULL, 'r' },
        { "output", required_argument, NULL, IMG_OPT_OUTPUT },
        { "object", required_argument, NULL, IMG_OPT_OBJECT },
        { "image-opts", no_argument, NULL, IMG_OPT_IMAGE_OPTS },
        { "force-share", no_argument, NULL, 'U' },
        { 0 },
    };
    ImgOpen open = { .cache = "writeback" };
    Check c = { 0 };
    int o;

    while ((o = img_getopt(t, argc, argv, ":hf:r:T:qU", options)) != -1) {
        switch (o) {
        case 'f':
            open.format = optarg;
            break;
        case 'r':
            if (!parse_fix(optarg, &c.fix)) {
                return 1;
            }
            open.writable = true;
            break;
        case 'T':
            open.cache = optarg;
            break;
        case 'q':
            c.quiet = true;
            break;
        case 'U':
            open.force_share = true;
            break;
        case IMG_OPT_OUTPUT:
            if (!img_parse_output(optarg, &c.json)) {
                return 1;
            }
            break;
        case IMG_OPT_IMAGE_OPTS:
            open.image_opts = true;
            break;
        default:
            return 1;
        }
    }
    if (optind != argc - 1) {
        return img_usage_error("Expecting one image file name");
    }
    if (!img_check_cache("Invalid source cache option", open.cache)) {
        return 1;
    }
    c.filename = argv[optind];
    return run(t, &c, &open);
}
