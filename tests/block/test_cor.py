#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""copy-on-read: what is read stays, whatever is written meanwhile."""

import os
import tempfile
import unittest

import blocklib as b

MiB = 1 << 20


@unittest.skipUnless(b.HAVE_ORACLE, "needs Debian's qemu-utils")
class CorTest(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory(prefix='nemu-block-')
        self.addCleanup(tmp.cleanup)
        self.dir = tmp.name
        self.base = os.path.join(self.dir, 'base')
        self.path = os.path.join(self.dir, 'top.qcow2')

    def make(self, options, fill, size=4 * MiB):
        b.create(self.base, size)
        io = b.Io(self.base, args=['-f', 'qcow2'])
        for line in fill:
            io.add(line)
        io.run()
        b.create(self.path, size, options, 'base')

    def top(self):
        return b.Io('driver=copy-on-read,file.driver=qcow2,'
                    'discard=unmap,file.discard=unmap,'
                    f'file.file.driver=file,file.file.filename={self.path}',
                    args=['--image-opts'])

    def cut_off(self):
        """The image without its backing file."""
        b.run(b.ORACLE_IMG, 'rebase', '-u', '-b', '', self.path)

    def test_read_data_stays_and_the_rest_does_not(self):
        for options in ({}, {'cluster_size': '4k'}, {'compat': '0.10'}):
            with self.subTest(**options):
                self.make(options, ['write -P 7 0 2M'])
                io = self.top()
                io.add('read -P 7 100k 1000')
                io.add('read -P 0 3M 64k')
                io.run()
                b.check(self.path)
                self.cut_off()
                data = b.content(self.path)
                self.assertEqual(data[100 << 10:(100 << 10) + 1000],
                                 b'\7' * 1000)
                self.assertEqual(data[MiB:2 * MiB], bytes(MiB))

    def test_bottom(self):
        """Data from below that image is only read, as in QEMU 7.2."""
        tops = []
        for tool in b.OUR_IO, b.ORACLE_IO:
            self.make({'cluster_size': '64k'}, ['write -P 7 0 2M'])
            mid = os.path.join(self.dir, 'mid')
            b.create(mid, 4 * MiB, None, 'base')
            b.run(b.ORACLE_IO, '-c', 'write -P 6 1M 512k', mid)
            b.create(self.path, 4 * MiB, None, 'mid')
            image = f'driver=copy-on-read,bottom=m,file.driver=qcow2,' \
                    f'file.file.driver=file,file.file.filename={self.path},' \
                    f'file.backing.driver=qcow2,file.backing.node-name=m,' \
                    f'file.backing.file.driver=file,' \
                    f'file.backing.file.filename={mid}'
            p = b.run(tool, '--image-opts', '-c', 'read -P 7 0 1M', '-c',
                      'read -P 6 1M 512k', '-c', 'read -P 7 1536k 512k', '-c',
                      'read -P 0 2M 2M', image)
            self.assertNotIn('failed', p.stdout)
            b.check(self.path)
            tops.append(b.run(tool, '-r', '-f', 'qcow2', '-c', 'map',
                              self.path).stdout)
            for bottom in 'none', 'f':
                p = b.run(tool, '--image-opts', '-c', 'length',
                          image.replace('bottom=m', f'bottom={bottom}').replace(
                              'file.driver=qcow2', 'file.node-name=f,'
                              'file.driver=copy-on-read,'
                              'file.file.driver=qcow2', 1).replace(
                                  'file.file.driver=file', 'file.file.file.'
                                  'driver=file').replace(
                                      'file.file.filename',
                                      'file.file.file.filename', 1)
                          .replace('file.backing', 'file.file.backing'),
                          check=False)
                tops[-1] += p.stdout.split('open: ')[-1]
        self.assertEqual(*tops)
        self.assertIn('512 KiB (0x80000) bytes     allocated at offset 1 MiB',
                      tops[0])
        self.assertIn("Bottom node 'f' is a filter", tops[0])

    def test_reads_beside_writes(self):
        for seed in b.seeds(12):
            with self.subTest(seed=seed):
                rng = b.rng_for(seed)
                options = [o for o in b.MATRIX
                           if 'preallocation' not in o][seed % 12]
                size = 2 * MiB
                self.make(options, ['write -P 9 0 1M', 'write -P 8 1536k 512k'],
                          size)
                data = bytearray(b'\x09' * MiB + bytes(512 << 10) +
                                 b'\x08' * (512 << 10))
                model = b.Model(size, rng, data)
                io = self.top()
                for _ in range(60):
                    # Reads and a write to one place, none waiting.
                    off = rng.randrange(size // 65536) * 65536
                    pat = rng.randrange(1, 256)
                    at = off + rng.randrange(0, 60000)
                    n = rng.randrange(1, 5000)
                    io.add(f'aio_read -q {off} 128k' if off < size - 131072
                           else f'aio_read -q {off} 64k')
                    if rng.randrange(3):
                        io.add(f'aio_write -q -P {pat} {at} {n}')
                        model.data[at:at + n] = bytes([pat]) * n
                    else:
                        io.add(f'aio_write -q -z {off} 64k')
                        model.data[off:off + 65536] = bytes(65536)
                    io.add(f'aio_read -q {off} 64k')
                    io.add('aio_flush')
                io.add(f'read -q 0 {size}')
                io.run()
                b.check(self.path)
                self.assertEqual(b.content(self.path), bytes(model.data))
                self.cut_off()
                self.assertEqual(b.content(self.path), bytes(model.data))

    def test_read_only_copies_nothing(self):
        self.make({}, ['write -P 7 0 2M'])
        before = os.stat(self.path).st_size
        io = self.top()
        io.cmd[1:1] = ['-r']
        io.add('read -P 7 0 2M')
        io.run()
        self.assertEqual(os.stat(self.path).st_size, before)


if __name__ == '__main__':
    unittest.main()
