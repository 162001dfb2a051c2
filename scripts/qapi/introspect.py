# SPDX-License-Identifier: GPL-2.0-or-later
"""The data of query-qmp-schema: type names masked by numbers, as in QEMU."""

import json

from .gen_types import NOTICE


class Introspection:
    def __init__(self, schema, modules, pending):
        self.schema = schema
        self.names = {}   # type -> masked name
        self.queue = []   # types whose entry is still to be made
        self.entries = []
        self.empty_used = False
        wanted = set(modules)
        for e in schema.entities:
            if (e.kind in ('command', 'event') and e.module in wanted
                    and e.name not in pending):
                self.entries.append(getattr(self, e.kind)(e))
        while self.queue:
            self.entries.append(self.type_entry(self.queue.pop(0)))
        if self.empty_used:
            self.entries.append({'name': '0', 'members': [],
                                 'meta-type': 'object'})

    def ref(self, t):
        if t is None:
            self.empty_used = True
            return '0'
        if t.kind == 'builtin':
            if t.json_type == 'int':
                t = self.schema.types['int']
            return self.enter(t, t.name)
        if t.kind == 'array':
            return self.enter(t, '[' + self.ref(t.element) + ']')
        if t not in self.names:
            number = sum(1 for n in self.names.values() if n.isdigit()) + 1
            self.enter(t, str(number))
        return self.names[t]

    def enter(self, t, name):
        if t not in self.names:
            if name not in self.names.values():
                self.queue.append(t)
            self.names[t] = name  # lists of all integer types share one
        return name

    def with_features(self, entry, features):
        if features:
            entry['features'] = features
        return entry

    def command(self, c):
        entry = {'name': c.name, 'ret-type': self.ref(c.ret),
                 'meta-type': 'command',
                 'arg-type': self.ref(c.arg)}
        if c.allow_oob:
            entry['allow-oob'] = True
        return self.with_features(entry, c.features)

    def event(self, e):
        return self.with_features(
            {'name': e.name, 'meta-type': 'event',
             'arg-type': self.ref(e.arg)}, e.features)

    def member(self, m):
        entry = {'name': m.name, 'type': self.ref(m.type)}
        if m.optional:
            entry['default'] = None
        return self.with_features(entry, m.features)

    def object_entry(self, t):
        entry = {'members': [self.member(m) for m in t.members],
                 'meta-type': 'object'}
        if t.kind == 'union':
            entry['tag'] = t.tag.name
            branches = dict(t.branches)
            entry['variants'] = [
                {'case': v.name, 'type': self.ref(branches.get(v.name))}
                for v in t.tag.type.values]
        return entry

    def type_entry(self, t):
        entry = {'name': self.names[t]}
        if t.kind == 'builtin':
            entry.update({'json-type': t.json_type, 'meta-type': 'builtin'})
        elif t.kind == 'array':
            entry.update({'element-type': self.ref(t.element),
                          'meta-type': 'array'})
        elif t.kind == 'enum':
            entry['meta-type'] = 'enum'
            entry['members'] = [
                self.with_features({'name': v.name}, v.features)
                for v in t.values]
            entry['values'] = [v.name for v in t.values]
        elif t.kind == 'alternate':
            entry.update({'members': [{'type': self.ref(b)}
                                      for _, b in t.branches],
                          'meta-type': 'alternate'})
        else:
            entry.update(self.object_entry(t))
        return self.with_features(entry, t.features)


def introspect(schema, modules, pending):
    return Introspection(schema, modules, pending).entries


def source(schema, modules, pending):
    out = NOTICE % 'the schema'
    out += ('#include "util/osdep.h"\n\n#include "qapi/dispatch.h"\n\n'
            'const char qmp_schema_json[] =\n')
    entries = introspect(schema, modules, pending)
    for i, e in enumerate(entries):
        text = json.dumps(e, separators=(',', ':'))
        text = ('[' if i == 0 else ',') + text
        text = text.replace('\\', '\\\\').replace('"', '\\"')
        out += f'    "{text}"\n'
    out += ('    "[]";\n' if not entries else '    "]";\n')
    return out + ('const size_t qmp_schema_json_len = '
                  'sizeof(qmp_schema_json) - 1;\n')
