#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Random writes to qcow2 images, judged by a model and by QEMU 7.2."""

import os
import pathlib
import tempfile
import unittest

import blocklib as b


@unittest.skipUnless(b.HAVE_ORACLE, "needs Debian's qemu-utils")
class RandomTest(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix='nemu-block-')
        self.path = os.path.join(self.dir.name, 'a.qcow2')

    def tearDown(self):
        self.dir.cleanup()

    def steps(self, model, path, n, args):
        io = b.Io(path, args=args)
        for _ in range(n):
            model.step(io)
        io.run()

    def judge(self, model, path):
        b.check(path)
        self.assertEqual(b.content(path), bytes(model.data))

    def judge_data_file(self, model, options):
        if 'data_file_raw' in options:
            raw = pathlib.Path(self.path + '.data').read_bytes()
            # QEMU makes it whole clusters long.
            self.assertEqual(raw[:model.size], bytes(model.data))

    def one(self, seed):
        rng = b.rng_for(seed)
        options = b.MATRIX[seed % len(b.MATRIX)]
        size = rng.choice([1 << 20, 5 << 20, (9 << 20) + 512])
        b.create(self.path, size, options)
        args = ['-f', 'qcow2', *rng.choice([[], ['-n'], ['-i', 'threads'],
                                            ['-d', 'unmap'],
                                            ['-d', 'unmap', '-n', '-k']])]
        model = b.Model(size, rng, discards=b.cluster_size(options)
                        if 'unmap' in args else 0)
        for _ in range(3):
            self.steps(model, self.path, 25, args)
            self.judge(model, self.path)
            self.judge_data_file(model, options)
            # QEMU 7.2 goes on where we stopped, and we after it.
            io = b.Io(self.path, tool=b.ORACLE_IO, args=['-f', 'qcow2'])
            for _ in range(3):
                model.write(io)
            io.run()

    def overlay(self, seed):
        rng = b.rng_for(seed)
        size = rng.choice([1 << 20, 3 << 20])
        base = os.path.join(self.dir.name, 'base.qcow2')
        base_size = rng.choice([size, size // 2, size + (1 << 20)])
        below = b.Model(base_size, rng)
        b.create(base, base_size, rng.choice(b.MATRIX))
        self.steps(below, base, 15, ['-f', 'qcow2'])
        data = bytes(below.data[:size]).ljust(size, b'\0')
        model = b.Model(size, rng, data)
        b.create(self.path, size,
                 b.options_without(b.MATRIX[seed % len(b.MATRIX)],
                                   b.NO_BACKING), 'base.qcow2')
        before = pathlib.Path(base).read_bytes()
        args = rng.choice([['-f', 'qcow2'], ['-f', 'qcow2', '-n'],
                           ['-f', 'qcow2', '-i', 'threads']])
        self.steps(model, self.path, 40, args)
        self.judge(model, self.path)
        self.assertEqual(pathlib.Path(base).read_bytes(), before)

    def snapshots(self, seed):
        rng = b.rng_for(seed)
        # Three snapshots and the image: a cluster may be used four times.
        options = rng.choice([o for o in b.MATRIX
                              if o.get('refcount_bits') not in ('1', '2') and
                              not set(b.NO_SNAPSHOTS) & set(o)])
        size = 2 << 20
        b.create(self.path, size, options)
        args = ['-f', 'qcow2', '-d', 'unmap']
        model = b.Model(size, rng, discards=b.cluster_size(options))
        kept = {}
        for i in range(3):
            self.steps(model, self.path, 12, args)
            b.run(b.ORACLE_IMG, 'snapshot', '-c', f's{i}', self.path)
            kept[f's{i}'] = bytes(model.data)
        self.steps(model, self.path, 12, args)
        self.judge(model, self.path)
        b.run(b.ORACLE_IMG, 'snapshot', '-d', 's1', self.path)
        self.steps(model, self.path, 12, args)
        self.judge(model, self.path)
        for name in ('s0', 's2'):
            b.run(b.ORACLE_IMG, 'snapshot', '-a', name, self.path)
            self.assertEqual(b.content(self.path), kept[name], name)
        b.check(self.path)

    def test_snapshots_keep_their_data(self):
        for seed in b.seeds(8):
            with self.subTest(seed=seed):
                self.snapshots(seed)
                os.unlink(self.path)

    def test_writes_match_the_model(self):
        for seed in b.seeds(len(b.MATRIX)):
            with self.subTest(seed=seed):
                self.one(seed)
                os.unlink(self.path)

    def test_overlays_match_the_model(self):
        for seed in b.seeds(len(b.MATRIX)):
            with self.subTest(seed=seed):
                self.overlay(seed)
                os.unlink(self.path)


if __name__ == '__main__':
    unittest.main()
