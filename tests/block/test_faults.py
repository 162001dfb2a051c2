#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Failing requests in the middle of everything: what was acknowledged stays,
and images are left without damage."""

import errno
import os
import shutil
import subprocess
import tempfile
import unittest

import blocklib as b

KiB, MiB = 1 << 10, 1 << 20
EVENTS = ['l1_update', 'l2_load', 'l2_update', 'l2_alloc_write', 'read_aio',
          'write_aio', 'cow_read', 'cow_write', 'refblock_load',
          'refblock_update_part', 'refblock_alloc',
          'refblock_alloc_hookup', 'refblock_alloc_write',
          'refblock_alloc_write_blocks', 'refblock_alloc_write_table',
          'refblock_alloc_switch_table', 'cluster_alloc', 'cluster_free',
          'flush_to_os', 'flush_to_disk', 'pwritev',
          'pwritev_done', 'pwritev_zero', 'cluster_alloc_space']


class Case(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory(prefix='nemu-block-')
        self.addCleanup(tmp.cleanup)
        self.dir = tmp.name
        self.path = os.path.join(self.dir, 'a.img')

    def rules(self, fmt, *rules, kind='inject-error'):
        opts = f'driver={fmt},file.driver=blkdebug,file.image.driver=file,' \
               f'file.image.filename={self.path},discard=unmap'
        for i, rule in enumerate(rules):
            for word in rule.split(','):
                opts += f',file.{kind}.{i}.{word}'
        return opts

    def io(self, image, lines, args=('--image-opts',), check=False):
        io = b.Io(image, args=args)
        for line in lines:
            io.add(line)
        return io.run(check=check)


class DriverTest(Case):
    """The driver itself, on a raw file."""

    def setUp(self):
        super().setUp()
        with open(self.path, 'wb') as f:
            f.truncate(MiB)

    def failures(self, image, lines, args=('--image-opts',)):
        return [line for line in self.io(image, lines, args).stdout.split('\n')
                if 'failed' in line]

    def raw(self, *rules, **kw):
        return self.rules('raw', *rules, **kw)

    def test_errno_iotype_sector_and_once(self):
        image = self.raw('event=none,errno=28,iotype=write,sector=4,once=on')
        got = self.failures(image, ['write 0 2k', 'read 0 4k', 'write 2k 512',
                                    'write 2k 512'])
        self.assertEqual(got, ['write failed: No space left on device'])

    def test_error_stays_without_once(self):
        got = self.failures(self.raw('event=pwritev,iotype=write'),
                            ['read 0 4k', 'write 0 4k', 'write 0 4k',
                             'read 0 4k'])
        self.assertEqual(got, ['write failed: Input/output error'] * 2)

    def test_each_kind_of_request(self):
        for kind, line in (('read', 'read 0 4k'), ('write', 'write 0 4k'),
                           ('write-zeroes', 'write -z 0 4k'),
                           ('discard', 'discard 0 4k')):
            with self.subTest(kind):
                got = self.failures(self.raw(f'event=none,iotype={kind}'),
                                    ['read 0 4k', 'write 0 4k',
                                     'write -z 0 4k', 'discard 0 4k'])
                self.assertEqual(len(got), 1, got)

    def test_states(self):
        conf = os.path.join(self.dir, 'conf')
        with open(conf, 'w') as f:
            f.write('# first write\n[set-state]\nevent = "pwritev"\n'
                    'state = "1"\nnew_state = "2"\n\n'
                    '[inject-error]\nevent = "pwritev"\nstate = "2"\n'
                    'errno = "28"\nonce = "on"\n')
        got = self.failures(f'blkdebug:{conf}:{self.path}',
                            ['write 0 4k', 'write 4k 4k', 'write 8k 4k'],
                            args=('-f', 'raw'))
        self.assertEqual(got, ['write failed: No space left on device'])

    def test_bad_rules_are_named(self):
        conf = os.path.join(self.dir, 'conf')
        for text, word in (('[injekt]\n', 'injekt'), ('event = "x"', 'event'),
                           ('[inject-error]\nevent = "moon"\n', 'moon'),
                           ('[inject-error]\nevent = none\n', 'quotes'),
                           ('[inject-error]\nstate = "1"\n', 'event'),
                           ('[inject-error\n', 'inject-error')):
            with open(conf, 'w') as f:
                f.write(text)
            p = self.io(f'blkdebug:{conf}:{self.path}', ['read 0 512'],
                        args=('-f', 'raw'))
            self.assertEqual(p.returncode, 1, text)
            self.assertIn(word, p.stdout)
        p = self.io(f'blkdebug:{conf}x:{self.path}', [], args=('-f', 'raw'))
        self.assertIn(f'{conf}x', p.stdout)
        p = self.io(f'blkdebug:{conf}', [], args=('-f', 'raw'))
        self.assertIn('config file', p.stdout)

    def test_limits_are_kept(self):
        image = self.raw() + ',file.align=4096,file.max-transfer=8192'
        p = self.io(image, ['write -P 5 100 50000', 'read -P 5 100 50000',
                            'read -P 0 0 100', 'read -P 0 50100 5000'])
        self.assertNotIn('failed', p.stdout)
        self.assertEqual(p.returncode, 0, p.stdout)
        p = self.io(self.raw() + ',file.align=3', ['read 0 1'])
        self.assertIn('align', p.stdout)

    def test_same_failures_as_qemu(self):
        if not b.HAVE_ORACLE:
            self.skipTest("needs Debian's qemu-utils")
        lines = ['write 0 4k', 'read 0 4k', 'write 2k 512', 'write 2k 512',
                 'write -z 8k 4k', 'flush', 'read 4k 512']
        for rule in ('event=none,errno=28,sector=4,once=on',
                     'event=none,iotype=read', 'event=pwritev,once=on',
                     'event=flush_to_os', 'event=none,state=2',
                     'event=pwritev_zero,errno=5,immediately=on',
                     'event=none,iotype=flush,errno=28'):
            with self.subTest(rule):
                said = []
                for tool in (b.OUR_IO, b.ORACLE_IO):
                    io = b.Io(self.raw(rule), tool=tool, args=['--image-opts'])
                    for line in lines:
                        io.add(line)
                    said.append([x for x in io.run(check=False).stdout.split(
                        '\n') if x and 'ops' not in x])
                self.assertEqual(said[0], said[1])


@unittest.skipUnless(b.HAVE_ORACLE, "needs Debian's qemu-utils")
class EventTest(Case):
    """Which steps a request comes to: as in QEMU 7.2."""

    WRITE = ['l2_load', 'refblock_load', 'refblock_alloc', 'cluster_alloc',
             'pwritev', 'pwritev_done']
    STEPS = {
        'write 0 64k': [*WRITE, 'write_aio'],
        'write 3M 100': [*WRITE, 'cow_read', 'cow_write', 'read_backing_aio'],
        'write -z 0 64k': ['l2_load'],
        'write -c 1M 64k': ['l2_load', 'write_compressed', 'refblock_alloc',
                            'l2_update_compressed', 'cluster_alloc_bytes'],
        'read 2M 64k': ['l2_load', 'read_compressed'],
        'write -b 0 64k': ['l1_update', 'l1_grow_alloc_table',
                           'l1_grow_write_table', 'l1_grow_activate_table',
                           'l2_alloc_write', 'vmstate_save', 'cluster_alloc',
                           'refblock_update_part', 'cluster_free'],
        'read -b 0 64k': ['vmstate_load'],
        'discard 1600k 64k': ['l2_load', 'cluster_free'],
        'write 1536k 1k;flush': ['write_aio', 'flush_to_os',
                                 'flush_to_disk'],
        'truncate 4G': ['l1_grow_alloc_table', 'l1_grow_write_table',
                        'l1_grow_activate_table', 'refblock_update_part'],
    }

    def setUp(self):
        super().setUp()
        self.base = os.path.join(self.dir, 'base')
        b.create(self.base, '4M')
        b.create(self.path, '4M', backing=self.base)
        b.run(b.ORACLE_IO, '-c', 'write -q 3M 64k', self.base)
        b.run(b.ORACLE_IO, '-c', 'write -q 1536k 512k', '-c',
              'write -qc 2M 64k', self.path)

    def said(self, tool, event, line):
        """Requests fail after that step."""
        image = os.path.join(self.dir, 'copy')
        shutil.copy(self.path, image)
        opts = f'driver=qcow2,discard=unmap,file.driver=blkdebug,' \
               f'file.image.driver=file,file.image.filename={image},' \
               f'file.set-state.0.event={event},' \
               f'file.set-state.0.state=1,file.set-state.0.new_state=2,' \
               f'file.inject-error.0.event=read_aio,' \
               f'file.inject-error.0.state=2,file.inject-error.0.errno=28,' \
               f'file.inject-error.0.iotype=read'
        lines = [x for part in line.split(';') for x in ('-c', part)]
        p = b.run(tool, '--image-opts', '-t', 'writeback', *lines, '-c',
                  'read -q 1792k 64k', opts, check=False)
        return [x for x in p.stdout.split('\n') if 'failed' in x]

    def test_steps(self):
        for line, events in self.STEPS.items():
            for event in events:
                with self.subTest(line=line, event=event):
                    got = [self.said(tool, event, line)
                           for tool in (b.OUR_IO, b.ORACLE_IO)]
                    self.assertEqual(*got)
                    self.assertEqual(
                        got[0], ['read failed: No space left on device'])

    def test_unaligned_writes(self):
        for offset, length in (100, 100), (4000, 200), (4096, 100), (100, 3996):
            for event in ('pwritev_rmw_head', 'pwritev_rmw_after_head',
                          'pwritev_rmw_tail', 'pwritev_rmw_after_tail'):
                got = [self.unaligned(tool, event, offset, length)
                       for tool in (b.OUR_IO, b.ORACLE_IO)]
                with self.subTest(event=event, offset=offset, length=length):
                    self.assertEqual(*got)

    def unaligned(self, tool, event, offset, length):
        image = os.path.join(self.dir, 'raw')
        with open(image, 'wb') as f:
            f.truncate(MiB)
        opts = f'driver=raw,file.driver=blkdebug,file.align=4096,' \
               f'file.image.driver=file,file.image.filename={image},' \
               f'file.set-state.0.event={event},file.set-state.0.new_state=2,' \
               f'file.inject-error.0.event=read_aio,' \
               f'file.inject-error.0.state=2,file.inject-error.0.errno=28'
        return 'No space' in b.run(
            tool, '--image-opts', '-c', f'write -q {offset} {length}', '-c',
            'read -q 8k 4k', opts, check=False).stdout

    def test_permissions_of_the_child(self):
        """What is taken on the image locks it for others, and so on."""
        with open(os.path.join(self.dir, 'raw'), 'wb') as f:
            f.truncate(MiB)
        image = f'driver=raw,file.driver=blkdebug,file.image.driver=file,' \
                f'file.image.filename={self.dir}/raw,file.'
        for words in ('take-child-perms.0=write', 'take-child-perms.0=bla',
                      'unshare-child-perms.0=write',
                      'unshare-child-perms.0=bla', 'max-transfer=0',
                      'align=0', 'align=3', 'align=1024,file.max-transfer=512',
                      'max-discard=100,file.opt-discard=4096',
                      'inject-error.0.event=none,file.inject-error.0.errno=0'):
            got = [b.run(tool, '--image-opts', '-r', '-c', 'length',
                         image + words, check=False).returncode
                   for tool in (b.OUR_IO, b.ORACLE_IO)]
            with self.subTest(words):
                self.assertEqual(*got)

    def test_unshared_permissions_lock_the_file(self):
        raw = os.path.join(self.dir, 'raw')
        with open(raw, 'wb') as f:
            f.truncate(MiB)
        image = f'driver=blkdebug,image.driver=file,image.filename={raw}'
        for words, fails in (('', False),
                             (',unshare-child-perms.0=write', True)):
            with subprocess.Popen(
                    [b.OUR_IO, '--image-opts', '-r', image + words],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    text=True) as holder:
                holder.stdin.write('length\n')
                holder.stdin.flush()
                holder.stdout.readline()
                p = b.run(b.ORACLE_IO, '-f', 'raw', '-c', 'write -q 0 512',
                          '-c', 'reopen -r', raw, check=False)
                q = b.run(b.ORACLE_IO, '--image-opts', '-c', 'write -q 0 512',
                          f'driver=blkdebug,image.driver=file,'
                          f'image.filename={raw},unshare-child-perms.0=write',
                          check=False)
                holder.stdin.close()
            with self.subTest(words):
                self.assertEqual('lock' in p.stdout + q.stdout, fails,
                                 p.stdout + q.stdout)


@unittest.skipUnless(b.HAVE_ORACLE, "needs Debian's qemu-utils")
class Qcow2Test(Case):
    """Random writes with one fault; a byte model with what may be there."""

    OPTIONS = [{'cluster_size': '4k'}, {'cluster_size': '512',
                                        'refcount_bits': '64'}, {},
               {'cluster_size': '1k', 'lazy_refcounts': 'on'},
               {'cluster_size': '4k', 'compat': '0.10'}]

    def script(self, rng, size):
        """Command lines, each with (offset, length, byte, durable) or None."""
        steps = []
        for _ in range(60):
            off = rng.randrange(size // 512) * 512
            n = min(rng.randrange(1, 200) * 512, size - off)
            pat = rng.randrange(1, 256)
            kind = rng.randrange(8)
            if kind < 4:
                steps.append((f'write -P {pat} {off} {n}',
                              (off, n, pat, False)))
            elif kind < 6:
                steps.append((f'write -f -P {pat} {off} {n}',
                              (off, n, pat, True)))
            elif kind == 6:
                steps.append((f'write -z {off} {n}', (off, n, 0, False)))
            else:
                steps.append(('flush', None))
        return steps

    def play(self, image, steps):
        """Which of the steps were acknowledged, and all that was said."""
        out = self.io(image, [x for line, _ in steps
                              for x in (line, 'length')]).stdout
        done, failed, i = [], False, 0
        for line in out.split('\n'):
            failed = failed or 'failed' in line or ': ' in line
            if line.endswith(' MiB') and 'bytes' not in line:
                done.append(not failed)
                failed = False
        self.assertEqual(len(done), len(steps), out)
        return done, out

    def judge(self, steps, done, size, lossy, what):
        """lossy: what was not durable may be lost."""
        data = b.content(self.path)
        may = [{0} for _ in range(size // 512)]
        for (_, area), ok in zip(steps, done):
            if area is None:
                continue
            off, n, pat, durable = area
            for k in range(off // 512, (off + n) // 512):
                sure = ok and (durable or not lossy)
                may[k] = {pat} if sure else may[k] | {pat}
        for k, allowed in enumerate(may):
            got = set(data[k * 512:(k + 1) * 512])
            self.assertLessEqual(got, allowed, f'{what}: sector {k}')

    def one(self, seed, event, error, once):
        rng = b.rng_for(f'{seed}{event}{error}{once}')
        options = self.OPTIONS[seed % len(self.OPTIONS)]
        size = 4 * MiB
        if os.path.exists(self.path):
            os.unlink(self.path)
        b.create(self.path, size, options)
        steps = self.script(rng, size)
        first = 20
        self.play(self.rules('qcow2'), steps[:first])
        image = self.rules('qcow2', f'event={event},errno={error}' +
                           (',once=on' if once else ''))
        done, out = self.play(image, steps[first:])
        p = b.run(b.ORACLE_IMG, 'check', self.path, check=False)
        if options.get('lazy_refcounts') == 'on':
            self.io(self.path, ['write 0 512'], args=('-f', 'qcow2'),
                    check=True)
            steps.append(('write', (0, 512, 0xcd, True)))
            done.append(True)
            p = b.run(b.ORACLE_IMG, 'check', self.path, check=False)
        # Leaks are what a fault may cost; errors it may not.
        self.assertIn(p.returncode, (0, 3), p.stdout)
        self.assertNotIn('corrupt', out)
        self.judge(steps, [True] * first + done, size, not once,
                   f'{event} {error}')
        return not all(done)

    def test_nothing_acknowledged_is_lost(self):
        hit = 0
        for seed in b.seeds(2):
            for n, event in enumerate(EVENTS):
                for once in True, False:
                    error = (errno.EIO, errno.ENOSPC)[(n + seed) % 2]
                    with self.subTest(seed=seed, event=event, once=once):
                        hit += self.one(seed * 7 + n, event, error, once)
        self.assertGreater(hit, len(EVENTS))


if __name__ == '__main__':
    unittest.main()
