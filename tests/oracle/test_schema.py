# SPDX-License-Identifier: GPL-2.0-or-later
"""Our QMP schema is a compatible subset of QEMU 7.2's."""

import unittest

from pair import additions, oracle, ours


class Comparison:
    """Walks two schemas in step; collects paths at which ours differs."""

    def __init__(self, our_schema, their_schema):
        self.ours = {e['name']: e for e in our_schema}
        self.theirs = {e['name']: e for e in their_schema}
        self.done = set()
        self.bad = []
        self.allowed = additions()
        self.used = set()

    def complain(self, path, why):
        if path in self.allowed:
            self.used.add(path)
        else:
            self.bad.append(f'{path}: {why}')

    def entities(self):
        """Every command and event of ours against its namesake."""
        for kind in ('command', 'event'):
            names = sorted(n for n, e in self.ours.items()
                           if e['meta-type'] == kind)
            for name in names:
                self.entity(kind, name)
        return self

    def entity(self, kind, name):
        a, b = self.ours[name], self.theirs.get(name)
        if not b or b['meta-type'] != kind:
            return self.complain(name, f'no such {kind} in QEMU 7.2')
        self.features(name, a, b)
        self.types(f'{name}/arg', a['arg-type'], b['arg-type'])
        if kind == 'command':
            self.types(f'{name}/ret', a['ret-type'], b['ret-type'])
            if a.get('allow-oob', False) != b.get('allow-oob', False):
                self.complain(f'{name}/allow-oob', 'differs')

    def features(self, path, a, b):
        for feature in a.get('features', []):
            if feature not in b.get('features', []):
                self.complain(f'{path}/${feature}', 'no such feature')

    def types(self, path, a_name, b_name):
        """Two types; the pair is walked once, wherever it comes up."""
        if (a_name, b_name) in self.done:
            return
        self.done.add((a_name, b_name))
        a, b = self.ours[a_name], self.theirs[b_name]
        if a['meta-type'] != b['meta-type']:
            return self.complain(path, f"{a['meta-type']}, in QEMU 7.2 "
                                       f"{b['meta-type']}")
        getattr(self, a['meta-type'])(path, a, b)

    def builtin(self, path, a, b):
        if a['name'] != b['name']:
            self.complain(path, f"{a['name']}, in QEMU 7.2 {b['name']}")

    def enum(self, path, a, b):
        def values(e):
            return e.get('values') or [m['name'] for m in e['members']]
        for value in values(a):
            if value not in values(b):
                self.complain(f'{path}/={value}', 'no such value')

    def array(self, path, a, b):
        self.types(f'{path}/[]', a['element-type'], b['element-type'])

    def object(self, path, a, b):
        theirs = {m['name']: m for m in b['members']}
        for member in a['members']:
            name, where = member['name'], f"{path}/{member['name']}"
            if name not in theirs:
                self.complain(where, 'no such member')
                continue
            if ('default' in member) != ('default' in theirs[name]):
                self.complain(where, 'optional in one, not in the other')
            self.features(where, member, theirs[name])
            self.types(where, member['type'], theirs[name]['type'])
        mine = {m['name'] for m in a['members']}
        for name, member in theirs.items():
            if name not in mine and 'default' not in member:
                self.complain(f'{path}/-{name}', 'mandatory member missing')
        cases = {v['case']: v['type'] for v in b.get('variants', [])}
        if a.get('tag') != b.get('tag') and a.get('tag'):
            self.complain(path, 'union with another tag')
        for variant in a.get('variants', []):
            where = f"{path}/+{variant['case']}"
            if variant['case'] not in cases:
                self.complain(where, 'no such variant')
            else:
                self.types(where, variant['type'], cases[variant['case']])

    def alternate(self, path, a, b):
        def kinds(schema, entity):
            return {schema[m['type']]['meta-type'] +
                    (schema[m['type']].get('json-type', '')
                     if schema[m['type']]['meta-type'] == 'builtin' else ''):
                    m['type'] for m in entity['members']}
        theirs = kinds(self.theirs, b)
        for kind, name in kinds(self.ours, a).items():
            if kind not in theirs:
                self.complain(f'{path}/|{kind}', 'no such alternative')
            else:
                self.types(f'{path}/|{kind}', name, theirs[kind])


class Schema(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        with ours('-machine', 'none') as a, oracle('-machine', 'none') as b:
            cls.our_schema = a.qmp.cmd('query-qmp-schema')
            cls.their_schema = b.qmp.cmd('query-qmp-schema')
            cls.our_commands = {c['name'] for c in a.qmp.cmd('query-commands')}
            cls.their_greeting = b.qmp.greeting
            cls.our_greeting = a.qmp.greeting

    def test_commands_and_events_are_a_compatible_subset(self):
        result = Comparison(self.our_schema, self.their_schema).entities()
        self.assertEqual('\n'.join(result.bad), '')

    def test_additions_file_names_only_what_is_there(self):
        result = Comparison(self.our_schema, self.their_schema).entities()
        kinds = ('property ', 'parameter ', 'option ', 'command ', 'type ')
        listed = {p for p in additions() if not p.startswith(kinds)}
        self.assertEqual(listed - result.used, set())

    def test_no_name_is_listed_twice(self):
        names = [e['name'] for e in self.our_schema]
        self.assertEqual(len(names), len(set(names)))

    def test_query_commands_lists_the_schemas_commands(self):
        self.assertEqual(self.our_commands,
                         {e['name'] for e in self.our_schema
                          if e['meta-type'] == 'command'})

    def test_type_names_are_masked(self):
        plain = [e['name'] for e in self.our_schema
                 if e['meta-type'] in ('object', 'enum', 'alternate')
                 and not e['name'].isdigit()]
        self.assertEqual(plain, [])

    def test_greeting_has_the_oracles_form(self):
        a, b = self.our_greeting['QMP'], self.their_greeting['QMP']
        self.assertEqual(sorted(a), sorted(b))
        self.assertEqual(a['capabilities'], b['capabilities'])
        self.assertEqual([a['version']['qemu'][k] for k in ('major', 'minor')],
                         [b['version']['qemu'][k] for k in ('major', 'minor')])
