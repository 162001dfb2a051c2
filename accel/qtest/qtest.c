/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The qtest accelerator: no guest code runs and the virtual clock moves only
 * when told, so that tests drive devices step by step. softmmu/qtest-server.c
 * is the protocol.
 */
#include "util/osdep.h"

#include "accel/accel.h"
#include "softmmu/memory.h"
#include "softmmu/vm.h"

static bool qtest_init_vm(Accel *accel, Machine *machine, Error **errp)
{
    vm_clock_set_manual(accel->vm);
    return true;
}

/* There is no APIC: the message is written where it points, for a test that
 * pointed it at RAM to find. */
static int qtest_send_msi(Accel *accel, const MsiMessage *msg)
{
    return as_store(accel->vm->memory, msg->addr, msg->data, 4,
                    MEM_ATTRS_NONE) == MEM_OK ? 0 : -EFAULT;
}

static const AccelClass qtest_accel_class = {
    .name = "qtest",
    .init_vm = qtest_init_vm,
    .send_msi = qtest_send_msi,
};
QOM_DEFINE(Accel, qtest_accel, .name = "qtest-accel", .parent = &accel_type,
           .class = &qtest_accel_class);
