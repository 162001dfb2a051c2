/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What commands may know of the session they run in. */
#ifndef MONITOR_HMP_SESSION_H
#define MONITOR_HMP_SESSION_H

#include "qapi/hmp.h"

/* Lines entered (char *), oldest first; NULL where there is no terminal. */
const GPtrArray *hmp_history(Hmp *hmp);

#endif
