#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""raw, whole or a window: requests that fail below, and a file that shrinks
while it is open, are answered as by QEMU 7.2, and leave the same bytes."""

import itertools
import json
import os
import pathlib
import re
import select
import subprocess
import tempfile
import unittest

import blocklib as b
from daemonlib import ORACLE_DAEMON, OUR_DAEMON, Storage

OUR_IMG = os.path.join(b.BUILD, 'qemu-img')
SIZE = 128 << 10
WINDOWS = ('', 'offset=4096,', 'size=65536,', 'offset=4096,size=65536,',
           'offset=1000,size=3072,')
REQUESTS = ['write -P 1 0 4k', 'read 0 4k', 'write -z 4k 8k',
            'write -z -u 16k 8k', 'discard 32k 4k', 'flush', 'read -v 1k 16',
            'read -P 1 0 4k', 'write -P 7 100 50', 'read -v 96 64']
AT_THE_END = ['length', 'read 60k 8k', 'write 60k 8k', 'read 64k 512',
              'write 64k 512', 'write -z 60k 8k', 'discard 60k 8k',
              'truncate 100k', 'length', 'map', 'alloc 0 64k',
              'read -v 2900 150', 'write -P 3 3071 1', 'write -P 3 3071 2']
SHRUNK = ['length', 'read -v 0 64', 'read -P 0 60k 4k', 'map',
          'write -P 9 8k 4k', 'read -P 9 8k 4k', 'write -z 20k 4k',
          'discard 30k 4k', 'flush', 'length', 'read -v 1000 64',
          'read -v 2960 40']
PROMPT = b'qemu-io> '


class Session:
    """A qemu-io that is asked one command after the other."""

    def __init__(self, tool, options):
        self.said = b''
        self.proc = subprocess.Popen(
            [tool, '--image-opts', options], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0)
        self.wait()

    def wait(self):
        """Until it asks for more, or has ended."""
        while not self.said.endswith(PROMPT):
            ready, _, _ = select.select([self.proc.stdout], [], [], 60)
            got = os.read(self.proc.stdout.fileno(), 4096) if ready else None
            if got is None:
                raise TimeoutError(self.said)
            if not got:
                return
            self.said += got

    def ask(self, command):
        self.proc.stdin.write(command.encode() + b'\n')
        self.said += b'\n'
        self.wait()

    def end(self):
        """Its exit code and what it said, without times."""
        self.proc.stdin.close()
        self.said += b'\n'
        self.wait()
        self.proc.stdout.close()
        text = re.sub('.*(ops;|/sec).*', '', self.said.decode(errors='replace'))
        return self.proc.wait(), text


@unittest.skipUnless(b.HAVE_ORACLE, "Debian's qemu-io is not here")
class RawTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        tmp = tempfile.TemporaryDirectory(prefix='nemu-block-')
        self.addCleanup(tmp.cleanup)
        self.path = os.path.join(tmp.name, 'image')

    def run_with(self, tool, options, commands, length):
        pathlib.Path(self.path).write_bytes(bytes(range(256)) * (SIZE // 256))
        session = Session(tool, options)
        if length is not None:
            os.truncate(self.path, length)
        for command in commands:
            session.ask(command)
        return session.end(), pathlib.Path(self.path).read_bytes()

    def same(self, options, commands, length=None):
        with self.subTest(options=options, length=length):
            self.assertEqual(
                self.run_with(b.OUR_IO, options, commands, length),
                self.run_with(b.ORACLE_IO, options, commands, length))

    def plain(self, window):
        return f'driver=raw,{window}file.driver=file,file.filename={self.path}'

    def failing(self, window, kind, error):
        rule = 'file.inject-error.0.'
        return (f'driver=raw,{window}discard=unmap,file.driver=blkdebug,'
                f'file.image.driver=file,file.image.filename={self.path},'
                f'{rule}event=none,{rule}once=on,{rule}iotype={kind},'
                f'{rule}errno={error}')

    def test_requests_that_fail_below(self):
        for window, kind, error in itertools.product(
                WINDOWS[2:], ('read', 'write', 'flush', 'discard',
                              'write-zeroes'), (5, 28)):
            self.same(self.failing(window, kind, error), REQUESTS)

    def test_requests_at_the_end(self):
        for window in WINDOWS:
            self.same(self.plain(window), AT_THE_END)

    def test_a_file_that_shrinks_below_the_window(self):
        for window, length in itertools.product(
                WINDOWS, (0, 2048, 5000, 10000, 65536)):
            self.same(self.plain(window), SHRUNK, length)

    def test_a_shrunk_file_that_fails(self):
        for window in WINDOWS[1:]:
            self.same(self.failing(window, 'read', 5), [
                'read -v 0 64', 'read -v 0 64', 'write -P 2 63k 1k',
                'read -v 62k 32'], 5000)

    def test_bad_windows_are_refused(self):
        pathlib.Path(self.path).write_bytes(bytes(SIZE))
        for window in ('size=1000,', 'offset=512,size=1,', 'size=262144,',
                       'offset=262144,', 'offset=131072,size=512,',
                       'size=9223372036854775296,'):
            said = [subprocess.run([tool, '--image-opts', self.plain(window),
                                    '-c', 'length'], capture_output=True,
                                   text=True, timeout=60)
                    for tool in (b.OUR_IO, b.ORACLE_IO)]
            with self.subTest(window=window):
                self.assertEqual(said[0].returncode, 1)
                # QEMU 7.2 has two spaces somewhere.
                self.assertEqual(said[0].stderr.split(),
                                 said[1].stderr.split())


# What is not all of a file has no path.
NAMED = '''driver=raw,file.driver=file,file.filename=r
driver=raw,offset=512,file.driver=file,file.filename=r
driver=raw,offset=0,file.driver=file,file.filename=r
driver=raw,size=65536,file.driver=file,file.filename=r,file.locking=off
driver=raw,file.driver=raw,file.offset=512,file.file.driver=file,file.file.filename=r
driver=qcow2,file.driver=file,file.filename=d/o,lazy-refcounts=on
driver=qcow2,file.driver=raw,file.file.driver=file,file.file.filename=d/o
driver=qcow2,file.driver=raw,file.offset=0,file.file.driver=file,file.file.filename=d/o
driver=null-co
driver=null-aio
driver=null-co,size=65536,latency-ns=5
driver=null-aio,size=65536,read-zeroes=on
driver=raw,file.driver=null-co,file.read-zeroes=off
driver=raw,offset=512,file.driver=blkdebug,file.image.driver=file,file.image.filename=r
driver=quorum,vote-threshold=1,children.0.driver=file,children.0.filename=r,children.1.driver=raw,children.1.file.driver=file,children.1.file.filename=r'''.split()


def as_words(value):
    """Options that were words, as 7.2 keeps them."""
    if isinstance(value, dict):
        return {k: as_words(v) for k, v in value.items()}
    if isinstance(value, list):
        return [as_words(v) for v in value]
    return {True: 'on', False: 'off'}[value] if isinstance(
        value, bool) else str(value)


def name_of(text):
    return as_words(json.loads(text[5:])) if text.startswith('json:') else text


@unittest.skipUnless(b.HAVE_ORACLE, "needs Debian's qemu-utils")
class NameTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        tmp = tempfile.TemporaryDirectory(prefix='nemu-block-')
        self.addCleanup(tmp.cleanup)
        self.dir = tmp.name
        os.mkdir(f'{self.dir}/d')
        b.create(f'{self.dir}/d/q', 1 << 20)
        b.create(f'{self.dir}/d/o', 1 << 20, backing='q')
        self.data = bytes(range(1, 129)) * 1024
        with open(f'{self.dir}/r', 'wb') as f:
            f.write(self.data)

    def info(self, tool, *args):
        p = b.run(tool, 'info', '--output=json', *args, cwd=self.dir)
        return json.loads(p.stdout)

    def test_names(self):
        for opts in NAMED:
            with self.subTest(opts):
                said = []
                for tool in OUR_IMG, b.ORACLE_IMG:
                    got = self.info(tool, '--backing-chain', '--image-opts',
                                    opts)
                    said.append([(name_of(x['filename']), x.get(
                        'full-backing-filename')) for x in got])
                self.assertEqual(*said)

    def test_an_overlay_finds_the_same_data(self):
        raw = {'driver': 'raw', 'offset': 512, 'size': 65536,
               'node-name': 'n', 'file': {'driver': 'file', 'filename': 'r'}}
        names = []
        for i, program in enumerate((OUR_DAEMON, ORACLE_DAEMON)):
            top = f'{self.dir}/over{i}'
            s = Storage(self.dir, program=program)
            try:
                s.do('blockdev-add', **raw)
                s.do('blockdev-snapshot-sync', node_name='n',
                     snapshot_file=top, snapshot_node_name='x', format='qcow2')
                names += [name_of(x['file'])
                          for x in s.do('query-named-block-nodes', flat=True)
                          if x['node-name'] == 'n']
            finally:
                s.close()
            names.append(name_of(self.info(b.ORACLE_IMG, top)[
                'backing-filename']))
            for tool in OUR_IMG, b.ORACLE_IMG:
                b.run(tool, 'convert', '-O', 'raw', top, 'out', cwd=self.dir)
                with open(f'{self.dir}/out', 'rb') as f:
                    self.assertTrue(f.read() == self.data[512:512 + 65536])
        self.assertEqual(names, names[:1] * 4)


if __name__ == '__main__':
    unittest.main()
