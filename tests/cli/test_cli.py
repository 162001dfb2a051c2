#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line: what options do, seen over QMP, and what bad ones say.

Needs no KVM. $QTEST_QEMU_BINARY is the emulator. Output is TAP.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'functional'))
from nemu_functional import suite  # noqa: E402
from nemu_functional.qmp import Qmp  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parent))
from clicase import BINARY, NODES, Q35, Case  # noqa: E402


class Effect(Case):

    def test_name_and_uuid(self):
        qmp = self.start(*Q35, '-name', 'guest=vm1', '--uuid',
                         '12345678-9abc-def0-1234-56789abcdef0')
        self.assertEqual(qmp.cmd('query-name'), {'name': 'vm1'})
        self.assertEqual(qmp.cmd('query-uuid')['UUID'],
                         '12345678-9abc-def0-1234-56789abcdef0')

    def test_topology_and_memory(self):
        qmp = self.start(*Q35, '-smp', '2,sockets=2,cores=2,maxcpus=4',
                         '-m', '64M,slots=2,maxmem=1G')
        self.assertEqual(len(qmp.cmd('query-cpus-fast')), 2)
        self.assertEqual(len(qmp.cmd('query-hotpluggable-cpus')), 4)
        self.assertEqual(qmp.cmd('query-memory-size-summary')['base-memory'],
                         64 << 20)
        self.assertEqual(qmp.cmd('query-memory-devices'), [])

    def test_numa_nodes(self):
        qmp = self.start(*Q35, *NODES.split(),
                         '-numa', 'node,memdev=m0,cpus=0-1',
                         '-numa', 'node,memdev=m1,cpus=2,cpus=3',
                         '-numa', 'dist,src=0,dst=1,val=21')
        nodes = {c['cpu-index']: c['props']['node-id']
                 for c in qmp.cmd('query-cpus-fast')}
        self.assertEqual(nodes, {0: 0, 1: 0, 2: 1, 3: 1})
        self.assertIn('node 1 size: 128 MB', qmp.hmp('info numa'))

    def test_katas_single_node(self):
        qmp = self.start('-device', 'virtio-rng-pci,rng=r0', *Q35,
                         '-m', '64M', '-object', 'rng-random,id=r0',
                         '-object', 'memory-backend-file,id=dimm1,size=64M,'
                         'mem-path=/dev/shm,share=on',
                         '-numa', 'node,memdev=dimm1', '-vga', 'none',
                         '-nographic', '--no-reboot', '-monitor', 'none',
                         '-serial', 'none')
        self.assertEqual([m['id'] for m in qmp.cmd('query-memdev')], ['dimm1'])

    def test_secret(self):
        (self.dir / 'key').write_bytes(bytes(range(32)))
        qmp = self.start('-M', 'none', '-object', json.dumps(
            {'qom-type': 'secret', 'id': 'masterKey0', 'format': 'raw',
             'file': str(self.dir / 'key')}))
        self.assertIn('masterKey0',
                      [o['name'] for o in qmp.cmd('qom-list', path='/objects')])

    def test_device_set_and_global(self):
        qmp = self.start(*Q35, '-device', 'virtio-rng-pci,id=r,addr=5',
                         '-set', 'device.r.max-bytes=99', '-global',
                         'virtio-rng-pci.period=77')
        self.assertEqual(qmp.cmd('qom-get', path='r', property='max-bytes'), 99)
        self.assertEqual(qmp.cmd('qom-get', path='r', property='period'), 77)


class BadInput(Case):

    def test_one_line_names_it_and_the_nearest(self):
        for args, word, nearest in (
                (['-devcie', 'x'], '-devcie', 'device'),
                (['-M', 'q34'], 'q34', 'q35'),
                ([*Q35, '-device', 'virtio-rng-pcj'], 'virtio-rng-pcj',
                 'virtio-rng-pci'),
                ([*Q35, '-device', 'virtio-rng-pci,max-byte=1'], 'max-byte',
                 'max-bytes'),
                ([*Q35, '-object', 'rng-randon,id=x'], 'rng-randon',
                 'rng-random'),
                ([*Q35, '-chardev', 'nul,id=x'], 'nul', 'null'),
                ([*Q35, '-netdev', 'tapp,id=x'], 'tapp', 'tap'),
                ([*Q35, '-action', 'reboot=reser'], 'reser', 'reset')):
            line = self.fails(*args).splitlines()[0]
            self.assertIn(word, line)
            self.assertIn(f"did you mean '{nearest}'?", line)

    def test_things_that_do_not_exist(self):
        for args, text in (
                (['-device', 'virtio-blk-pci,drive=foo'],
                 "can't find value 'foo'"),
                (['-device', 'virtio-rng-pci,foo=1'],
                 "Property 'virtio-rng-pci.foo' not found"),
                (['-device', 'virtio-rng-pci,bus=foo'], "'foo' not found"),
                (['-kernel', '/nonexist'], '/nonexist'),
                (['-drive', 'file=/nonexist,if=none'], '/nonexist'),
                (['-readconfig', '/nonexist'], '/nonexist'),
                (['-pidfile', '/nonexist/pid'], '/nonexist/pid'),
                (['-numa', 'node,memdev=foo'], "'foo' not found"),
                (['-object', 'secret,id=s,data=x,keyid=k'],
                 "No secret with id 'k'")):
            self.assertIn(text, self.fails(*Q35, *args))

    def test_numa_that_does_not_add_up(self):
        for args, text in (
                ('-numa node,memdev=m0', 'should equal RAM size'),
                ('-numa node,memdev=m0 -numa node,memdev=m0',
                 "can't be used multiple times"),
                ('-numa node,memdev=m0,cpus=9', 'should be smaller'),
                ('-numa node,nodeid=128,memdev=m0', 'Max number'),
                ('-numa dist,src=0,dst=1,val=20', 'declare it first')):
            self.assertIn(text, self.fails(*Q35, *(NODES + args).split()))

    def test_wrong_format_leaves_the_image_alone(self):
        image = self.dir / 'disk'
        image.write_bytes(b'hello' * 4096)
        before = hashlib.sha256(image.read_bytes()).digest()
        self.assertIn('not in qcow2 format', self.fails(
            *Q35, '-pidfile', 'pid', '-drive',
            'file=disk,format=qcow2,if=none,id=d'))
        self.assertEqual(hashlib.sha256(image.read_bytes()).digest(), before)
        self.assertFalse((self.dir / 'pid').exists())


class Process(Case):

    def test_daemonize_is_ready_when_the_parent_ends(self):
        pidfile, sock = self.dir / 'pid', self.dir / 'qmp'
        subprocess.run(
            [BINARY, '-S', '-no-user-config', '-nodefaults', '-nographic',
             '-machine', 'none,accel=kvm:tcg', '-qmp',
             f'unix:{sock},server=on,wait=off', '-pidfile', pidfile,
             '-daemonize'], check=True, timeout=20)
        pid = int(pidfile.read_text())
        self.assertEqual(pidfile.stat().st_mode & 0o777, 0o600)
        qmp = Qmp.connect(sock, timeout=0)
        self.assertEqual(qmp.cmd('query-version')['qemu']['major'], 7)
        os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + 10
        while pidfile.exists() and time.monotonic() < end:
            time.sleep(0.01)
        self.assertFalse(pidfile.exists())

    def test_daemonize_tells_errors_and_fails(self):
        self.assertIn('nonsense', self.fails(
            '-M', 'none', '-daemonize', '-object', 'nonsense,id=x'))

    def test_signals_end_it_cleanly(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self.start('-M', 'none', '-no-shutdown')
            self.proc.send_signal(number)
            self.assertEqual(self.proc.wait(10), 0)


if __name__ == '__main__':
    sys.exit(suite.run(str(Path(__file__).resolve().parent), sys.argv[1:]))
