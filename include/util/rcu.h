/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Read-copy-update by liburcu. Readers bracket their use with
 * rcu_read_lock()/rcu_read_unlock() (nestable, never blocking); writers publish
 * with rcu_set_pointer() and free the old copy after synchronize_rcu() or by
 * call_rcu(). Every thread that reads must be registered: thread_create() and
 * the program's main() do that.
 *
 * Do not block, take the machine lock, or run the loop inside a read section.
 */
#ifndef UTIL_RCU_H
#define UTIL_RCU_H

#define RCU_MEMBARRIER
#define URCU_INLINE_SMALL_FUNCTIONS
#include <urcu.h>

#endif
