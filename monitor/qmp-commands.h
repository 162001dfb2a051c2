/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between QMP sessions and the commands about them. */
#ifndef MONITOR_QMP_COMMANDS_H
#define MONITOR_QMP_COMMANDS_H

/* End the negotiation of @mon's session, the current one's command. */
bool qmp_negotiate(Monitor *mon, bool oob, Error **errp);

#endif
