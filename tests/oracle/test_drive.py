# SPDX-License-Identifier: GPL-2.0-or-later
"""-drive names, places and layers drives as QEMU 7.2 does."""

import hashlib
import os
import shutil
import subprocess
import tempfile
import unittest

from pair import oracle, ours

R = 'file=r.img,format=raw'
S = 'file=s.img,format=raw'
Q = 'file=q.img'

# What stands after -drive, several times where there are several drives.
CASES = [
    (f'if=none,{R}',), (f'if=none,{R}', f'if=none,{S}'),
    (f'if=none,{R},index=1',), (f'if=none,{R},media=cdrom',),
    (f'if=virtio,{R}',), (f'if=virtio,{R},index=3', f'if=virtio,{S}'),
    (f'if=virtio,{R},bus=1,unit=2',), (f'if=virtio,{R},media=cdrom',),
    (f'if=virtio,{R},werror=stop,id=x',), ('if=none,id=x,media=cdrom',),
    (f'if=none,id=x,{R},cache=none',), (f'if=none,id=x,{R},cache=unsafe',),
    (f'if=none,id=x,{R},cache=writethrough',),
    (f'if=none,id=x,{R},discard=unmap,detect-zeroes=unmap',),
    (f'if=none,id=x,{R},readonly=on',), (f'if=none,id=x,{Q}',),
    (f'if=none,id=x,{R},snapshot=on',),
    (f'if=none,id=x,{Q},snapshot=on,readonly=on',),
    (f'if=none,id=x,{R},snapshot=on,cache=none',),
    (f'if=none,id=x,{Q},copy-on-read=on',),
    (f'if=none,id=x,{Q},copy-on-read=on,snapshot=on',),
]
# Refused by both.
BAD = [
    (f'if=virtio,{R},index=3', f'if=virtio,{S},index=3'),
    (f'if=none,id=a,{R}', f'if=none,id=a,{S}'),
    (f'if=virtio,{R},index=1,unit=2',), (f'if=ide,{R},unit=2',),
    (f'if=none,id=x,{R},serial=abc',), (f'if=none,id=x,{R},cyls=3',),
    (f'if=none,id=x,{R},aio=foo',), (f'if=none,id=x,{R},cache=foo',),
    (f'if=none,id=x,{R},werror=foo',), (f'if=none,id=x,{R},rerror=enospc',),
    (f'if=none,id=x,{R},foo=bar',), (f'if=foo,{R}',),
    (f'if=none,id=x,{R},media=foo',), (f'if=none,id=x,{R},snapshot=maybe',),
    ('if=none,id=x,file=nowhere',),
    (f'if=none,id=x,{R},discard=maybe',),
]


class DriveTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix='nemu-oracle-', dir='/var/tmp')
        self.addCleanup(shutil.rmtree, self.dir)
        for name, form in ('r.img', 'raw'), ('s.img', 'raw'), ('q.img', 'qcow2'):
            subprocess.run(['qemu-img', 'create', '-q', '-f', form,
                            os.path.join(self.dir, name), '1M'], check=True)

    def args(self, drives):
        args = []
        for text in drives:
            text = text.replace('file=', f'file={self.dir}/')
            args += ['-drive', text]
        return args

    def shown(self, emulator):
        got = []
        for b in emulator.qmp.cmd('query-block'):
            if b['device'].startswith(('ide', 'floppy', 'sd')):
                continue
            i = b.get('inserted')
            got.append((b['device'], b['removable'], b.get('io-status'), i and {
                k: i.get(k) for k in ('ro', 'drv', 'backing_file', 'cache',
                                      'backing_file_depth', 'detect_zeroes')}))
        return got

    def test_same_drives_as_qemu(self):
        for extra in [], ['-snapshot']:
            for case in CASES:
                args = [*self.args(case), *extra]
                with self.subTest(args=args):
                    with oracle('-machine', 'q35', *args) as e:
                        expected = self.shown(e)
                    with ours('-machine', 'q35', '-accel', 'qtest',
                              *args) as e:
                        self.assertEqual(self.shown(e), expected)

    def test_bad_drives_are_refused(self):
        for case in BAD:
            args = self.args(case)
            with self.subTest(args=args):
                for start, more in ((oracle, ()),
                                    (ours, ('-accel', 'qtest'))):
                    with self.assertRaises(RuntimeError) as caught:
                        start('-machine', 'q35', *more, *args).__enter__()
                    said = str(caught.exception).split(' -drive ')[-1]
                    self.assertEqual(said.rstrip('\n').count('\n'), 0, said)
                    self.assertNotIn('assert', said)

    def test_overlay_is_unlinked(self):
        before = set(os.listdir(self.dir))
        os.environ['TMPDIR'] = self.dir
        try:
            with ours('-machine', 'q35', '-accel', 'qtest', '-snapshot',
                      *self.args([f'if=none,id=x,{R}'])) as e:
                names = [n['file'] for n in
                         e.qmp.cmd('query-named-block-nodes')]
                self.assertTrue(any('/vl.' in n for n in names), names)
                self.assertEqual(set(os.listdir(self.dir)), before)
        finally:
            del os.environ['TMPDIR']
