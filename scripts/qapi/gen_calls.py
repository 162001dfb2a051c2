# SPDX-License-Identifier: GPL-2.0-or-later
"""qapi-commands-MODULE.[ch] and qapi-events-MODULE.[ch]."""

from .cnames import c_name, c_type, descriptor, feature_flags, guard, has_flag
from .cnames import is_pointer
from .gen_types import (NOTICE, base, gen_struct, has_name, object_descriptor)


def calls(schema, module, kind):
    return [e for e in schema.entities
            if e.module == module and e.kind == kind]


def params(arg, boxed):
    if not arg:
        return []
    if boxed:
        return [f'{c_name(arg.name)} *arg']
    out = []
    for m in arg.members:
        if has_flag(m):
            out.append('bool ' + has_name(m))
        out.append(c_type(m.type, const=True) + c_name(m.name))
    return out


def wrapped(head, args, tail):
    """A C declaration broken at 80 columns."""
    line, out = head + '(', ''
    indent = ' ' * len(line)
    for i, a in enumerate(args):
        piece = a + (', ' if i + 1 < len(args) else ')' + tail)
        if len((line + piece).rstrip()) > 80 and line.strip():
            out += line.rstrip() + '\n'
            line = indent if len(indent) < 50 else ' ' * 8
        line += piece
    return out + line + '\n'


def arg_struct(arg):
    """The type of an implicit argument struct, in the .c file that uses it."""
    n = c_name(arg.name)
    return (f'typedef struct {n} {n};\n' + gen_struct(arg)
            + object_descriptor(arg, static=True))


# Commands -------------------------------------------------------------------

def prototype(cmd, tail=';'):
    args = ['Vm *vm']
    if not cmd.gen:
        args += ['QDict *args', 'JsonWriter *ret']
        result = 'bool '
    else:
        args += params(cmd.arg, cmd.boxed)
        result = 'bool '
        if cmd.ret and is_pointer(cmd.ret):
            result = c_type(cmd.ret)
        elif cmd.ret:
            args.append(c_type(cmd.ret) + '*ret')
    args.append('Error **errp')
    return wrapped(f'{result}qmp_{c_name(cmd.name)}', args, tail)


def commands_header(schema, module):
    g = 'QAPI_COMMANDS_%s_H' % guard(base(module))
    out = NOTICE % (module + '.json')
    out += (f'#ifndef {g}\n#define {g}\n\n'
            f'#include "{schema.include_dir}/qapi-types-{base(module)}.h"\n\n'
            '/* Handlers, for the subsystem that owns each to define.\n'
            ' * Arguments are lent; a result is handed over. */\n')
    for cmd in calls(schema, module, 'command'):
        out += prototype(cmd)
    return out + '\n#endif\n'


def call_args(cmd):
    out = ['vm']
    if cmd.arg and cmd.boxed:
        out.append('&arg')
    elif cmd.arg:
        for m in cmd.arg.members:
            if has_flag(m):
                out.append('arg.' + has_name(m))
            out.append('arg.' + c_name(m.name))
    if cmd.ret and not is_pointer(cmd.ret):
        out.append('&result')
    return ', '.join(out + ['errp'])


def marshal(cmd):
    name = c_name(cmd.name)
    out = ''
    if cmd.arg and cmd.arg.implicit:
        out += '\n' + arg_struct(cmd.arg)
    out += (f'\nstatic bool marshal_{name}(Vm *vm, QDict *args, '
            'JsonWriter *ret, Error **errp)\n{\n')
    argd = descriptor(cmd.arg) if cmd.arg else 'qapi_no_args'
    if cmd.arg:
        out += f'    {c_name(cmd.arg.name)} arg;\n'
    else:
        out += '    char arg;\n'
    if cmd.ret:
        out += f'    {c_type(cmd.ret)}result;\n'
    out += '    bool ok;\n\n'
    out += (f'    if (!qapi_read_members(&{argd}, args, &arg, QAPI_STRICT, '
            'errp)) {\n        return false;\n    }\n')
    call = f'qmp_{name}({call_args(cmd)})'
    if not cmd.ret:
        out += f'    ok = {call};\n'
    elif is_pointer(cmd.ret):
        out += f'    result = {call};\n    ok = !*errp;\n'
    else:
        out += f'    ok = {call};\n'
    if cmd.ret:
        out += ('    if (ok) {\n'
                f'        qapi_write_json(&{descriptor(cmd.ret)}, &result, '
                'ret);\n')
        if is_pointer(cmd.ret):
            out += f'        qapi_clear(&{descriptor(cmd.ret)}, &result);\n'
        out += '    }\n'
    if cmd.arg:
        out += f'    qapi_clear_members(&{argd}, &arg);\n'
    return out + '    return ok;\n}\n'


def command_flags(cmd):
    flags = []
    for attr, flag in (('allow_oob', 'QMP_OOB'),
                       ('coroutine', 'QMP_COROUTINE'),
                       ('allow_preconfig', 'QMP_ALLOW_PRECONFIG')):
        if getattr(cmd, attr):
            flags.append(flag)
    if not cmd.success_response:
        flags.append('QMP_NO_SUCCESS')
    return ' | '.join(flags + feature_flags(cmd.features, 'QMP_')) or '0'


def commands_source(schema, module, pending):
    cmds = [c for c in calls(schema, module, 'command')
            if c.name not in pending]
    out = NOTICE % (module + '.json')
    out += ('#include "util/osdep.h"\n\n'
            f'#include "{schema.include_dir}/qapi-commands-{base(module)}.h"\n'
            '#include "qapi/dispatch.h"\n')
    if not cmds:
        return out
    if any(c.gen and not c.arg for c in cmds):
        out += ('\nstatic const QapiType qapi_no_args = {\n'
                '    .name = "arguments",\n    .kind = QAPI_STRUCT,\n'
                '    .size = 1,\n};\n')
    for cmd in cmds:
        if cmd.gen:
            out += marshal(cmd)
    out += '\nstatic const QmpCommand commands[] = {\n'
    for cmd in sorted(cmds, key=lambda c: c.name):
        fn = ('marshal_' if cmd.gen else 'qmp_') + c_name(cmd.name)
        out += f'    {{ "{cmd.name}", {fn}, {command_flags(cmd)} }},\n'
    out += ('};\n\nstatic const QmpModule module = {\n'
            f'    "{base(module)}", commands, ARRAY_SIZE(commands),\n}};\n'
            'QMP_MODULE(module);\n')
    return out


# Events ---------------------------------------------------------------------

def event_prototype(event, tail=';'):
    args = ['QapiEventSink *sink'] + params(event.arg, event.boxed)
    return wrapped(f'void qapi_event_send_{c_name(event.name.lower())}', args,
                   tail)


def events_header(schema, module):
    g = 'QAPI_EVENTS_%s_H' % guard(base(module))
    out = NOTICE % (module + '.json')
    out += (f'#ifndef {g}\n#define {g}\n\n#include "qapi/event.h"\n'
            f'#include "{schema.include_dir}/qapi-types-{base(module)}.h"\n\n'
            '/* Any thread; arguments are lent; a NULL sink drops the event. '
            '*/\n')
    for event in calls(schema, module, 'event'):
        out += event_prototype(event)
    return out + '\n#endif\n'


def event_sender(event):
    name = c_name(event.name.lower())
    out = '\n'
    if event.arg and event.arg.implicit:
        out += arg_struct(event.arg) + '\n'
    flags = ' | '.join(feature_flags(event.features)) or '0'
    data = '&' + descriptor(event.arg) if event.arg else 'NULL'
    out += (f'static const QapiEventInfo info_{name} = {{\n'
            f'    "{event.name}", {data}, {flags},\n}};\n\n')
    out += event_prototype(event, '') + '{\n'
    obj = 'NULL'
    if event.arg and event.boxed:
        obj = 'arg'
    elif event.arg:
        obj = '&data'
        out += f'    {c_name(event.arg.name)} data = {{\n'
        for m in event.arg.members:
            if has_flag(m):
                out += f'        .{has_name(m)} = {has_name(m)},\n'
            cast = '(char *)' if c_type(m.type) == 'char *' else ''
            out += f'        .{c_name(m.name)} = {cast}{c_name(m.name)},\n'
        out += '    };\n\n'
    return out + f'    qapi_event_emit(sink, &info_{name}, {obj});\n}}\n'


def events_source(schema, module):
    out = NOTICE % (module + '.json')
    out += ('#include "util/osdep.h"\n\n'
            f'#include "{schema.include_dir}/qapi-events-{base(module)}.h"\n')
    for event in calls(schema, module, 'event'):
        out += event_sender(event)
    return out
