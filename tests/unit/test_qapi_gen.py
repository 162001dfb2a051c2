#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The QAPI generator: what it refuses and where, what it makes of the rest."""

import os
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', '..', 'scripts'))

# pylint: disable=wrong-import-position
from qapi import cnames, cond, gen_calls, gen_manual, gen_types  # noqa: E402
from qapi import introspect  # noqa: E402
from qapi.schema import Schema  # noqa: E402
from qapi.source import SchemaError  # noqa: E402

E = "{ 'enum': 'En', 'data': [ 'a', 'b' ] }\n"
S = "{ 'struct': 'St', 'data': { 'x': 'int' } }\n"

# name: (schema, line of the error, part of its text)
ERRORS = {
    # Text
    'stray character': ("{ 'command': ; }", 1, "stray ';'"),
    'number': ("{ 'command': 1 }", 1, "stray '1'"),
    'word': ("{ 'command': null }", 1, "'null' is no value"),
    'open string': ("{ 'command': 'a\n' }", 1, 'missing terminating'),
    'escape in string': ("{ 'command': 'a\\n' }", 1, 'no escapes'),
    'funny character': ("{ 'command': 'a\t' }", 1, 'funny character'),
    'no colon': ("{ 'command' 'x' }", 1, "expected ':'"),
    'no comma': ("{ 'command': 'x'\n 'data': {} }", 2, "expected ',' or '}'"),
    'trailing comma': ("{ 'command': 'x', }", 1, 'expected string'),
    'trailing comma in array': (
        "{ 'enum': 'En', 'data': [ 'a', ] }", 1, "expected '{', '['"),
    'unclosed object': ("{ 'command': 'x'", 1, "expected ',' or '}'"),
    'unclosed array': ("{ 'enum': 'En',\n'data': [ 'a'", 2,
                       "expected ',' or ']'"),
    'duplicate key': ("{ 'command': 'x',\n 'command': 'y' }", 2,
                      "duplicate key 'command'"),
    'top-level array': ("[ ]", 1, "expected '{' at top level"),
    'top-level string': ("\n'x'", 2, "expected '{' at top level"),
    # Directives
    'missing include': ("\n{ 'include': 'nope.json' }", 2,
                        "cannot open include file 'nope.json'"),
    'include of object': ("{ 'include': {} }", 1, 'must be a string'),
    'include and more': ("{ 'include': 'a', 'command': 'b' }", 1,
                         "invalid 'include' directive"),
    'unknown pragma': ("{ 'pragma': { 'nope': true } }", 1,
                       "unknown pragma 'nope'"),
    'pragma of array': ("{ 'pragma': [] }", 1, 'must be an object'),
    'doc-required string': ("{ 'pragma': { 'doc-required': 'x' } }", 1,
                            'must be a boolean'),
    'exceptions string': (
        "{ 'pragma': { 'command-name-exceptions': 'x' } }", 1,
        'must be a list of strings'),
    # Kinds and keys
    'no kind': ("{ 'data': {} }", 1, 'missing a kind'),
    'two kinds': ("{ 'enum': 'En', 'struct': 'St', 'data': [] }", 1,
                  'two kinds: enum and struct'),
    'name no string': ("{ 'command': [] }", 1,
                       "'command' name must be a string"),
    'missing data': ("{ 'enum': 'En' }", 1, "enum 'En' misses 'data'"),
    'unknown key': ("{ 'command': 'x', 'colour': 'red' }", 1,
                    "has unknown 'colour'"),
    'union without base': (
        E + "{ 'union': 'Un', 'discriminator': 'e', 'data': {} }", 2,
        "misses 'base'"),
    # Names
    'lower-case type': ("{ 'struct': 'st', 'data': {} }", 1, 'not allowed'),
    'list type': ("{ 'struct': 'StList', 'data': {} }", 1,
                  "must not end in 'List'"),
    'upper-case command': ("{ 'command': 'Foo' }", 1, 'not allowed'),
    'underscore in command': ("{ 'command': 'a_b' }", 1, 'not allowed'),
    'lower-case event': ("{ 'event': 'foo' }", 1, 'not allowed'),
    'builtin type': ("{ 'struct': 'QType', 'data': {} }", 1,
                     "'QType' is already defined"),
    'defined twice': (S + S, 2, "'St' is already defined at"),
    'bad member': ("{ 'struct': 'St', 'data': { 'a b': 'int' } }", 1,
                   "invalid name 'a b'"),
    'upper-case member': ("{ 'struct': 'St', 'data': { 'A': 'int' } }", 1,
                          "invalid name 'A'"),
    'empty member': ("{ 'struct': 'St', 'data': { '*': 'int' } }", 1,
                     "invalid name ''"),
    'reserved u': ("{ 'struct': 'St', 'data': { 'u': 'int' } }", 1,
                   "reserved name 'u'"),
    'reserved has': ("{ 'struct': 'St', 'data': { 'has-x': 'int' } }", 1,
                     "reserved name 'has-x'"),
    'reserved q': ("{ 'struct': 'St', 'data': { 'q-x': 'int' } }", 1,
                   "reserved name 'q-x'"),
    'members collide': (
        "{ 'struct': 'St', 'data': { 'a-b': 'int', '*a-b': 'int' } }", 1,
        "member 'a-b' collides with 'a-b'"),
    'base collides': (
        S + "{ 'struct': 'Tt', 'base': 'St', 'data': { 'x': 'int' } }", 2,
        "member 'x' collides with 'x'"),
    # Types
    'unknown type': ("{ 'struct': 'St', 'data': { 'x': 'nope' } }", 1,
                     "member 'x' uses unknown type 'nope'"),
    'array of two': ("{ 'struct': 'St', 'data': { 'x': [ 'int', 'int' ] } }",
                     1, 'array type must contain a single type name'),
    'member list of lists': (
        "{ 'struct': 'St', 'data': { 'x': [ [ 'int' ] ] } }", 1,
        'array type must contain a single type name'),
    'data of string': ("{ 'struct': 'St', 'data': 'x' }", 1,
                       "'data' of struct 'St' must be an object"),
    'base enum': (E + "{ 'struct': 'St', 'base': 'En', 'data': {} }", 2,
                  "is enum type 'En', must be a struct"),
    'base array': ("{ 'struct': 'St', 'base': [ 'St' ], 'data': {} }", 1,
                   'must not be an array'),
    'own base': ("{ 'struct': 'St', 'base': 'St', 'data': {} }", 1,
                 'contains itself'),
    'base loop': ("{ 'struct': 'Aa', 'base': 'Bb', 'data': {} }\n"
                  "{ 'struct': 'Bb', 'base': 'Aa', 'data': {} }", 1,
                  'contains itself'),
    'enum data object': ("{ 'enum': 'En', 'data': {} }", 1,
                         "'data' of enum 'En' must be an array"),
    'enum value no string': ("{ 'enum': 'En', 'data': [ [] ] }", 1,
                             'value must be a string'),
    'enum upper-case': ("{ 'enum': 'En', 'data': [ 'A' ] }", 1,
                        "invalid name 'A'"),
    'enum prefix': ("{ 'enum': 'En', 'data': [], 'prefix': [] }", 1,
                    "'prefix' of enum 'En' must be a string"),
    # Unions
    'discriminator missing': (
        E + S + "{ 'union': 'Un', 'base': 'St', 'discriminator': 'e', "
        "'data': {} }", 3, "discriminator 'e' is not a member of the base"),
    'discriminator no enum': (
        S + "{ 'union': 'Un', 'base': { 'e': 'int' }, 'discriminator': 'e', "
        "'data': {} }", 2, 'must be of enum type'),
    'discriminator optional': (
        E + "{ 'union': 'Un', 'base': { '*e': 'En' }, 'discriminator': 'e', "
        "'data': {} }", 2, 'must not be optional'),
    'discriminator no string': (
        E + "{ 'union': 'Un', 'base': { 'e': 'En' }, 'discriminator': [], "
        "'data': {} }", 2, 'must be a string'),
    'branch no value': (
        E + S + "{ 'union': 'Un', 'base': { 'e': 'En' }, 'discriminator': "
        "'e', 'data': { 'c': 'St' } }", 3,
        "branch 'c' is not a value of enum 'En'"),
    'branch int': (
        E + "{ 'union': 'Un', 'base': { 'e': 'En' }, 'discriminator': 'e', "
        "'data': { 'a': 'int' } }", 2, "must be a struct"),
    'branch array': (
        E + S + "{ 'union': 'Un', 'base': { 'e': 'En' }, 'discriminator': "
        "'e', 'data': { 'a': [ 'St' ] } }", 3, 'must not be an array'),
    'branch collides': (
        E + S + "{ 'union': 'Un', 'base': { 'e': 'En', 'x': 'int' }, "
        "'discriminator': 'e', 'data': { 'a': 'St' } }", 3,
        "member 'x' of branch 'a' collides with 'x'"),
    'union in itself': (
        E + "{ 'union': 'Un', 'base': { 'e': 'En' }, 'discriminator': 'e', "
        "'data': { 'a': 'Un' } }", 2, 'contains itself'),
    # Alternates
    'alternate empty': ("{ 'alternate': 'Al', 'data': {} }", 1,
                        'must not be empty'),
    'alternate two strings': (
        E + "{ 'alternate': 'Al', 'data': { 'a': 'str', 'b': 'En' } }", 2,
        "branch 'b' cannot be told from branch 'a'"),
    'alternate two numbers': (
        "{ 'alternate': 'Al', 'data': { 'a': 'int', 'b': 'number' } }", 1,
        'cannot be told'),
    'alternate string and bool': (
        "{ 'alternate': 'Al', 'data': { 'a': 'bool', 'b': 'str' } }", 1,
        'cannot be told'),
    'alternate on-off and bool': (
        "{ 'enum': 'En', 'data': [ 'on' ] }\n"
        "{ 'alternate': 'Al', 'data': { 'a': 'bool', 'b': 'En' } }", 2,
        'cannot be told'),
    'alternate digits and int': (
        "{ 'enum': 'En', 'data': [ '1x' ] }\n"
        "{ 'alternate': 'Al', 'data': { 'a': 'int', 'b': 'En' } }", 2,
        'cannot be told'),
    'alternate any': (
        "{ 'alternate': 'Al', 'data': { 'a': 'any' } }", 1,
        "cannot use type 'any'"),
    'alternate in alternate': (
        "{ 'alternate': 'Al', 'data': { 'a': 'int' } }\n"
        "{ 'alternate': 'Bl', 'data': { 'a': 'Al' } }", 2,
        "cannot use type 'Al'"),
    # Commands and events
    'returns int': ("{ 'command': 'x', 'returns': 'int' }", 1,
                    'must be an object or an array of objects'),
    'returns array of int': ("{ 'command': 'x', 'returns': [ 'int' ] }", 1,
                             'must be an object or an array of objects'),
    'returns unknown': ("{ 'command': 'x', 'returns': 'Nope' }", 1,
                        "uses unknown type 'Nope'"),
    'data array': (S + "{ 'command': 'x', 'data': [ 'St' ] }", 2,
                   'must not be an array'),
    'data int': ("{ 'command': 'x', 'data': 'int' }", 1,
                 "must be a struct"),
    'data union unboxed': (
        E + "{ 'union': 'Un', 'base': { 'e': 'En' }, 'discriminator': 'e', "
        "'data': {} }\n{ 'command': 'x', 'data': 'Un' }", 3,
        'must be a struct'),
    'boxed inline': ("{ 'command': 'x', 'boxed': true, 'data': {} }", 1,
                     "needs a type name as 'data'"),
    'boxed nothing': ("{ 'event': 'X', 'boxed': true }", 1, "needs 'data'"),
    'boxed false': (S + "{ 'event': 'X', 'boxed': false, 'data': 'St' }", 2,
                    'may only be true'),
    'gen true': ("{ 'command': 'x', 'gen': true }", 1, 'may only be false'),
    'oob coroutine': (
        "{ 'command': 'x', 'allow-oob': true, 'coroutine': true }", 1,
        'do not go together'),
    'event with gen': ("{ 'event': 'X', 'gen': false }", 1,
                       "has unknown 'gen'"),
    # Conditions and features
    'if lower case': ("{ 'command': 'x', 'if': 'foo' }", 1,
                      'not a valid identifier'),
    'if number': ("{ 'command': 'x', 'if': [ 'FOO' ] }", 1,
                  'must be a string or an object'),
    'if two keys': (
        "{ 'command': 'x', 'if': { 'all': [ 'A' ], 'any': [ 'B' ] } }", 1,
        'conflicting keys'),
    'if unknown': ("{ 'command': 'x', 'if': { 'xor': [ 'A' ] } }", 1,
                   "unknown key 'xor'"),
    'if empty': ("{ 'command': 'x', 'if': { 'all': [] } }", 1,
                 'non-empty array'),
    'if nested': ("{ 'command': 'x', 'if': { 'not': { 'any': 'A' } } }", 1,
                  'non-empty array'),
    'feature object': ("{ 'command': 'x', 'features': {} }", 1,
                       'must be an array'),
    'feature twice': ("{ 'command': 'x', 'features': [ 'a', 'a' ] }", 1,
                      "has feature 'a' twice"),
    'feature without name': ("{ 'command': 'x', 'features': [ {} ] }", 1,
                             'string or an object with a name'),
    'feature with type': (
        "{ 'command': 'x', 'features': [ { 'name': 'a', 'type': 'int' } ] }",
        1, "has unknown 'type'"),
    # Documentation
    'doc required': ("{ 'pragma': { 'doc-required': true } }\n"
                     "{ 'command': 'x' }", 2,
                     "documentation comment required for 'x'"),
    'doc of another': ("##\n# @y:\n##\n{ 'command': 'x' }", 1,
                       "comment is for 'y', the definition is of 'x'"),
    'doc of nothing': ("##\n# @y:\n##\n", 1,
                       "documentation of 'y' is not followed by its"),
    'doc unclosed': ("##\n# @x:\n{ 'command': 'x' }", 3,
                     "must end with '##'"),
    'doc at end of file': ("##\n# @x:", 2, "must end with '##'"),
    'doc junk': ("##\n# @x:\n## y\n##\n", 3, "junk after '##'"),
    'doc no space': ("##\n# @x:\n#y\n##\n{ 'command': 'x' }", 3,
                     "missing space after '#'"),
    'doc empty name': ("##\n# @:\n##\n{ 'command': 'x' }", 2,
                       'names nothing'),
    'doc no colon': ("##\n# @x\n##\n{ 'command': 'x' }", 2,
                     "expected '@NAME:'"),
    'doc unknown member': ("##\n# @x:\n#\n# @y: text\n##\n"
                           "{ 'command': 'x' }", 1,
                           "documented member 'y' does not exist"),
    'doc member twice': ("##\n# @x:\n#\n# @y: text\n#\n# @y: text\n##\n"
                         "{ 'command': 'x', 'data': { 'y': 'int' } }", 6,
                         "'y' is documented twice"),
    'doc returns twice': ("##\n# @x:\n# Returns: a\n#\n# Returns: b\n##\n"
                          "{ 'command': 'x' }", 5,
                          "duplicated 'Returns' section"),
    'doc returns of struct': ("##\n# @St:\n#\n# Returns: a\n##\n"
                              "{ 'struct': 'St', 'data': {} }", 1,
                              "'Returns' is only for commands"),
}


def load(text, defines=(), others=None):
    with tempfile.TemporaryDirectory() as tmp:
        for name, content in (others or {}).items():
            with open(os.path.join(tmp, name), 'w', encoding='utf-8') as f:
                f.write(content)
        path = os.path.join(tmp, 'main.json')
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)
        return Schema(path, defines)


class Errors(unittest.TestCase):
    def test_each_is_refused_at_its_line(self):
        for name, (text, line, part) in ERRORS.items():
            with self.subTest(name):
                with self.assertRaises(SchemaError) as caught:
                    load(text)
                self.assertEqual(caught.exception.where.line, line)
                self.assertIn(part, caught.exception.text)

    def test_inclusion_is_traced(self):
        with self.assertRaises(SchemaError) as caught:
            load("\n{ 'include': 'sub.json' }",
                 others={'sub.json': "{ 'x': 'y' }"})
        lines = str(caught.exception).split('\n')
        self.assertRegex(lines[0], r'^In file included from .*main.json:2:$')
        self.assertRegex(lines[1], r'sub.json:1: ')

    def test_inclusion_loop(self):
        with self.assertRaises(SchemaError) as caught:
            load("{ 'include': 'sub.json' }",
                 others={'sub.json': "{ 'include': 'main.json' }"})
        self.assertIn('inclusion loop', caught.exception.text)


class Loading(unittest.TestCase):
    def test_file_is_included_once(self):
        s = load("{ 'include': 'a.json' }\n{ 'include': 'b.json' }",
                 others={'a.json': "{ 'include': 'b.json' }", 'b.json': S})
        self.assertEqual(s.modules, ['b', 'a', 'main'])
        self.assertEqual(s.types['St'].module, 'b')

    def test_conditions(self):
        both = {'all': ['A', {'not': 'B'}]}
        self.assertTrue(cond.holds(both, {'A'}))
        self.assertFalse(cond.holds(both, {'A', 'B'}))
        self.assertTrue(cond.holds({'any': ['A', 'B']}, {'B'}))
        self.assertTrue(cond.holds(None, set()))
        self.assertEqual(cond.names(both), {'A', 'B'})

    def test_conditional_parts_go(self):
        text = ("{ 'enum': 'En', 'data': [ 'a', { 'name': 'b', 'if': 'X' } ] }"
                "{ 'struct': 'St', 'data': { '*y': { 'type': 'int', "
                "'if': 'X' } }, 'features': [ { 'name': 'f', 'if': 'X' } ] }"
                "{ 'command': 'c', 'if': 'X' }")
        off, on = load(text), load(text, {'X'})
        self.assertEqual([v.name for v in off.types['En'].values], ['a'])
        self.assertEqual([v.name for v in on.types['En'].values], ['a', 'b'])
        self.assertEqual(off.types['St'].members, [])
        self.assertTrue(on.types['St'].members[0].optional)
        self.assertEqual(off.types['St'].features, [])
        self.assertEqual(on.types['St'].features, ['f'])
        self.assertNotIn('c', off.calls)
        self.assertIn('c', on.calls)

    def test_use_of_type_that_is_off(self):
        with self.assertRaises(SchemaError):
            load("{ 'struct': 'St', 'data': {}, 'if': 'X' }"
                 "{ 'struct': 'Tt', 'data': { 'm': 'St' } }")

    def test_pragma_allows_old_names(self):
        s = load("{ 'pragma': { 'command-name-exceptions': [ 'old_One' ],"
                 " 'command-returns-exceptions': [ 'old_One' ],"
                 " 'member-name-exceptions': [ 'En', 'old_One' ] } }"
                 "{ 'enum': 'En', 'data': [ 'A_b' ] }"
                 "{ 'command': 'old_One', 'data': { 'A_b': 'int' },"
                 " 'returns': 'str' }")
        self.assertEqual(s.calls['old_One'].ret.name, 'str')

    def test_docs_keep_their_sections(self):
        s = load("##\n# = Title\n#\n# Text.\n##\n\n##\n# @x:\n#\n# What.\n#\n"
                 "# @y: first\n#     second\n#\n# Features:\n# @f: why\n#\n"
                 "# Returns: it\n#\n# Since: 1.0\n##\n"
                 "{ 'command': 'x', 'data': { 'y': 'int' }, "
                 "'features': [ 'f' ] }")
        doc = s.calls['x'].doc
        self.assertEqual(doc.find('arg')[0].text, 'first\nsecond')
        self.assertEqual(doc.find('feature')[0].text, 'why')
        self.assertEqual(doc.find('Since')[0].text, '1.0')
        self.assertIsNone(s.docs[0].symbol)


class Names(unittest.TestCase):
    def test_c_names(self):
        for name, expected in (('a-b', 'a_b'), ('default', 'q_default'),
                               ('2nd', 'q_2nd'), ('x.y', 'x_y'),
                               ('unix', 'q_unix')):
            self.assertEqual(cnames.c_name(name), expected)

    def test_upper_names(self):
        for name, expected in (('RunState', 'RUN_STATE'),
                               ('IOThreadInfo', 'IO_THREAD_INFO'),
                               ('OffAutoPCIBAR', 'OFF_AUTO_PCIBAR'),
                               ('Qcow2CompressionType',
                                'QCOW2_COMPRESSION_TYPE'),
                               ('QMPCapability', 'QMP_CAPABILITY')):
            self.assertEqual(cnames.upper_name(name), expected)


class Generated(unittest.TestCase):
    def test_what_is_embedded_comes_first(self):
        s = load("{ 'alternate': 'Al', 'data': { 'd': 'Un', 's': 'str' } }"
                 + E + "{ 'union': 'Un', 'base': { 'e': 'En' }, "
                 "'discriminator': 'e', 'data': { 'a': 'Br' } }"
                 "{ 'struct': 'Br', 'data': { 'again': 'Al' } }")
        text = gen_types.header(s, 'main')
        at = [text.index(f'struct {n} {{') for n in ('Br', 'Un', 'Al')]
        self.assertEqual(at, sorted(at))

    def test_prototypes(self):
        s = load(S + "{ 'command': 'c', 'data': { 'a': 'str', '*b': 'int', "
                 "'*l': [ 'int' ], '*s': 'St' }, 'returns': [ 'St' ] }")
        self.assertEqual(
            ' '.join(gen_calls.prototype(s.calls['c']).split()),
            'StList *qmp_c(Vm *vm, const char *a, bool has_b, int64_t b, '
            'bool has_l, intList *l, St *s, Error **errp);')

    def test_pending_command_has_only_a_prototype(self):
        s = load("{ 'command': 'c' }")
        self.assertIn('qmp_c(', gen_calls.commands_header(s, 'main'))
        self.assertNotIn('qmp_c(', gen_calls.commands_source(s, 'main', {'c'}))
        self.assertIn('qmp_c(', gen_calls.commands_source(s, 'main', set()))

    def test_table_is_sorted(self):
        s = load("{ 'command': 'b' } { 'command': 'a-z' } { 'command': 'a' }")
        text = gen_calls.commands_source(s, 'main', set())
        at = [text.index('{ "%s"' % n) for n in ('a', 'a-z', 'b')]
        self.assertEqual(at, sorted(at))


class Introspected(unittest.TestCase):
    TEXT = (E + S + "{ 'union': 'Un', 'base': { 'e': 'En' }, "
            "'discriminator': 'e', 'data': { 'a': 'St' } }"
            "{ 'alternate': 'Al', 'data': { 'i': 'uint8', 'n': 'null' } }"
            "{ 'struct': 'Unused', 'data': {} }"
            "{ 'command': 'c', 'boxed': true, 'data': 'Un', "
            "'returns': [ 'St' ], 'allow-oob': true, 'features': [ 'f' ] }"
            "{ 'command': 'd', 'data': { '*l': [ 'int8' ], 'm': [ 'size' ], "
            "'al': 'Al' } } { 'event': 'EV' }")

    def setUp(self):
        self.entries = introspect.introspect(load(self.TEXT), ['main'], set())
        self.by_name = {e['name']: e for e in self.entries}

    def test_names_are_unique_and_masked(self):
        self.assertEqual(len(self.by_name), len(self.entries))
        for e in self.entries:
            if e['meta-type'] in ('object', 'enum', 'alternate'):
                self.assertTrue(e['name'].isdigit())

    def test_command(self):
        c = self.by_name['c']
        self.assertTrue(c['allow-oob'])
        self.assertEqual(c['features'], ['f'])
        ret = self.by_name[c['ret-type']]
        self.assertEqual(ret['meta-type'], 'array')
        arg = self.by_name[c['arg-type']]
        self.assertEqual(arg['tag'], 'e')
        self.assertEqual({v['case']: v['type'] for v in arg['variants']},
                         {'a': ret['element-type'], 'b': '0'})

    def test_integers_are_int(self):
        arg = self.by_name[self.by_name['d']['arg-type']]
        members = {m['name']: m for m in arg['members']}
        self.assertEqual(members['l'], {'name': 'l', 'type': '[int]',
                                        'default': None})
        self.assertEqual(members['m'], {'name': 'm', 'type': '[int]'})
        al = self.by_name[members['al']['type']]
        self.assertEqual(al['members'], [{'type': 'int'}, {'type': 'null'}])

    def test_nothing_is_the_empty_object(self):
        self.assertEqual(self.by_name['EV']['arg-type'], '0')
        self.assertEqual(self.by_name['0']['members'], [])

    def test_unused_type_is_not_shown(self):
        enums = [e for e in self.entries if e['meta-type'] == 'enum']
        objects = [e for e in self.entries if e['meta-type'] == 'object']
        self.assertEqual((len(enums), len(objects)), (1, 4))

    def test_other_modules_and_pending_are_left_out(self):
        s = load(self.TEXT)
        self.assertEqual(introspect.introspect(s, [], set()), [])
        names = [e['name'] for e in
                 introspect.introspect(s, ['main'], {'c', 'EV'})]
        self.assertNotIn('c', names)
        self.assertNotIn('EV', names)
        self.assertIn('d', names)


class Manual(unittest.TestCase):
    TEXT = ("##\n# = Part <1>\n#\n# Intro.\n##\n##\n# @St:\n#\n# A *thing*.\n"
            "#\n# @x: its x & y\n#\n# Since: 1.0\n##\n" + S +
            "##\n# @c:\n#\n# Do it, see @St.\n#\n# @arg: .what\n#\n"
            "# Returns: the result\n#\n# Example:\n#\n# -> { \"a\": 1 }\n##\n"
            "{ 'command': 'c', 'data': { '*arg': 'St' }, 'returns': 'St',"
            " 'features': [ 'deprecated' ] }")

    def test_html(self):
        text = gen_manual.html(load(self.TEXT))
        self.assertIn('Part &lt;1&gt;', text)
        self.assertIn('id="St"', text)
        self.assertIn('its x &amp; y', text)
        self.assertIn('<a href="#St">', text)
        self.assertIn('(optional)', text)
        self.assertIn('deprecated', text)
        self.assertIn('<pre>-&gt; { &quot;a&quot;: 1 }', text)

    def test_man(self):
        text = gen_manual.man(load(self.TEXT))
        self.assertTrue(text.startswith('.\\" '))
        self.assertIn('.TH ', text)
        self.assertIn('.SH "Part <1>"', text)
        self.assertIn('.nf\n\\-> { "a": 1 }\n.fi', text)
        # A text line must not start with a request's dot.
        self.assertIn('\n\\&.what', text)


if __name__ == '__main__':
    unittest.main()
