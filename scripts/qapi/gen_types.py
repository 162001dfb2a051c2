# SPDX-License-Identifier: GPL-2.0-or-later
"""qapi-types-MODULE.[ch]: C types and their descriptors."""

from .cnames import (c_name, c_type, descriptor, enum_const, feature_flags,
                     guard, has_flag, upper_name)
from .schema import BUILTINS

NOTICE = '/* Generated from %s by scripts/qapi-gen.py. */\n'


def base(module):
    return module.rsplit('/', 1)[-1]


def member_decls(members, indent='    '):
    out = ''
    for m in members:
        if has_flag(m):
            out += f'{indent}bool has_{c_name(m.name).removeprefix("q_")};\n'
        out += f'{indent}{c_type(m.type)}{c_name(m.name)};\n'
    return out


def has_name(m):
    return 'has_' + c_name(m.name).removeprefix('q_')


def struct_body(t):
    out = ''
    if t.base:
        out += f'    /* of {c_name(t.base.name)} */\n'
        out += member_decls(t.base.members)
        out += '    /* own */\n'
    out += member_decls(t.local)
    if t.kind == 'union':
        branches = [(v, b) for v, b in t.branches if storage(b)]
        if branches:
            out += '    union {\n'
            for value, b in branches:
                out += f'        {c_name(b.name)} {c_name(value)};\n'
            out += '    } u;\n'
    if not out or not storage(t):
        out = '    char q_empty;\n'
    return out


def storage(t):
    """Does the struct have any member?"""
    return bool(t.members or any(storage(b) for _, b in t.branches))


def gen_enum(e):
    out = f'typedef enum {c_name(e.name)} {{\n'
    for v in e.values:
        out += f'    {enum_const(e, v.name)},\n'
    prefix = e.prefix or upper_name(e.name)
    return out + f'    {prefix}__MAX,\n}} {c_name(e.name)};\n'


def gen_struct(t):
    return f'struct {c_name(t.name)} {{\n{struct_body(t)}}};\n'


def gen_alternate(t):
    out = f'struct {c_name(t.name)} {{\n    QType type;\n    union {{\n'
    for name, b in t.branches:
        ct = (c_name(b.name) + ' ' if b.kind in ('struct', 'union')
              else c_type(b))
        out += f'        {ct}{c_name(name)};\n'
    return out + '    } u;\n};\n'


def by_value(t):
    """Types whose definition must come before that of @t."""
    if t.kind == 'alternate':
        return [b for _, b in t.branches if b.kind in ('struct', 'union')]
    if t.kind in ('struct', 'union'):
        return [b for _, b in t.branches]
    return []


def ordered(types):
    """Source order, but for what by_value() moves ahead."""
    out, done = [], set()

    def visit(t):
        if t.name in done:
            return
        done.add(t.name)
        for dep in by_value(t):
            if dep.module == t.module:
                visit(dep)
        out.append(t)

    for t in types:
        visit(t)
    return out


def gen_list(name, ctype):
    return (f'typedef struct {name}List {name}List;\n'
            f'struct {name}List {{\n    {name}List *next;\n'
            f'    {ctype}value;\n}};\n'
            f'extern const QapiType qapi_type_{name}List;\n'
            + gen_free(name + 'List'))


def gen_free(name):
    return (f'static inline void qapi_free_{name}({name} *obj)\n{{\n'
            f'    qapi_free(&qapi_type_{name}, obj);\n}}\n'
            f'G_DEFINE_AUTOPTR_CLEANUP_FUNC({name}, qapi_free_{name})\n')


def gen_upcast(t):
    if not t.base:
        return ''
    n, b = c_name(t.name), c_name(t.base.name)
    return (f'static inline {b} *qapi_{n}_base(const {n} *obj)\n{{\n'
            f'    return ({b} *)obj;\n}}\n')


def builtin_header():
    out = NOTICE % 'the built-in types'
    out += ('#ifndef QAPI_BUILTIN_TYPES_H\n#define QAPI_BUILTIN_TYPES_H\n\n'
            '#include "qapi/qapi.h"\n\n')
    for name, (ctype, _, _) in BUILTINS.items():
        out += gen_list(name, ctype) + '\n'
    out += gen_list('QType', 'QType ')
    return out + '\n#endif\n'


def builtin_source():
    out = NOTICE % 'the built-in types'
    out += '#include "util/osdep.h"\n\n#include "qapi/qapi-builtin-types.h"\n'
    for name in list(BUILTINS) + ['QType']:
        out += '\n' + list_descriptor(name, f'qapi_type_{name}', name)
    return out


def list_descriptor(cname, element, name):
    return (f'const QapiType qapi_type_{cname}List = {{\n'
            f'    .name = "{name}List",\n    .kind = QAPI_LIST,\n'
            f'    .size = sizeof({cname}List),\n'
            f'    .branch = (const QapiType *const[]) {{ &{element} }},\n}};\n')


def header(schema, module):
    types = [e for e in schema.entities
             if e.module == module and e.kind not in ('command', 'event')]
    g = 'QAPI_TYPES_%s_H' % guard(base(module))
    out = NOTICE % (module + '.json')
    out += f'#ifndef {g}\n#define {g}\n\n#include "qapi/qapi-builtin-types.h"\n'
    for inc in schema.includes[module]:
        out += f'#include "{schema.include_dir}/qapi-types-{base(inc)}.h"\n'
    out += '\n'
    for t in types:
        if t.kind == 'enum':
            out += gen_enum(t) + '\n'
    for t in types:
        if t.kind != 'enum':
            out += f'typedef struct {c_name(t.name)} {c_name(t.name)};\n'
    out += '\n'
    for t in types:
        out += f'extern const QapiType {descriptor(t)};\n'
    out += '\n'
    for t in types:
        out += gen_list(c_name(t.name), c_type(t)) + '\n'
    for t in ordered(types):
        if t.kind in ('struct', 'union'):
            out += gen_struct(t) + gen_free(c_name(t.name)) + gen_upcast(t)
        elif t.kind == 'alternate':
            out += gen_alternate(t) + gen_free(c_name(t.name))
        else:
            continue
        out += '\n'
    return out + '#endif\n'


def member_entry(m, cname):
    flags = ['QAPI_OPTIONAL'] if m.optional else []
    has = ''
    if has_flag(m):
        flags.append('QAPI_HAS')
        has = f', offsetof({cname}, {has_name(m)})'
    flags += feature_flags(m.features)
    out = (f'        {{ "{m.name}", &{descriptor(m.type)}, '
           f'offsetof({cname}, {c_name(m.name)})')
    if flags:
        out += (has or ', 0') + ', ' + ' | '.join(flags)
    return out + ' },\n'


def object_descriptor(t, static=False):
    n = c_name(t.name)
    out = f'{"static " if static else ""}const QapiType {descriptor(t)} = {{\n'
    out += f'    .name = "{t.name}",\n'
    out += f'    .kind = QAPI_{"UNION" if t.kind == "union" else "STRUCT"},\n'
    out += f'    .size = sizeof({n}),\n    .n = {len(t.members)},\n'
    if t.members:
        out += '    .members = (const QapiMember[]) {\n'
        out += ''.join(member_entry(m, n) for m in t.members)
        out += '    },\n'
    if t.kind == 'union':
        out += f'    .tag = {t.members.index(t.tag)},\n'
        branches = [(v, b) for v, b in t.branches if storage(b)]
        if branches:
            out += f'    .u_offset = offsetof({n}, u),\n'
        out += ('    .branch = (const QapiType *const['
                f'{upper_prefix(t.tag.type)}__MAX]) {{\n')
        for value, b in branches:
            out += (f'        [{enum_const(t.tag.type, value)}] = '
                    f'&{descriptor(b)},\n')
        out += '    },\n'
    return out + '};\n'


def upper_prefix(enum):
    return enum.prefix or upper_name(enum.name)


def enum_descriptor(t):
    out = (f'const QapiType {descriptor(t)} = {{\n    .name = "{t.name}",\n'
           f'    .kind = QAPI_ENUM,\n    .n = {len(t.values)},\n'
           f'    .size = sizeof({c_name(t.name)}),\n'
           '    .names = (const char *const[]) {\n')
    for v in t.values:
        out += f'        "{v.name}",\n'
    return out + '        NULL,\n    },\n};\n'


def alternate_descriptor(t):
    n = c_name(t.name)
    out = (f'const QapiType {descriptor(t)} = {{\n    .name = "{t.name}",\n'
           f'    .kind = QAPI_ALTERNATE,\n    .size = sizeof({n}),\n'
           f'    .u_offset = offsetof({n}, u),\n'
           '    .branch = (const QapiType *const[QTYPE__MAX]) {\n')
    for _, b in t.branches:
        out += f'        [QTYPE_{b.qtype}] = &{descriptor(b)},\n'
    return out + '    },\n};\n'


def source(schema, module):
    out = NOTICE % (module + '.json')
    out += ('#include "util/osdep.h"\n\n'
            f'#include "{schema.include_dir}/qapi-types-{base(module)}.h"\n')
    for t in schema.entities:
        if t.module != module or t.kind in ('command', 'event'):
            continue
        if t.kind == 'enum':
            out += '\n' + enum_descriptor(t)
        elif t.kind == 'alternate':
            out += '\n' + alternate_descriptor(t)
        else:
            out += '\n' + object_descriptor(t)
        out += '\n' + list_descriptor(c_name(t.name), descriptor(t), t.name)
    return out
