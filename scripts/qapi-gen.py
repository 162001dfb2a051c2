#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Generate C code and documentation from the QAPI schema.

  qapi-gen.py [options] types SCHEMA      headers, types, events, and the
                                          commands of modules that do not
                                          depend on the target
  qapi-gen.py [options] program SCHEMA    what differs between programs:
                                          commands of -target modules and the
                                          data of query-qmp-schema
  qapi-gen.py [options] html|man SCHEMA   the QMP reference manual
  qapi-gen.py [options] schema SCHEMA     query-qmp-schema data, to stdout
"""

import argparse
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position
from qapi import gen_calls, gen_manual, gen_types, introspect  # noqa: E402
from qapi.cond import names as cond_names  # noqa: E402
from qapi.schema import Object, Schema  # noqa: E402
from qapi.source import SchemaError  # noqa: E402


def is_target(module):
    return module.endswith('-target')


def write(path, text):
    """Leave an unchanged file alone, so that nothing is compiled again."""
    try:
        with open(path, encoding='utf-8') as f:
            if f.read() == text:
                return
    except FileNotFoundError:
        pass
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text)


def read_pending(path):
    """Names, one a line; '#' starts a comment."""
    if not path:
        return set()
    with open(path, encoding='utf-8') as f:
        lines = (line.split('#')[0].strip() for line in f)
        return {line for line in lines if line}


def check_target_conds(schema):
    """Types are shared by all programs: no member may depend on the target."""
    for expr in schema.parser.exprs:
        value = expr.value
        parts = []
        for key in ('data', 'base'):
            part = value.get(key)
            if isinstance(part, dict):
                parts += part.values()
            elif isinstance(part, list):
                parts += [p for p in part if isinstance(p, dict)]
        for part in parts:
            if (isinstance(part, dict) and
                    any(n.startswith('TARGET_')
                        for n in cond_names(part.get('if')))):
                raise SchemaError(expr.where, 'only whole definitions may '
                                  'depend on TARGET_ names')
        if (any(n.startswith('TARGET_') for n in cond_names(value.get('if')))
                and not is_target(expr.module)):
            raise SchemaError(expr.where, 'TARGET_ conditions belong in a '
                              '-target module')


def check_pending(schema, pending, path):
    for name in sorted(pending):
        if not any(name in (x.value.get('command'), x.value.get('event'))
                   for x in schema.parser.exprs):
            sys.exit(f"{path}: '{name}' is neither a command nor an event")


def gen_all_types(schema, args, pending):
    out = args.output_dir
    check_target_conds(schema)
    if args.include_dir == 'qapi':
        write(f'{out}/qapi-builtin-types.h', gen_types.builtin_header())
        write(f'{out}/qapi-builtin-types.c', gen_types.builtin_source())
    for module in schema.modules:
        b = gen_types.base(module)
        write(f'{out}/qapi-types-{b}.h', gen_types.header(schema, module))
        write(f'{out}/qapi-types-{b}.c', gen_types.source(schema, module))
        write(f'{out}/qapi-events-{b}.h',
              gen_calls.events_header(schema, module))
        write(f'{out}/qapi-events-{b}.c',
              gen_calls.events_source(schema, module))
        write(f'{out}/qapi-commands-{b}.h',
              gen_calls.commands_header(schema, module))
        if not is_target(module):
            write(f'{out}/qapi-commands-{b}.c',
                  gen_calls.commands_source(schema, module, pending))


def gen_program(schema, args, pending):
    modules = args.modules.split(',')
    for module in modules:
        if module not in schema.modules:
            sys.exit(f"unknown module '{module}'")
    for module in modules:
        if is_target(module):
            b = gen_types.base(module)
            write(f'{args.output_dir}/qapi-commands-{b}{args.suffix}.c',
                  gen_calls.commands_source(schema, module, pending))
    write(f'{args.output_dir}/qapi-introspect{args.suffix}.c',
          introspect.source(schema, modules, pending))


def main():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument('what', choices=['types', 'program', 'html', 'man',
                                    'schema'])
    p.add_argument('schema')
    p.add_argument('-o', '--output-dir', default='.')
    p.add_argument('--include-dir', default='qapi',
                   help='how generated code includes its headers')
    p.add_argument('--suffix', default='',
                   help='of the files of a program, such as -x86_64')
    p.add_argument('--define', action='append', default=[],
                   help="a name that holds in 'if' conditions")
    p.add_argument('--modules', default='',
                   help='modules of the program, separated by commas')
    p.add_argument('--pending', help='file that lists commands without '
                   'handler and events without sender')
    args = p.parse_args()
    try:
        schema = Schema(args.schema, args.define)
        schema.include_dir = args.include_dir
        pending = read_pending(args.pending)
        check_pending(schema, pending, args.pending)
        modules = (args.modules.split(',') if args.modules
                   else schema.modules)
        if args.what == 'types':
            gen_all_types(schema, args, pending)
        elif args.what == 'program':
            gen_program(schema, args, pending)
        elif args.what == 'schema':
            json.dump(introspect.introspect(schema, modules, pending),
                      sys.stdout, indent=1)
        elif args.what == 'html':
            write(f'{args.output_dir}/qemu-qmp-ref.html',
                  gen_manual.html(schema))
        else:
            write(f'{args.output_dir}/qemu-qmp-ref.7',
                  gen_manual.man(schema))
    except SchemaError as e:
        sys.exit(str(e))


if __name__ == '__main__':
    main()
