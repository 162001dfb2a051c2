/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the drivers of the host's files ask of the kernel by ioctl(2), which is
 * played here: CD drives (/dev/zero is one), and what new files are told.
 */
#include "util/osdep.h"

#include <linux/cdrom.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "block/block-backend.h"
#include "block/block-create.h"
#include "block/block-graph.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"
#include "util/loop.h"

static Loop *loop;
static BlockGraph *graph;

/* The kernel
 * ------------------------------------------------------------------ */

static int drive_status;            /* of CDROM_DRIVE_STATUS */
static unsigned long asked, arg_of; /* the last change of the drive */
static int drive_errno;             /* what a change fails with */
static struct fsxattr attributes;   /* of the new file */
static int file_flags;
static bool knows_attributes;

static int play(unsigned long request, void *p)
{
    switch (request) {
    case CDROM_DRIVE_STATUS:
        return drive_status;
    case BLKGETSIZE64:
        *(uint64_t *)p = MiB;
        return 0;
    case CDROMEJECT:
    case CDROMCLOSETRAY:
    case CDROM_LOCKDOOR:
        asked = request;
        arg_of = (unsigned long)p;
        errno = drive_errno;
        return drive_errno ? -1 : 0;
    case FS_IOC_FSGETXATTR:
        *(struct fsxattr *)p = (struct fsxattr){ .fsx_xflags = 2 };
        break;
    case FS_IOC_FSSETXATTR:
        attributes = *(struct fsxattr *)p;
        break;
    case FS_IOC_GETFLAGS:
        *(int *)p = FS_NOATIME_FL;
        break;
    default: /* FS_IOC_SETFLAGS */
        file_flags = *(int *)p;
    }
    errno = EOPNOTSUPP;
    return knows_attributes ? 0 : -1;
}

int ioctl(int fd, unsigned long request, ...)
{
    static const unsigned long played[] = {
        CDROM_DRIVE_STATUS, BLKGETSIZE64,    CDROMEJECT,
        CDROMCLOSETRAY,     CDROM_LOCKDOOR,  FS_IOC_FSGETXATTR,
        FS_IOC_FSSETXATTR,  FS_IOC_GETFLAGS, FS_IOC_SETFLAGS,
    };
    va_list ap;
    void *p;

    va_start(ap, request);
    p = va_arg(ap, void *);
    va_end(ap);
    for (size_t i = 0; i < ARRAY_SIZE(played); i++) {
        if (request == played[i]) {
            return play(request, p);
        }
    }
    return syscall(SYS_ioctl, fd, request, p);
}

/* CD drives
 * --------------------------------------------------------------- */

static BlockBackend *open_drive(int status)
{
    g_autoptr(BlockdevOptions) opts =
        qapi_parse_option(&qapi_type_BlockdevOptions,
                          "driver=raw,read-only=on,file.driver=host_cdrom,"
                          "file.filename=/dev/zero",
                          "driver", error_abort);
    BlockBackend *blk = blk_new(graph, BLK_PERM_READ, BLK_PERM_ALL);
    BlockNode *n;

    drive_status = status;
    drive_errno = 0;
    asked = arg_of = 0;
    n = block_open(graph, opts, NULL, error_abort);
    blk_insert_node(blk, n, error_abort);
    node_unref(n);
    return blk;
}

static void test_a_drive_with_a_disc(void)
{
    BlockBackend *blk = open_drive(CDS_DISC_OK);
    char buf[512] = "x";

    g_assert_true(blk_is_available(blk));
    g_assert_cmpint(blk_getlength(blk), ==, MiB);
    g_assert_cmpint(blk_pread(blk, 0, sizeof(buf), buf), ==, 0);
    g_assert_cmpint(buf[0], ==, 0);
    blk_unref(blk);
}

static void test_an_empty_drive(void)
{
    BlockBackend *blk = open_drive(CDS_NO_DISC);
    char buf[512];

    g_assert_false(blk_is_available(blk));
    g_assert_cmpint(blk_getlength(blk), ==, -ENOMEDIUM);
    g_assert_cmpint(blk_pread(blk, 0, sizeof(buf), buf), ==, -ENOMEDIUM);
    blk_unref(blk);
}

static void test_a_disc_that_goes(void)
{
    BlockBackend *blk = open_drive(CDS_DISC_OK);
    char buf[512];

    drive_status = CDS_TRAY_OPEN;
    g_assert_false(blk_is_available(blk));
    g_assert_cmpint(blk_pread(blk, 0, sizeof(buf), buf), ==, -ENOMEDIUM);
    drive_status = CDS_DISC_OK;
    g_assert_cmpint(blk_pread(blk, 0, sizeof(buf), buf), ==, 0);
    blk_unref(blk);
}

static void test_the_tray(void)
{
    BlockBackend *blk = open_drive(CDS_DISC_OK);

    blk_eject(blk, true);
    g_assert_cmphex(asked, ==, CDROMEJECT);
    blk_eject(blk, false);
    g_assert_cmphex(asked, ==, CDROMCLOSETRAY);
    blk_lock_medium(blk, true);
    g_assert_cmphex(asked, ==, CDROM_LOCKDOOR);
    g_assert_cmpint(arg_of, ==, 1);
    blk_lock_medium(blk, false);
    g_assert_cmpint(arg_of, ==, 0);
    blk_unref(blk);
}

static void keep(void *opaque, const char *text)
{
    g_string_append(opaque, text);
}

static void test_a_tray_that_does_not_move(void)
{
    BlockBackend *blk = open_drive(CDS_DISC_OK);
    g_autoptr(GString) said = g_string_new("");

    drive_errno = EBUSY;
    report_set_thread_sink(keep, said);
    blk_eject(blk, true);
    report_set_thread_sink(NULL, NULL);
    g_assert_nonnull(strstr(said->str, "Could not open the tray of "
                                       "'/dev/zero'"));
    blk_unref(blk);
}

/* New files
 * ------------------------------------------------------------------ */

static void create(const char *format, const char *name, const char *value)
{
    g_autofree char *path = NULL;
    g_autoptr(QDict) opts = qdict_new();
    int fd = g_file_open_tmp("nemu-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    qdict_put_str(opts, "size", "1M");
    if (name) {
        qdict_put_str(opts, name, value);
    }
    attributes = (struct fsxattr){ 0 };
    file_flags = 0;
    block_create(graph, format, path, opts, error_abort);
    unlink(path);
}

static void test_extent_size_hint(void)
{
    knows_attributes = true;
    create("raw", NULL, NULL);
    g_assert_cmpint(attributes.fsx_extsize, ==, MiB);
    g_assert_cmphex(attributes.fsx_xflags, ==, 2 | FS_XFLAG_EXTSIZE);
    create("qcow2", "extent_size_hint", "2M");
    g_assert_cmpint(attributes.fsx_extsize, ==, 2 * MiB);
    create("raw", "extent_size_hint", "0");
    g_assert_cmphex(attributes.fsx_xflags, ==, 0);
}

static void test_nocow(void)
{
    knows_attributes = true;
    create("raw", NULL, NULL);
    g_assert_cmphex(file_flags, ==, 0);
    create("raw", "nocow", "on");
    g_assert_cmphex(file_flags, ==, FS_NOATIME_FL | FS_NOCOW_FL);
    create("qcow2", "nocow", "on");
    g_assert_cmphex(file_flags, ==, FS_NOATIME_FL | FS_NOCOW_FL);
}

static void test_file_systems_that_know_neither(void)
{
    knows_attributes = false;
    create("raw", "nocow", "on");
    create("qcow2", "extent_size_hint", "2M");
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    loop = loop_new("main", error_abort);
    loop_set_current(loop);
    graph = block_graph_new(loop);
    g_test_add_func("/host-cdrom/disc", test_a_drive_with_a_disc);
    g_test_add_func("/host-cdrom/empty", test_an_empty_drive);
    g_test_add_func("/host-cdrom/goes", test_a_disc_that_goes);
    g_test_add_func("/host-cdrom/tray", test_the_tray);
    g_test_add_func("/host-cdrom/stuck", test_a_tray_that_does_not_move);
    g_test_add_func("/file/extent-size-hint", test_extent_size_hint);
    g_test_add_func("/file/nocow", test_nocow);
    g_test_add_func("/file/neither", test_file_systems_that_know_neither);
    ret = g_test_run();
    block_graph_free(graph);
    loop_free(loop);
    return ret;
}
