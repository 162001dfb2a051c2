#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-storage-daemon: its options, its QMP beside QEMU 7.2's, and serving."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from blocklib import BUILD, run
from nbdlib import READ, WRITE, Client

OURS = os.path.join(BUILD, 'qemu-storage-daemon')
ORACLE = shutil.which('qemu-storage-daemon')
QMP = ['--chardev', 'stdio,id=c', '--monitor', 'c']


def talk(program, args, commands):
    """The replies to @commands, and the exit status."""
    # One at a time: what a pipe does not take before "quit" is lost, here as in
    # QEMU 7.2.
    with subprocess.Popen([program, *args, *QMP], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as p:
        replies = [json.loads(p.stdout.readline())]  # the greeting
        for command, arguments in [('qmp_capabilities', {}), *commands]:
            p.stdin.write(json.dumps({'execute': command,
                                      'arguments': arguments}) + '\n')
            p.stdin.flush()
            while True:
                replies.append(json.loads(p.stdout.readline()))
                if 'event' not in replies[-1]:
                    break
        replies += [json.loads(line) for line in p.stdout]
        p.wait(60)
    replies = replies[2:]
    return [r for r in replies if 'event' not in r], p.returncode


class Daemon(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = folder.name
        self.sock = os.path.join(self.dir, 's')
        self.img = os.path.join(self.dir, 'img')
        with open(self.img, 'wb') as f:
            f.write(b'0123456789abcdef' * 65536)

    def options(self, *more):
        return ['--blockdev', f'file,node-name=n,filename={self.img}',
                '--nbd-server', f'addr.type=unix,addr.path={self.sock}',
                '--export', 'nbd,id=e,node-name=n,name=x,writable=on', *more]

    def wait(self, done):
        for _ in range(6000):
            if done():
                return
            time.sleep(0.01)
        self.fail('nothing happened for a minute')

    @unittest.skipUnless(ORACLE, 'needs qemu-utils')
    def test_commands_are_a_subset_and_answer_alike(self):
        commands = [
            ('query-block-exports', {}),
            ('query-named-block-nodes', {'flat': True}),
            ('blockdev-del', {'node-name': 'n'}),
            ('blockdev-add', {'driver': 'zork'}),
            ('block-export-del', {'id': 'none'}),
            ('object-add', {'qom-type': 'iothread', 'id': 't'}),
            ('object-del', {'id': 't'}),
            ('object-del', {'id': 't'}),
            ('system_reset', {}),
            ('nbd-server-stop', {}),
            ('query-chardev', {}),
            ('blockdev-del', {'node-name': 'n'}),
            ('quit', {})]
        ours = talk(OURS, self.options(), commands)
        theirs = talk(ORACLE, self.options(), commands)
        # What it says of a node is the system emulator's tests' matter.
        for replies in ours, theirs:
            replies[0][1] = [n['node-name'] for n in replies[0][1]['return']]
            for reply in replies[0][2:]:
                reply.get('error', {}).pop('desc', None)
        self.assertEqual(ours, theirs)
        names = [{c['name'] for c in talk(p, [], [('query-commands', {}),
                                                   ('quit', {})])[0][0]
                  ['return']} for p in (OURS, ORACLE)]
        self.assertEqual(names[0] - names[1], set())
        self.assertIn('block-export-add', names[0])

    def test_schema_has_only_its_own_commands(self):
        schema = talk(OURS, [], [('query-qmp-schema', {}), ('quit', {})])
        kinds = {e['name']: e['meta-type'] for e in schema[0][0]['return']}
        self.assertEqual(kinds['blockdev-add'], 'command')
        self.assertEqual(kinds['BLOCK_EXPORT_DELETED'], 'event')
        self.assertNotIn('device_add', kinds)
        self.assertNotIn('SHUTDOWN', kinds)

    def test_daemonize_pidfile_and_iothread(self):
        pidfile = os.path.join(self.dir, 'pid')
        run(OURS, '--daemonize', '--pidfile', pidfile, '--object',
            'iothread,id=t', *self.options(
                '--export', 'nbd,id=f,node-name=n,name=t,iothread=t'))
        with open(pidfile) as f:
            pid = int(f.read())
        with Client(self.sock) as a, Client(self.sock) as b:
            a.go(b'x')
            b.go(b't')
            self.assertEqual(a.do(WRITE, 5, 2, 0, b'zz'), 0)
            b.request(READ, 4, 4)
            self.assertEqual(b.simple(4), (0, b'4zz7'))
            os.kill(pid, signal.SIGTERM)
            self.assertTrue(a.at_end())
        self.wait(lambda: not os.path.exists(pidfile))
        self.assertFalse(os.path.exists(self.sock))

    def test_what_is_wrong_is_said(self):
        for args, text in (
                (['x'], 'Unexpected argument: x'),
                (['--zork'], 'zork'),
                (['--daemonize', '--blockdev', 'zork'], 'zork'),
                (['--export', 'nbd,id=e,node-name=n'],
                 "Cannot find device='' nor node-name='n'"),
                (['--blockdev', 'null-co,node-name=n', '--export',
                  'nbd,id=e,node-name=n'], 'NBD server not running'),
                (['--monitor', 'none'], '"none" not found'),
                (['--nbd-server', 'addr.type=unix,addr.path=x,tls-creds=t'],
                 "No TLS credentials with id 't'")):
            p = run(OURS, *args, check=False)
            self.assertEqual(p.returncode, 1, args)
            self.assertIn(text, p.stdout)

    def test_help(self):
        for arg, text in (('--help', '--nbd-server'), ('-V', 'version 7.2'),
                          ('--object=help', 'iothread'),
                          ('--object=iothread,help', 'poll-max-ns'),
                          ('--trace=help', 'bdrv_co_flush')):
            p = run(OURS, arg)
            self.assertIn(text, p.stdout)

    def test_answers_reach_who_says_no_more(self):
        asked = ''.join(json.dumps({'execute': name}) + '\n' for name in (
            'qmp_capabilities', 'query-qmp-schema', 'quit'))
        done = subprocess.run(
            [OURS, '--chardev', 'stdio,id=c', '--monitor', 'c'], input=asked,
            text=True, capture_output=True, timeout=60, check=True)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        schema, = (a['return'] for a in answers if a.get('return'))
        self.assertGreater(len(schema), 100)


if __name__ == '__main__':
    unittest.main()
