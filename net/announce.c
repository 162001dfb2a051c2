/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * announce-self: tell switches where a guest's addresses are now, by reverse
 * ARP requests (RFC 903) in the guest's name, and by asking guests that can to
 * announce themselves. A few rounds, further and further apart.
 */
#include "util/osdep.h"

#include <endian.h>

#include "net/net-int.h"
#include "qapi/hmp.h"
#include "qapi/qapi-commands-net.h"
#include "softmmu/vm.h"
#include "util/loop.h"

#define NS_PER_MS 1000000

struct NetAnnouncer {
    Vm *vm;
    char *id;
    char **names;               /* of NICs; NULL: all */
    int64_t initial, max, step; /* ms */
    int64_t left, done;         /* rounds */
    LoopTimer timer;
    NetAnnouncer *next;
};

/* The packet --------------------------------------------------------------- */

typedef struct __attribute__((packed)) RarpPacket {
    uint8_t to[6], from[6];
    uint16_t ether_type;
    uint16_t hardware, protocol;
    uint8_t hardware_len, protocol_len;
    uint16_t operation;
    uint8_t sender_mac[6], sender_ip[4], target_mac[6], target_ip[4];
    uint8_t pad[18]; /* up to Ethernet's least length */
} RarpPacket;

G_STATIC_ASSERT(sizeof(RarpPacket) == 60);

void net_send_rarp(NetClient *nic, const uint8_t mac[6], unsigned hdr_len)
{
    static const uint8_t no_header[12];
    RarpPacket p = {
        .ether_type = htobe16(0x8035),
        .hardware = htobe16(1),
        .protocol = htobe16(0x0800),
        .hardware_len = 6,
        .protocol_len = 4,
        .operation = htobe16(3),
    };
    struct iovec iov[] = {
        { (void *)no_header, hdr_len },
        { &p, sizeof(p) },
    };
    unsigned skip = !hdr_len;

    assert(hdr_len <= sizeof(no_header));
    memset(p.to, 0xff, 6);
    memcpy(p.from, mac, 6);
    memcpy(p.sender_mac, mac, 6);
    memcpy(p.target_mac, mac, 6);
    net_send(nic, iov + skip, 2 - skip); /* lost where there is no room */
}

/* Rounds ------------------------------------------------------------------- */

static void announcer_free(NetAnnouncer *a)
{
    loop_timer_cancel(&a->timer);
    g_strfreev(a->names);
    g_free(a->id);
    g_free(a);
}

static void announcer_remove(NetAnnouncer *a)
{
    NetAnnouncer **p = net_announcers(a->vm);

    while (*p != a) {
        p = &(*p)->next;
    }
    *p = a->next;
    announcer_free(a);
}

static void announcer_round(void *opaque)
{
    NetAnnouncer *a = opaque;
    int64_t wait;

    if (a->left == 0) {
        announcer_remove(a);
        return;
    }
    net_announce(a->vm, (const char *const *)a->names);
    a->left -= a->left > 0; /* a negative number never ends */
    if (a->left == 0) {
        announcer_remove(a);
        return;
    }
    wait = a->initial + a->done * a->step;
    a->done++;
    loop_timer_set(&a->timer,
                   loop_now_ns() + CLAMP(wait, 1, MAX(a->max, 1)) * NS_PER_MS);
}

void net_announcers_free(Vm *vm)
{
    while (*net_announcers(vm)) {
        announcer_remove(*net_announcers(vm));
    }
}

static char **names_of(const strList *list)
{
    GPtrArray *names = g_ptr_array_new();

    for (; list; list = list->next) {
        g_ptr_array_add(names, g_strdup(list->value));
    }
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(names, FALSE);
}

/* In a range that needs no care about overflow. */
static int64_t sane_ms(int64_t ms)
{
    return CLAMP(ms, 0, 1000000);
}

bool qmp_announce_self(Vm *vm, AnnounceParameters *p, Error **errp)
{
    const char *id = p->id ? p->id : "";
    NetAnnouncer *a = *net_announcers(vm);

    while (a && strcmp(a->id, id)) {
        a = a->next;
    }
    if (a) {
        announcer_remove(a); /* the new one takes its place */
    }
    a = g_new(NetAnnouncer, 1);
    *a = (NetAnnouncer){
        .vm = vm,
        .id = g_strdup(id),
        .names = p->has_interfaces ? names_of(p->interfaces) : NULL,
        .initial = sane_ms(p->initial),
        .max = sane_ms(p->max),
        .step = sane_ms(p->step),
        .left = p->rounds,
        .next = *net_announcers(vm),
    };
    loop_timer_init(&a->timer, vm->loop, announcer_round, a);
    *net_announcers(vm) = a;
    announcer_round(a);
    return true;
}

/* HMP ---------------------------------------------------------------------- */

static bool hmp_announce_self(Hmp *hmp, const QDict *args, Error **errp)
{
    const char *names = qdict_get_str(args, "interfaces");
    const char *id = qdict_get_str(args, "id");
    QDict *qmp = qdict_new();

    qdict_put_int(qmp, "initial", 50);
    qdict_put_int(qmp, "max", 550);
    qdict_put_int(qmp, "rounds", 5);
    qdict_put_int(qmp, "step", 100);
    if (names) {
        g_auto(GStrv) words = g_strsplit(names, ",", -1);
        QList *list = qlist_new();

        for (char **w = words; *w; w++) {
            qlist_append_str(list, *w);
        }
        qdict_put(qmp, "interfaces", list);
    }
    if (id) {
        qdict_put_str(qmp, "id", id);
    }
    return hmp_qmp_void(hmp, "announce-self", qmp, errp);
}

static const HmpArg announce_args[] = {
    { "interfaces", HMP_WORD, .optional = true },
    { "id", HMP_WORD, .optional = true },
    {},
};

static const HmpCommand announce_commands[] = {
    { .name = "announce_self",
      .args = announce_args,
      .params = "[interfaces] [id]",
      .help = "Trigger GARP/RARP announcements",
      .needs = "announce-self",
      .run = hmp_announce_self },
};
HMP_COMMANDS(announce_commands);
