#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Power cuts: what a qcow2 image holds after any part of its writes.

blklogwrites writes down a workload. Then the image is made again from every
prefix of that log, and from prefixes that end at a flush and some of what came
after it, as a disk with a cache may have it. Each must open, be sound but for
leaks, and have every byte that was written before the last flush, or a later
one of the same place.
"""

import os
import struct
import tempfile
import unittest

import blocklib as b
from test_bitmaps import Daemon, OUR_DAEMON

OUR_IMG = os.path.join(b.BUILD, 'qemu-img')
HAVE_CRYPTO = os.path.exists(os.path.join(b.BUILD, 'crypto-nettle.so'))
SIZE = 1 << 20
BLOCK = 512
PHASES = 3
LOG_FLUSH, LOG_DISCARD = 1, 4


class Log:
    """A log of dm-log-writes' format: [(offset, data or None, flags)]."""

    def __init__(self, path):
        with open(path, 'rb') as f:
            raw = f.read()
        magic, version, count, sector = struct.unpack('<QQQI', raw[:28])
        assert (magic, version) == (0x6a736677736872, 1)
        self.entries = []
        at = sector
        for _ in range(count):
            first, n, flags, _ = struct.unpack_from('<QQQQ', raw, at)
            at += sector
            data = None
            if not flags & (LOG_FLUSH | LOG_DISCARD):
                data = raw[at:at + n * sector]
                assert len(data) == n * sector
                at += n * sector
            self.entries.append((first * sector, n * sector, data, flags))


def apply(image, entry):
    offset, size, data, flags = entry
    if flags & LOG_DISCARD:
        data = bytes(max(0, min(size, len(image) - offset)))
    if data:
        if len(image) < offset + len(data):
            image.extend(bytes(offset + len(data) - len(image)))
        image[offset:offset + len(data)] = data


class Phase:
    """Commands for one qemu-io, and what blocks may hold meanwhile."""

    def __init__(self, rng, before):
        self.lines = []
        self.end = bytearray(before)  # a byte for each block
        self.may = [{v} for v in before]
        for _ in range(4):
            self.step(rng)

    def step(self, rng):
        n = rng.randrange(1, 80)
        first = rng.randrange(len(self.end) - n)
        kind = rng.randrange(8)
        value = 0 if kind < 2 else rng.randrange(1, 256)
        verb = {0: 'write -q -z', 1: 'write -q -z -u'}.get(
            kind, f'write -q -P {value}')
        self.lines.append(f'{verb} {first * BLOCK} {n * BLOCK}')
        self.end[first:first + n] = bytes([value]) * n
        for block in range(first, first + n):
            self.may[block].add(value)


class PowerCutTest(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory(prefix='nemu-block-')
        self.image = os.path.join(self.tmp.name, 'image')
        self.log = os.path.join(self.tmp.name, 'log')
        self.out = os.path.join(self.tmp.name, 'out')
        self.objects, self.key = (), ''  # of encrypted images
        self.data = None                 # what the data file has, if any

    def tearDown(self):
        self.tmp.cleanup()

    def run_phase(self, phase, more):
        """Run it under the log; how long the log is then."""
        io = b.Io('driver=qcow2,discard=unmap,file.driver=blklogwrites,'
                  f'file.file.driver=file,file.file.filename={self.image},'
                  'file.discard=unmap,file.file.discard=unmap,'
                  f'file.log.driver=file,file.log.filename={self.log},'
                  f'file.log-append={more}{self.key}',
                  args=(*self.objects, '--image-opts',))
        io.lines = phase.lines
        io.run()
        return len(Log(self.log).entries)

    def name(self):
        return f'driver=qcow2,file.driver=file,' \
               f'file.filename={self.image}{self.key}'

    def judge(self, image, may, what):
        """Repair leaks, then compare each block with what it may hold."""
        with open(self.image, 'wb') as f:
            f.write(image)
        if self.data is not None:
            with open(self.image + '.data', 'wb') as f:
                f.write(self.data)
        name = self.name()
        done = b.run(OUR_IMG, 'check', *self.objects, '-q', '-r', 'leaks',
                     '--image-opts', name, check=False)
        self.assertEqual(done.returncode, 0, f'{what}: {done.stdout}')
        b.run(OUR_IMG, 'convert', *self.objects, '--image-opts', '-O', 'raw',
              name, self.out)
        with open(self.out, 'rb') as f:
            data = f.read()
        for block, values in enumerate(may):
            got = data[block * BLOCK:(block + 1) * BLOCK]
            self.assertIn(got, [bytes([v]) * BLOCK for v in values],
                          f'{what}: block {block}')

    def cut_in_phase(self, rng, image, entries, phase, what):
        """Every prefix; and of what no flush has made durable, any part."""
        durable, loose = bytearray(image), []
        for i, entry in enumerate(entries):
            apply(image, entry)
            self.judge(image, phase.may, f'{what}, {i + 1} writes')
            loose.append(entry)
            if entry[3] & LOG_FLUSH:
                durable, loose = bytearray(image), []
            elif len(loose) > 1 and rng.randrange(2):
                part = bytearray(durable)
                for e in loose:
                    if rng.randrange(2):
                        apply(part, e)
                self.judge(part, phase.may, f'{what}, some of {i + 1} writes')

    def create(self, options):
        text = ','.join(f'{k}={v}' for k, v in options.items())
        more = ['-o', text.replace('@', self.image)] if text else []
        b.run(OUR_IMG, 'create', *self.objects, '-q', '-f', 'qcow2', *more,
              self.image, SIZE)

    def data_now(self):
        """Of an image's external data file, which the log does not know of:
        all that was written is there."""
        try:
            with open(self.image + '.data', 'rb') as f:
                return f.read()
        except FileNotFoundError:
            return None

    def one(self, seed, options):
        rng = b.rng_for(seed)
        self.data = None
        self.create(options)
        with open(self.image, 'rb') as f:
            image = bytearray(f.read())
        open(self.log, 'w').close()
        phases, ends, state, kept = [], [0], bytes(SIZE // BLOCK), []
        for i in range(PHASES):
            phases.append(Phase(rng, state))
            state = phases[-1].end
            ends.append(self.run_phase(phases[-1], 'on' if i else 'off'))
            kept.append(self.data_now())
        log = Log(self.log)
        for i, phase in enumerate(phases):
            self.data = kept[i]
            self.cut_in_phase(rng, image, log.entries[ends[i]:ends[i + 1]],
                              phase, f'phase {i}')
            self.judge(image, [{v} for v in phase.end], f'phase {i}, all')
        b.run(b.ORACLE_IMG, 'check', *self.objects, '--image-opts', self.name())

    def test_small_clusters(self):
        self.one(1, {'cluster_size': '512'})

    def test_wide_refcounts(self):
        self.one(2, {'cluster_size': '1k', 'refcount_bits': '64'})

    def test_default_clusters(self):
        self.one(3, {})

    def test_subclusters(self):
        for seed in 6, 16, 26:
            self.one(seed, {'extended_l2': 'on', 'cluster_size': '16k'})

    def test_data_file(self):
        for seed in 7, 17:
            self.one(seed, {'data_file': '@.data', 'cluster_size': '4k'})

    @unittest.skipUnless(HAVE_CRYPTO, 'built without nettle')
    def test_encrypted(self):
        self.objects = ('--object', 'secret,id=s,data=abc')
        self.key = ',encrypt.format=luks,encrypt.key-secret=s'
        self.one(8, {'encrypt.format': 'luks', 'encrypt.key-secret': 's',
                     'encrypt.iter-time': '10', 'cluster_size': '4k'})


class ReplayCase(unittest.TestCase):

    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory(prefix='nemu-block-')
        self.addCleanup(self.tmp.cleanup)
        self.image = os.path.join(self.tmp.name, 'image')
        self.log = os.path.join(self.tmp.name, 'log')
        self.out = os.path.join(self.tmp.name, 'out')


class BitmapTest(ReplayCase):
    """Bitmaps that the image does not call stale say what was written."""

    def look(self):
        """The guest's bytes, and bitmaps that are as they should be."""
        b.run(OUR_IMG, 'convert', '-O', 'raw', self.image, self.out)
        with Daemon(OUR_DAEMON) as d:
            d.open(self.image, read_only=True)
            sound = [(i['name'], d.sha256(i['name'])) for i in d.bitmaps()
                     if 'inconsistent' not in i]
        return b.digest(self.out), sound

    def judge(self, image, states, what):
        with open(self.image, 'wb') as f:
            f.write(image)
        done = b.run(OUR_IMG, 'check', '-q', '-r', 'leaks', self.image,
                     check=False)
        self.assertEqual(done.returncode, 0, f'{what}: {done.stdout}')
        data, bitmaps = self.look()
        if bitmaps:
            self.assertIn((data, bitmaps), states, what)
        return bool(bitmaps)

    def one(self, seed, options):
        rng = b.rng_for(seed)
        open(self.log, 'w').close()
        b.create(self.image, SIZE, options)
        for name, more in ('a', ['-g', '512']), ('d', ['--disable']):
            b.run(OUR_IMG, 'bitmap', '--add', *more, self.image, name)
        b.run(b.OUR_IO, '-c', 'write -q 100k 200k', self.image)
        states = [self.look()]
        with open(self.image, 'rb') as f:
            image = bytearray(f.read())
        b.run(b.OUR_IO, '-c', 'write -q -P 3 70k 5k', '-c', 'discard -q 0 400k',
              '--image-opts',
              'driver=qcow2,discard=unmap,file.driver=blklogwrites,'
              f'file.file.driver=file,file.file.filename={self.image},'
              f'file.log.driver=file,file.log.filename={self.log}')
        states.append(self.look())
        durable, loose, sound = bytearray(image), [], []
        entries = Log(self.log).entries
        for i, entry in enumerate(entries):
            apply(image, entry)
            loose.append(entry)
            if entry[3] & LOG_FLUSH:
                sound.append(self.judge(image, states, f'{i + 1} writes'))
                durable, loose = bytearray(image), []
            elif len(loose) % 3 == 2:
                part = bytearray(durable)
                for e in loose:
                    if rng.randrange(2):
                        apply(part, e)
                self.judge(part, states, f'some of {i + 1} writes')
        self.judge(image, states, 'all')
        self.assertIn(False, sound)
        self.assertTrue(sound[-1])

    def test_small_clusters(self):
        self.one(4, {'cluster_size': '512'})

    def test_default_clusters(self):
        self.one(5, {})


class SnapshotTest(ReplayCase):
    """Snapshots are there or not; whoever opens the image for writing has one
    that no check complains of."""

    def content(self, *args):
        done = b.run(OUR_IMG, 'convert', *args, '-O', 'raw', self.image,
                     self.out, check=False)
        return b.digest(self.out) if not done.returncode else None

    def state(self):
        """The guest's bytes, and those of the snapshots that are there."""
        names = b.run(OUR_IMG, 'snapshot', '-l', self.image).stdout
        return [self.content()] + [
            (name, self.content('-l', name)) for name in ('one', 'two')
            if f' {name} ' in names]

    def judge(self, image, states, old, what):
        with open(self.image, 'wb') as f:
            f.write(image)
        # Of version 2 the flags may be wrong, to which a repair sees.
        b.run(b.OUR_IO, '-c', 'length', self.image)
        done = b.run(OUR_IMG, 'check', self.image, check=False)
        if not old:
            self.assertIn(done.returncode, (0, 3), f'{what}: {done.stdout}')
        if done.returncode:
            b.run(OUR_IMG, 'check', '-q', '-r', 'all', self.image)
            b.run(OUR_IMG, 'check', '-q', self.image)
        self.assertIn(self.state(), states, what)
        return done.returncode

    def one(self, seed, options, *commands):
        rng = b.rng_for(seed)
        b.create(self.image, SIZE, options)
        b.run(b.OUR_IO, '-c', 'write -q -P 1 0 100k', self.image)
        b.run(OUR_IMG, 'snapshot', '-c', 'one', self.image)
        b.run(b.OUR_IO, '-c', 'write -q -P 2 50k 100k', self.image)
        for command in commands:
            open(self.log, 'w').close()
            states = [self.state()]
            with open(self.image, 'rb') as f:
                image = bytearray(f.read())
            b.run(OUR_IMG, 'snapshot', '--image-opts', *command,
                  'driver=qcow2,file.driver=blklogwrites,'
                  f'file.file.driver=file,file.file.filename={self.image},'
                  f'file.log.driver=file,file.log.filename={self.log}')
            states.append(self.state())
            with open(self.image, 'rb') as f:
                after = f.read()
            self.replay(rng, image, states, options.get('compat') == '0.10',
                        ' '.join(command))
            with open(self.image, 'wb') as f:
                f.write(after)

    def replay(self, rng, image, states, old, what):
        durable, loose = bytearray(image), []
        for i, entry in enumerate(Log(self.log).entries):
            apply(image, entry)
            loose.append(entry)
            found = self.judge(image, states, old, f'{what}: {i + 1} writes')
            if entry[3] & LOG_FLUSH:
                if not found and b.ORACLE_IMG:
                    b.run(b.ORACLE_IMG, 'check', self.image)
                durable, loose = bytearray(image), []
            elif len(loose) % 3 == 2:
                part = bytearray(durable)
                for e in loose:
                    if rng.randrange(2):
                        apply(part, e)
                self.judge(part, states, old, f'{what}: some of {i + 1} writes')

    def test_made_applied_removed(self):
        self.one(9, {'cluster_size': '4k'}, ('-c', 'two'), ('-a', 'one'),
                 ('-d', 'one'), ('-d', 'two'))

    def test_version_2(self):
        self.one(10, {'cluster_size': '4k', 'compat': '0.10'}, ('-c', 'two'),
                 ('-d', 'one'))

    def test_subclusters(self):
        self.one(11, {'cluster_size': '16k', 'extended_l2': 'on'},
                 ('-c', 'two'), ('-a', 'one'), ('-d', 'one'))


def options(image, log, more=''):
    return (f'driver=blklogwrites,file.driver=file,file.filename={image},'
            f'log.driver=file,log.filename={log},discard=unmap,'
            f'file.discard=unmap{more}')


class LogTest(unittest.TestCase):
    """The log itself is as QEMU 7.2's."""

    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory(prefix='nemu-block-')
        self.image = os.path.join(self.tmp.name, 'image')
        self.log = os.path.join(self.tmp.name, 'log')

    def tearDown(self):
        self.tmp.cleanup()

    def written(self, tool, more):
        for path, size in ((self.image, 1 << 20), (self.log, 0)):
            with open(path, 'wb') as f:
                f.truncate(size)
        io = b.Io(options(self.image, self.log, more), tool=tool,
                  args=('--image-opts',))
        io.lines = ['write -q -P 5 0 8k', 'write -q -P 6 -f 16k 4k',
                    'write -q -z 32k 4k', 'write -q -z -u 64k 4k', 'flush',
                    'discard -q 128k 8k', 'flush']
        io.run()
        return Log(self.log).entries

    @unittest.skipUnless(b.HAVE_ORACLE, 'no qemu-io to compare with')
    def test_entries(self):
        for more in ('', ',log-sector-size=4096',
                     ',log-super-update-interval=1'):
            ours = self.written(b.OUR_IO, more)
            theirs = self.written(b.ORACLE_IO, more)
            self.assertGreater(len(ours), 7)
            self.assertEqual(ours, theirs)

    def test_log_goes_on(self):
        first = self.written(b.OUR_IO, '')
        io = b.Io(options(self.image, self.log, ',log-append=on'),
                  args=('--image-opts',))
        io.lines = ['write -q -P 7 0 4k']
        io.run()
        entries = Log(self.log).entries
        self.assertEqual(entries[:len(first)], first)
        self.assertEqual(entries[len(first)][:3], (0, 4096, b'\7' * 4096))

    def refused(self, more, message):
        io = b.Io(options(self.image, self.log, more), args=('--image-opts',))
        io.lines = ['read 0 512']
        done = io.run(check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(message, done.stdout)

    def test_bad_options(self):
        self.written(b.OUR_IO, '')
        self.refused(',log-sector-size=100', 'Invalid log sector size 100')
        self.refused(',log-sector-size=16777216', 'Invalid log sector size')
        self.refused(',log-super-update-interval=0', 'update interval 0')
        self.refused(',log-append=on,log-sector-size=512', 'exclusive')

    def test_bad_logs(self):
        self.written(b.OUR_IO, '')
        for fields, message in (((1, 1, 1, 512), 'magic'),
                                ((0x6a736677736872, 2, 1, 512), 'version 2'),
                                ((0x6a736677736872, 1, 1, 100), 'size 100'),
                                ((0x6a736677736872, 1, 1 << 40, 512), 'long'),
                                ((0x6a736677736872, 1, 9, 512), 'entry 2')):
            with open(self.log, 'wb') as f:
                f.write(struct.pack('<QQQI', *fields).ljust(1536, b'\0'))
            self.refused(',log-append=on', message)
        with open(self.log, 'wb') as f:
            f.write(struct.pack('<QQQI', 0x6a736677736872, 1, 1, 512)
                    .ljust(512, b'\0') + struct.pack('<QQQQ', 0, 1 << 60, 0, 0)
                    .ljust(512, b'\0'))
        self.refused(',log-append=on', 'beyond')


if __name__ == '__main__':
    unittest.main()
