# SPDX-License-Identifier: GPL-2.0-or-later
"""Conditions ('if'), decided when the code is generated."""

import re

from .source import SchemaError

NAME = re.compile(r'[A-Z][A-Z0-9_]*$')


def check_cond(cond, where, what):
    """Form of a condition: NAME, {'all'|'any': [..]} or {'not': cond}."""
    if isinstance(cond, str):
        if not NAME.match(cond):
            raise SchemaError(
                where, f"'if' condition '{cond}' of {what} is not a valid "
                'identifier')
        return
    if not isinstance(cond, dict):
        raise SchemaError(
            where, f"'if' condition of {what} must be a string or an object")
    if len(cond) != 1:
        raise SchemaError(
            where, f"'if' condition of {what} has conflicting keys")
    op, operand = next(iter(cond.items()))
    if op == 'not':
        check_cond(operand, where, what)
    elif op in ('all', 'any'):
        if not isinstance(operand, list) or not operand:
            raise SchemaError(
                where, f"'{op}' of {what}'s 'if' must be a non-empty array")
        for sub in operand:
            check_cond(sub, where, what)
    else:
        raise SchemaError(
            where, f"'if' condition of {what} has unknown key '{op}'")


def holds(cond, defines):
    """@defines is a set of names; no condition always holds."""
    if cond is None:
        return True
    if isinstance(cond, str):
        return cond in defines
    op, operand = next(iter(cond.items()))
    if op == 'not':
        return not holds(operand, defines)
    if op == 'all':
        return all(holds(sub, defines) for sub in operand)
    return any(holds(sub, defines) for sub in operand)


def names(cond):
    """All names that @cond depends on."""
    if cond is None:
        return set()
    if isinstance(cond, str):
        return {cond}
    operand = next(iter(cond.values()))
    if not isinstance(operand, list):
        operand = [operand]
    return set().union(*(names(sub) for sub in operand))
