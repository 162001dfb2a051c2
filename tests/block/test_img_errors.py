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
        # It cannot be flushed, which 7.2 does later.
        pairs = [(c, f) for c, f in pairs
                 if not ('qcow2' in c and f.endswith('/dev/null'))]
        # What is read there is whatever the buffer held.
        pairs = [(c, f) for c, f in pairs
                 if not ('compare' in c and f == 'null-co://')]
        if not os.environ.get('NEMU_MATRIX'):
            pairs = ALWAYS + b.rng_for(1).sample(pairs, PAIRS)
        for command, name in pairs:
            self.compare(command, name)


if __name__ == '__main__':
    unittest.main()
