#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""qcow2: extended L2 entries, external data files, checks for overlaps; each
beside QEMU 7.2, which opens what we wrote, and we what it wrote."""

import hashlib
import itertools
import json
import os
import pathlib
import re
import struct
import tempfile
import unittest

import blocklib as b

KiB, MiB = 1 << 10, 1 << 20
OUR_IMG = os.path.join(b.BUILD, 'qemu-img')
HOST_MASK = 0x00fffffffffffe00


@unittest.skipUnless(b.HAVE_ORACLE and os.path.exists(OUR_IMG),
                     "needs Debian's qemu-utils and our qemu-img")
class Case(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory(prefix='nemu-block-')
        self.addCleanup(tmp.cleanup)
        self.dir = tmp.name
        self.path = os.path.join(self.dir, 'a')

    def img(self, tool, *args):
        """Status and output, where the tools' names are the same."""
        p = b.run(tool, *args, check=False, cwd=self.dir)
        return p.returncode, re.sub(r'^\S*qemu-img: ', '', p.stdout,
                                    flags=re.M)

    def same(self, *args, as_json=False):
        """Both qemu-imgs say the same of what is in the directory."""
        a, o = self.img(OUR_IMG, *args), self.img(b.ORACLE_IMG, *args)
        if as_json:
            a, o = ((s, json.loads(text)) for s, text in (a, o))
        self.assertEqual(a, o, args)
        return a

    def io(self, *lines, tool=b.OUR_IO, args=('-f', 'qcow2', '-d', 'unmap'),
           check=True):
        io = b.Io(self.path, tool=tool, args=args)
        for line in lines:
            io.add(line)
        return io.run(check)

    def u64(self, offset):
        with open(self.path, 'rb') as f:
            f.seek(offset)
            return struct.unpack('>Q', f.read(8))[0]

    def poke(self, offset, *values):
        with open(self.path, 'r+b') as f:
            f.seek(offset)
            f.write(struct.pack(f'>{len(values)}Q', *values))

    def l2_table(self):
        return self.u64(self.u64(40)) & HOST_MASK

    def looks_the_same(self):
        for args in (('info', 'a'), ('check', 'a'), ('map', 'a'),
                     ('measure', '-O', 'qcow2', 'a')):
            self.same(*args)
        for command in 'info', 'map', 'check':
            self.same(command, '--output=json', 'a', as_json=True)


class ExtendedTest(Case):
    def test_create_and_measure(self):
        for options in ('extended_l2=on', 'extended_l2=on,cluster_size=8k',
                        'extended_l2=on,cluster_size=16k',
                        'extended_l2=on,compat=0.10',
                        'extended_l2=on,preallocation=metadata',
                        'extended_l2=on,preallocation=full'):
            with self.subTest(options):
                args = ('create', '-f', 'qcow2', '-o', options, 'a', '3M')
                self.same(*args)
                if os.path.exists(self.path):
                    self.looks_the_same()
                    self.img(OUR_IMG, *args)
                    self.looks_the_same()
                    os.unlink(self.path)
        for size in '1M', '1G', '77777M':
            self.same('measure', '-O', 'qcow2', '-o', 'extended_l2=on',
                      '--size', size)

    def test_preallocated_overlay_shows_its_backing_file(self):
        b.create(os.path.join(self.dir, 'base'), MiB)
        for tool in OUR_IMG, b.ORACLE_IMG:
            self.img(tool, 'create', '-f', 'qcow2', '-o',
                     'extended_l2=on,preallocation=metadata', '-b', 'base',
                     '-F', 'qcow2', 'a')
            self.looks_the_same()

    def test_operations_leave_the_same_entries(self):
        lines = ('write -P 1 0 256k', 'write -z 130k 4k', 'write -zu 192k 64k',
                 'write -P 3 600k 100', 'write -P 4 602k 2k',
                 'write -P 5 700k 70k', 'discard 704k 64k')
        tables = []
        for tool in b.OUR_IO, b.ORACLE_IO:
            b.create(self.path, MiB, {'extended_l2': 'on'})
            self.io(*lines, tool=tool)
            self.looks_the_same()
            table = self.l2_table()
            tables.append([self.u64(table + 16 * i + 8) for i in range(16)])
        self.assertEqual(tables[0], tables[1])

    def test_zeroes_without_buffers(self):
        """write -n: whole clusters, if the rest of them is zero too."""
        places = ('1000 3000', '64k 512', '66048 1000', '128k 100000',
                  '300000 10000', '512k 64k', '1048000 576', '600k 150000')
        base = os.path.join(self.dir, 'base')
        for flags in '-zu', '-zn':
            for options in ({}, {'extended_l2': 'on'}, {'compat': '0.10'},
                            {'preallocation': 'metadata'}):
                for data in None, '', '66000 1', '0 1M':
                    if data is not None and 'preallocation' in options:
                        continue
                    said = []
                    for tool in b.OUR_IO, b.ORACLE_IO:
                        b.create(base, MiB)
                        if data:
                            b.run(b.ORACLE_IO, '-c', f'write -P 9 {data}',
                                  base)
                        b.create(self.path, MiB, options,
                                 None if data is None else 'base')
                        out = self.io('write -P 1 300000 3000', *(
                            f'write {flags} {at}' for at in places),
                            tool=tool, check=False).stdout
                        said.append([re.findall('^wr.*', out, re.M),
                                     self.present(), b.content(self.path)])
                        b.check(self.path)
                    self.assertEqual(*said, (flags, options, data))

    def present(self):
        """Which layer has what, as the table tells."""
        found = json.loads(self.img(b.ORACLE_IMG, 'map', '--output=json',
                                    'a')[1])
        return [(layer, next(group)['start']) for layer, group in
                itertools.groupby(found,
                                  lambda e: (e['depth'], e['present']))]

    def test_small_write_copies_its_subclusters_only(self):
        b.create(os.path.join(self.dir, 'base'), MiB)
        base = b.Io(os.path.join(self.dir, 'base'), args=['-f', 'qcow2'])
        base.add('write -P 9 0 1M')
        base.run()
        b.create(self.path, MiB, {'extended_l2': 'on'}, backing='base')
        self.io('write -P 1 5000 100')
        data, zero = (self.u64(self.l2_table() + 8) & 0xffffffff,
                      self.u64(self.l2_table() + 8) >> 32)
        self.assertEqual((data, zero), (1 << 2, 0))
        self.assertEqual(b.content(self.path),
                         b'\x09' * 5000 + b'\x01' * 100 +
                         b'\x09' * (MiB - 5100))
        self.looks_the_same()

    def test_shared_cluster_moves_with_its_data(self):
        b.create(self.path, MiB, {'extended_l2': 'on'})
        self.io('write -P 1 10k 2k', 'write -P 2 50k 4k', 'write -z 20k 2k')
        b.run(OUR_IMG, 'snapshot', '-c', 's', self.path)
        self.io('write -P 3 30k 1k')
        self.io('read -P 1 10k 2k', 'read -P 2 50k 4k', 'read -P 3 30k 1k',
                'read -P 0 20k 10k', 'read -P 0 31k 19k', tool=b.ORACLE_IO,
                args=['-f', 'qcow2'])
        b.check(self.path)
        b.run(OUR_IMG, 'snapshot', '-a', 's', self.path)
        self.io('read -P 0 20k 30k', 'read -P 2 50k 4k')
        b.run(OUR_IMG, 'snapshot', '-d', 's', self.path)
        b.check(self.path)

    def test_compressed_cluster_is_written_to(self):
        b.create(self.path, MiB, {'extended_l2': 'on'})
        self.io('write -c -P 5 0 64k', 'write -c -P 5 64k 64k',
                tool=b.ORACLE_IO, args=['-f', 'qcow2'])
        self.io('write -P 6 3k 1k', 'write -z 68k 2k')
        self.io('read -P 5 0 3k', 'read -P 6 3k 1k', 'read -P 5 4k 64k',
                'read -P 0 68k 2k', 'read -P 5 70k 58k', tool=b.ORACLE_IO)
        b.check(self.path)

    def test_broken_entries(self):
        host = 1 << 63 | 0x50000
        for entry in ((host, 0x1ffffffff), (0, 1), (host | 1, 0xffffffff),
                      (1, 0), (host, 0xffffffff << 32), (1 << 63, 0),
                      (1 << 63, 1), (host, 0), (1 << 62 | 0x50000, 1),
                      (host | 1 << 61, 0xffffffff)):
            with self.subTest([hex(e) for e in entry]):
                b.create(self.path, MiB, {'extended_l2': 'on'})
                self.io('write -P 1 0 256k')
                has_host = entry[0] & HOST_MASK and not entry[0] >> 62 & 1
                self.poke(self.l2_table() + (0 if has_host else 5 * 16),
                          *entry)
                self.same('check', 'a')
                status = [self.img(t, 'map', 'a')[0]
                          for t in (OUR_IMG, b.ORACLE_IMG)]
                self.assertEqual(*status)


class DataFileTest(Case):
    def test_create(self):
        for options in ('data_file=d', 'data_file=d,data_file_raw=on',
                        'data_file_raw=on', 'data_file=d,compat=0.10',
                        'data_file=d,data_file_raw=on,extended_l2=on',
                        'data_file=d,preallocation=full', 'data_file=json:x',
                        'data_file=file:d', 'data_file=nosuch/d'):
            with self.subTest(options):
                args = ('create', '-f', 'qcow2', '-o', options, 'a', '3M')
                o, theirs = self.img(b.ORACLE_IMG, *args), None
                if not o[0]:
                    theirs = self.img(b.ORACLE_IMG, 'info', 'a')
                    length = os.path.getsize(os.path.join(self.dir, 'd'))
                    self.looks_the_same()
                for name in 'a', 'd':
                    pathlib.Path(self.dir, name).unlink(missing_ok=True)
                a = self.img(OUR_IMG, *args)
                self.assertEqual(a[0], o[0], a[1] + o[1])
                if not o[0]:
                    self.assertEqual(self.img(OUR_IMG, 'info', 'a'), theirs)
                    self.assertEqual(os.path.getsize(
                        os.path.join(self.dir, 'd')), length)
                    self.looks_the_same()

    def test_raw_data_file_is_the_disk(self):
        for more in {}, {'extended_l2': 'on'}, {'cluster_size': '2M'}:
            with self.subTest(more):
                b.create(self.path, 4 * MiB, {'data_file': '@.data',
                                              'data_file_raw': 'on', **more})
                self.io('write -P 1 0 3M', 'write -P 2 200k 10k',
                        'write -z 1M 64k', 'write -z 2M 3000',
                        'write -zu 2304k 128k', 'discard 0 64k')
                self.same('compare', '-f', 'raw', '-F', 'qcow2', 'a.data', 'a')
                self.same('check', 'a')

    def test_resize(self):
        for options in ({'data_file': '@.data'},
                        {'data_file': '@.data', 'data_file_raw': 'on'}):
            with self.subTest(options):
                seen = []
                for tool in OUR_IMG, b.ORACLE_IMG:
                    b.create(self.path, MiB, options)
                    self.io('write -P 1 0 1M')
                    for args in (('a', '2M'), ('--shrink', 'a', '512k'),
                                 ('a', '1M')):
                        self.img(tool, 'resize', *args)
                        seen.append(os.path.getsize(self.path + '.data'))
                        self.looks_the_same()
                    self.assertEqual(b.content(self.path), b'\1' * 512 * KiB +
                                     bytes(512 * KiB))
                self.assertEqual(seen[:3], seen[3:])

    def name_data_file(self, name):
        data = bytearray(pathlib.Path(self.path).read_bytes())
        ext = b'DATA' + struct.pack('>I', len(name)) + name.encode()
        data[112:1024] = ext.ljust(912, b'\0')
        pathlib.Path(self.path).write_bytes(data)

    def test_names_are_paths_of_plain_files(self):
        for name in ('a.data', 'file:a.data', 'nosuch/a.data', 'nbd://h:1/x',
                     'json:{"driver":"file","filename":"a.data"}',
                     'null-co://', ''):
            with self.subTest(name):
                b.create(self.path, MiB, {'data_file': '@.data'})
                self.name_data_file(name)
                self.same('info', 'a')
                status, words = self.same('map', 'a')
                self.assertEqual(status, 0 if name == 'a.data' else 1, words)

    def test_option_says_otherwise(self):
        b.create(self.path, MiB, {'data_file': '@.data'})
        self.io('write -P 1 0 64k')
        os.rename(self.path + '.data', self.path + '.moved')
        self.same('map', 'a')
        self.same('map', '--image-opts', 'driver=qcow2,file.filename=a,'
                  'data-file.driver=file,data-file.filename=a.moved')
        b.create(self.path, MiB)
        self.same('map', '--image-opts', 'driver=qcow2,file.filename=a,'
                  'data-file.driver=file,data-file.filename=a.moved')

    def test_what_cannot_be(self):
        b.create(self.path, MiB, {'data_file': '@.data'})
        self.same('snapshot', '-c', 's', 'a')
        pathlib.Path(self.dir, 'raw').write_bytes(b'x' * MiB)
        self.same('convert', '-c', '-f', 'raw', '-O', 'qcow2', '-o',
                  'data_file=c.data', 'raw', 'c')
        b.create(self.path, MiB, {'data_file': '@.data',
                                  'data_file_raw': 'on'})
        b.create(os.path.join(self.dir, 'base'), MiB)
        self.same('rebase', '-u', '-b', 'base', '-F', 'qcow2', 'a')

    def test_wrong_offsets_and_flags(self):
        for entry in 0x10000, 1 << 63 | 0x50000, 1 << 62 | 0x50000:
            with self.subTest(hex(entry)):
                b.create(self.path, MiB, {'data_file': '@.data'})
                self.io('write -P 1 64k 128k')
                self.poke(self.l2_table() + 8, entry)
                status = [self.img(t, 'map', 'a')[0]
                          for t in (OUR_IMG, b.ORACLE_IMG)]
                self.assertEqual(*status)
        b.create(self.path, MiB, {'data_file': '@.data'})
        self.io('write -P 1 64k 128k')
        self.poke(self.l2_table() + 8, 0x10000)
        self.same('check', 'a')
        self.img(OUR_IMG, 'check', '-r', 'all', 'a')
        b.check(self.path)


class DiscardTest(Case):
    def test_discarded_clusters_keep_their_place(self):
        b.create(self.path, 4 * MiB)
        opts = f'driver=qcow2,file.driver=file,file.filename={self.path},' \
            'discard=unmap,discard-no-unref='
        size = None
        for i in range(4):
            io = b.Io(opts + 'on', args=['--image-opts'])
            io.add(f'write -P {i + 1} 0 2M')
            io.add('discard 0 1M')
            io.add('read -P 0 0 1M')
            io.add(f'write -P 7 {i * 64}k 1000')
            io.run()
            b.check(self.path)
            size = size or os.path.getsize(self.path)
            self.assertEqual(os.path.getsize(self.path), size)
        self.assertEqual(b.content(self.path),
                         bytes(192 * KiB) + b'\7' * 1000 +
                         bytes(MiB - 192 * KiB - 1000) + b'\4' * MiB +
                         bytes(2 * MiB))
        hosts = [self.u64(self.l2_table() + 8 * i) & HOST_MASK
                 for i in range(16)]
        self.assertTrue(all(hosts), hosts)
        io = b.Io(opts + 'off', args=['--image-opts'])
        io.add('discard 0 1M')
        io.run()
        self.assertEqual(self.u64(self.l2_table()) & HOST_MASK, 0)
        b.check(self.path)

    def test_shared_clusters_are_let_go(self):
        b.create(self.path, MiB)
        self.io('write -P 1 0 1M')
        b.run(OUR_IMG, 'snapshot', '-c', 's', self.path)
        io = b.Io(f'driver=qcow2,file.driver=file,file.filename={self.path},'
                  'discard=unmap,discard-no-unref=on', args=['--image-opts'])
        io.add('discard 0 512k')
        io.run()
        b.check(self.path)
        b.run(b.ORACLE_IMG, 'snapshot', '-a', 's', self.path)
        self.assertEqual(b.content(self.path), b'\1' * MiB)


class IoTest(Case):
    def test_writes_of_all_kinds(self):
        source = os.path.join(self.dir, 'source')
        pathlib.Path(source).write_bytes(bytes(range(7)))
        lines = ('write -c -P 3 0 64k', 'write -c 64k 128k',
                 'write -c 0 64k', 'write -c 100 100', 'write -c -f 0 64k',
                 f'write -s {source} 300k 100', 'write -s /nonexist 0 10',
                 f'write -s {source} -P 3 0 10', 'write -n 0 1',
                 'write -u 0 1', 'aio_read -i 0 10', 'aio_write -i 0 10',
                 'read -v 300k 32', 'map')
        seen = []
        for tool in b.OUR_IO, b.ORACLE_IO:
            b.create(self.path, MiB)
            out = b.Io(self.path, tool=tool, args=['-f', 'qcow2'])
            for line in lines:
                out.add(line)
            # What goes to stderr comes when it comes; no figures.
            text = out.run(check=False).stdout.splitlines()
            seen.append(sorted(t for t in text if ' ops; ' not in t))
            b.check(self.path)
            seen[-1].append(hashlib.sha256(b.content(self.path)).hexdigest())
        self.assertEqual(*seen)

    def test_open_takes_all_options(self):
        b.create(self.path, MiB)
        p = b.run(b.OUR_IO, '-c', 'open -o driver=qcow2 -o '
                  f'overlap-check=maybe {self.path}', check=False)
        self.assertEqual(p.returncode, 1)
        self.assertIn('overlap-check', p.stdout)


class OverlapTest(Case):
    """A data cluster's entry leads to metadata; the guest writes there."""

    def places(self):
        l1, table, snapshots = (self.u64(at) for at in (40, 48, 64))
        inactive = self.u64(snapshots)
        return {'header': 0, 'l1': l1, 'l2': self.l2_table(), 'table': table,
                'block': self.u64(table), 'snapshots': snapshots,
                'inactive l1': inactive,
                'inactive l2': self.u64(inactive) & HOST_MASK}

    def words(self, tool, checks):
        p = b.Io(f'driver=qcow2,file.driver=file,file.filename={self.path}' +
                 checks, tool=tool, args=['--image-opts'])
        p.add('write 0 512')
        found = re.search(r'overlaps with ([^)]*)', p.run(check=False).stdout)
        return found and found[1]

    def test_checks_are_qemus(self):
        b.create(self.path, MiB)
        self.io('write -P 1 0 256k')
        b.run(b.ORACLE_IMG, 'snapshot', '-c', 's', self.path)
        self.io('write -P 1 0 64k')
        good = pathlib.Path(self.path).read_bytes()
        found = set()
        for name, place in self.places().items():
            for checks in ('', ',overlap-check=none', ',overlap-check=constant',
                           ',overlap-check=all',
                           ',overlap-check.template=none,'
                           'overlap-check.active-l2=on',
                           ',overlap-check.inactive-l2=on,'
                           'overlap-check.main-header=off'):
                with self.subTest(name + checks):
                    said = []
                    for tool in b.OUR_IO, b.ORACLE_IO:
                        pathlib.Path(self.path).write_bytes(good)
                        self.poke(self.l2_table(), 1 << 63 | place)
                        said.append(self.words(tool, checks))
                    self.assertEqual(*said)
                    found.add(said[0])
        self.assertEqual(len(found), 8, found)  # the header's is no cluster


if __name__ == '__main__':
    unittest.main()
