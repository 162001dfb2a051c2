#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Bad images: one line that names the problem, exit status 1, no byte
changed. QEMU 7.2 must refuse the same, unless the case says that it takes it."""

import hashlib
import os
import pathlib
import struct
import subprocess
import tempfile
import unittest

import blocklib as b

MiB = 1 << 20
EMULATOR = os.path.join(b.BUILD, 'qemu-system-x86_64')
ORACLE = '/usr/bin/qemu-system-x86_64'

# name: (words of ours, words of QEMU's or None, (offset, format, value)...)
HEADERS = {
    'magic': ('not in qcow2 format', 'not in qcow2', (0, '>I', 1)),
    'version': ('Unsupported qcow2 version 4', 'version 4', (4, '>I', 4)),
    'backing far away': ('backing file', 'backing file offset',
                         (8, '>Q', 1 << 40), (16, '>I', 10)),
    'cluster size': ('cluster size: 2^22', '2^22', (20, '>I', 22)),
    'size': ('too big', 'too big', (24, '>Q', 1 << 63)),
    'L1 small': ('L1 table is too small', 'too small', (24, '>Q', 1 << 50)),
    'LUKS': ('CRYPTO header extension is missing', 'CRYPTO', (32, '>I', 2)),
    'L1 huge': ('L1 table is too large', 'L1 table too large',
                (36, '>I', 0xffffffff)),
    'L1 unaligned': ('L1 table offset', 'L1 table offset', (40, '>Q', 513)),
    'L1 behind the end': ('truncated', None, (40, '>Q', 1 << 40)),
    'refcounts unaligned': ('count table offset', 'count table offset',
                            (48, '>Q', 1)),
    'refcounts behind the end': ('truncated', None, (48, '>Q', 1 << 40)),
    'refcounts huge': ('count table is too large', 'count table too large',
                       (56, '>I', 0x10000000)),
    'no refcounts': ('reference count table', 'reference count table',
                     (56, '>I', 0)),
    'snapshots many': ('snapshots', 'Snapshot table too large',
                       (60, '>I', 0x7fffffff)),
    'snapshots unaligned': ('Snapshot table offset', 'Snapshot table offset',
                            (60, '>I', 1), (64, '>Q', 1)),
    'snapshots behind the end': ('truncated', None, (60, '>I', 1),
                                 (64, '>Q', 1 << 30)),
    'data file': ("'data-file' is required", "'data-file' is required",
                  (72, '>Q', 4)),
    'subclusters': ('subcluster size: 256', 'subcluster size: 256', (20, '>I', 13),
                    (72, '>Q', 16)),
    'unknown feature': ('Unknown incompatible feature: 200000000',
                        'Unknown incompatible feature: 200000000',
                        (72, '>Q', 1 << 33)),
    'compression': ('compression type', 'incompatible feature bit',
                    (72, '>Q', 8)),
    'refcount width': ('count entry width', 'entry width', (96, '>I', 7)),
    'header short': ('header too short', 'too short', (100, '>I', 100)),
    'header long': ('exceeds cluster', 'exceeds cluster', (100, '>I', 1 << 30)),
    'extension long': ('extension too large', 'extension too large',
                       (112, '>I', 77), (116, '>I', 0x7fffffff)),
    'format name long': ('format name', 'backing_format',
                         (112, '>I', 0xe2792aca), (116, '>I', 200)),
    'corrupt': ('corrupt; cannot be opened read/write',
                'corrupt; cannot be opened read/write', (72, '>Q', 2)),
}


@unittest.skipUnless(os.path.exists(EMULATOR), 'no emulator for x86_64')
class Case(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory(prefix='nemu-block-')
        self.addCleanup(tmp.cleanup)
        self.dir = tmp.name
        self.path = os.path.join(self.dir, 'a.img')

    def digest(self):
        return {p.name: hashlib.sha256(p.read_bytes()).hexdigest()
                for p in pathlib.Path(self.dir).iterdir() if p.is_file()}

    def start(self, binary, *args):
        accel = ['-accel', 'qtest'] if binary == EMULATOR else []
        return subprocess.run(
            [binary, '-M', 'q35', *accel, '-nodefaults', '-S', '-display',
             'none', *args], stdin=subprocess.DEVNULL, text=True, timeout=60,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def refused(self, words, *args, theirs=None, lines=1):
        before = self.digest()
        p = self.start(EMULATOR, *args)
        self.assertEqual(p.returncode, 1, p.stdout)
        self.assertEqual(p.stdout.count('\n'), lines, p.stdout)
        self.assertIn(words, p.stdout)
        self.assertEqual(self.digest(), before)
        if theirs and os.path.exists(ORACLE):
            p = self.start(ORACLE, *args)
            self.assertEqual(p.returncode, 1, p.stdout)
            self.assertIn(theirs, p.stdout)

    def drive(self, path=None, fmt='qcow2', more=''):
        return ['-drive', f'if=none,id=d,format={fmt},'
                f'file={path or self.path}{more}']


@unittest.skipUnless(b.HAVE_ORACLE, "needs Debian's qemu-utils")
class ImageTest(Case):
    def test_headers(self):
        for name, (words, theirs, *pokes) in HEADERS.items():
            with self.subTest(name):
                b.create(self.path, MiB)
                with open(self.path, 'r+b') as f:
                    for offset, form, value in pokes:
                        f.seek(offset)
                        f.write(struct.pack(form, value))
                self.refused(words, *self.drive(), theirs=theirs)

    def test_aes_is_for_tools_only(self):
        b.create(self.path, MiB)
        with open(self.path, 'r+b') as f:
            f.seek(32)
            f.write(struct.pack('>I', 1))
        words = 'no longer supported in system emulators'
        # The second line says what to do about it.
        self.refused(words, *self.drive(), theirs=words, lines=2)

    def test_unknown_feature_is_called_by_its_name(self):
        b.create(self.path, MiB)
        data = bytearray(pathlib.Path(self.path).read_bytes())
        entry = data.find(b'dirty bit') - 2
        data[entry:entry + 14] = b'\0\7frobnicator\0'
        data[72:80] = struct.pack('>Q', 1 << 7)
        pathlib.Path(self.path).write_bytes(data)
        self.refused('feature(s): frobnicator', *self.drive(),
                     theirs='frobnicator')

    def test_reserved_bits_of_the_refcount_table_mean_nothing(self):
        b.create(self.path, MiB, {'cluster_size': '512'})
        data = bytearray(pathlib.Path(self.path).read_bytes())
        table, = struct.unpack_from('>Q', data, 48)
        struct.pack_into('>Q', data, table + 8, 4)      # still: no block
        pathlib.Path(self.path).write_bytes(data)
        io = b.Io(self.path)
        io.add('write -P 7 0 200k')                     # needs that block
        io.run()
        b.check(self.path)

    def test_truncated_files(self):
        for length in 0, 40, 200, 65536, 98304, 196608:
            with self.subTest(length):
                b.create(self.path, MiB)
                os.truncate(self.path, length)
                self.refused('truncated' if length > 72 else
                             'not in qcow2 format', *self.drive())

    def test_wrong_format(self):
        with open(self.path, 'wb') as f:
            f.truncate(MiB)
        self.refused('not in qcow2 format', *self.drive(),
                     theirs='not in qcow2')
        self.refused("'vmdk'", *self.drive(fmt='vmdk'))

    def test_odd_raw_image_is_taken_whole(self):
        with open(self.path, 'wb') as f:
            f.write(b'\5' * 1000)
        io = b.Io(self.path, args=['-f', 'raw'])
        io.add('read -P 5 0 1000')
        io.run()

    def test_backing_loop_and_missing_backing(self):
        other = os.path.join(self.dir, 'b')
        b.create(other, MiB)
        b.create(self.path, MiB, backing='b')
        b.run(b.ORACLE_IMG, 'rebase', '-u', '-b', 'a.img', '-F', 'qcow2',
              other)
        self.refused('too long, or a loop', *self.drive(more=',readonly=on'))
        os.unlink(other)
        self.refused(f"Could not open '{other}': No such file", *self.drive(),
                     theirs=f"Could not open '{other}': No such file")

    def test_chain_too_long(self):
        for i in range(250):
            b.create(os.path.join(self.dir, f'{i}'), MiB)
        self.path = os.path.join(self.dir, '0')
        # Let each name the next: 250 images.
        for i in range(249):
            path = os.path.join(self.dir, f'{i}')
            data = bytearray(pathlib.Path(path).read_bytes())
            name = f'{i + 1}'.encode()
            data[8:20] = struct.pack('>QI', 600, len(name))
            data[600:600 + len(name)] = name
            ext = struct.pack('>II8sII', 0xe2792aca, 5, b'qcow2', 0, 0)
            data[112:112 + len(ext)] = ext
            pathlib.Path(path).write_bytes(data)
        self.refused('too long', *self.drive())


class FileTest(Case):
    def setUp(self):
        super().setUp()
        with open(self.path, 'wb') as f:
            f.truncate(MiB)

    def test_missing_file_and_directory(self):
        gone = os.path.join(self.dir, 'gone')
        self.refused(f"Could not open '{gone}': No such file",
                     *self.drive(gone, 'raw'), theirs='No such file')
        self.refused('regular file', *self.drive(self.dir, 'raw'),
                     theirs='regular file')
        self.refused('regular file', '-blockdev',
                     'file,node-name=f,read-only=on,filename=/dev/null',
                     theirs='regular file')

    @unittest.skipIf(os.getuid() == 0 and not os.path.exists('/usr/bin/setpriv'),
                     'everything is permitted')
    def test_no_permission(self):
        os.chmod(self.dir, 0o755)
        os.chmod(self.path, 0)
        drop = ['setpriv', '--reuid=65534', '--clear-groups'] \
            if os.getuid() == 0 else []
        p = subprocess.run([*drop, b.OUR_IO, '-f', 'raw', '-c', 'length',
                            self.path], stdout=subprocess.PIPE, text=True,
                           stderr=subprocess.STDOUT)
        os.chmod(self.path, 0o644)
        self.assertEqual(p.returncode, 1)
        self.assertIn(f"Could not open '{self.path}': Permission denied",
                      p.stdout)
        self.assertEqual(p.stdout.count('\n'), 1)

    def test_read_only_image_on_a_disk(self):
        for node in ('raw,node-name=n,read-only=on,file.driver=file,'
                     f'file.filename={self.path}',):
            # The disk becomes read-only where its device allows that.
            p = self.start(EMULATOR, '-blockdev', node, '-device',
                           'virtio-blk-pci,drive=n,id=x', '-device',
                           'virtio-blk-pci,drive=n,id=x')
            self.assertIn("'x'", p.stdout)

    def test_names_are_taken_once(self):
        self.refused("'n'", '-blockdev', 'null-co,node-name=n', '-blockdev',
                     'null-co,node-name=n', theirs='n')
        self.refused("'n'", '-blockdev', 'null-co,node-name=n', '-drive',
                     'if=none,id=n,driver=null-co', theirs='n')
        self.refused("'d'", *self.drive(fmt='raw'),
                     *self.drive(fmt='raw'), theirs='d')


@unittest.skipUnless(b.HAVE_ORACLE and os.path.exists(ORACLE),
                     "needs Debian's QEMU")
class LockTest(Case):
    """Two emulators and one image, ours and QEMU's in each role."""

    def setUp(self):
        super().setUp()
        with open(self.path, 'wb') as f:
            f.truncate(MiB)

    def args(self, device='', node=''):
        return ['-blockdev', f'raw,node-name=n{node},file.driver=file,'
                f'file.filename={self.path}', '-device',
                f'virtio-blk-pci,drive=n{device}']

    def hold(self, binary, args):
        accel = ['-accel', 'qtest'] if binary == EMULATOR else []
        p = subprocess.Popen(
            [binary, '-M', 'q35', *accel, '-nodefaults', '-S', '-display',
             'none', '-qmp', 'stdio', *args], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        self.addCleanup(p.communicate)
        self.addCleanup(p.kill)
        p.stdin.write('{"execute":"qmp_capabilities"}\n')
        p.stdin.flush()
        self.assertIn('QMP', p.stdout.readline())
        self.assertIn('return', p.stdout.readline())
        return p

    def admitted(self, holder, held, other, wanted):
        p = self.hold(holder, held)
        q = subprocess.run(
            [other, '-M', 'q35', *(['-accel', 'qtest']
                                   if other == EMULATOR else []),
             '-nodefaults', '-S', '-display', 'none', '-qmp', 'stdio',
             *wanted], text=True, timeout=60, stdout=subprocess.PIPE,
            input='{"execute":"qmp_capabilities"}\n{"execute":"quit"}\n',
            stderr=subprocess.STDOUT)
        p.kill()
        p.wait()
        self.assertIn(q.returncode, (0, 1), q.stdout)
        if q.returncode:
            self.assertIn('lock', q.stdout)
        return not q.returncode

    def test_who_may_share_with_whom(self):
        rw, ro = ('', ''), ('', ',read-only=on')
        share = (',share-rw=on', '')
        force = ('', ',read-only=on,force-share=on')
        cases = [(rw, rw, False), (rw, ro, False), (ro, rw, False),
                 (ro, ro, True), (share, share, True), (share, rw, False),
                 (rw, share, False), (rw, force, True), (force, rw, True)]
        for holder in EMULATOR, ORACLE:
            for other in EMULATOR, ORACLE:
                if holder == other == ORACLE:
                    continue
                for held, wanted, ok in cases:
                    with self.subTest(held=held, wanted=wanted, holder=holder,
                                      other=other):
                        self.assertEqual(
                            self.admitted(holder, self.args(*held), other,
                                          self.args(*wanted)), ok)


if __name__ == '__main__':
    unittest.main()
