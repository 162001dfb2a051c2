# SPDX-License-Identifier: GPL-2.0-or-later
"""Bad QMP input gets the error class that QEMU 7.2 gives."""

import json
import unittest

from nemu_functional.qmp import QmpTimeout
from pair import oracle, ours

CONFIG = ('-machine', 'none')


def cmd(command, /, **arguments):
    """A well-formed request; underscores of argument names mean dashes."""
    args = {k.replace('_', '-'): v for k, v in arguments.items()}
    return json.dumps({'execute': command, 'arguments': args})


# One line each: what is sent. After each, the session must still answer.
BAD = [
    '{',
    '}',
    ']',
    '{"execute"',
    '{"execute":',
    '{"execute": "query-status"',
    '{"execute" "query-status"}',
    '{execute: query-status}',
    '{"execute": "query-status",}',
    '[]',
    '[1, 2',
    '1',
    '"query-status"',
    'null',
    'true',
    'quit',
    '{}',
    '{"execute": 1}',
    '{"execute": null}',
    '{"execute": ""}',
    '{"execute": ["query-status"]}',
    '{"exec-oob": 1}',
    '{"exec-oob": "query-status"}',
    '{"execute": "query-status", "exec-oob": "query-status"}',
    '{"execute": "query-status", "extra": 1}',
    '{"execute": "query-status", "arguments": 1}',
    '{"execute": "query-status", "arguments": []}',
    '{"execute": "query-status", "arguments": null}',
    '{"execute": "query-status", "arguments": {"x": 1}}',
    '{"arguments": {}}',
    '{"id": 1}',
    '{"execute": "query-status", "id": }',
    '{"execute": "\\ud800"}',
    '{"execute": "a\\u0000b"}',
    '{"execute": "query-status\x01"}',
    '{"execute": "query-status" /* comment */}',
    cmd('no-such-command'),
    cmd('Query-Status'),
    cmd('query_status'),
    cmd('qmp_capabilities'),
    cmd('device_add'),
    cmd('device_add', driver='no-such-driver'),
    cmd('device_add', driver=1),
    cmd('device_add', driver='virtio-rng-pci', id='1bad'),
    cmd('device_del', id='nobody'),
    cmd('device_del'),
    cmd('object-add', qom_type='no-such-type', id='x'),
    cmd('object-add', qom_type='secret'),
    cmd('object-add', qom_type='secret', id='x', data='a', file='b'),
    cmd('object-add', qom_type='secret', id='x', nonsense=1),
    cmd('object-add', qom_type='memory-backend-ram', id='x', size='big'),
    cmd('object-add', qom_type='memory-backend-ram', id='x', size=0),
    cmd('object-add', qom_type='rng-random', id='x', filename='/nonexistent'),
    cmd('object-del', id='nobody'),
    cmd('qom-get', path='/nowhere', property='type'),
    cmd('qom-get', path='/machine', property='no-such-property'),
    cmd('qom-set', path='/machine', property='no-such-property', value=1),
    cmd('qom-list', path='/nowhere'),
    cmd('qom-list-properties', typename='nothing'),
    cmd('device-list-properties', typename='nothing'),
    cmd('device-list-properties', typename='container'),
    cmd('qom-list-types', implements=1),
    cmd('chardev-remove', id='nobody'),
    cmd('chardev-add', id='c', backend={'type': 'nothing', 'data': {}}),
    cmd('chardev-add', id='c', backend={'type': 'null'}),
    cmd('chardev-add', id='c', backend={
        'type': 'file', 'data': {'out': '/nonexistent/file'}}),
    cmd('netdev_add', type='nothing', id='n'),
    cmd('netdev_del', id='nobody'),
    cmd('blockdev-add', driver='nothing', node_name='n'),
    cmd('blockdev-add', driver='file', node_name='n', filename='/nonexistent'),
    cmd('blockdev-add', driver='raw', node_name='n', file='nobody'),
    cmd('blockdev-add', driver='file', node_name='n'),
    cmd('blockdev-del', node_name='nobody'),
    cmd('block_resize', device='nobody', size=512),
    cmd('block_resize', node_name='nobody', size=-1),
    cmd('getfd', fdname='f'),
    cmd('closefd', fdname='nobody'),
    cmd('add-fd'),
    cmd('remove-fd', fdset_id=77),
    cmd('human-monitor-command', command_line=1),
    cmd('human-monitor-command'),
    cmd('query-cpu-model-expansion', type='full', model={'name': 'no-such'}),
    cmd('query-cpu-model-expansion', type='odd', model={'name': 'host'}),
    cmd('query-command-line-options', option='no-such-option'),
    cmd('ringbuf-read', device='nobody', size=1),
    cmd('set_link', name='nobody', up=True),
    cmd('exec-oob'),
]


def answer(emulator, line):
    """What a line gets: the classes of its replies, until a known good request
    answers. How many errors a piece of garbage makes is nobody's contract."""
    emulator.qmp.sock.sendall(line.encode() + b'\n')
    # A lexer error may swallow what follows up to a new object; so does QEMU.
    probe = b'\xff{"execute": "query-name", "id": "probe"}\n' \
        if line.count('{') != line.count('}') or \
        line.count('[') != line.count(']') else \
        b'{"execute": "query-name", "id": "probe"}\n'
    emulator.qmp.sock.sendall(probe)
    seen = []
    while True:
        try:
            message = emulator.qmp.receive(5)
        except QmpTimeout:
            return seen + ['no answer']
        if message is None:
            return seen + ['closed']
        if message.get('id') == 'probe':
            return seen
        if 'event' not in message:
            kind = message.get('error', {}).get('class', 'success')
            seen += [kind] if kind not in seen else []


class Errors(unittest.TestCase):

    def setUp(self):
        self.a = self.enterContext(ours(*CONFIG))
        self.b = self.enterContext(oracle(*CONFIG))
        self.commands = {c['name'] for c in self.a.qmp.cmd('query-commands')}

    def test_error_classes_are_the_oracles(self):
        self.assertGreaterEqual(len(BAD), 50)
        bad = []
        for line in BAD:
            mine, theirs = answer(self.a, line), answer(self.b, line)
            if mine != theirs:
                bad.append(f'{line}: {mine}, QEMU 7.2: {theirs}')
            self.assertNotIn('no answer', theirs, line)
            if 'closed' in mine + theirs or 'no answer' in mine:
                break
        self.assertEqual('\n'.join(bad), '')

    def test_every_command_asked_for_exists(self):
        asked = set()
        for line in BAD:
            try:
                request = json.loads(line)
                asked.add(request['execute'])
            except (ValueError, TypeError, KeyError):
                pass
        asked = {n for n in asked if isinstance(n, str)}
        strange = {n for n in asked if not n.replace('-', '').isalnum()}
        unknown = {'no-such-command', 'Query-Status', 'query_status', '',
                   'exec-oob'} | strange - {'device_add', 'device_del',
                                            'netdev_add', 'netdev_del',
                                            'block_resize', 'set_link',
                                            'qmp_capabilities'}
        self.assertEqual(asked - unknown - self.commands, set())

    def test_commands_before_negotiation_are_refused(self):
        results = []
        for make in (ours, oracle):
            with make(*CONFIG, negotiate=False) as e:
                results.append([e.qmp.raw(line)['error']['class'] for line in (
                    b'{"execute": "query-status"}\n',
                    b'{"execute": "no-such-command"}\n',
                    b'{"execute": "qmp_capabilities", "arguments": '
                    b'{"enable": ["nothing"]}}\n')])
        self.assertEqual(results[0], results[1])

    def test_id_comes_back_with_errors(self):
        for e in (self.a, self.b):
            for ident in (1, 'x', None, [1, {'a': 2}], 1.5, True):
                reply = e.qmp.raw(json.dumps(
                    {'execute': 'nothing', 'id': ident}).encode() + b'\n')
                self.assertIn('error', reply)
                self.assertEqual(reply['id'], ident)
