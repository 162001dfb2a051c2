/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client's bytes into a whole session over a socket: the first byte picks
 * QMP, human monitor, or human monitor behind telnet and a mux; a byte 0xfe
 * makes the client send what it has and lets the loop turn. Whatever came, the
 * QMP session then answers a request.
 */
#include "util/osdep.h"

#include <sys/socket.h>

#include "monitor/monitor.h"
#include "qapi/dispatch.h"
#include "qapi/qapi-commands-control.h"
#include "softmmu/vm.h"
#include "util/error.h"
#include "util/fdset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* "logfile" and "chardev-add file" make files: in a place of their own. Give
 * corpus and -artifact_prefix as absolute paths. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    g_autofree char *dir = g_dir_make_tmp("nemu-fuzz-XXXXXX", NULL);

    return dir && chdir(dir) == 0 ? 0 : 1;
}

static bool cmd_capabilities(Vm *vm, QDict *args, JsonWriter *ret, Error **errp)
{
    return qmp_qmp_capabilities(vm, false, NULL, errp);
}

static bool cmd_echo(Vm *vm, QDict *args, JsonWriter *ret, Error **errp)
{
    json_value(ret, QOBJECT(args));
    return true;
}

static const QmpCommand commands[] = {
    { "e", cmd_echo, 0 },
    { "o", cmd_echo, QMP_OOB },
    { "qmp_capabilities", cmd_capabilities, 0 },
};
static const QmpModule module = { "fuzz", commands, ARRAY_SIZE(commands) };
QMP_MODULE(module);

static void drain(int fd, char *last, size_t n)
{
    char buf[4096];
    ssize_t got;

    while ((got = read(fd, buf, sizeof(buf))) > 0) {
        size_t keep = MIN((size_t)got, n - 1);

        memcpy(last, buf + got - keep, keep);
        last[keep] = '\0';
    }
}

static void turn(Vm *vm, int fd, char *last, size_t n)
{
    for (int i = 0; i < 4; i++) {
        loop_run_once(vm->loop, false);
        drain(fd, last, n);
    }
}

static void send_all(Vm *vm, int fd, const uint8_t *data, size_t size)
{
    char last[64] = "";

    while (size) {
        const uint8_t *cut = memchr(data, 0xfe, size);
        size_t len = cut ? (size_t)(cut - data) : size;

        while (len) {
            ssize_t n = write(fd, data, len);

            if (n > 0) {
                data += n;
                size -= n;
                len -= n;
            }
            turn(vm, fd, last, sizeof(last));
        }
        if (cut) {
            data++;
            size--;
            turn(vm, fd, last, sizeof(last));
        }
    }
}

/* Two line ends and brackets close whatever the input left open. */
static void check_alive(Vm *vm, int fd)
{
    static const char request[] =
        "\n'\"\n]}]}]}\n{'execute':'qmp_capabilities'}\n{'execute':'e',"
        "'id':'alive'}\n";
    char last[64] = "";

    for (int i = 0; i < 3 && !strstr(last, "\"alive\"}"); i++) {
        if (write(fd, request, strlen(request)) < 0) {
            abort();
        }
        turn(vm, fd, last, sizeof(last));
    }
    if (!strstr(last, "\"alive\"}")) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const forms[] = { "", "", ",telnet=on,mux=on" };
    unsigned form = size ? data[0] % ARRAY_SIZE(forms) : 0;
    g_autofree char *opts = NULL;
    Chardev *chr;
    int sv[2];
    Vm *vm;

    if (!size || size > 65536 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv) < 0) {
        return 0;
    }
    vm = vm_new("x86_64", error_abort);
    vm->fdsets = fdsets_new();
    opts = g_strdup_printf("socket,id=m,fd=%d%s", sv[0], forms[form]);
    chr = chardev_add_opts(vm, opts, error_abort);
    if (form) {
        monitor_add_hmp(vm, chr, error_abort);
    } else {
        monitor_add_qmp(vm, chr, false, error_abort);
    }
    send_all(vm, sv[1], data + 1, size - 1);
    if (!form && !memchr(data + 1, '\'', size - 1) &&
        !memchr(data + 1, '"', size - 1)) {
        check_alive(vm, sv[1]);
    }
    vm_shutdown(vm);
    close(sv[1]);
    fdsets_free(vm->fdsets);
    g_free(vm->chardevs);
    g_free(vm->monitors);
    vm_free(vm);
    return 0;
}
