#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks of an iSCSI target (Debian's tgtd): bytes, holes, logging in, what a
lost connection does, and QEMU 7.2's messages."""

import json
import os
import random
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import blocklib as b
from daemonlib import Storage

KiB, MiB = 1 << 10, 1 << 20
IMG = os.path.join(b.BUILD, 'qemu-img')
IO = os.path.join(b.BUILD, 'qemu-io')
SYSTEM = os.path.join(b.BUILD, 'qemu-system-x86_64')
TGTD = shutil.which('tgtd') or '/usr/sbin/tgtd'
TGTADM = shutil.which('tgtadm') or '/usr/sbin/tgtadm'
MODULE = os.path.join(b.BUILD, 'block-iscsi.so')
ORACLE = b.HAVE_ORACLE and os.path.exists(
    '/usr/lib/x86_64-linux-gnu/qemu/block-iscsi.so')
TARGET = 'iqn.2026-11.test:one'


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def run(*args, tool=IMG):
    return subprocess.run([tool, *args], text=True, timeout=120,
                          stdin=subprocess.DEVNULL, capture_output=True)


def normal(text):
    """What the tools are called and how long they took."""
    text = re.sub(r'^/?\S*(qemu-\w+):', r'\1:', text, flags=re.M)
    text = re.sub(r'; \S+ sec.*', '', text)
    return re.sub(r'\n+', '\n', text)


class Relay:
    """A way to the target that can be cut, closed, and stopped up."""

    def __init__(self, port):
        self.to, self.open, self.flows = port, True, True
        self.pairs, self.lock = [], threading.Lock()
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near = self.listener.accept()[0]
            except OSError:
                return
            if not self.open:
                near.close()
                continue
            far = socket.create_connection(('127.0.0.1', self.to))
            with self.lock:
                self.pairs.append((near, far))
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self.copy, args=pair,
                                 daemon=True).start()

    def copy(self, src, dst):
        try:
            while data := src.recv(65536):
                if self.flows:
                    dst.sendall(data)
        except OSError:
            pass
        for s in (src, dst):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        src.close()

    def cut(self):
        with self.lock:
            for pair in self.pairs:
                for s in pair:
                    try:
                        s.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass
            self.pairs.clear()

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()


@unittest.skipUnless(os.path.exists(MODULE), 'built without block-iscsi')
@unittest.skipUnless(os.path.exists(TGTD), 'needs tgt')
class Iscsi(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.tmp = tempfile.TemporaryDirectory(prefix='nemu-iscsi-')
        cls.addClassCleanup(cls.tmp.cleanup)
        cls.port = free_port()
        cls.env = dict(os.environ, TGT_IPC_SOCKET=cls.path('control'))
        cls.log = open(cls.path('log'), 'w+')
        cls.addClassCleanup(cls.log.close)
        # Descriptors of its control sockets are numbered by -C.
        cls.control = str(cls.port % 32768)
        cls.tgtd = subprocess.Popen(
            [TGTD, '-f', '-C', cls.control, '--iscsi',
             f'portal=127.0.0.1:{cls.port}'],
            stdout=cls.log, stderr=cls.log, env=cls.env)
        cls.addClassCleanup(cls.tgtd.wait)
        cls.addClassCleanup(cls.tgtd.kill)
        cls.wait_for_target()
        cls.admin('new', 'target', '--tid', '1', '-T', TARGET)
        for lun, size, params in ((1, 16 * MiB, 'thin_provisioning=1'),
                                  (2, 8 * MiB, 'readonly=1'),
                                  (3, 16 * MiB, '')):
            cls.unit(1, lun, size, params)
        cls.admin('bind', 'target', '--tid', '1', '-I', 'ALL')

    @classmethod
    def wait_for_target(cls):
        end = time.monotonic() + 60
        while subprocess.run([TGTADM, '-C', cls.control, '--op', 'show',
                              '--mode', 'system'], env=cls.env,
                             capture_output=True).returncode:
            if cls.tgtd.poll() is not None or time.monotonic() > end:
                cls.log.seek(0)
                raise AssertionError('no tgtd: ' + cls.log.read())
            time.sleep(0.05)

    @classmethod
    def admin(cls, op, mode, *args):
        done = subprocess.run(
            [TGTADM, '-C', cls.control, '--lld', 'iscsi', '--op', op, '--mode',
             mode, *args], text=True, capture_output=True, env=cls.env,
            timeout=60)
        if done.returncode:
            raise AssertionError(f'{op} {mode} {args}: {done.stderr}')
        return done.stdout

    @classmethod
    def unit(cls, tid, lun, size, params=''):
        path = cls.path(f'disk-{tid}-{lun}')
        with open(path, 'wb') as f:
            f.truncate(size)
        where = ('--tid', str(tid), '--lun', str(lun))
        cls.admin('new', 'logicalunit', *where, '-b', path)
        if params:
            cls.admin('update', 'logicalunit', *where, '--params', params)

    @classmethod
    def path(cls, name):
        return os.path.join(cls.tmp.name, name)

    def url(self, lun, target=TARGET, port=None, user=''):
        return f'iscsi://{user}127.0.0.1:{port or self.port}/{target}/{lun}'

    def disk(self, lun):
        with open(self.path(f'disk-1-{lun}'), 'rb') as f:
            return f.read()

    def clear(self, lun):
        path = self.path(f'disk-1-{lun}')
        size = os.path.getsize(path)
        os.truncate(path, 0)
        os.truncate(path, size)

    def both(self, args, tool='img', same=True):
        """What ours prints; the same as 7.2."""
        ours = run(*args, tool=IMG if tool == 'img' else IO)
        if ORACLE and same:
            theirs = run(*args, tool=b.ORACLE_IMG if tool == 'img'
                         else b.ORACLE_IO)
            for a, o in ((ours.stdout, theirs.stdout),
                         (ours.stderr, theirs.stderr)):
                self.assertEqual(normal(a), normal(o), args)
            self.assertEqual(ours.returncode, theirs.returncode, args)
        return ours

    def test_writes_zeroes_discards(self):
        for lun in (1, 3):
            seen = []
            for tool in [IO] + ([b.ORACLE_IO] if ORACLE else []):
                self.clear(lun)
                done = run('-f', 'raw', '-c', 'write -P 5 0 2M', '-c',
                           'write -z 1M 64k', '-c', 'write -zu 1536k 128k',
                           '-c', 'discard 0 512k', '-c', 'write -P 6 4000 100',
                           '-c', 'write -P 7 3M 5M', '-c', 'flush', '-c',
                           'read -P 6 4000 100', '-c', 'read -P 7 3M 5M', '-c',
                           'write -P 8 15M 2M', '-c', 'length', self.url(lun),
                           tool=tool)
                data = self.disk(lun)
                seen.append((normal(done.stdout), normal(done.stderr),
                             hash(data), os.stat(self.path(
                                 f'disk-1-{lun}')).st_blocks))
            self.assertNotIn('Pattern', seen[0][0])
            self.assertIn('16 MiB', seen[0][0])
            self.assertEqual(data[4000:4100], bytes([6]) * 100)
            self.assertEqual(data[3 * MiB:8 * MiB], bytes([7]) * 5 * MiB)
            self.assertEqual(data[8 * MiB:], bytes(8 * MiB))
            for other in seen[1:]:
                self.assertEqual(seen[0], other)

    def test_block_status(self):
        self.clear(1)
        run('-f', 'raw', '-c', 'write -P 5 1M 2M', self.url(1), tool=IO)
        done = self.both(['map', '--output=json', '-f', 'raw', self.url(1)])
        self.assertEqual([(e['start'], e['length'], e['data'])
                          for e in json.loads(done.stdout)],
                         [(0, MiB, False), (MiB, 2 * MiB, True),
                          (3 * MiB, 13 * MiB, False)])
        done = self.both(['map', '--output=json', '-f', 'raw', self.url(3)])
        self.assertEqual(len(json.loads(done.stdout)), 1)

    def test_converts_both_ways(self):
        source, back = self.path('source'), self.path('back')
        data = random.Random(3).randbytes(9 * MiB) + bytes(7 * MiB)
        with open(source, 'wb') as f:
            f.write(data)
        self.assertEqual(run('convert', '-n', '-O', 'raw', source,
                             self.url(1)).stderr, '')
        self.assertTrue(self.disk(1) == data)
        self.assertEqual(run('convert', '-f', 'raw', '-O', 'raw', self.url(1),
                             back).stderr, '')
        with open(back, 'rb') as f:
            self.assertTrue(f.read() == data)

    def test_creates_in_what_is_there(self):
        for args in (['-f', 'raw', self.url(1), '8M'],
                     ['-f', 'raw', self.url(1), '17M'],
                     ['-f', 'raw', '-o', 'preallocation=full', self.url(1),
                      '1M'],
                     ['-f', 'raw', '-o', 'help', self.url(1)],
                     ['-f', 'raw', self.url(1, port=1), '8M'],
                     ['-f', 'qcow2', self.url(1), '1G']):
            self.both(['create', *args])
        done = run('-f', 'qcow2', '-c', 'write -P 9 500M 3M', '-c',
                   'read -P 9 500M 3M', self.url(1), tool=IO)
        self.assertNotRegex(done.stdout + done.stderr, 'Pattern|failed')
        if ORACLE:
            self.assertEqual(run('check', self.url(1),
                                 tool=b.ORACLE_IMG).returncode, 0)
        self.assertIn('"format": "qcow2"',
                      run('info', '--output=json', self.url(1)).stdout)

    def test_several_units_and_bad_names(self):
        for args in (['info', self.url(9)], ['info', self.url(1, 'iqn.x')],
                     ['info', self.url(1, port=1)], ['info', 'iscsi:foo'],
                     ['info', 'iscsi://'], ['info', 'iscsi://h/t'],
                     ['info', 'iscsi://h/t/x'],
                     ['resize', '-f', 'raw', self.url(3), '32M'],
                     ['resize', '-f', 'raw', '--shrink', self.url(3), '1M'],
                     ['info', '--image-opts', 'driver=iscsi,transport=tcp,'
                      'portal=127.0.0.1:1,target=t,user=u'],
                     ['info', '--image-opts', 'driver=iscsi,transport=tcp,'
                      'portal=127.0.0.1:1,target=t,user=u,password-secret=x']):
            self.assertEqual(self.both(args).returncode, 1, args)
        self.both(['-f', 'raw', '-c', 'write 0 512', self.url(2)], 'io')
        self.both(['-r', '-f', 'raw', '-c', 'read -P 0 0 8M', self.url(2)],
                  'io')
        self.assertRegex(run('info', self.url(1).replace('iscsi', 'iser'))
                         .stderr, "Couldn't connect transport|iser")

    def test_chap(self):
        target = 'iqn.2026-11.test:chap'
        self.admin('new', 'target', '--tid', '2', '-T', target)
        self.unit(2, 1, 4 * MiB)
        self.admin('new', 'account', '--user', 'me', '--password', 'secretpass')
        self.admin('bind', 'account', '--tid', '2', '--user', 'me')
        self.admin('bind', 'target', '--tid', '2', '-I', 'ALL')
        self.addCleanup(self.admin, 'delete', 'target', '--tid', '2',
                        '--force')
        opts = (f'driver=iscsi,transport=tcp,portal=127.0.0.1:{self.port},'
                f'target={target},lun=1,user=me,password-secret=s,'
                f'header-digest=%s,initiator-name=iqn.my.name')
        for secret, status in (('secretpass', 0), ('wrongpassword', 1)):
            for digest in ('none', 'crc32c', 'none-crc32c', 'crc32c-none'):
                args = ['info', '--object', f'secret,id=s,data={secret}',
                        '--image-opts', opts % digest]
                self.assertEqual(run(*args).returncode, status, args)
            self.assertEqual(run('info', self.url(1, target, user=f'me%{secret}'
                                                  '@')).returncode, status)
        self.both(['info', self.url(1, target)])
        self.options_of_the_emulator(target)

    def options_of_the_emulator(self, target):
        """-iscsi: for one target, or for all that have none of their own."""
        if not os.path.exists(SYSTEM):
            return
        good = ['-iscsi', 'user=me,password=secretpass']
        bad = ['-iscsi', 'user=me,password=wrongpassword']
        for options, works in ((good, True), (bad, False),
                               (['-iscsi', 'user=me'], False)):
            done = subprocess.run(
                [SYSTEM, '-machine', 'none,accel=qtest', '-display', 'none',
                 '-qmp', 'stdio', *options, '-drive',
                 f'if=none,id=d,file={self.url(1, target)}'], text=True,
                capture_output=True, timeout=120,
                input='{"execute": "qmp_capabilities"}\n'
                      '{"execute": "query-block"}\n{"execute": "quit"}\n')
            self.assertEqual('"virtual-size": 4194304' in done.stdout, works,
                             done.stdout + done.stderr)

    def test_has_the_size_that_the_target_gives(self):
        self.unit(1, 4, 4 * MiB)
        self.addCleanup(self.admin, 'delete', 'logicalunit', '--tid', '1',
                        '--lun', '4')
        vm = Storage(self.tmp.name)
        self.addCleanup(vm.close)
        vm.do('blockdev-add', driver='iscsi', **{
            'node-name': 'n', 'transport': 'tcp', 'target': TARGET, 'lun': 4,
            'portal': f'127.0.0.1:{self.port}'})
        self.assertIn('Cannot', str(vm.cmd('block_resize', **{
            'node-name': 'n', 'size': 8 * MiB})))

    def interactive(self, url):
        io = subprocess.Popen([IO, '-f', 'raw', url], text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        self.addCleanup(io.wait)
        self.addCleanup(io.kill)
        return io

    def say(self, io, line, mark):
        io.stdin.write(line + '\n')
        io.stdin.flush()
        seen = ''
        while mark not in seen:
            text = io.stdout.readline()
            self.assertTrue(text, seen)
            seen += text
        return seen

    def test_survives_a_lost_connection(self):
        self.clear(3)
        relay = Relay(self.port)
        self.addCleanup(relay.stop)
        io = self.interactive(self.url(3, port=relay.port))
        self.say(io, 'write -P 1 0 1M', 'wrote')
        relay.cut()
        self.say(io, 'write -P 2 1M 1M', 'wrote')
        relay.open = False
        relay.cut()
        io.stdin.write('write -P 3 2M 1M\n')
        io.stdin.flush()
        time.sleep(0.5)     # it has to wait now, whatever it does
        relay.open = True
        self.say(io, 'read -P 2 1M 1M', 'read 1048576')
        self.say(io, 'flush', '')
        out = io.communicate('read -P 3 2M 1M\nquit\n', timeout=120)[0]
        self.assertIn('read 1048576', out)
        data = self.disk(3)
        for i in (1, 2, 3):
            self.assertTrue(data[(i - 1) * MiB:i * MiB] == bytes([i]) * MiB)

    def test_timeout(self):
        relay = Relay(self.port)
        self.addCleanup(relay.stop)
        io = subprocess.Popen(
            [IO, '--image-opts', f'driver=iscsi,transport=tcp,target={TARGET},'
             f'portal=127.0.0.1:{relay.port},lun=3,timeout=1'], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        self.addCleanup(io.wait)
        self.addCleanup(io.kill)
        self.say(io, 'read 0 4k', 'read 4096')
        relay.flows = False
        self.say(io, 'read 0 4k', 'read failed')
        relay.cut()
        relay.flows = True
        self.say(io, 'read 0 4k', 'read 4096')
        io.communicate('quit\n', timeout=120)


if __name__ == '__main__':
    unittest.main()
