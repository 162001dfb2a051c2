#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-img check says and repairs what QEMU 7.2's does, on damaged images."""

import json
import os
import shutil
import struct
import subprocess
import tempfile
import unittest

import blocklib as b

OURS = os.path.join(b.BUILD, 'qemu-img')
MODES = ([], ['-r', 'leaks'], ['-r', 'all'], ['--output=json'], ['-q'])

# Places in an image of 4 KiB clusters: L1, refcount table and block, L2.
HEADER, L1, TABLE, BLOCK, L2 = 0, 0x3000, 0x1000, 0x2000, 0x4000
# Same output and exit status in every mode.
SAME = {
    'nothing': [],
    'leak': [(BLOCK + 4, 'H', 5)],
    'count behind the end': [(BLOCK + 80, 'H', 1)],
    'shared data': [(L2, 'Q', 0x7000)],
    'shared data, said to be our own': [(L2, 'Q', 1 << 63 | 0x7000)],
    'unaligned data': [(L2, 'Q', 1 << 63 | 0x7200)],
    'L1 flag': [(L1, 'Q', 0x4000)],
    'unaligned L2 table': [(L1, 'Q', 1 << 63 | 0x4200)],
    'data far away': [(L2, 'Q', 1 << 63 | 0x115000)],
    'data at the end': [(L2, 'Q', 1 << 63 | 0x15000)],
    'compressed and copied': [(L2 + 1600, 'Q', 3 << 62 | 0x7010)],
    'zero, allocated': [(L2 + 8, 'Q', 1 << 63 | 0x8001)],
    'compressed': [(L2 + 8, 'Q', 1 << 62 | 0x8001)],
    'reserved bits below': [(L2 + 8, 'Q', 1 << 63 | 0x800e)],
    'reserved bits above': [(L2 + 8, 'Q', 129 << 56 | 0x8000)],
    'reserved bits and nothing else': [(L2 + 800, 'Q', 2)],
    'reserved bits of L1': [(L1, 'Q', 129 << 56 | 0x4001)],
    'snapshot without its size': [(60, 'I', 1), (64, 'Q', L1)],
    'dirty': [(72, 'Q', 1)],
    'corrupt': [(72, 'Q', 2)],
    'autoclear': [(88, 'Q', 1)],
}
# The refcounts themselves are lost: QEMU writes all of them anew, elsewhere,
# where we add what is missing.
REBUILT = {
    'count lost': [(BLOCK + 14, 'H', 0)],
    'block used twice': [(TABLE + 8, 'Q', BLOCK)],
    'block far away': [(TABLE + 8, 'Q', 0x1000000)],
    'all counts lost': [(TABLE, 'Q', 0)],
}
# QEMU gives up on these.
HOPELESS = {
    'reserved bits of the table': [(TABLE, 'Q', BLOCK + 1)],
    'unaligned block': [(TABLE, 'Q', BLOCK + 512)],
}


@unittest.skipUnless(b.HAVE_ORACLE, "needs Debian's qemu-utils")
class CheckTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        tmp = tempfile.TemporaryDirectory(prefix='nemu-block-')
        self.addCleanup(tmp.cleanup)
        self.good = os.path.join(tmp.name, 'good')
        self.bad = os.path.join(tmp.name, 'bad')
        b.create(self.good, 1 << 20, {'cluster_size': '4k'})
        b.run(b.ORACLE_IO, '-c', 'write -P 1 0 64k', '-c', 'write -z 128k 8k',
              self.good)

    def damage(self, pokes):
        shutil.copy(self.good, self.bad)
        with open(self.bad, 'r+b') as f:
            for offset, form, value in pokes:
                f.seek(offset)
                f.write(struct.pack('>' + form, value))

    def check(self, tool, pokes, mode):
        self.damage(pokes)
        p = subprocess.run([tool, 'check', *mode, self.bad], text=True,
                           timeout=60, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
        out = json.loads(p.stdout) if 'json' in str(mode) and p.stdout \
            else p.stdout
        return p.returncode, out, p.stderr

    def test_same_findings_and_repairs(self):
        for name, pokes in SAME.items():
            for mode in MODES:
                with self.subTest(name, mode=mode):
                    ours = self.check(OURS, pokes, mode)
                    self.assertEqual(ours, self.check(b.ORACLE_IMG, pokes,
                                                      mode))

    def test_lost_refcounts_are_found_and_made_anew(self):
        for name, pokes in {**REBUILT, **HOPELESS}.items():
            with self.subTest(name):
                for mode in ([], ['--output=json']):
                    if name not in HOPELESS:
                        ours = self.check(OURS, pokes, mode)
                        self.assertEqual(ours, self.check(b.ORACLE_IMG, pokes,
                                                          mode))
                self.assertEqual(self.check(OURS, pokes, ['-r', 'all'])[0], 0)
                b.check(self.bad)
                self.assertEqual(b.content(self.bad), b.content(self.good))

    def test_fragments_and_compressed_clusters(self):
        path = self.good
        b.run(b.ORACLE_IO, *(x for i in range(40, 0, -1) for x in
                             ('-c', f'write -P {i} {i * 24}k 4k')), path)
        b.run(b.ORACLE_IMG, 'convert', '-c', '-O', 'qcow2', path, self.bad)
        for image in path, self.bad:
            for mode in [], ['--output=json']:
                outs = [b.run(t, 'check', *mode, image).stdout
                        for t in (OURS, b.ORACLE_IMG)]
                if mode:
                    outs = [json.loads(o) for o in outs]
                self.assertEqual(*outs)

    def test_other_formats_and_bad_arguments(self):
        shutil.copy(self.good, self.bad)
        for args in (['-f', 'raw', self.bad], ['-r', 'foo', self.bad], [],
                     ['--output=x', self.bad], [self.bad, self.bad],
                     [self.bad + 'x']):
            a, o = (subprocess.run([t, 'check', *args], text=True,
                                   stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
                    for t in (OURS, b.ORACLE_IMG))
            self.assertEqual((a.returncode, a.stdout, a.stderr),
                             (o.returncode, o.stdout, o.stderr), args)

    def test_dirty_image_is_marked_clean(self):
        self.damage([(72, 'Q', 1), (BLOCK + 4, 'H', 9)])
        b.run(OURS, 'check', '-r', 'all', self.bad)
        with open(self.bad, 'rb') as f:
            self.assertEqual(f.read(80)[72:], bytes(8))


if __name__ == '__main__':
    unittest.main()
