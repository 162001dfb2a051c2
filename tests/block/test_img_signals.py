#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Long operations of qemu-img: -p and SIGUSR1 tell how far they have come as
QEMU 7.2's do, SIGUSR1 disturbs no other, SIGINT ends them and leaves images
that are sound but for leaks."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import time
import unittest

import blocklib as b
from nbdlib import ORACLE_NBD, OUR_NBD, Gate, Server
from test_img import OURS, Case

MiB = 1 << 20
LIMIT = 60
SLOW = ['-r', '300k']
PERCENT = rb'    \((\d+\.\d\d)/100%\)'
SHOWN = [
    # Those that end as they should.
    'convert -p -O qcow2 top o', 'convert -p -O raw top o',
    'convert -p -c -O qcow2 top o', 'convert -p -O raw top raw o',
    'convert -p -S 0 -O raw top o', 'convert -p -W -m 1 -O raw top o',
    'convert -p -B base -F qcow2 -O qcow2 top o', 'convert -p -n raw twin',
    'convert -p -O raw empty o', 'convert -p -O raw nothing o',
    'commit -p -d top', 'commit -p top', 'commit -p -b base top',
    'compare -p top copy', 'compare -p top base', 'compare -p empty other',
    'compare -p nothing nothing', 'compare -p -s top copy',
    'compare -p empty full',
    'rebase -p -b other -F qcow2 top', 'rebase -p -u -b other -F qcow2 top',
    'rebase -p -b other -F qcow2 empty', "rebase -p -b '' top",
    'amend -p -o compat=1.1 old', 'amend -p -o compat=0.10 full',
    'amend -p -o refcount_bits=64 full', 'amend -p -o size=64M full',
    'amend -p -o compat=1.1,refcount_bits=8 old',
    'amend -p -o lazy_refcounts=on top', 'amend -p -o help -f qcow2',
    # Those that fail, each at another point.
    'convert -p -O raw missing o', 'convert -p -O raw raw /nodir/o',
    'convert -p -n -O raw raw nothing', 'convert -p -O nothing raw o',
    'convert -p -l s -O raw top o', 'convert -p -t bad -O raw top o',
    'commit -p missing', 'commit -p raw', 'commit -p -b none top',
    'commit -p -t bad top', 'compare -p missing top', 'compare -p top missing',
    'compare -p -s raw top', 'compare -p -T bad top base', 'compare -p top',
    'rebase -p -b other -F qcow2 missing', 'rebase -p -b other -F none top',
    'rebase -p -f none -b other top', 'rebase -p -t bad -b other top',
    'amend -p -o size=1M full', 'amend -p -o cluster_size=4k full',
    'amend -p -o compat=1.1 raw', 'amend -p -o compat=1.1 missing',
    'amend -p full', 'amend -p -t bad -o compat=1.1 full',
    # Those that have no -p.
    'resize -p raw 9M', 'check -p full', 'create -p -f raw o 1M', 'map -p full',
    'info -p full', 'snapshot -p -l full', 'bench -p full',
    'bitmap -p --add full x',
]
# @ is a server of the image that is named first.
ASKED = [
    ('raw', 'convert -O raw @ o'), ('twin', 'convert -n -O raw raw @'),
    ('raw', 'convert -q -O raw @ o'), ('raw', 'convert -p -q -O raw @ o'),
    ('raw', 'compare -f raw -F raw @ twin'),
    ('raw', 'compare -q -f raw -F raw @ twin'),
    ('other', 'rebase -f qcow2 -b @ -F qcow2 top'),
    ('other', 'rebase -q -f qcow2 -b @ -F qcow2 top'),
    ('twin', 'commit -f qcow2 -d over'), ('twin', 'commit -f qcow2 -q over'),
    ('roomy', 'amend -f qcow2 -o refcount_bits=64 @'),
    ('roomy', 'amend -q -f qcow2 -o refcount_bits=64 @'),
]
NOT_ASKED = [
    ('raw', 'convert -p -O raw @ o'),
    ('raw', 'compare -p -f raw -F raw @ twin'),
    ('other', 'rebase -p -f qcow2 -b @ -F qcow2 top'),
    ('twin', 'commit -p -f qcow2 -d over'),
    ('roomy', 'amend -p -f qcow2 -o refcount_bits=64 @'),
    ('full', 'check -f qcow2 @'), ('full', 'info -f qcow2 @'),
    ('full', 'map -f qcow2 --output=json @'), ('full', 'snapshot -l @'),
    ('roomy', 'snapshot -c s @'), ('roomy', 'bitmap -f qcow2 --add @ b'),
    ('full', 'measure -f qcow2 -O qcow2 @'), ('raw', 'dd -f raw if=@ of=o'),
    ('full', 'create -q -f qcow2 -b @ -F qcow2 o'),
    ('raw', 'bench -f raw -c 999 @'), ('roomy', 'resize -f qcow2 @ 5M'),
]

class SignalTest(Case):
    def setUp(self):
        super().setUp()
        b.create(self.path('base'), 8 * MiB)
        b.create(self.path('top'), 8 * MiB, backing='base')
        io = b.Io(self.path('top'), args=['-f', 'qcow2'])
        for i in range(8):
            io.add(f'write -q -P {i + 1} {i}M 900k')
        io.run()

    def start(self, tool, *args):
        p = subprocess.Popen([tool, *args], cwd=self.dir,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(p.stderr.close)
        return p

    def until_written(self, p, name):
        """The file holds data."""
        end = time.monotonic() + LIMIT
        path = self.path(name)
        while not (os.path.exists(path) and os.path.getsize(path) > MiB):
            self.assertIsNone(p.poll())
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)

    def operations(self):
        yield 'o', ['convert', *SLOW, '-O', 'qcow2', 'top', 'o']
        yield 'o', ['convert', *SLOW, '-O', 'raw', '-S', '0', 'top', 'o']
        yield 'base', ['commit', *SLOW, 'top']

    def test_interrupted(self):
        want = b.content(self.path('top'))
        for name, args in self.operations():
            with self.subTest(args):
                if os.path.exists(self.path('o')):
                    os.unlink(self.path('o'))
                p = self.start(OURS, *args)
                self.until_written(p, name)
                p.send_signal(signal.SIGINT)
                self.assertIn(p.wait(LIMIT), (-signal.SIGINT, 1))
                for image in 'top', 'base', name:
                    if 'raw' not in args or image != 'o':
                        found = b.run(b.ORACLE_IMG, 'check', '-f', 'qcow2',
                                      self.path(image), check=False)
                        self.assertIn(found.returncode, (0, 3), found.stdout)
                self.assertEqual(b.content(self.path('top')), want)


class ProgressTest(Case):
    def setUp(self):
        super().setUp()
        self.master = self.path('master')
        os.mkdir(self.master)
        for name in 'base', 'other', 'empty':
            self.make(name, 16 * MiB)
        self.make('top', 16 * MiB, backing='base')
        self.write('other', 'write -q -P 9 0 4M')
        self.write('top', *(f'write -q -P {i + 1} {i}M 500k'
                            for i in range(16)))
        shutil.copy(f'{self.master}/top', f'{self.master}/copy')
        self.make('old', 16 * MiB, {'compat': '0.10'})
        self.make('full', 24 * MiB, {'preallocation': 'metadata'})
        self.write('full', 'write -q -z 0 1M')
        with open(f'{self.master}/raw', 'wb') as f:
            f.write(b'\7' * 4 * MiB)
        shutil.copy(f'{self.master}/raw', f'{self.master}/twin')
        self.make('over', 4 * MiB)
        self.write('over', 'write -q -P 7 0 4M')
        b.run(b.ORACLE_IMG, 'rebase', '-u', '-b',
              'nbd+unix:///?socket=gate', '-F', 'raw', f'{self.master}/over')
        open(f'{self.master}/nothing', 'wb').close()
        # A device does not grow with its image.
        self.make('roomy', 4 * MiB, {'cluster_size': '512',
                                      'preallocation': 'metadata'})
        os.truncate(f'{self.master}/roomy', 8 * MiB)

    def make(self, name, *args, **kw):
        b.create(f'{self.master}/{name}', *args, **kw)

    def write(self, name, *lines):
        io = b.Io(f'{self.master}/{name}', args=['-f', 'qcow2'])
        io.lines = lines
        io.run()

    def fresh(self, command='base top raw twin full'):
        """The files that a command needs, as they were."""
        self.work = self.path('work')
        shutil.rmtree(self.work, ignore_errors=True)
        os.mkdir(self.work)
        needs = set(shlex.split(command)) & set(os.listdir(self.master))
        if 'top' in needs:
            needs.add('base')
        for name in needs:
            b.run('cp', '--sparse=always', f'{self.master}/{name}', self.work)

    def start(self, tool, command):
        return subprocess.Popen([tool, *shlex.split(command)], cwd=self.work,
                                stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def finish(self, p):
        out, err = p.communicate(timeout=LIMIT)
        return p.returncode, out, err

    def served(self, tool, image, command, allow, asked):
        """The result, and how much the server has answered; a signal when it
        has answered @allow."""
        self.fresh(f'{command} {image}')
        path = os.path.join(self.work, image)
        command = command.replace('@', 'nbd+unix:///?socket=gate')
        with (Server(self.work, '-t', '-e', 8, '-f', 'raw', path) as server,
              Gate(self.work, server.path, allow) as gate):
            p = self.start(tool, command)
            if asked:
                self.assertTrue(gate.reached.wait(LIMIT))
                p.send_signal(signal.SIGUSR1)
                gate.opened.set()
            return self.finish(p), gate.passed

    def test_shown(self):
        for command in SHOWN:
            with self.subTest(command):
                results = []
                for tool in b.ORACLE_IMG, OURS:
                    self.fresh(command)
                    code, out, err = self.finish(self.start(tool, command))
                    text = re.sub(b'(%s\r)+' % PERCENT, b'<>', out)
                    # The lines of the middle depend on sizes of buffers.
                    all = [float(n) for n in re.findall(PERCENT, out)]
                    results.append((code, text, err, all[:1], all[-1:]))
                self.assertEqual(*results)
                # In order; the last line says it again.
                self.assertEqual(all, sorted(all))
                self.assertLessEqual(len(all), 102)

    def test_shown_in_shares_of_the_data(self):
        for command in 'convert -p -O raw empty o', 'commit -p -d top':
            self.fresh(command)
            _, out, _ = self.finish(self.start(OURS, command))
            steps = len(re.findall(PERCENT, out))
            # Each half MiB that is there, and both ends.
            self.assertEqual(steps, 18 if 'top' in command else 2, command)

    def test_shown_when_little_changes(self):
        """Rebase reads where the image has nothing, which takes long too."""
        command = 'rebase -p -b other -F qcow2 empty'
        self.fresh(command)
        _, out, _ = self.finish(self.start(OURS, command))
        self.assertGreater(len(re.findall(PERCENT, out)), 8)

    def test_quiet(self):
        for command in SHOWN[:30:4]:
            with self.subTest(command):
                for place in '-q -p', '-p -q':
                    self.fresh(command)
                    got = self.finish(
                        self.start(OURS, command.replace('-p', place)))
                    self.assertNotIn(b'%', got[1])

    def test_asked(self):
        for image, command in ASKED:
            with self.subTest(command):
                for tool in b.ORACLE_IMG, OURS:
                    plain, size = self.served(tool, image, command, 1 << 40,
                                              False)
                    got, _ = self.served(tool, image, command, size // 2, True)
                    self.assertEqual((got[0], got[1]), (plain[0], plain[1]))
                    self.assertEqual((got[0], plain[2]), (0, b''))
                    self.assertRegex(got[2], b'^' + PERCENT + b'\n$')

    def test_not_asked(self):
        """Who shows it anyway, or has none, is not disturbed."""
        for image, command in NOT_ASKED:
            with self.subTest(command):
                plain, size = self.served(OURS, image, command, 1 << 40, False)
                got, _ = self.served(OURS, image, command, size // 2, True)
                self.assertEqual((got[0], got[2]), (0, b''))
                if not command.startswith('bench'):  # how long it took
                    self.assertEqual(got, plain)

    def program(self, name, *args):
        ours = os.path.join(b.BUILD, name)
        for tool in ours, shutil.which(name):
            p = subprocess.Popen([tool, *args], cwd=self.work,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self.addCleanup(p.wait)
            self.addCleanup(p.kill)
            self.addCleanup(p.stdout.close)
            self.addCleanup(p.stdin.close)
            yield p

    def test_other_programs_go_on(self):
        self.fresh()
        qmp = b'{"execute":"qmp_capabilities"}\n{"execute":"quit"}\n'
        for name, args, last in (
                ('qemu-io', ['-f', 'raw', 'raw'], b'quit\n'),
                ('qemu-storage-daemon', ['--chardev', 'stdio,id=c', '--monitor',
                                         'c'], qmp),
                ('qemu-system-x86_64', ['-machine', 'none', '-display', 'none',
                                        '-qmp', 'stdio'], qmp)):
            for p in self.program(name, *args):
                with self.subTest(p.args):
                    if name == 'qemu-io':
                        p.stdin.write(b'read 0 512\n')
                        p.stdin.flush()
                    p.stdout.readline()  # it is there
                    p.send_signal(signal.SIGUSR1)
                    p.communicate(last, LIMIT)
                    self.assertEqual(p.returncode, 0)

    def test_servers_go_on(self):
        self.fresh()
        for tool in OUR_NBD, ORACLE_NBD:
            with (self.subTest(tool),
                  Server(self.work, '-t', '-f', 'raw',
                         os.path.join(self.work, 'raw'), tool=tool) as server):
                server.proc.send_signal(signal.SIGUSR1)
                with socket.socket(socket.AF_UNIX) as s:
                    s.settimeout(LIMIT)
                    s.connect(server.path)
                    self.assertEqual(s.recv(8), b'NBDMAGIC')
            self.assertEqual(server.status, 0)

    def test_output_that_nobody_reads(self):
        """The pipe's other end is closed: work goes on to its end."""
        self.fresh()
        for name, args in (('qemu-img', ['convert', '-p', '-O', 'raw', 'top',
                                         'o']),
                           ('qemu-io', ['-f', 'raw', '-c', 'read 0 512', '-c',
                                        'write -P 1 0 512', 'raw'])):
            for tool in os.path.join(b.BUILD, name), shutil.which(name):
                with self.subTest(tool):
                    read, write = os.pipe()
                    os.close(read)
                    p = subprocess.run([tool, *args], cwd=self.work,
                                       stdout=write, timeout=LIMIT)
                    os.close(write)
                    self.assertEqual(p.returncode, 0)


if __name__ == '__main__':
    unittest.main()
