/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * key=value,... option text of the command line, to a dict of strings.
 *
 *   KEY-VALS = [ KEY-VAL { ',' KEY-VAL } [ ',' ] ]
 *   KEY-VAL  = KEY '=' VAL
 *   KEY      = NAME { '.' ( NAME | DIGITS ) }
 *   VAL      = { any but ',' | ',,' }
 *
 * Dots nest: "a.b=1,l.0=x,l.1=y" is {"a": {"b": "1"}, "l": ["x", "y"]}.
 * ",," in a value is one comma. When a key comes twice the last one counts.
 */
#ifndef QOBJECT_KEYVAL_H
#define QOBJECT_KEYVAL_H

#include "qobject/qobject.h"

/*
 * @implied_key: the key of a first value without "KEY=", or NULL.
 * @help: set to true, and taken out, when "help" or "?" stands alone as an
 *        item; when NULL they are no different from other words.
 * A word without '=' that is neither of these is an error.
 */
QDict *keyval_parse(const char *text, const char *implied_key, bool *help,
                    Error **errp);

/*
 * The same syntax as older options read it: no nesting (dots are part of the
 * key), "flag" means flag=on and "noflag" with @allow_no flag=off, both with a
 * warning, and a repeated key keeps every value, as a list of strings.
 */
QDict *keyval_parse_flat(const char *text, const char *implied_key,
                         bool allow_no, bool *help, Error **errp);

/*
 * A number with an optional size suffix B, K, M, G, T, P, E (powers of 1024,
 * @unit is the suffix assumed when there is none, 'B' for bytes), decimal
 * with a fraction or hexadecimal; false when it is none or overflows.
 */
bool parse_size(const char *text, char unit, uint64_t *size);
/* on/yes/true/y and off/no/false/n. */
bool parse_bool(const char *text, bool *v);
/* The whole text must be one number: decimal, 0x hex or 0 octal. */
bool parse_int64(const char *text, int64_t *v);
bool parse_uint64(const char *text, uint64_t *v);

#endif
