#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The small filters: preallocate, compress, blkverify, write thresholds."""

import json
import os
import random
import tempfile
import unittest

import blocklib as b
from test_jobs import ORACLE, OURS, Qmp

KiB, MiB = 1 << 10, 1 << 20


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        tmp = tempfile.TemporaryDirectory(prefix='nemu-block-')
        self.addCleanup(tmp.cleanup)
        self.dir = tmp.name

    def file(self, name, data=b''):
        path = os.path.join(self.dir, name)
        with open(path, 'wb') as f:
            f.write(data)
        return path

    def io(self, image, *lines, tool=b.OUR_IO, args=('--image-opts',)):
        io = b.Io(image, tool=tool, args=args)
        for line in lines:
            io.add(line)
        return io.run(check=False)


@unittest.skipUnless(b.HAVE_ORACLE, "needs Debian's qemu-utils")
class PreallocateTest(Case):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.dir, 'a')
        b.create(self.path, 64 * MiB)

    def image(self, opts=''):
        return ('driver=qcow2,file.driver=preallocate,file.file.driver=file,'
                f'file.file.filename={self.path}{opts}')

    def test_the_file_is_cut_off_at_the_end(self):
        plain = os.path.join(self.dir, 'b')
        b.create(plain, 64 * MiB)
        lines = ['write -P 1 0 3M', 'write -z 8M 1M', 'write -P 2 20M 70k',
                 'discard 1M 1M']
        p = self.io(self.image(), *lines)
        self.assertEqual(p.returncode, 0, p.stdout)
        self.io(f'driver=qcow2,file.driver=file,file.filename={plain}', *lines)
        b.check(self.path)
        self.assertEqual(os.stat(self.path).st_size, os.stat(plain).st_size)
        self.assertEqual(b.content(self.path), b.content(plain))

    def test_the_file_grows_in_steps(self):
        q = Qmp(OURS, self.dir, '-blockdev',
                'preallocate,node-name=p,prealloc-align=1048576,'
                'prealloc-size=4194304,file.driver=file,file.filename=a',
                '-blockdev', 'qcow2,node-name=n,file=p')
        try:
            sock = os.path.join(self.dir, 's')
            q.cmd('nbd-server-start', addr={'type': 'unix',
                                            'data': {'path': sock}})
            q.cmd('block-export-add', **{'id': 'e', 'type': 'nbd',
                                         'node-name': 'n', 'writable': True})
            p = self.io(f'nbd+unix:///n?socket={sock}', 'write -P 1 0 64k',
                        args=['-f', 'raw'])
            self.assertEqual(p.returncode, 0, p.stdout)
            size = os.stat(self.path).st_size
            self.assertEqual(size % MiB, 0)
            self.assertGreater(size, 4 * MiB)
        finally:
            q.close()
        self.assertLess(os.stat(self.path).st_size, MiB)
        b.check(self.path)

    def test_random_writes(self):
        for seed in b.seeds(2):
            with self.subTest(seed=seed):
                rng = b.rng_for(seed)
                size = 8 * MiB
                b.create(self.path, size, {'cluster_size': '4k'})
                model = b.Model(size, rng, discards=4096)
                io = b.Io(self.image(',file.prealloc-size=100000,'
                                     'file.prealloc-align=65536,'
                                     'discard=unmap'), args=['--image-opts'])
                for _ in range(40):
                    model.step(io)
                io.run()
                b.check(self.path)
                self.assertEqual(b.content(self.path), bytes(model.data))

    def test_bad_alignment(self):
        p = self.io(self.image(',file.prealloc-align=5'), 'read 0 1')
        self.assertIn('prealloc-align', p.stdout)


class BlkverifyTest(Case):
    def setUp(self):
        super().setUp()
        self.one = self.file('one', bytes(64 * KiB))
        self.two = self.file('two', bytes(5000) + b'x' + bytes(60535))

    def test_difference_ends_the_program(self):
        for image, args in ((f'blkverify:{self.one}:{self.two}', ['-f', 'raw']),
                            ('driver=blkverify,raw.driver=file,raw.filename='
                             f'{self.one},test.driver=file,test.filename='
                             f'{self.two}', ['--image-opts'])):
            said = []
            for tool in [b.OUR_IO] + [b.ORACLE_IO] * b.HAVE_ORACLE:
                p = self.io(image, 'read 0 4k', 'read 4k 4k', 'read 0 4k',
                            tool=tool, args=args)
                self.assertEqual(p.returncode, 1)
                said.append([x for x in p.stdout.split('\n') if 'verify' in x])
            self.assertEqual(said[0], [
                'blkverify: read offset=4096 bytes=4096 contents mismatch at '
                'offset 5000'])
            self.assertEqual(said[-1], said[0])

    def test_writes_go_to_both(self):
        image = f'blkverify:{self.one}:{self.two}'
        p = self.io(image, 'write -P 3 4k 4k', 'write -z 20k 1k', 'flush',
                    'read -P 3 4k 4k', 'read -P 0 8k 40k', args=['-f', 'raw'])
        self.assertEqual(p.returncode, 0, p.stdout)
        self.assertEqual(b.digest(self.one), b.digest(self.two))

    def test_quorum_of_two_does_the_same(self):
        image = ('driver=quorum,vote-threshold=2,blkverify=on,'
                 f'children.0.driver=file,children.0.filename={self.one},'
                 f'children.1.driver=file,children.1.filename={self.two}')
        p = self.io(image, 'read 0 4k', 'read 4k 4k')
        self.assertEqual(p.returncode, 1)
        self.assertIn('quorum: offset=4096 bytes=4096 contents mismatch at '
                      'offset 5000', p.stdout)


@unittest.skipUnless(b.HAVE_ORACLE and ORACLE, "needs Debian's QEMU")
class CompressTest(Case):
    LENGTH = 4 * MiB + 3 * KiB  # the last cluster is short
    NODES = [
        {'driver': 'file', 'filename': 'raw', 'node-name': 'r'},
        {'driver': 'compress', 'file': 'r', 'node-name': 'x'},
        {'driver': 'compress', 'node-name': 'x'},
        {'driver': 'null-co', 'node-name': 'null'},
        {'driver': 'compress', 'file': 'null', 'node-name': 'x'},
        {'driver': 'qcow2', 'node-name': 'q', 'file': {
            'driver': 'file', 'filename': 'q'}},
        {'driver': 'compress', 'file': 'q', 'node-name': 'x', 'zork': 1},
        {'driver': 'raw', 'file': 'q', 'node-name': 'rq'},
        {'driver': 'compress', 'file': 'rq', 'node-name': 'x'},
        {'driver': 'qcow2', 'node-name': 'd', 'file': {
            'driver': 'file', 'filename': 'd'}},
        {'driver': 'compress', 'file': 'd', 'node-name': 'cd'},
        {'driver': 'qcow2', 'node-name': 's', 'file': {
            'driver': 'file', 'filename': 's'}},
        {'driver': 'qcow2', 'node-name': 't', 'file': {
            'driver': 'file', 'filename': 't'}},
        {'driver': 'compress', 'file': 't', 'node-name': 'c'},
        {'driver': 'compress', 'file': 'c', 'node-name': 'x'},
    ]

    def path(self, name):
        return os.path.join(self.dir, name)

    def top(self, name):
        return ('driver=compress,file.driver=qcow2,file.file.driver=file,'
                f'file.file.filename={self.path(name)}')

    def counts(self, name):
        told = json.loads(b.run(b.ORACLE_IMG, 'check', '--output=json',
                                self.path(name)).stdout)
        return [told.get(k, 0) for k in ('compressed-clusters',
                                         'allocated-clusters', 'leaks')]

    def scenario(self, binary, job, length):
        self.file('raw', bytes(MiB))
        for name in 'qst':
            b.create(self.path(name), length)
        b.create(self.path('d'), MiB, {'data_file': '@.data'})
        self.io(self.path('s'), 'write -P 5 0 3M', 'write -P 6 3968k 50k',
                args=('-f', 'qcow2'))
        q = Qmp(binary, self.dir)
        try:
            got = [q.cmd('blockdev-add', **node) for node in self.NODES]
            got.append(q.cmd('blockdev-backup', device='s', target='c',
                             sync='full', job_id='j', compress=True))
            self.assertEqual(q.cmd(job, device='s', target='c', sync='full',
                                   job_id='j'), {})
            if job == 'blockdev-mirror':
                q.ready('j')
                q.cmd('job-complete', id='j')
            q.end('j')
            got.append([data.get('error') for name, data in q.events
                        if name == 'BLOCK_JOB_COMPLETED'])
        finally:
            q.close()
        return got, self.counts('t'), b.content(self.path('t'))

    def filled(self, got, length):
        self.assertEqual(got[0][-1], [None])
        self.assertEqual(got[1], [49, 49, 0])
        self.assertTrue(got[2] == b'\5' * 3 * MiB + bytes(896 * KiB) +
                        b'\6' * 50 * KiB + bytes(length - 4018 * KiB))
        self.assertLess(os.stat(self.path('t')).st_size, MiB)

    def test_writethrough_reaches_the_disk(self):
        """No write is acknowledged while the disk cannot be flushed."""
        b.create(self.path('w'), MiB)
        top = ('driver=compress,file.driver=qcow2,file.file.driver=blkdebug,'
               'file.file.inject-error.0.event=flush_to_disk,'
               'file.file.image.driver=file,'
               f'file.file.image.filename={self.path("w")}')
        p = b.run(b.OUR_IO, '-t', 'writethrough', '--image-opts', top,
                  *('-c', 'write -q 0 64k', '-c', 'write -q 128k 1k',
                    '-c', 'write -q 128k 1k'), check=False)
        self.assertEqual(p.stdout.count('write failed: Input/output error'), 3)

    def test_backup_into_it_as_qemu(self):
        got = self.scenario(OURS, 'blockdev-backup', 4 * MiB)
        self.filled(got, 4 * MiB)
        self.assertEqual(got, self.scenario(ORACLE, 'blockdev-backup',
                                            4 * MiB))

    def test_jobs_whose_last_cluster_is_short(self):
        for job in 'blockdev-backup', 'blockdev-mirror':
            self.filled(self.scenario(OURS, job, self.LENGTH), self.LENGTH)

    def test_requests_of_any_size(self):
        rng = random.Random(3)
        b.create(self.path('base'), self.LENGTH)
        self.io(self.path('base'), 'write -P 9 0 4099k', args=('-f', 'qcow2'))
        data = bytearray(b'\t' * self.LENGTH)
        b.create(self.path('a'), self.LENGTH, backing='base')
        lines = []
        for i in range(1, 60):
            at = rng.randrange(0, self.LENGTH, 512)
            size = min(rng.choice((512, 4096, 65536, 300 * KiB)),
                       self.LENGTH - at)
            kind = rng.choice(('write', 'write', 'aio_write', 'write -z'))
            pattern = '' if kind == 'write -z' else f' -P {i}'
            lines.append(f'{kind}{pattern} {at} {size}')
            data[at:at + size] = bytes([0 if not pattern else i]) * size
            if rng.randrange(3) == 0 or 'aio' not in kind:
                lines.append('aio_flush')
        # Those that meet are in order: one by one.
        lines = [line for line in lines for line in (line, 'aio_flush')]
        p = self.io(self.top('a'), *lines)
        self.assertNotIn('failed', p.stdout)
        self.assertTrue(b.content(self.path('a')) == bytes(data))
        compressed, _, leaks = self.counts('a')
        self.assertGreater(compressed, 0)
        self.assertEqual(leaks, 0)

    def test_parts_of_one_cluster_at_the_same_time(self):
        b.create(self.path('a'), MiB)
        p = self.io(self.top('a'), *(
            f'aio_write -P {i + 1} {i * 8}k 8k' for i in range(64)),
            'aio_flush', *(f'read -P {i + 1} {i * 8}k 8k' for i in range(64)))
        self.assertNotIn('failed', p.stdout)
        b.check(self.path('a'))

    def test_what_cannot_be_compressed_fails(self):
        b.create(self.path('d'), MiB, {'data_file': '@.data'})
        for line in 'write 0 64k', 'write 0 4k', 'write -c 0 64k':
            said = [self.io(self.top('d'), line, tool=tool).stdout
                    for tool in (b.OUR_IO, b.ORACLE_IO)]
            self.assertEqual(said[0], said[1])
            self.assertIn('not supported', said[0])


@unittest.skipUnless(ORACLE, "needs Debian's QEMU")
class ThresholdTest(Case):
    def scenario(self, binary):
        q = Qmp(binary, self.dir, '-blockdev',
                'null-co,node-name=n,size=1048576')
        try:
            sock = os.path.join(self.dir, 's')
            q.cmd('nbd-server-start', addr={'type': 'unix',
                                            'data': {'path': sock}})
            q.cmd('block-export-add', **{'id': 'e', 'type': 'nbd',
                                         'node-name': 'n', 'writable': True})
            got = []
            for node, threshold, line in (
                    ('zz', 5, 'read 0 1k'), ('n', 4096, 'write 0 4k'),
                    ('n', 4096, 'read 8k 4k'), ('n', 4096, 'write 3k 4k'),
                    ('n', 4096, 'write -z 8k 4k'), ('n', 0, 'write 8k 4k')):
                got.append(q.cmd('block-set-write-threshold', **{
                    'node-name': node, 'write-threshold': threshold}))
                self.io(f'nbd+unix:///n?socket={sock}', line,
                        args=['-f', 'raw'])
                got.append([x['write_threshold']
                            for x in q.cmd('query-named-block-nodes')])
                got.append([e for e in q.events
                            if e[0] == 'BLOCK_WRITE_THRESHOLD'])
        finally:
            q.close()
        return got

    def test_as_qemu(self):
        got = self.scenario(OURS)
        self.assertEqual(got, self.scenario(ORACLE))
        self.assertTrue(got[-1])


if __name__ == '__main__':
    unittest.main()
