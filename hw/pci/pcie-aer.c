/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log of errors that a function would report. NEMU injects none, so it
 * stays empty; it exists for streams of device state.
 */
#include "util/osdep.h"

#include "hw/pci/pcie.h"
#include "util/error.h"

bool pcie_aer_log_init(PcieAerLog *log, Error **errp)
{
    if (log->log_max > PCIE_AER_LOG_LIMIT) {
        return error_set(errp, "aer_log_max %u is above %d", log->log_max,
                         PCIE_AER_LOG_LIMIT);
    }
    log->log_num = 0;
    log->log = g_new0(PcieAerError, PCIE_AER_LOG_LIMIT);
    return true;
}

void pcie_aer_log_free(PcieAerLog *log)
{
    g_clear_pointer(&log->log, g_free);
}

static bool log_check(const void *state, int version, Error **errp)
{
    const PcieAerLog *log = state;

    if (log->log_max > PCIE_AER_LOG_LIMIT || log->log_num > log->log_max) {
        return error_set(errp, "%u of %u log entries", log->log_num,
                         log->log_max);
    }
    return true;
}

static const VmState error_vmstate = {
    .name = "PCIE_AER_ERROR",
    .version = 1,
    .fields = (const VmField[]){
        VMS(PcieAerError, status),
        VMS(PcieAerError, source_id),
        VMS(PcieAerError, flags),
        VMS_ARRAY(PcieAerError, header, "header"),
        VMS_ARRAY(PcieAerError, prefix, "prefix"),
        {},
    },
};

const VmState pcie_aer_log_vmstate = {
    .name = "PCIE_AER_ERROR_LOG",
    .version = 1,
    .check = log_check,
    .fields = (const VmField[]){
        VMS(PcieAerLog, log_num),
        VMS(PcieAerLog, log_max),
        VMS_STRUCT_VARRAY(PcieAerLog, log, log_num, "log", &error_vmstate,
                          PCIE_AER_LOG_LIMIT),
        {},
    },
};
