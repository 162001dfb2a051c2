# SPDX-License-Identifier: GPL-2.0-or-later
"""Bad input: one line that says what is wrong, exit status 1, nothing left.

Where Debian's QEMU 7.2 is installed it must refuse the same, unless the case
says that it does not.
"""

import os
import shutil
import subprocess
import unittest

from clicase import BASE, BINARY, Case
from nemu_functional.qmp import QmpError

ORACLE = '/usr/bin/qemu-system-x86_64'
LEFT = ['-pidfile', 'pid', '-qmp', 'unix:sock,server=on,wait=off']
DRIVE = '-drive file=img,format=raw,if=none,id=d'
PORT = '-device pcie-root-port,id=rp,chassis=1'

# (arguments after -M q35, words of the line, words of the oracle's text;
#  None: QEMU 7.2 takes it, or dies in another way)
CASES = [
    # Unknown words, with the nearest.
    ('-nodefault', ['-nodefault', "'nodefaults'"], ['invalid option']),
    ('-device virtio-rng-pxi', ["'virtio-rng-pxi'", "'virtio-rng-pci'"],
     ['virtio-rng-pxi']),
    ('-device virtio-rng-pci,periot=1', ['periot', "'period'"], ['periot']),
    ('-device virtio-rng-pci,period=x', ['period', 'x'], ['period']),
    ('-object rng-builtim,id=r', ['rng-builtim', "'rng-builtin'"],
     ['rng-builtim']),
    ('-object rng-random,id=r,filenam=x', ['filenam', "'filename'"],
     ['filenam']),
    ('-chardev nul,id=c', ["\"nul\"", "'null'"], ['nul']),
    ('-chardev null,id=c,path=x', ["'path'"], None),
    ('-netdev tab,id=n', ['tab', "'tap'"], ['tab']),
    ('-netdev tap,id=n,ifnam=x', ["'ifnam'", "'ifname'"], ['ifnam']),
    ('-machine q35,grafics=on', ['grafics', "'graphics'"], ['grafics']),
    ('-machine q35,graphics=maybe', ['graphics', "'on' or 'off'"],
     ['graphics']),
    ('-machine q36', ["'q36'", "'q35'"], ['unsupported machine type']),
    ('-cpu qemu65', ["'qemu65'", "'qemu64'"], ['qemu65']),
    ('-cpu max,sse9=on', ['sse9'], ['sse9']),
    ('-cpu max,+sse9', ['sse9'], ['sse9']),
    ('-smp 1,socket=1', ["'socket'", "'sockets'"], ['socket']),
    ('-m 1G,slot=1', ["'slot'", "'slots'"], ['slot']),
    ('-boot menue=on', ["'menue'", "'menu'"], ['menue']),
    ('-boot order=z', ["'z'"], ["'z'"]),
    ('-action panic=reboot', ['reboot'], ['panic']),
    ('-blockdev driver=fille,node-name=n,filename=img',
     ['fille', "'file'"], ['fille']),
    ('-blockdev driver=file,node-name=n,filname=img', ['filname',
                                                       "'filename'"],
     ['file']),
    ('-drive file=img,format=rew,if=none', ["'rew'", "'raw'"], ["'rew'"]),
    ('-drive file=img,if=nonne,format=raw', ['nonne', "'none'"], ['nonne']),
    ('-drive file=img,format=raw,if=none,cahce=none', ["'cahce'"], ['cahce']),
    # Missing things.
    ('-device virtio-blk-pci', ['drive property not set'],
     ['drive property not set']),
    ('-device virtio-blk-pci,drive=nobody', ['drive', "'nobody'"],
     ['drive', "'nobody'"]),
    ('-device virtio-net-pci,netdev=nobody', ['netdev', "'nobody'"],
     ['netdev', "'nobody'"]),
    ('-device virtio-rng-pci,rng=nobody', ["'nobody'"], ["'nobody'"]),
    ('-device isa-serial,chardev=nobody', ["'nobody'"], ["'nobody'"]),
    ('-device virtio-rng-pci,bus=nobody', ["'nobody'"], ["'nobody'"]),
    ('-device virtserialport', ['virtio-serial-bus'], ['virtio-serial-bus']),
    ('-machine memory-backend=nobody', ["'nobody'"], ["'nobody'"]),
    ('-object memory-backend-file,id=m,size=1M', ['mem-path'], ['mem-path']),
    ('-object memory-backend-file,id=m,size=1M,mem-path=/nonexist/m',
     ['/nonexist/m', 'No such file'], ['/nonexist/m']),
    ('-object memory-backend-ram,id=m,size=0', ['size'], ['size']),
    ('-object rng-random,id=r,filename=/nonexist', ['/nonexist'],
     ['/nonexist']),
    ('-object rng-builtin', ["'id'"], ["'id'"]),
    ('-device {"driver":"virtio-rng-pci"', ['-device'], ['-device']),
    ('-device {}', ["'driver'"], ["'driver'"]),
    ('-kernel /nonexist', ['/nonexist'], ['/nonexist']),
    ('-drive file=/nonexist,format=raw,if=none', ['/nonexist'],
     ['/nonexist']),
    ('-blockdev file,node-name=n,filename=/nonexist', ['/nonexist'],
     ['/nonexist']),
    ('-blockdev raw,node-name=n,file=nobody', ['nobody'], ['nobody']),
    ('-chardev file,id=c,path=/nonexist/c', ['/nonexist/c'], ['/nonexist/c']),
    ('-chardev socket,id=c,path=/nonexist/c', ['/nonexist/c'],
     ['/nonexist/c']),
    ('-chardev socket,id=c,path=/nonexist/c,server=on,wait=off',
     ['/nonexist/c'], ['/nonexist/c']),
    ('-readconfig /nonexist', ['/nonexist'], ['/nonexist']),
    ('-pidfile /nonexist/pid', ['/nonexist/pid'], ['/nonexist/pid']),
    ('-bios nonexist', ['nonexist'], ['nonexist']),
    # The same name twice.
    ('-device virtio-rng-pci,id=x -device virtio-rng-pci,id=x',
     ['Duplicate', "'x'"], ['Duplicate', "'x'"]),
    ('-object rng-builtin,id=x -object rng-builtin,id=x',
     ['Duplicate', "'x'"], ['Duplicate', "'x'"]),
    ('-chardev null,id=x -chardev null,id=x', ["'x'"], ["'x'"]),
    ('-netdev tap,id=x,fd=0 -netdev tap,id=x,fd=0', ['-netdev'], ['-netdev']),
    ('-blockdev file,node-name=x,filename=img '
     '-blockdev file,node-name=x,filename=img', ['Duplicate', "'x'"],
     ['Duplicate', "'x'"]),
    (f'{DRIVE} {DRIVE}', ["'d'"], ["'d'"]),
    # No room, or not there.
    ('-device virtio-rng-pci,addr=3 -device virtio-rng-pci,addr=3',
     ['slot 3'], ['slot 3']),
    ('-device virtio-rng-pci,addr=0x1f', ['slot 31'], ['slot 31']),
    ('-device virtio-rng-pci,addr=40', ["'40'"], ["'40'"]),
    (' '.join(['-device virtio-rng-pci'] * 32), ['in use'], ['in use']),
    (f'{PORT} -device virtio-rng-pci,bus=rp -device virtio-rng-pci,bus=rp',
     ['in use'], None),
    (f'{PORT} -device virtio-rng-pci,bus=rp,addr=1', ['slot 1'], None),
    (f'{PORT} -device pcie-root-port,id=r2,chassis=1', ['chassis'],
     ['chassis']),
    (' '.join(['-device isa-serial'] * 5), ['ISA serial'], ['ISA serial']),
    ('-device isa-serial,bus=pcie.0', ['PCIE bus'], ['PCIE bus']),
    ('-device virtio-rng-pci,bus=isa.0', ['ISA bus'], ['ISA bus']),
    (f'{DRIVE} -device virtio-blk-pci,drive=d -device virtio-blk-pci,drive=d',
     ["'d'", 'in use'], ["'d'", 'in use']),
    ('-device mch', ['pluggable'], ['pluggable']),
    # Numbers.
    ('-m abc', ['abc', "'size'"], ['abc', "'size'"]),
    ('-m 12Q', ['12Q'], ['12Q']),
    ('-m -1', ['-1'], ['-1']),
    ('-m 999999T', ['memory'], ['memory']),
    ('-m 64M,maxmem=32M,slots=1', ['maxmem'], ['maxmem']),
    ('-m 64M,slots=2', ['slots'], ['slots']),
    ('-object memory-backend-ram,id=m,size=32M -machine memory-backend=m '
     '-m 64', ['memory'], ['emory']),
    ('-smp 0', ['cpus'], None),
    ('-smp 2,maxcpus=1', ['maxcpus'], ['maxcpus']),
    ('-smp 289', ['289', '288'], ['289', '288']),
    ('-smp 4,sockets=3', ['sockets (3)'], ['sockets (3)']),
    ('-smp many', ['many', "'cpus'"], ['cpus']),
    ('-uuid 1-2-3', ['UUID'], ['UUID']),
]


class Lines(Case):

    def setUp(self):
        super().setUp()
        (self.dir / 'img').write_bytes(bytes(1 << 20))

    def run_one(self, args):
        return self.ended('-M', 'q35', *LEFT, *args)

    def test_one_line_status_one_and_nothing_left(self):
        bad = []
        for text, words, _ in CASES:
            try:
                done = self.run_one(text.split(' '))
            except subprocess.TimeoutExpired:
                bad.append(f'{text}: accepted')
                continue
            lines = [line for line in done.stderr.splitlines()
                     if line.startswith('qemu-system')]
            left = set(os.listdir(self.dir)) - {'img'}
            if done.returncode != 1 or len(lines) != 1 or left or \
                    any(w not in lines[0] for w in words):
                bad.append(f'{text}: {done.returncode}, {left}: {done.stderr}')
                for name in left:
                    (self.dir / name).unlink()
        self.assertEqual(bad, [])

    @unittest.skipUnless(os.access(ORACLE, os.X_OK), 'no QEMU 7.2 here')
    def test_qemu_refuses_the_same(self):
        bad = []
        for text, _, words in CASES:
            if words is None:
                continue
            done = subprocess.run(
                [ORACLE, '-accel', 'tcg', '-display', 'none', '-nodefaults',
                 '-S', '-M', 'q35', *LEFT, *text.split(' ')], cwd=self.dir,
                capture_output=True, text=True, stdin=subprocess.DEVNULL,
                timeout=20)
            if done.returncode != 1 or \
                    any(w not in done.stderr for w in words):
                bad.append(f'{text}: {done.returncode}: {done.stderr}')
            for name in set(os.listdir(self.dir)) - {'img'}:
                (self.dir / name).unlink()
        self.assertEqual(bad, [])


class Kvm(Case):

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which('setpriv') and
                         os.path.exists('/dev/kvm'), 'needs root and KVM')
    def test_no_permission_on_dev_kvm(self):
        self.dir.chmod(0o777)
        mode = os.stat('/dev/kvm').st_mode & 0o777
        if mode & 0o006:
            self.skipTest('everybody may use /dev/kvm')
        copy = shutil.copy(BINARY, self.dir)
        done = subprocess.run(
            ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups',
             copy, '-M', 'q35', '-accel', 'kvm', '-nodefaults', '-display',
             'none', '-S', '-pidfile', 'pid'], cwd=self.dir, timeout=20,
            capture_output=True, text=True, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn('KVM', done.stderr)
        self.assertIn('Permission denied', done.stderr)
        self.assertFalse((self.dir / 'pid').exists())


class Plugging(Case):
    """The same mistakes over QMP leave nothing behind."""

    def test_what_cannot_be_plugged(self):
        qmp = self.start('-M', 'q35', '-device',
                         'pcie-root-port,id=rp,chassis=1')
        tree = qmp.hmp('info qtree')
        objects = qmp.cmd('qom-list', path='/machine/peripheral')
        for args, word in (
                ({'driver': 'isa-serial'}, 'hot'),
                ({'driver': 'mch'}, 'pluggable'),
                ({'driver': 'nonsense'}, 'nonsense'),
                ({'driver': 'virtio-rng-pci', 'bus': 'nobody'}, 'nobody'),
                ({'driver': 'virtio-rng-pci', 'id': 'a', 'bus': 'rp',
                  'nonsense': 1}, 'nonsense'),
                ({'driver': 'virtio-blk-pci', 'id': 'a', 'bus': 'rp'},
                 'drive'),
                ({'driver': 'virtio-rng-pci', 'id': 'rp'}, 'rp')):
            with self.assertRaises(QmpError) as caught:
                qmp.cmd('device_add', args)
            self.assertIn(word, caught.exception.desc)
        self.assertEqual(qmp.hmp('info qtree'), tree)
        self.assertEqual(qmp.cmd('qom-list', path='/machine/peripheral'),
                         objects)

    def test_objects_that_fail_leave_their_id_free(self):
        qmp = self.start('-M', 'q35')
        for args in ({'qom-type': 'rng-random', 'id': 'x',
                      'filename': '/nonexist'},
                     {'qom-type': 'memory-backend-ram', 'id': 'x',
                      'size': 1 << 62}):
            with self.assertRaises(QmpError):
                qmp.cmd('object-add', args)
        qmp.cmd('object-add', qom_type='rng-builtin', id='x')
        qmp.cmd('object-del', id='x')
