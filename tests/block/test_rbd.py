#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Images of a Ceph cluster, by a stand-in for librbd that our tools and QEMU
7.2's both use (fake-rbd.c)."""

import json
import os
import random
import re
import subprocess
import tempfile
import unittest

import blocklib as b
from daemonlib import ORACLE_DAEMON, OUR_DAEMON, Storage

KiB, MiB = 1 << 10, 1 << 20
IMG = os.path.join(b.BUILD, 'qemu-img')
IO = os.path.join(b.BUILD, 'qemu-io')
FAKE = os.path.join(b.BUILD, 'tests', 'block', 'fake-rbd.so')
ORACLE = b.HAVE_ORACLE and os.path.exists(
    '/usr/lib/x86_64-linux-gnu/qemu/block-rbd.so')
SERVER = 'server.0.host=h,server.0.port=1'
SECRET = ['--object', 'secret,id=s,data=hello']


def normal(text):
    """Without names of the tool and the image, and without times."""
    text = re.sub(r'^/?\S*(qemu-\w+):', r'\1:', text, flags=re.M)
    text = re.sub(r'^image: .*\n', '', text, flags=re.M)
    text = re.sub(r'.*no version information.*\n', '', text)
    return re.sub(r'; \S+ sec.*', '', text)


@unittest.skipUnless(os.path.exists(os.path.join(b.BUILD, 'block-rbd.so')) and
                     os.path.exists(FAKE), 'built without block-rbd')
class Rbd(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory(prefix='nemu-rbd-')
        self.addCleanup(self.tmp.cleanup)
        os.mkdir(self.path('libs'))
        for name in ('librados.so.2', 'librbd.so.1'):
            os.symlink(FAKE, self.path('libs', name))
        self.env = dict(os.environ, LD_LIBRARY_PATH=self.path('libs'))
        self.enter('ours')

    def path(self, *names):
        return os.path.join(self.tmp.name, *names)

    def enter(self, side):
        """Each has a cluster of its own: pool p, namespace n in it."""
        self.cluster = self.path(side)
        self.env['FAKE_RBD_DIR'] = self.cluster
        os.makedirs(os.path.join(self.cluster, 'p', 'n'), exist_ok=True)

    def run_tool(self, tool, *args):
        return subprocess.run([tool, *args], text=True, timeout=120,
                              env=self.env, stdin=subprocess.DEVNULL,
                              capture_output=True)

    def each(self, *lines):
        """Run them on both sides; what ours says, the same as theirs."""
        said = []
        for side in ['ours'] + (['theirs'] if ORACLE else []):
            self.enter(side)
            tools = {'img': IMG, 'io': IO} if side == 'ours' else {
                'img': b.ORACLE_IMG, 'io': b.ORACLE_IO}
            said.append([])
            for line in lines:
                done = self.run_tool(tools[line[0]], *line[1:])
                said[-1].append((line, normal(done.stdout),
                                 normal(done.stderr), done.returncode))
        for other in said[1:]:
            for ours, theirs in zip(said[0], other):
                self.assertEqual(ours, theirs)
        self.enter('ours')
        return said[0]

    def content(self, name, side='ours'):
        with open(self.path(side, 'p', name), 'rb') as f:
            return f.read()

    def settings(self):
        with open(os.path.join(self.cluster, 'log')) as f:
            return f.read()

    def test_bytes_and_sizes(self):
        a = 'rbd:p/a:mon_host=x'
        said = self.each(
            ('img', 'create', '-f', 'raw', a, '20M'),
            ('img', 'create', '-f', 'raw', a, '20M'),
            ('img', 'info', a),
            ('io', '-f', 'raw', '-c', 'write -P 5 1M 6M', '-c',
             'write -zu 2M 512k', '-c', 'discard 4M 2M', '-c',
             'write -P 6 19M 1M', '-c', 'read -P 6 19M 1M', '-c', 'flush',
             '-c', 'read -P 0 5M 1M', '-c', 'length', a),
            ('img', 'map', '--output=json', '-f', 'raw', a),
            ('img', 'resize', '-f', 'raw', a, '30M'),
            ('img', 'resize', '-f', 'raw', '--shrink', a, '10M'),
            ('img', 'info', a))
        self.assertIn('File exists', said[1][2])
        self.assertNotIn('Pattern', said[3][1])
        self.assertEqual([(e['length'], e['data'])
                          for e in json.loads(said[4][1])],
                         [(8 * MiB, True), (8 * MiB, False),
                          (4 * MiB, True)])
        expected = bytearray(10 * MiB)
        expected[MiB:7 * MiB] = bytes([5]) * 6 * MiB
        expected[2 * MiB:2 * MiB + 512 * KiB] = bytes(512 * KiB)
        expected[4 * MiB:6 * MiB] = bytes(2 * MiB)
        self.assertTrue(self.content('a') == expected)
        if ORACLE:
            self.assertTrue(self.content('a', 'theirs') == expected)

    def test_zeroes_that_keep_their_space(self):
        a = 'rbd:p/a:mon_host=x'
        self.run_tool(IMG, 'create', '-f', 'raw', a, '8M')
        self.run_tool(IO, '-f', 'raw', '-c', 'write -z 0 1M', a)
        self.assertGreaterEqual(
            os.stat(self.path('ours', 'p', 'a')).st_blocks, MiB // 512)

    def test_qcow2_grows(self):
        q = 'rbd:p/q:mon_host=x'
        self.each(('img', 'create', '-f', 'qcow2', q, '1G'),
                  ('io', '-f', 'qcow2', '-c', 'write -P 9 500M 9M', '-c',
                   'read -P 9 500M 9M', q),
                  ('img', 'check', q), ('img', 'info', q))

    def test_converts(self):
        data = random.Random(5).randbytes(9 * MiB) + bytes(3 * MiB)
        with open(self.path('raw'), 'wb') as f:
            f.write(data)
        done = self.run_tool(IMG, 'convert', '-O', 'raw', self.path('raw'),
                             'rbd:p/c:mon_host=x')
        self.assertEqual(done.stderr, '')
        self.assertTrue(self.content('c') == data)
        self.run_tool(IMG, 'convert', '-O', 'raw', 'rbd:p/c:mon_host=x',
                      self.path('back'))
        with open(self.path('back'), 'rb') as f:
            self.assertTrue(f.read() == data)

    def test_names(self):
        with open(self.path('conf'), 'w') as f:
            f.write('mon_host = x\n'.replace(' ', ''))
        conf = f':conf={self.path("conf")}'
        lines = [('img', 'create', '-f', 'raw', 'rbd:p/n/x' + conf, '1M'),
                 ('img', 'info', 'rbd:p/n/x' + conf)]
        for name in ('rbd:', 'rbd:a', 'rbd:p/zz/x' + conf, 'rbd:p/no' + conf,
                     'rbd:no/x' + conf, 'rbd:p/a', 'rbd:p/a:x=y',
                     'rbd:p/a:conf', 'rbd:p/a:conf=/none'):
            lines.append(('img', 'info', name))
        for said in self.each(*lines)[2:]:
            self.assertEqual(said[3], 1, said)

    def test_escapes(self):
        name = r'rbd:p/odd\@\:name:mon_host=x\:1'
        self.each(('img', 'create', '-f', 'raw', name, '1M'),
                  ('img', 'info', name))
        self.assertEqual(len(self.content('odd@:name')), MiB)
        self.assertIn('mon_host=x:1\n', self.settings())

    def test_snapshots_are_read_only(self):
        for side in ('ours', 'theirs'):
            self.enter(side)
            for name in ('a', 'a@s'):
                with open(os.path.join(self.cluster, 'p', name), 'wb') as f:
                    f.write(name[-1].encode() * MiB)
        s = 'rbd:p/a@s:mon_host=x'
        self.each(('img', 'info', s), ('io', '-f', 'raw', '-c', 'write 0 1', s),
                  ('io', '-r', '-f', 'raw', '-c', 'read -P 0x73 0 1M', s))
        self.assertIn('snapshot', self.run_tool(
            IMG, 'create', '-f', 'raw', s, '1M').stderr)

    def test_object_sizes(self):
        lines = []
        for size in ('5000', '512', '64M', '1M'):
            lines.append(('img', 'create', '-f', 'raw', '-o',
                          f'cluster_size={size}', 'rbd:p/o:mon_host=x', '1M'))
        self.each(*lines, ('img', 'create', '-f', 'rbd', '-o', 'help', 'rbd:x'),
                  ('img', 'measure', '-O', 'rbd', '--size', '1M'))

    def test_encryption(self):
        e = 'rbd:p/e:mon_host=x'
        opened = ('driver=rbd,pool=p,image=e,' + SERVER +
                  ',encrypt.format=%s,encrypt.key-secret=s')
        create = ('img', 'create', '-f', 'raw', *SECRET, '-o')
        self.each(
            (*create, 'encrypt.format=luks2,encrypt.key-secret=s', e, '8M'),
            (*create, 'encrypt.format=luks,encrypt.key-secret=s,'
             'encrypt.cipher-alg=aes-128', e + '1', '8M'),
            (*create, 'encrypt.format=foo,encrypt.key-secret=s', e, '8M'),
            (*create, 'encrypt.format=luks', e, '8M'), ('img', 'info', e),
            ('img', 'info', *SECRET, '--image-opts', opened % 'luks2'),
            ('img', 'info', *SECRET, '--image-opts', opened % 'luks'),
            ('img', 'info', '--object', 'secret,id=s,data=wrong',
             '--image-opts', opened % 'luks2'),
            ('img', 'info', '--image-opts',
             f'driver=rbd,pool=p,image=e,{SERVER}'))
        for line in ('write -P 7 7M 1M', 'truncate 9M', 'write -P 8 8M 1M'):
            done = self.run_tool(IO, *SECRET, '-c', line, '--image-opts',
                                 opened % 'luks2')
            self.assertEqual((done.returncode, done.stderr), (0, ''), line)
        data = self.content('e')
        self.assertEqual(len(data), 13 * MiB)
        self.assertTrue(data[11 * MiB:] == bytes([7]) * MiB + bytes([8]) * MiB)

    def test_settings_reach_ceph(self):
        self.each(('img', 'create', '-f', 'raw', 'rbd:p/a:mon_host=x', '1M'))
        opts = ('driver=rbd,pool=p,image=a,server.0.host=::1,server.0.port=1,'
                'server.1.host=b,server.1.port=2,key-secret=k,user=me,'
                'auth-client-required.0=cephx,auth-client-required.1=none')
        key = ['--object', 'secret,id=k,data=QUJDREVGRw==,format=base64']
        for extra in ('', ',cache.direct=on'):
            self.each(('img', 'info', *key, '--image-opts', opts + extra))
            seen = sorted(self.settings().splitlines())
            self.assertIn('key=QUJDREVGRw==', seen)
            self.assertIn('mon_host=[::1]:1;b:2', seen)
            self.assertIn('auth_client_required=cephx;none', seen)
            if ORACLE:
                self.enter('theirs')
                self.assertEqual(seen, sorted(self.settings().splitlines()))
                self.enter('ours')

    def test_blockdev_create(self):
        location = {'pool': 'p', 'image': 'made',
                    'server': [{'host': 'h', 'port': '1'}]}
        luks = {'format': 'luks2', 'key-secret': 's'}
        outcomes = []
        for side, program in (('ours', OUR_DAEMON),
                              ('theirs', ORACLE and ORACLE_DAEMON)):
            if not program:
                continue
            seen = []
            self.enter(side)
            daemon = Storage(self.tmp.name, program, SECRET, self.env)
            self.addCleanup(daemon.close)
            for image, more in (
                    ('made', {'size': 3 * MiB}), ('made', {'size': MiB}),
                    ('large', {'size': 3 * MiB, 'cluster-size': MiB}),
                    ('odd', {'size': 1001}), ('none', {'size': 0}),
                    ('x', {'size': MiB, 'cluster-size': 1000}),
                    ('x', {'size': MiB, 'cluster-size': 0}), ('x', {}),
                    ('y', {'size': -1}), ('s', {'size': 8 * MiB,
                                                'encrypt': luks}),
                    ('t', {'size': 8 * MiB, 'encrypt': {
                        **luks, 'format': 'luks', 'cipher-alg': 'aes-128'}}),
                    ('u', {'size': 8 * MiB, 'encrypt': {
                        **luks, 'cipher-alg': 'twofish-256'}}),
                    ('v', {'size': 8 * MiB, 'encrypt': {
                        **luks, 'key-secret': 'nope'}}),
                    ('z@snap', {'size': MiB})):
                how = daemon.create(driver='rbd', **more, location={
                    **location, 'image': image})
                if image == 'u': # the words differ
                    self.assertIn('unknown encryption', how[1].pop('error'))
                seen.append((image, more, how))
            for place in ({'pool': 'nope'}, {'namespace': 'n'},
                          {'namespace': 'nope'}, {'snapshot': 's'}):
                seen.append((place, daemon.create(
                    driver='rbd', size=MiB, location={**location, **place,
                                                      'image': 'other'})))
            for image, size in (('made', 3 * MiB), ('large', 3 * MiB),
                                ('odd', 1001), ('none', 0)):
                self.assertEqual(len(self.content(image, side)), size)
            daemon.do('blockdev-add', **{'driver': 'rbd', 'node-name': 'n',
                                         **location, 'image': 'large'})
            daemon.do('block_resize', **{'node-name': 'n', 'size': 5 * MiB})
            self.assertEqual(len(self.content('large', side)), 5 * MiB)
            outcomes.append(seen)
        self.assertEqual(outcomes[0], outcomes[-1])


if __name__ == '__main__':
    unittest.main()
