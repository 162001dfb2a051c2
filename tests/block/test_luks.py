#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""LUKS volumes: each side reads what the other wrote, and says the same."""

import json
import os
import struct
import subprocess
import unittest

import blocklib as b
from test_img import MiB, OURS, run

HAVE_CRYPTO = os.path.exists(os.path.join(b.BUILD, 'crypto-nettle.so'))
SECRET = ('--object', 'secret,id=s,data=abc')
SIZE = 256 * 1024

CIPHERS = [f'{name}-{bits}' for name in ('aes', 'serpent', 'twofish')
           for bits in (128, 192, 256)] + ['cast5-128']
# All ciphers, modes and initialization vectors; not each with each.
COMBINATIONS = [
    *((c, 'xts', 'plain64') for c in CIPHERS if c != 'cast5-128'),
    *((c, 'cbc', i) for c in ('aes-256', 'serpent-128', 'twofish-256')
      for i in ('plain', 'essiv')),
    *(('aes-128', m, 'plain64') for m in ('cbc', 'ecb', 'ctr')),
    *(('cast5-128', m, 'plain64') for m in ('cbc', 'ecb', 'ctr')),
    ('aes-256', 'xts', 'plain'), ('aes-256', 'xts', 'essiv'),
    ('aes-256', 'ctr', 'essiv')]
HASHES = ['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512', 'ripemd160']


def luks_opts(name, secret='s'):
    return f'driver=luks,file.filename={name},key-secret={secret}'


@unittest.skipUnless(HAVE_CRYPTO, 'built without nettle')
@unittest.skipUnless(b.HAVE_ORACLE, "needs Debian's qemu-utils")
class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        tmp = b.tempfile.TemporaryDirectory(prefix='nemu-luks-', dir='/var/tmp')
        self.addCleanup(tmp.cleanup)
        self.dir = tmp.name

    def path(self, name):
        return os.path.join(self.dir, name)

    def img(self, tool, *args):
        result = run(tool, *args, cwd=self.dir)
        if tool == b.ORACLE_IMG and 'accurate CPU usage' in result[2]:
            # Its measurement needs more time than the clock's steps.
            return self.img(tool, *args)
        return result

    def ok(self, tool, *args):
        code, out, err = self.img(tool, *args)
        self.assertEqual((code, err), (0, ''), args)
        return out

    def same(self, *args):
        a, o = self.img(OURS, *args), self.img(b.ORACLE_IMG, *args)
        self.assertEqual(a, o, args)
        return a

    def make(self, name, options='', size=SIZE, tool=OURS, fmt='luks'):
        prefix = 'encrypt.' if fmt == 'qcow2' else ''
        text = f'{prefix}key-secret=s,{prefix}iter-time=1'
        if options:
            text += ',' + options
        self.ok(tool, 'create', '-q', '-f', fmt, *SECRET, '-o', text, name,
                str(size))

    def io(self, tool, opts, *commands, secret=SECRET):
        args = [tool, *secret, '--image-opts', opts]
        for c in commands:
            args += ['-c', c]
        p = subprocess.run(args, cwd=self.dir, text=True, timeout=120,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual((p.returncode, p.stderr), (0, ''), args)
        self.assertNotIn('failed', p.stdout)
        return p.stdout

    def content(self, tool, opts):
        self.ok(tool, 'convert', *SECRET, '--image-opts', '-O', 'raw', opts,
                'raw')
        with open(self.path('raw'), 'rb') as f:
            return f.read()


class LuksTest(Case):
    def test_all_combinations(self):
        """We make it; QEMU 7.2 and we write to it; both read all of it."""
        for cipher, mode, ivgen in COMBINATIONS:
            with self.subTest(cipher=cipher, mode=mode, ivgen=ivgen):
                options = (f'cipher-alg={cipher},cipher-mode={mode},'
                           f'ivgen-alg={ivgen}')
                self.make('i', options)
                self.io(b.OUR_IO, luks_opts('i'), 'write -q -P 1 0 64k')
                self.io(b.ORACLE_IO, luks_opts('i'), 'read -P 1 0 64k',
                        'write -q -P 2 32k 96k')
                self.io(b.OUR_IO, luks_opts('i'), 'read -P 1 0 32k',
                        'read -P 2 32k 96k')

    def test_all_hashes(self):
        for name in HASHES:
            with self.subTest(name):
                self.make('i', f'hash-alg={name}')
                self.io(b.OUR_IO, luks_opts('i'), 'write -q -P 1 0 64k')
                self.io(b.ORACLE_IO, luks_opts('i'), 'read -P 1 0 64k')

    def test_keys_that_end_inside_a_sector(self):
        """Where 7.2 aborts; the specification counts in whole sectors."""
        for mode in 'cbc', 'ecb', 'ctr':
            self.make('i', f'cipher-alg=aes-192,cipher-mode={mode}')
            self.io(b.OUR_IO, luks_opts('i'), 'write -q -P 1 0 64k')
            self.io(b.OUR_IO, luks_opts('i'), 'read -P 1 0 64k')

    def test_volumes_of_qemu(self):
        self.make('i', 'cipher-alg=serpent-256,cipher-mode=cbc,'
                  'ivgen-alg=essiv,ivgen-hash-alg=sha256,hash-alg=sha1,'
                  'iter-time=100', tool=b.ORACLE_IMG)
        self.io(b.ORACLE_IO, luks_opts('i'), 'write -q -P 7 512 100k')
        self.io(b.OUR_IO, luks_opts('i'), 'read -P 7 512 100k',
                'write -q -P 8 1k 1k')
        self.io(b.ORACLE_IO, luks_opts('i'), 'read -P 7 512 512',
                'read -P 8 1k 1k', 'read -P 7 2k 50k')
        a = json.loads(self.ok(OURS, 'info', '--output=json', 'i'))
        o = json.loads(self.ok(b.ORACLE_IMG, 'info', '--output=json', 'i'))
        self.assertEqual(a, o)
        self.same('info', 'i')

    def test_random_writes(self):
        rng = b.random.Random(4711)
        self.make('i', size=MiB)
        model = b.Model(MiB, rng, self.content(b.OUR_IO.replace('-io', '-img'),
                                               luks_opts('i')))
        for _ in range(3):
            io = b.Io(luks_opts('i'), args=(*SECRET, '--image-opts'))
            io.cmd[0] = b.OUR_IO
            for _ in range(20):
                rng.choice([model.write, model.write, model.batch])(io)
            p = subprocess.run(
                [*io.cmd[:-1], *(x for l in io.lines for x in ('-c', l)),
                 io.cmd[-1]], cwd=self.dir, text=True, timeout=120,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self.assertEqual((p.returncode, p.stdout), (0, ''))
            self.assertEqual(self.content(b.ORACLE_IMG, luks_opts('i')),
                             bytes(model.data))

    def test_convert_and_resize(self):
        with open(self.path('src'), 'wb') as f:
            f.write(os.urandom(3 * MiB))
        self.ok(OURS, 'convert', *SECRET, '-f', 'raw', '-O', 'luks', '-o',
                'key-secret=s,iter-time=1', 'src', 'i')
        with open(self.path('src'), 'rb') as f:
            want = f.read()
        self.assertEqual(self.content(b.ORACLE_IMG, luks_opts('i')), want)
        self.assertEqual(self.content(OURS, luks_opts('i')), want)
        self.ok(OURS, 'resize', '-q', *SECRET, '--image-opts', luks_opts('i'),
                '4M')
        self.io(b.ORACLE_IO, luks_opts('i'), 'write -q -P 3 3M 1M')
        self.io(b.OUR_IO, luks_opts('i'), 'read -P 3 3M 1M')
        self.ok(OURS, 'resize', '-q', '--shrink', *SECRET, '--image-opts',
                luks_opts('i'), '1M')
        self.assertEqual(self.content(b.ORACLE_IMG, luks_opts('i')),
                         want[:MiB])

    def test_messages(self):
        for options in ('cipher-alg=foo', 'cipher-mode=foo', 'ivgen-alg=foo',
                        'hash-alg=foo', 'ivgen-hash-alg=foo', 'foo=bar',
                        'ivgen-alg=essiv,ivgen-hash-alg=sha1',
                        'cipher-alg=3des', 'cipher-alg=cast5-128',
                        'cipher-alg=cast5-128,cipher-mode=cbc,ivgen-alg=essiv',
                        'cipher-alg=twofish-128,ivgen-alg=essiv,'
                        'ivgen-hash-alg=sha512', 'key-secret=x', 'iter-time=foo'):
            with self.subTest(options):
                self.same('create', '-q', '-f', 'luks', *SECRET, '-o',
                          'key-secret=s,' + options, 'x', '1M')
        self.same('create', '-q', '-f', 'luks', 'x', '1M')
        self.same('create', '-f', 'luks', 'x')
        self.make('i')
        for secret, opts in ((SECRET, luks_opts('i', 'x')),
                             (SECRET, 'driver=luks,file.filename=i'),
                             (('--object', 'secret,id=s,data=no'),
                              luks_opts('i')),
                             (('--object', 'secret,id=s,format=base64,'
                               'data=//8='), luks_opts('i'))):
            self.same('convert', *secret, '--image-opts', '-O', 'raw', opts,
                      'out')
        self.same('convert', '-O', 'raw', 'i', 'out')

    def test_measure(self):
        for args in ((), ('-o', 'key-secret=s'),
                     ('-o', 'key-secret=s,cipher-alg=aes-128'),
                     ('-o', 'key-secret=s,cipher-alg=serpent-192')):
            self.same('measure', '-O', 'luks', *SECRET, *args, '--size', '5M')

    def test_help(self):
        ours = self.ok(OURS, 'create', '-f', 'luks', '-o', 'help', 'x')
        theirs = self.ok(b.ORACLE_IMG, 'create', '-f', 'luks', '-o', 'help',
                         'x')
        self.assertEqual(ours, theirs)


def qcow2_opts(name, fmt='luks', secret='s'):
    return (f'driver=qcow2,file.filename={name},encrypt.format={fmt},'
            f'encrypt.key-secret={secret}')


class Qcow2Test(Case):
    """The same inside of qcow2, and its old format aes."""

    def make(self, name, fmt='luks', options='', size=MiB, tool=OURS):
        text = f'encrypt.format={fmt},encrypt.key-secret=s'
        if fmt == 'luks' and 'iter-time' not in options:
            text += ',encrypt.iter-time=1'
        self.ok(tool, 'create', '-q', '-f', 'qcow2', *SECRET, '-o',
                text + (',' + options if options else ''), name, str(size))

    def check(self, name, fmt):
        for tool in OURS, b.ORACLE_IMG:
            self.assertIn('No errors', self.ok(
                tool, 'check', *SECRET, '--image-opts', qcow2_opts(name, fmt)))

    def test_random_writes(self):
        """Both sides write, with snapshots of the internal kind between."""
        rng = b.random.Random(815)
        for fmt, options in (('luks', ''), ('aes', ''),
                             ('luks', 'cluster_size=4k'),
                             ('luks', 'cluster_size=512,compat=0.10'),
                             ('luks', 'extended_l2=on,cluster_size=16k'),
                             ('aes', 'extended_l2=on,cluster_size=32k'),
                             ('luks', 'data_file=data'),
                             ('luks', 'encrypt.cipher-mode=cbc,'
                              'encrypt.ivgen-alg=essiv')):
            with self.subTest(fmt=fmt, options=options):
                self.make('q', fmt, options)
                opts = qcow2_opts('q', fmt)
                model = b.Model(MiB, rng)
                for step, tool in enumerate((b.OUR_IO, b.ORACLE_IO) * 2):
                    io = b.Io(opts)
                    for _ in range(8):
                        rng.choice([model.write, model.write, model.zero,
                                    model.batch])(io)
                    self.io(tool, opts, *io.lines)
                    for img in OURS, b.ORACLE_IMG:
                        self.assertEqual(self.content(img, opts),
                                         bytes(model.data), (step, img))
                    if step == 1 and 'data_file' not in options:
                        self.ok(OURS, 'snapshot', *SECRET, '--image-opts',
                                '-c', 's1', opts)
                self.check('q', fmt)

    def test_backing_and_resize(self):
        self.ok(OURS, 'create', '-q', '-f', 'qcow2', 'base', '1M')
        b.run(b.OUR_IO, '-c', 'write -q -P 5 0 1M', self.path('base'))
        for fmt in 'luks', 'aes':
            self.make('q', fmt, 'backing_file=base,backing_fmt=qcow2')
            opts = qcow2_opts('q', fmt)
            self.io(b.OUR_IO, opts, 'write -q -P 6 100k 3k', 'read -P 5 0 100k',
                    'read -P 5 103k 900k')
            self.io(b.ORACLE_IO, opts, 'read -P 6 100k 3k', 'read -P 5 0 100k',
                    'read -P 5 103k 900k')
            self.ok(OURS, 'resize', '-q', *SECRET, '--image-opts', opts, '3M')
            self.io(b.ORACLE_IO, opts, 'read -P 0 1M 2M', 'write -P 1 2M 64k')
            self.ok(OURS, 'resize', '-q', '--shrink', *SECRET, '--image-opts',
                    opts, '512k')
            self.io(b.ORACLE_IO, opts, 'read -P 6 100k 3k')
            self.check('q', fmt)

    def test_convert(self):
        with open(self.path('src'), 'wb') as f:
            f.write(os.urandom(2 * MiB) + bytes(MiB))
            f.seek(0)
        for options in ('encrypt.format=luks,encrypt.key-secret=s,'
                        'encrypt.iter-time=1',
                        'encrypt.format=luks,encrypt.key-secret=s,'
                        'encrypt.iter-time=1,preallocation=metadata',
                        'encrypt.format=aes,encrypt.key-secret=s'):
            self.ok(OURS, 'convert', *SECRET, '-f', 'raw', '-O', 'qcow2', '-o',
                    options, 'src', 'q')
            fmt = 'aes' if 'aes' in options else 'luks'
            with open(self.path('src'), 'rb') as f:
                want = f.read()
            for tool in OURS, b.ORACLE_IMG:
                self.assertEqual(self.content(tool, qcow2_opts('q', fmt)), want)
            self.check('q', fmt)

    def test_information(self):
        for fmt in 'luks', 'aes':
            self.make('q', fmt)
            self.same('info', 'q')
            a, o = (json.loads(self.ok(t, 'info', '--output=json', 'q'))
                    for t in (OURS, b.ORACLE_IMG))
            self.assertEqual(a, o)
            self.same('map', *SECRET, '--image-opts', '--output=json',
                      qcow2_opts('q', fmt))

    def test_messages(self):
        for options in ('encrypt.format=luks', 'encrypt.format=aes',
                        'encrypt.format=foo', 'encrypt.key-secret=s',
                        'encryption=on', 'encrypt.cipher-alg=aes-128',
                        'encryption=on,encrypt.format=luks',
                        'encrypt.format=luks,encrypt.key-secret=x',
                        'encrypt.format=luks,encrypt.key-secret=s,'
                        'encrypt.hash-alg=foo',
                        'encrypt.format=aes,encrypt.key-secret=s,'
                        'encrypt.iter-time=200'):
            with self.subTest(options):
                self.same('create', '-q', '-f', 'qcow2', *SECRET, '-o',
                          options, 'x', '1M')
        self.make('l')
        self.make('a', 'aes')
        self.ok(OURS, 'create', '-q', '-f', 'qcow2', 'p', '1M')
        for secret, opts in ((SECRET, qcow2_opts('l', 'aes')),
                             (SECRET, qcow2_opts('a', 'luks')),
                             (SECRET, qcow2_opts('p', 'luks')),
                             (SECRET, qcow2_opts('l', 'luks', 'x')),
                             (SECRET, 'driver=qcow2,file.filename=l'),
                             (SECRET, 'driver=qcow2,file.filename=a'),
                             (('--object', 'secret,id=s,data=no'),
                              qcow2_opts('l'))):
            self.same('convert', *secret, '--image-opts', '-O', 'raw', opts,
                      'out')
        for name in 'al':
            self.ok(OURS, 'convert', *SECRET, '--image-opts', '-O', 'raw',
                    f'driver=qcow2,file.filename={name},encrypt.key-secret=s',
                    'out')
        self.same('convert', '-c', *SECRET, '-O', 'qcow2', '-o',
                  'encrypt.format=luks,encrypt.key-secret=s', 'p', 'out')
        with open(self.path('p'), 'r+b') as f:
            f.seek(32)
            f.write(struct.pack('>I', 3))
        self.same('convert', '-O', 'raw', 'p', 'out')

    def test_measure(self):
        for options in ('encrypt.format=luks,encrypt.key-secret=s',
                        'encrypt.format=luks',
                        'encrypt.format=luks,encrypt.key-secret=s,'
                        'encrypt.cipher-alg=aes-128,cluster_size=4k'):
            self.same('measure', '-O', 'qcow2', *SECRET, '-o', options,
                      '--size', '5M')

    def test_key_slots(self):
        objects = SECRET + ('--object', 'secret,id=n,data=new')
        self.make('q')
        self.io(b.OUR_IO, qcow2_opts('q'), 'write -q -P 9 0 64k')
        self.ok(OURS, 'amend', *objects, '--image-opts', '-o',
                'encrypt.state=active,encrypt.new-secret=n,'
                'encrypt.iter-time=1', qcow2_opts('q'))
        self.ok(OURS, 'amend', *objects, '--image-opts', '-o',
                'encrypt.state=inactive,encrypt.old-secret=s',
                qcow2_opts('q', secret='n'))
        self.io(b.ORACLE_IO, qcow2_opts('q', secret='n'), 'read -P 9 0 64k',
                secret=objects)
        self.assertEqual(self.img(OURS, 'check', *SECRET, '--image-opts',
                                  qcow2_opts('q'))[0], 1)
        self.make('a', 'aes')
        for name, fmt, options in (
                ('a', 'aes', 'encrypt.state=inactive,encrypt.keyslot=1'),
                ('q', 'luks', 'encrypt.state=inactive')):
            self.same('amend', *objects, '--image-opts', '-o', options,
                      qcow2_opts(name, fmt, 's' if name == 'a' else 'n'))


class EmulatorTest(Case):
    """A guest's disks: nodes of LUKS, and no AES."""

    def emulator(self, *args):
        tool = os.path.join(b.BUILD, 'qemu-system-x86_64')
        if not os.path.exists(tool):
            self.skipTest('no emulator in this build')
        return subprocess.run(
            [tool, '-M', 'none', '-display', 'none', '-nodefaults', '-monitor',
             'stdio', *args], input='info block\nquit\n',
            cwd=self.dir, text=True, timeout=60, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)

    def test_nodes(self):
        self.make('i')
        p = self.emulator('-object', SECRET[1], '-drive',
                          'if=none,id=d,driver=luks,key-secret=s,'
                          'file.filename=i')
        self.assertEqual((p.returncode, p.stderr), (0, ''))
        self.assertRegex(p.stdout, r'd \(.*\): i \(luks, encrypted\)')
        p = self.emulator('-blockdev', 'luks,node-name=n,file.driver=file,'
                          'file.filename=i')
        self.assertEqual(p.returncode, 1)
        self.assertIn("Parameter 'key-secret' is required for cipher",
                      p.stderr)

    def test_aes_is_refused(self):
        self.ok(OURS, 'create', '-q', '-f', 'qcow2', *SECRET, '-o',
                'encrypt.format=aes,encrypt.key-secret=s', 'a', '1M')
        p = self.emulator('-object', SECRET[1], '-blockdev',
                          'qcow2,node-name=n,file.driver=file,file.filename=a,'
                          'encrypt.format=aes,encrypt.key-secret=s')
        self.assertEqual(p.returncode, 1)
        self.assertIn('Use of AES-CBC encrypted qcow2 images is no longer '
                      'supported in system emulators', p.stderr)


class KeySlotTest(Case):
    """qemu-img amend: the same words and the same slots as in 7.2."""

    OBJECTS = SECRET + ('--object', 'secret,id=n,data=new',
                        '--object', 'secret,id=w,data=wrong')

    def amend(self, tool, name, options, secret='s'):
        return self.img(tool, 'amend', *self.OBJECTS, '--image-opts', '-o',
                        options, luks_opts(name, secret))

    def both(self, options, secret='s', tool=b.ORACLE_IMG):
        a, o = (self.amend(tool, name, options, secret) for tool, name in
                ((OURS, 'a'), (tool, 'b')))
        self.assertEqual(a, o, options)
        slots = [[s['active'] for s in json.loads(self.ok(
            OURS, 'info', '--output=json', name)
        )['format-specific']['data']['slots']] for name in 'ab']
        self.assertEqual(*slots)

    def test_slots(self):
        for name in 'ab':
            self.make(name)
        self.io(b.OUR_IO, luks_opts('a'), 'write -q -P 9 0 64k')
        for options in (
                'state=foo', 'state=active', 'state=active,new-secret=x',
                'state=active,new-secret=n,keyslot=0',
                'state=active,new-secret=n,keyslot=8', 'new-secret=n',
                'state=active,new-secret=n,old-secret=w',
                'state=inactive', 'state=inactive,keyslot=5',
                'state=inactive,keyslot=9', 'state=inactive,old-secret=s',
                'state=inactive,keyslot=0', 'foo=bar',
                'state=active,new-secret=n,iter-time=100,keyslot=3',
                'state=inactive,keyslot=3,old-secret=w',
                'state=inactive,old-secret=w',
                'state=inactive,keyslot=3,new-secret=n',
                'state=inactive,old-secret=n,iter-time=1',
                'state=inactive,keyslot=3,old-secret=n'):
            with self.subTest(options):
                self.both(options)
        # 7.2 takes seconds to find out how fast it is.
        self.both('state=active,new-secret=n,iter-time=1', tool=OURS)
        self.both('state=inactive,keyslot=0')
        self.io(b.ORACLE_IO, luks_opts('a', 'n'), 'read -P 9 0 64k',
                secret=self.OBJECTS)
        self.both('state=active,new-secret=w,iter-time=1', 'n', OURS)
        self.both('state=inactive,old-secret=n', 'w')
        self.io(b.OUR_IO, luks_opts('b', 'w'), 'read -P 9 0 0',
                secret=self.OBJECTS)


class BadHeaderTest(Case):
    """What is wrong with a header is told in 7.2's words."""

    def setUp(self):
        super().setUp()
        self.make('i')
        with open(self.path('i'), 'rb') as f:
            self.good = f.read()

    def check(self, offset, data):
        with open(self.path('m'), 'wb') as f:
            f.write(self.good[:offset] + data + self.good[offset + len(data):])
        self.same('convert', *SECRET, '--image-opts', '-O', 'raw',
                  luks_opts('m'), 'out')

    def test_fields(self):
        def text(s):
            return s.encode().ljust(32, b'\0')

        def u32(v):
            return struct.pack('>I', v)

        slot, second = 208, 256
        for offset, data in (
                (0, b'X'), (6, b'\0\2'), (8, text('foo')), (8, b'a' * 32),
                (40, b'a' * 32), (72, b'a' * 32), (40, text('xts')),
                (40, text('foo-plain64')), (40, text('xts-foo')),
                (40, text('cbc-essiv:foo')), (72, text('foo')),
                (104, u32(0)), (104, u32(100)), (104, u32(4039)),
                (104, u32(0xffffffff)), (108, u32(0)), (108, u32(33)),
                (108, u32(0xffffffff)), (108, u32(1000)), (164, u32(0)),
                (slot, u32(5)), (slot + 4, u32(0)), (slot + 40, u32(0)),
                (slot + 40, u32(4000)), (slot + 44, u32(0)),
                (slot + 44, u32(4001)), (slot, u32(0xdead)),
                (second + 40, u32(100)), (second + 44, u32(1)),
                (second, u32(0x00ac71f3))):
            with self.subTest(offset=offset, data=data):
                self.check(offset, data)

    def test_short_files(self):
        for size in (0, 300, 592, 1000, 100000, len(self.good) - SIZE):
            with self.subTest(size):
                with open(self.path('m'), 'wb') as f:
                    f.write(self.good[:size])
                code, _, err = self.img(OURS, 'info', '--image-opts',
                                        'driver=luks,file.filename=m')
                self.assertEqual(code, 0 if size == len(self.good) - SIZE
                                 else 1, err)


if __name__ == '__main__':
    unittest.main()
