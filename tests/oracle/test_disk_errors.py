# SPDX-License-Identifier: GPL-2.0-or-later
"""What werror= and rerror= make of a disk's failures: events, states, the
guest's requests and the statistics are QEMU 7.2's."""

import itertools
import json
import os
import tempfile
import time
import unittest

from legacy_disk import DISCARD, FLUSH, IN, OUT, ZEROES, Disk, Machine
from pair import oracle, ours

OPS = {'read': IN, 'write': OUT, 'flush': FLUSH, 'discard': DISCARD,
       'write-zeroes': ZEROES}
EIO, ENOSPC = 5, 28
POLICIES = ('report', 'ignore', 'stop', 'enospc', 'auto')
CASES = [*itertools.product(OPS, (EIO,), POLICIES, ('once',)),
         *itertools.product(('read', 'write'), (ENOSPC,), POLICIES, ('once',)),
         *itertools.product(OPS, (EIO,), ('stop',), ('always',))]
MERGED = list(itertools.product(('read', 'write'), (EIO,), (
    'report', 'ignore', 'stop'), ('once', 'always')))
SECTOR = 8
COUNTS = ('_operations', '_bytes', '_merged')


def place(i):
    """A function of the root bus for disk i."""
    return (3 + i // 8) << 3 | i % 8


def settle(machine, disk, heads):
    """When all requests are done, or the machine has stopped."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        state = machine.qmp.cmd('query-status')['status']
        if len(disk.used()) == len(heads) or state != 'running':
            # In whichever order they came.
            return (state, sorted(disk.used()),
                    [disk.status(h) for h in heads])
        time.sleep(0.002)
    raise TimeoutError('requests neither end nor stop the machine')


def io_status(machine, name):
    for b in machine.qmp.cmd('query-block'):
        if f'/{name}/' in b['qdev']:
            return b.get('io-status')
    raise KeyError(name)


def counts(machine, name):
    """What is not 0. QEMU 7.2's virtio-blk counts no discards; we do."""
    for s in machine.qmp.cmd('query-blockstats'):
        if f'/{name}/' in s['qdev']:
            return {k: v for k, v in s['stats'].items()
                    if v and k.endswith(COUNTS) and 'unmap' not in k}
    raise KeyError(name)


def seen(machine, disk, name, heads):
    return [settle(machine, disk, heads), machine.events(),
            io_status(machine, name), counts(machine, name)]


class DiskErrorTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        tmp = tempfile.TemporaryDirectory(prefix='nemu-oracle-')
        self.addCleanup(tmp.cleanup)
        self.image = os.path.join(tmp.name, 'image')
        with open(self.image, 'wb') as f:
            f.truncate(1 << 20)

    def disk(self, i, op, error, often, opts):
        rule = {'event': 'none', 'iotype': op, 'errno': error,
                'once': often == 'once'}
        if op == 'read':
            rule['sector'] = SECTOR  # let others read a partition table
        node = {'driver': 'raw', 'node-name': f'n{i}', 'discard': 'unmap',
                'file': {'driver': 'blkdebug', 'node-name': f'g{i}',
                         'inject-error': [rule],
                         'image': {'driver': 'file', 'locking': 'off',
                                   'filename': self.image}}}
        at = place(i)
        return ['-blockdev', json.dumps(node), '-device',
                f'virtio-blk-pci,id=d{i},drive=n{i},share-rw=on,'
                f'addr={at >> 3:x}.{at & 7},multifunction=on,queue-size=16,'
                + opts]

    def one(self, machine, i, op, apart):
        """Three requests, and what comes of them; again after "cont"."""
        disk, name, heads = Disk(machine, place(i)), f'd{i}', []
        if op == 'flush':  # of something
            heads.append(disk.add(OUT, SECTOR, bytes(512)))
            disk.kick()
            settle(machine, disk, heads)
        for k in range(3):
            heads.append(disk.add(OPS[op], SECTOR + k * apart, b'%d' % k * 512))
        disk.kick()
        got = seen(machine, disk, name, heads)
        if got[0][0] == 'io-error':
            machine.qmp.cmd('cont')
            again = seen(machine, disk, name, heads)
            got.append(again)
            # QEMU 7.2 forgets the status of -drive only.
            if again[0][0] == 'running':
                del again[2]
            else:
                disk.reset()
                machine.qmp.cmd('cont')
                got += [machine.events(), machine.qmp.cmd('query-status')]
        return got

    def all(self, start, cases, apart):
        args = []
        for i, (op, error, policy, often) in enumerate(cases):
            args += self.disk(i, op, error, often,
                              f'werror={policy},rerror={policy}')
        with Machine(start, *args) as m:
            m.events()
            return [self.one(m, i, case[0], apart)
                    for i, case in enumerate(cases)]

    def same(self, cases, apart):
        for case, us, them in zip(cases, self.all(ours, cases, apart),
                                  self.all(oracle, cases, apart)):
            with self.subTest(case=case):
                self.assertEqual(us, them)

    def test_each_policy_for_each_request(self):
        self.same(CASES, apart=2)

    def test_requests_that_are_merged(self):
        self.same(MERGED, apart=1)

    def reset(self, start):
        with Machine(start, *self.disk(0, 'write', ENOSPC, 'once', '')) as m:
            m.events()
            disk = Disk(m, place(0))
            heads = [disk.add(OUT, SECTOR, bytes(512))]
            disk.kick()
            got = [seen(m, disk, 'd0', heads)]
            m.qmp.cmd('system_reset')
            while not any(e['event'] == 'RESET' for e in m.qmp.events):
                m.qmp.cmd('query-name')
            got += [m.events(), m.qmp.cmd('query-status')]
            m.qmp.cmd('cont')
            got += [m.events(), disk.used(), m.qmp.cmd('query-status')]
            m.disks = 0
            disk = Disk(m, place(0))
            heads = [disk.add(OUT, SECTOR, bytes(512))]
            disk.kick()
            got.append((settle(m, disk, heads), m.events(), counts(m, 'd0')))
        return got

    def test_a_reset_forgets_the_stopped_request(self):
        self.assertEqual(self.reset(ours), self.reset(oracle))

    def drive(self, start, drive, device):
        rules = os.path.join(os.path.dirname(self.image), 'rules')
        with open(rules, 'w', encoding='utf-8') as f:
            f.write('[inject-error]\nevent = "none"\niotype = "write"\n'
                    'errno = "28"\n')
        with Machine(start, '-drive', 'if=none,id=x,format=raw,'
                     f'file=blkdebug:{rules}:{self.image}{drive}', '-device',
                     'virtio-blk-pci,id=d0,drive=x,addr=3,queue-size=16'
                     f'{device}') as m:
            m.events()
            disk = Disk(m, place(0))
            heads = [disk.add(OUT, SECTOR, bytes(512))]
            disk.kick()
            got = [settle(m, disk, heads), io_status(m, 'd0')]
            events = [(name, data and dict(data, **{'node-name': ''}))
                      for name, data in m.events()]
            disk.reset()
            m.qmp.cmd('cont')
            return [*got, events, io_status(m, 'd0')]

    def test_policy_of_the_drive_and_of_its_device(self):
        for case in itertools.product(
                ('', ',werror=ignore,rerror=stop'),
                ('', ',werror=stop', ',rerror=stop')):
            with self.subTest(case=case):
                self.assertEqual(self.drive(ours, *case),
                                 self.drive(oracle, *case))

    def refusal(self, start, *args):
        accel = 'tcg' if start is oracle else 'qtest'
        try:
            with start('-machine', 'q35', '-accel', accel, *args):
                return None
        except RuntimeError as err:
            return str(err).split('qemu-system-x86_64:')[-1]

    def test_wrong_policies_are_refused(self):
        node = ['-blockdev', 'driver=null-co,node-name=n,read-zeroes=on']
        for text in ('werror=foo', 'werror=', 'werror=1', 'rerror=enospc',
                     'rerror=ENOSPC'):
            for args in ([*node, '-device', f'virtio-blk-pci,drive=n,{text}'],
                         ['-drive', 'if=none,id=x,file=null-co://,format=raw,'
                          + text]):
                with self.subTest(args=args):
                    self.assertEqual(self.refusal(ours, *args),
                                     self.refusal(oracle, *args))
