/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one execution of a fuzz target may use. */
#ifndef TESTS_FUZZ_FUZZ_LIMITS_H
#define TESTS_FUZZ_FUZZ_LIMITS_H

/* Beyond the caches that are configured, which the targets keep small. */
#define LIMIT_BYTES (64 * MiB)

/* An execution starts: from now on a crash, unless the heap stays within
 * LIMIT_BYTES of what it is now. */
void limits_start(void);

#endif
