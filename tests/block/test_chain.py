#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-img commit, rebase and dd: same words and same bytes as QEMU 7.2's, on
chains of images with random content."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

import blocklib as b

OURS = os.path.join(b.BUILD, 'qemu-img')
MiB = 1 << 20

COMMIT = ['top', '-q top', '-d top', '-p top', '-b mid top', '-b base top',
          '-b nothere top', 'base', '', '-r 100M -d top', '-b mid -d top',
          '-t none top', '-f raw top', '-t foo top', 'nothere', 'mid']
REBASE = ['-b base -F qcow2 top', '-b base top', '-u -b base -F qcow2 top',
          '-u -b nothere -F qcow2 top', '-b nothere -F qcow2 top',
          '-u -b nothere top', 'top', '-b top', '-b other -F qcow2 top',
          '-b small -F qcow2 top', '-b base -F foo top', '',
          '-b rawfile -F raw top', '-u -b rawfile -F raw -f qcow2 top',
          '-b base -F qcow2 -f raw rawfile', '-u top', '-q -b mid -F qcow2 top',
          '-b base -F qcow2 -x top']
DD = ['', 'bs=1000', 'bs=1k count=3', 'bs=1k skip=2', 'bs=1k skip=9999',
      'bs=0', 'bs=x', 'foo=1', 'foo', 'count=-1', 'bs=1k skip=2 count=4',
      '-O qcow2 bs=1k', 'bs=3000 count=2 skip=1', '-O foo', 'bs=4G', 'skip=20',
      'count=0', 'bs=512 skip=19 count=5', '-U', 'bs=1M', 'bs=1001 count=3']


@unittest.skipUnless(b.HAVE_ORACLE, "needs Debian's qemu-utils")
class ChainTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        tmp = tempfile.TemporaryDirectory(prefix='nemu-block-')
        self.addCleanup(tmp.cleanup)
        self.dir = os.path.join(tmp.name, 'good')
        self.copies = [os.path.join(tmp.name, n) for n in ('ours', 'theirs')]
        os.mkdir(self.dir)

    def image(self, name, size, rng, backing=None):
        path = os.path.join(self.dir, name)
        options = {'cluster_size': rng.choice(['512', '4k', '64k', '128k'])}
        args = ['-b', backing, '-F', 'qcow2'] if backing else []
        b.run(OURS, 'create', '-q', '-f', 'qcow2', '-o',
              f'cluster_size={options["cluster_size"]}', *args, path, str(size))
        model = b.Model(size, rng)
        io = b.Io(path)
        for _ in range(4):
            (model.write if rng.randrange(4) else model.zero)(io)
        io.run()

    def chain(self, seed):
        """base (2 MiB), mid and top (3 MiB), others not in the chain."""
        rng = b.rng_for(seed)
        shutil.rmtree(self.dir)
        os.mkdir(self.dir)
        self.image('base', 2 * MiB, rng)
        self.image('mid', rng.choice([2, 3]) * MiB, rng, 'base')
        self.image('top', 3 * MiB, rng, 'mid')
        self.image('other', 4 * MiB, rng)
        self.image('small', MiB // 2, rng)
        with open(os.path.join(self.dir, 'rawfile'), 'wb') as f:
            f.write(rng.randbytes(MiB))

    def each(self, *args):
        """Both tools on a copy; the outcome must agree. Their content."""
        outs, data = [], []
        for tool, path in zip((OURS, b.ORACLE_IMG), self.copies):
            shutil.rmtree(path, ignore_errors=True)
            shutil.copytree(self.dir, path)
            p = subprocess.run([tool, *args], cwd=path, text=True, timeout=60,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            outs.append((p.returncode,
                         re.sub(r'( {4}\([\d.]*/100%\)\n)+\n?', '', p.stdout),
                         p.stderr))
            data.append(path)
        self.assertEqual(*outs, args)
        return data

    def same_content(self, ours, theirs, names):
        for name in names:
            a, o = (os.path.join(d, name) for d in (ours, theirs))
            self.assertEqual(b.run(OURS, 'info', a, cwd=ours).returncode, 0)
            self.assertTrue(b.content(a) == b.content(o), name)
            b.check(a)

    def test_commit(self):
        self.chain(1)
        for args in COMMIT:
            with self.subTest(args):
                dirs = self.each('commit', *args.split())
                self.same_content(*dirs, ('base', 'mid', 'top'))

    def test_rebase(self):
        self.chain(2)
        for args in [*REBASE, '-b']:
            with self.subTest(args):
                args = args.split() if args != '-b' else ['-b', '', 'top']
                dirs = self.each('rebase', *args)
                if 'nothere' not in args:
                    self.same_content(*dirs, ('top', 'mid'))

    def test_random_chains(self):
        for seed in b.seeds(3):
            self.chain(seed)
            for args in (['commit', 'top'], ['commit', '-b', 'base', 'top'],
                         ['rebase', '-b', 'base', '-F', 'qcow2', 'top'],
                         ['rebase', '-b', 'other', '-F', 'qcow2', 'top'],
                         ['rebase', '-b', 'small', '-F', 'qcow2', 'top']):
                with self.subTest(args, seed=seed):
                    before = b.content(os.path.join(self.dir, 'top'))
                    dirs = self.each(*args)
                    self.same_content(*dirs, ('top', 'mid', 'base'))
                    after = b.content(os.path.join(dirs[0], 'top'))
                    self.assertTrue(before == after)

    def test_emptied_image_frees_its_clusters(self):
        self.chain(3)
        ours, theirs = self.each('commit', 'top')
        ends = [b.run(b.ORACLE_IMG, 'map', '--output=json',
                      os.path.join(d, 'top')).stdout for d in (ours, theirs)]
        self.assertNotIn('"depth": 0, "present": true', ends[0])
        self.assertNotIn('"depth": 0, "present": true', ends[1])

    def test_dd(self):
        self.chain(4)
        for args in DD:
            with self.subTest(args):
                ours, theirs = self.each(
                    'dd', '-f', 'raw', *args.split(), 'if=rawfile', 'of=out')
                a, o = (os.path.join(d, 'out') for d in (ours, theirs))
                self.assertEqual(os.path.exists(a), os.path.exists(o))
                if 'qcow2' in args:
                    self.assertTrue(b.content(a) == b.content(o))
                elif os.path.exists(a):
                    self.assertEqual(b.digest(a), b.digest(o))
        for args in (['if=rawfile'], ['of=out'], ['if=no', 'of=out'],
                     ['if=rawfile', 'of=nodir/x']):
            self.each('dd', '-f', 'raw', *args)


if __name__ == '__main__':
    unittest.main()
