# SPDX-License-Identifier: GPL-2.0-or-later
"""C names and types for schema names."""

import re

# Words that C, GNU C's default macros or our headers already use.
RESERVED = set('''
auto break case char const continue default do double else enum extern float
for goto if int long register return short signed sizeof static struct switch
typedef union unsigned void volatile while inline restrict asm typeof bool
true false unix linux i386 errno and or not xor namespace class new delete
private public template this throw try using virtual
'''.split())


def c_name(name):
    name = re.sub(r'[^A-Za-z0-9_]', '_', name)
    if name in RESERVED or name[0].isdigit():
        return 'q_' + name
    return name


def upper_name(name):
    """CamelCase or dashed to UPPER_CASE."""
    name = re.sub(r'([a-z0-9])([A-Z])', r'\1_\2', name)
    name = re.sub(r'([A-Z])([A-Z][a-z])', r'\1_\2', name)
    return re.sub(r'[^A-Za-z0-9]', '_', name).upper()


def enum_const(enum, value):
    prefix = enum.prefix or upper_name(enum.name)
    return prefix + '_' + re.sub(r'[^A-Za-z0-9]', '_', value).upper()


def c_type(t, const=False):
    """Type of a variable, ending so that a name can follow."""
    if t.kind == 'builtin':
        return ('const ' if const and t.name == 'str' else '') + t.ctype
    if t.kind == 'enum':
        return c_name(t.name) + ' '
    return c_name(t.name) + ' *'


def is_pointer(t):
    return c_type(t).endswith('*')


def has_flag(member):
    """Optional and not to be told from the value itself."""
    return member.optional and (not is_pointer(member.type)
                                or member.type.kind == 'array')


def descriptor(t):
    if t.kind == 'builtin':
        return 'qapi_type_' + t.name
    return 'qapi_type_' + c_name(t.name)


def guard(name):
    return re.sub(r'[^A-Za-z0-9]', '_', name).upper()


def feature_flags(features, prefix='QAPI_'):
    return [prefix + f.upper() for f in ('deprecated', 'unstable')
            if f in features]
