#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What qemu-img says of files that are not what they should be: missing, not
regular, too short, of another format; the same as QEMU 7.2.

NEMU_MATRIX=1 runs all pairs of a command and a file."""

import os
import re
import socket
import subprocess
import tempfile
import unittest

import blocklib as b

OURS = os.path.join(b.BUILD, 'qemu-img')
PAIRS = 120
SECRET = 'secret,id=s,data=p'
FILES = '''nothing d link /dev/null /dev/full sock short empty trunc r q l
lshort lost other-format no-format folder no-data nod/x r/x file:r
file:nothing nope:r json:{ json:{"driver":"file"} json:{"driver":"nope"}
json:{"file":"x"} null-co:// null-co: host_device:r host_device:/dev/null
host_device:nothing blkdebug::r blkdebug:nofile:r'''.split()
READING = '''info
info -f raw
info -f qcow2
info -f luks
info --backing-chain
check
check -f qcow2
map
measure -O qcow2
snapshot -l
compare @ q
compare q @'''.splitlines()
WRITING = '''check -r all
snapshot -c x
resize @ 2M
convert -O raw @ out
convert -f qcow2 -O raw @ out
convert -O raw q @
convert -O qcow2 q @
convert -n -O raw q @
create -f raw @ 1M
create -f qcow2 @ 1M
create -f qcow2 -b @ -F raw out
create -f qcow2 -b @ -F qcow2 out
create -f qcow2 -u -b @ -F raw out 1M
rebase -b @ -F raw q
rebase -u -b @ -F qcow2 q
dd if=@ of=out bs=512 count=1
dd if=q of=@ bs=512 count=1
amend -o compat=1.1
bitmap --add @ b
bitmap --merge x -b @ -F qcow2 q b'''.splitlines()
# What was once otherwise.
ALWAYS = [('info', '/dev/null'), ('info -f raw', '/dev/full'),
          ('check', '/dev/null'),
          ('convert -O qcow2 q @', 'host_device:r'),
          ('create -f raw @ 1M', '/dev/null'),
          ('create -f qcow2 @ 1M', '/dev/null'),
          ('create -f qcow2 @ 1M', '/dev/full'),
          ('create -f qcow2 @ 1M', 'host_cdrom:/dev/null'),
          ('convert -O qcow2 q @', '/dev/null'),
          ('create -f qcow2 @ 1M', 'd'), ('create -f qcow2 @ 1M', 'fifo'),
          ('convert -O raw q @', 'fifo'), ('resize -f raw @ 2M', 'fifo'),
          ('info', '/dev/cdrom99'), ('info', 'host_cdrom:/dev/cdrom99'),
          ('info', 'host_cdrom:r'), ('info', 'host_cdrom:'),
          ('info', 'host_cdrom:fifo'),
          ('info --image-opts', 'driver=host_cdrom'),
          ('info --image-opts', 'driver=host_cdrom,filename='),
          ('info --image-opts', 'driver=host_cdrom,filename=/dev/null'),
          ('info --image-opts', 'driver=raw,file.driver=host_cdrom'),
          ('info --image-opts', 'driver=raw,file.driver=host_device'),
          ('info', 'blkverify:r:q'), ('info', 'blkverify:q:r'),
          ('info', 'blkverify:r:r'), ('info', 'blkverify:r:nothing'),
          ('check', 'blkverify:r:q'),
          ('convert -O qcow2 q @', 'null-co://'),
          ('info', 'json:{'), ('info', 'json:{"driver":"file"}'),
          ('info', 'json:{"driver":"nope"}'), ('info', 'json:{"file":"x"}'),
          ('info', 'null-co:'), ('info', 'host_device:r'),
          ('info', 'blkdebug:nofile:r')]


@unittest.skipUnless(b.HAVE_ORACLE, "needs Debian's qemu-utils")
class ErrorTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        tmp = tempfile.TemporaryDirectory(prefix='nemu-block-')
        self.addCleanup(tmp.cleanup)
        self.top, self.dir = tmp.name, os.path.join(tmp.name, 'images')
        os.makedirs(os.path.join(self.dir, 'd'))
        for name, size in (('r', 1 << 20), ('short', 3), ('empty', 0)):
            with open(os.path.join(self.dir, name), 'wb') as f:
                f.truncate(size)
        os.symlink('nowhere', os.path.join(self.dir, 'link'))
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(os.path.join(self.dir, 'sock'))
        os.mkfifo(os.path.join(self.dir, 'fifo'))
        self.img('create -f qcow2 q 1M')
        self.img(f'create -f luks --object {SECRET} -o '
                 'key-secret=s,iter-time=10 l 1M', tool=OURS)
        self.img('create -f qcow2 -o data_file=data no-data 1M')
        os.unlink(os.path.join(self.dir, 'data'))
        for name, below, fmt in (('lost', 'gone', 'raw'),
                                 ('other-format', 'r', 'qcow2'),
                                 ('no-format', 'q', 'nope'),
                                 ('folder', 'd', 'raw')):
            self.img(f'create -f qcow2 -u -b {below} -F raw {name} 1M')
            self.img(f'rebase -u -b {below} -F {fmt} {name}', check=False)
        for name, whole, size in (('trunc', 'q', 100), ('lshort', 'l', 1000)):
            with open(os.path.join(self.dir, whole), 'rb') as f:
                head = f.read(size)
            with open(os.path.join(self.dir, name), 'wb') as f:
                f.write(head)

    def img(self, line, tool=b.ORACLE_IMG, check=True):
        subprocess.run([tool, *line.split()], cwd=self.dir, check=check,
                       stdout=subprocess.DEVNULL)

    def told(self, tool, command, name):
        line = command if '@' in command else command + ' @'
        args = [x.replace('@', name) for x in line.split()]
        p = subprocess.run([tool, *args], cwd=self.dir, text=True, timeout=60,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
        return (p.returncode, re.sub('disk size: .*', '', p.stdout),
                re.sub(r'#block\d+', '#block', p.stderr))

    def compare(self, command, name):
        keep = os.path.join(self.top, 'keep')
        seen = []
        for tool in OURS, b.ORACLE_IMG:
            if command in WRITING:
                subprocess.run(['cp', '-a', self.dir, keep], check=True)
            seen.append(self.told(tool, command, name) +
                        (sorted(os.listdir(self.dir)),))
            if command in WRITING:
                subprocess.run(['rm', '-r', self.dir], check=True)
                os.rename(keep, self.dir)
        with self.subTest(command=command, name=name):
            self.assertEqual(*seen)

    def test_same_words(self):
        # Of "json:" without a file, with a format, we make its file.
        pairs = [(c, f) for c in READING + WRITING for f in FILES
                 if not ('"driver"' in f and re.search('-[fF]|-n', c))]
        # What is read there is whatever the buffer held.
        pairs = [(c, f) for c, f in pairs
                 if not ('compare' in c and f == 'null-co://')]
        if not os.environ.get('NEMU_MATRIX'):
            pairs = ALWAYS + b.rng_for(1).sample(pairs, PAIRS)
        for command, name in pairs:
            self.compare(command, name)

    def test_nobody_waits_for_a_pipe(self):
        """7.2 does, when it opens one to read."""
        for command in READING:
            for name in 'fifo', 'file:fifo', 'host_device:fifo':
                code, _, err = self.told(OURS, command, name)
                self.assertGreater(code, 0)
                self.assertIn("' driver requires 'fifo' to be ", err)

    def test_blkverify_finds_the_format(self):
        args = ['-c', 'read 0 64k', '-c', 'write -P 3 64k 64k', '-c',
                'write -P 75 0 4', '-c', 'write -P 0 0 4k']
        for names in 'r q', 'r twin':
            said = []
            for tool in b.OUR_IO, b.ORACLE_IO:
                self.img('create -q -f raw r 1M')
                self.img('create -q -f raw twin 1M')
                self.img('create -q -f qcow2 q 1M')
                p = b.run(tool, *args, 'blkverify:' + names.replace(' ', ':'),
                          cwd=self.dir, check=False)
                said.append((p.returncode, re.sub(r'64 KiB, 1.*|4.*, 1 ops.*',
                                                  '', p.stdout)))
                self.img('compare -f raw ' + names)
            self.assertEqual(*said)


def text(version, end='\n'):
    return b'# Disk DescriptorFile\n# more' + (end + version + end).encode()


BOCHS = b'Bochs Virtual HD Image'.ljust(32, b'\0')
CLOOP = (b'#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && '
         b'mount -r -t iso9660 /dev/cloop $1\n')
# The beginnings of images, and which format 7.2 takes them for.
HEADERS = [
    ('qcow', b'QFI\xfb\0\0\0\1'), ('raw', b'QFI\xfb\0\0\0\0'),
    ('vmdk', b'KDMV\1'), ('vmdk', b'COWD\1'), ('raw', b'VMDK\1'),
    ('vmdk', text('version=1')), ('vmdk', text('version=3', '\r\n')),
    ('vmdk', b'version=2\n'), ('raw', text('version=9')),
    ('raw', text('version=1x')), ('raw', text('')), ('raw', b'#' * 600),
    ('vdi', bytes(64) + b'\x7f\x10\xda\xbe'), ('raw', b'\x7f\x10\xda\xbe'),
    ('vhdx', b'vhdxfile'), ('raw', b'vhdxfil'), ('vpc', b'conectix'),
    ('qed', b'QED\0'), ('raw', b'QED\1'),
    ('parallels', b'WithoutFreeSpace\2\0\0\0'),
    ('parallels', b'WithouFreSpacExt\2\0\0\0'),
    ('raw', b'WithoutFreeSpace\1\0\0\0'), ('cloop', CLOOP),
    ('raw', CLOOP[:40]), ('raw', BOCHS),
    ('bochs', BOCHS + b'Redolog'.ljust(16, b'\0') +
     b'Growing'.ljust(16, b'\0') + b'\0\0\2\0\0\2\0\0'),
]


@unittest.skipUnless(b.HAVE_ORACLE, "needs Debian's qemu-utils")
class ForeignTest(unittest.TestCase):
    """Images that we cannot read are not raw disks."""

    def setUp(self):
        tmp = tempfile.TemporaryDirectory(prefix='nemu-block-')
        self.addCleanup(tmp.cleanup)
        self.dir = tmp.name
        self.image = os.path.join(self.dir, 'x')

    def make(self, head=b''):
        with open(self.image, 'wb') as f:
            f.write(head)
            f.truncate(1 << 20)

    def info(self, tool, *args):
        return b.run(tool, 'info', *args, self.image, cwd=self.dir, check=False)

    def test_headers(self):
        for fmt, head in HEADERS:
            with self.subTest(head):
                self.make(head)
                theirs = self.info(b.ORACLE_IMG).stdout
                self.assertEqual('file format: raw' in theirs, fmt == 'raw')
                ours = self.info(OURS)
                if fmt == 'raw':
                    self.assertIn('file format: raw', ours.stdout)
                else:
                    self.assertEqual(ours.returncode, 1)
                    self.assertIn(f"Could not open '{self.image}': Unknown "
                                  f"driver '{fmt}'\n", ours.stdout)
                    self.assertIn("Specify the 'raw' format", ours.stdout)
                    self.assertIn('file format: raw',
                                  self.info(OURS, '-f', 'raw').stdout)

    def test_images_of_theirs(self):
        for fmt in 'qcow', 'vmdk', 'vdi', 'vhdx', 'vpc', 'qed', 'parallels':
            with self.subTest(fmt):
                b.run(b.ORACLE_IMG, 'create', '-f', fmt, self.image, '16M')
                self.assertIn(f"Unknown driver '{fmt}'", self.info(OURS).stdout)

    def test_name_of_a_dmg(self):
        self.image += '.dmg'
        self.make()
        self.assertIn('dmg file', self.info(b.ORACLE_IMG).stdout)
        self.assertIn("Unknown driver 'dmg'", self.info(OURS).stdout)
        b.create(self.image, 1 << 20)
        self.assertIn('file format: qcow2', self.info(OURS).stdout)

    def test_as_a_backing_file(self):
        self.make(b'KDMV')
        top = os.path.join(self.dir, 'top')
        for fmt, found in ('vmdk', 1), ('raw', 0):
            b.run(b.ORACLE_IMG, 'create', '-f', 'qcow2', '-u', '-b', 'x', '-F',
                  fmt, top, '1M')
            p = b.run(b.OUR_IO, '-r', '-c', 'read 0 512', top, check=False)
            self.assertEqual(p.returncode, found, p.stdout)

    def test_guests_cannot_write_a_header(self):
        """Nobody said raw: the disk must be found to be raw ever after."""
        for fmt, head in HEADERS + [('qcow2', b'QFI\xfb\0\0\0\3')]:
            head = head.ljust(1024, b'\0')
            data = os.path.join(self.dir, 'data')
            with open(data, 'wb') as f:
                f.write(head)
            with self.subTest(head):
                for tool in b.OUR_IO, b.ORACLE_IO:
                    self.make()
                    p = b.run(tool, '-c', f'write -s {data} 0 1024',
                              self.image, check=False)
                    self.assertEqual('Operation not permitted' in p.stdout,
                                     fmt != 'raw', p.stdout)
                    self.assertIn('file format: raw', self.info(OURS).stdout)
                p = b.run(b.OUR_IO, '-f', 'raw', '-c',
                          f'write -s {data} 0 1024', self.image)
                with open(self.image, 'rb') as f:
                    self.assertEqual(f.read(1024), head)


if __name__ == '__main__':
    unittest.main()
