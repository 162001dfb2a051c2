#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots inside of qcow2: random histories, made in turn by our tools and
QEMU 7.2's, keep every snapshot's bytes and leave nothing to repair."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

import blocklib as b

OURS = os.path.join(b.BUILD, 'qemu-img')
SIZE = 2 << 20


def outcome(tool, *args, cwd):
    p = subprocess.run([tool, *args], cwd=cwd, text=True, timeout=60,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    text = re.sub(r'disk size: .*', '', p.stdout)
    text = re.sub(r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d', 'DATE', text)
    return p.returncode, text, p.stderr


@unittest.skipUnless(b.HAVE_ORACLE, "needs Debian's qemu-utils")
class SnapshotTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        tmp = tempfile.TemporaryDirectory(prefix='nemu-block-')
        self.addCleanup(tmp.cleanup)
        self.dir = tmp.name
        self.path = os.path.join(self.dir, 'a')

    def test_commands_say_the_same(self):
        b.create(self.path, SIZE, {'cluster_size': '4k'})
        other = os.path.join(self.dir, 'twin')
        os.mkdir(other)
        shutil.copy(self.path, other)
        for args in ('-c s1', '-c s2', '-l', '-c 2', '-c', '-a s1', '-d 2',
                     '-l', '-d s2', '-a nope', '-d nope', '-d 1', '-a 1',
                     '-c a -d b', '-c dup', '-c dup', '-l', '-d dup', '-l',
                     '', '-q -c q', '-U -l'):
            args = ['snapshot', *args.split(), 'a']
            self.assertEqual(outcome(OURS, *args, cwd=self.dir),
                             outcome(b.ORACLE_IMG, *args, cwd=other), args)
            b.check(self.path)
        self.assertEqual(outcome(OURS, 'info', 'a', cwd=self.dir),
                         outcome(b.ORACLE_IMG, 'info', 'a', cwd=other))

    def test_disk_without_bytes(self):
        for options in {}, {'cluster_size': '512', 'compat': '0.10'}:
            told = []
            for tool in OURS, b.ORACLE_IMG:
                told.append([])
                b.create(self.path, 0, options)
                for args in ('snapshot -c s a', 'snapshot -l a', 'info a',
                             'resize a 1M', 'snapshot -c full a',
                             'snapshot -a s a', 'info a',
                             'convert -l s -O raw a bytes', 'info bytes',
                             'snapshot -a full a', 'info a',
                             'snapshot -d s a', 'snapshot -d full a'):
                    told[-1].append(outcome(tool, *args.split(),
                                            cwd=self.dir))
                    b.check(self.path)
            self.assertEqual(*told)

    def test_other_formats(self):
        with open(self.path, 'wb') as f:
            f.truncate(SIZE)
        for what in '-c', '-d', '-a':
            args = ['snapshot', '--image-opts', what, 'x',
                    'driver=raw,file.filename=a']
            self.assertEqual(outcome(OURS, *args, cwd=self.dir),
                             outcome(b.ORACLE_IMG, *args, cwd=self.dir))

    def test_counts_that_cannot_grow(self):
        b.create(self.path, SIZE, {'cluster_size': '4k', 'refcount_bits': '1'})
        b.run(b.ORACLE_IO, '-c', 'write -P 1 0 100k', self.path)
        args = ['snapshot', '-c', 'x', 'a']
        ours = outcome(OURS, *args, cwd=self.dir)
        b.check(self.path)  # QEMU's own try leaks
        self.assertEqual(ours, outcome(b.ORACLE_IMG, *args, cwd=self.dir))

    def test_size_comes_back(self):
        b.create(self.path, SIZE, {'cluster_size': '512'})
        b.run(b.OUR_IO, '-c', 'write -P 1 0 2M', self.path)
        b.run(OURS, 'snapshot', '-c', 'small', self.path)
        b.run(OURS, 'resize', self.path, '40M')
        b.run(b.OUR_IO, '-c', 'write -P 2 39M 1M', self.path)
        b.run(OURS, 'snapshot', '-c', 'big', self.path)
        b.run(OURS, 'snapshot', '-a', 'small', self.path)
        b.check(self.path)
        self.assertEqual(b.content(self.path), b'\1' * SIZE)
        b.run(OURS, 'snapshot', '-a', 'big', self.path)
        b.check(self.path)
        self.assertEqual(b.content(self.path),
                         b'\1' * SIZE + bytes(37 << 20) + b'\2' * (1 << 20))

    def tools(self, rng):
        return rng.choice(((OURS, b.OUR_IO), (b.ORACLE_IMG, b.ORACLE_IO)))

    def history(self, seed):
        rng = b.rng_for(seed)
        options = rng.choice([m for m in b.MATRIX if m.get('refcount_bits')
                              not in ('1', '2', '4') and m.get('cluster_size')
                              != '2M' and not set(b.NO_SNAPSHOTS) & set(m)])
        b.create(self.path, SIZE, options)
        model = b.Model(SIZE, rng)
        kept = {}
        for step in range(12):
            img, io_tool = self.tools(rng)
            what = rng.randrange(6)
            name = rng.choice(list(kept)) if kept else None
            if what < 2:
                io = b.Io(self.path, io_tool)
                for _ in range(5):
                    (model.write if rng.randrange(3) else model.zero)(io)
                io.run()
            elif what < 4 or not name:
                kept[f'n{step}'] = bytes(model.data)
                b.run(img, 'snapshot', '-c', f'n{step}', self.path)
            elif what == 4:
                b.run(img, 'snapshot', '-a', name, self.path)
                model.data = bytearray(kept[name])
            else:
                b.run(img, 'snapshot', '-d', name, self.path)
                del kept[name]
            b.check(self.path)
        self.assertEqual(b.content(self.path), model.data)
        for name, data in kept.items():
            b.run(OURS, 'snapshot', '-a', name, self.path)
            self.assertEqual(b.content(self.path), data, name)
        for name in kept:
            b.run(OURS, 'snapshot', '-d', name, self.path)
        b.check(self.path)

    def test_random_histories(self):
        for seed in b.seeds(8):
            with self.subTest(seed=seed):
                self.history(seed)


if __name__ == '__main__':
    unittest.main()
