#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""NBD over TLS: our server and client with libnbd, nbdkit and QEMU 7.2."""

import hashlib
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import nbdlib as wire
import tlslib
from blocklib import BUILD, ORACLE_IMG, run
from nbdlib import NBDCOPY, NBDINFO, Client, Server
from tlslib import creds

OUR_DAEMON = os.path.join(BUILD, 'qemu-storage-daemon')
ORACLE_DAEMON = shutil.which('qemu-storage-daemon')
NBDKIT = shutil.which('nbdkit')
SIZE = 2 << 20
ERR_TLS_REQD = 1 << 31 | 5

# The bindings belong to Debian's Python, which may not be the one we run in.
LIBNBD_PYTHON = next(
    (p for p in (sys.executable, '/usr/bin/python3')
     if os.path.exists(p) and not subprocess.run(
         [p, '-c', 'import nbd'], check=False,
         stderr=subprocess.DEVNULL).returncode), None)


def setUpModule():
    if not os.path.exists(os.path.join(BUILD, 'crypto-tls.so')):
        raise unittest.SkipTest('built without gnutls')
    if not tlslib.CERTTOOL:
        raise unittest.SkipTest('needs certtool')


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tmp = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.tmp.cleanup)
        ca = tlslib.Authority(f'{cls.tmp.name}/ca')
        cls.ca, cls.server, cls.client = ca, ca.server(), ca.client()
        other = tlslib.Authority(f'{cls.tmp.name}/other')
        cls.stranger = other.client()
        # A client that knows the CA and has nothing of its own.
        cls.nobody = f'{cls.tmp.name}/nobody'
        os.makedirs(cls.nobody)
        shutil.copy(ca.cert, cls.nobody)
        cls.keys = tlslib.psk(f'{cls.tmp.name}/psk', 'qemu', 'other')

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = folder.name
        self.img = os.path.join(self.dir, 'img')
        self.data = random.Random(1).randbytes(SIZE)
        with open(self.img, 'wb') as f:
            f.write(self.data)

    def serve(self, obj, *args, tool=wire.OUR_NBD, more=()):
        objects = [a for o in (obj, *more) for a in ('--object', o)]
        return Server(self.dir, '-t', '-e', '4', '-f', 'raw', *objects,
                      '--tls-creds', 'tls', *args, self.img, tool=tool)

    def x509_server(self, *args, **kw):
        return self.serve(creds('x509', self.server, 'server'), *args, **kw)


def libnbd_uri(server, **params):
    query = '&'.join(f'{k.replace("_", "-")}={v}' for k, v in params.items())
    return f'nbds+unix:///?socket={server.path}&{query}'


@unittest.skipUnless(NBDINFO and NBDCOPY, 'needs libnbd-bin')
class ServerWithLibnbd(Case):
    def copy(self, uri):
        run(NBDCOPY, uri, f'{self.dir}/out')
        with open(f'{self.dir}/out', 'rb') as f:
            self.assertEqual(hashlib.sha1(f.read()).digest(),
                             hashlib.sha1(self.data).digest())

    def test_x509_reads_and_writes(self):
        with self.x509_server() as s:
            uri = libnbd_uri(s, tls_certificates=self.client)
            self.assertIn('with TLS', run(NBDINFO, uri).stdout)
            self.copy(uri)
            self.data = self.data[::-1]
            with open(f'{self.dir}/new', 'wb') as f:
                f.write(self.data)
            run(NBDCOPY, '--flush', f'{self.dir}/new', uri)
            self.copy(uri)

    def test_psk(self):
        with self.serve(creds('psk', self.keys, 'server')) as s:
            for user in 'qemu', 'other':
                uri = (f'nbds+unix://{user}@/?socket={s.path}'
                       f'&tls-psk-file={self.keys}/keys.psk')
                self.copy(uri)
            bad = (f'nbds+unix://nobody@/?socket={s.path}'
                   f'&tls-psk-file={self.keys}/keys.psk')
            self.assertTrue(run(NBDINFO, bad, check=False).returncode)

    def test_who_may_not_come_in(self):
        with self.x509_server() as s:
            for folder in self.stranger, self.nobody:
                uri = libnbd_uri(s, tls_certificates=folder)
                self.assertTrue(run(NBDINFO, uri, check=False).returncode)
            plain = run(NBDINFO, s.uri(), check=False)
            self.assertIn('TLS', plain.stdout)
            self.assertTrue(plain.returncode)
            # And the next one is served.
            self.copy(libnbd_uri(s, tls_certificates=self.client))

    def test_verify_peer_off(self):
        obj = creds('x509', self.server, 'server', verify_peer='off')
        with self.serve(obj) as s:
            self.copy(libnbd_uri(s, tls_certificates=self.nobody))

    def test_password_of_the_key(self):
        folder = self.ca.server(name='locked', password='hush')
        obj = creds('x509', folder, 'server', passwordid='pw')
        with Server(
                self.dir, '-t', '-f', 'raw', '--object',
                'secret,id=pw,data=hush', '--object', obj, '--tls-creds',
                'tls', self.img) as s:
            self.copy(libnbd_uri(s, tls_certificates=self.client))
        bad = run(wire.OUR_NBD, '-t', '-f', 'raw', '-k', f'{self.dir}/x',
                  '--object', 'secret,id=pw,data=wrong', '--object', obj,
                  '--tls-creds', 'tls', self.img, check=False)
        self.assertTrue(bad.returncode)

    @unittest.skipUnless(LIBNBD_PYTHON, 'needs python3-libnbd')
    def test_python_bindings_with_many_requests_on_four_connections(self):
        script = r'''
import nbd, random, sys
uri, size = sys.argv[1], int(sys.argv[2])
rng, model = random.Random(2), bytearray(size)
handles = []
for _ in range(4):
    h = nbd.NBD()
    h.set_uri_allow_local_file(True)
    h.connect_uri(uri)
    assert h.get_tls_negotiated()
    handles.append(h)
assert handles[0].can_multi_conn()
model[:] = handles[0].pread(size, 0)
for turn in range(30):
    inflight = []
    at = 0
    while at < size:
        n = min(size - at, rng.choice([512, 4096, 70000]))
        h = rng.choice(handles)
        if rng.random() < .5:
            data = rng.randbytes(n)
            model[at:at + n] = data
            buf = nbd.Buffer.from_bytearray(bytearray(data))
            inflight.append((h, h.aio_pwrite(buf, at), None, at))
        else:
            buf = nbd.Buffer(n)
            inflight.append((h, h.aio_pread(buf, at), buf, at))
        at += n + rng.randrange(200000)
    for h, cookie, buf, at in inflight:
        while not h.aio_command_completed(cookie):
            h.poll(-1)
        if buf:
            got = buf.to_bytearray()
            assert got == model[at:at + len(got)], at
handles[0].flush()
for h in handles:
    assert h.pread(size, 0) == model
    h.shutdown()
'''
        with self.x509_server() as s:
            run(LIBNBD_PYTHON, '-c', script,
                libnbd_uri(s, tls_certificates=self.client), SIZE)


class Authorization(Case):
    DN = 'CN=someone,O=NEMU'

    def allowed(self, rule):
        with self.x509_server('--tls-authz', 'who', more=[rule]) as s:
            uri = libnbd_uri(s, tls_certificates=self.client)
            return not run(NBDINFO, uri, check=False).returncode

    @unittest.skipUnless(NBDINFO, 'needs libnbd-bin')
    def test_rules(self):
        names = run(tlslib.CERTTOOL, '-i', '--infile',
                    f'{self.client}/client-cert.pem').stdout
        dn = next(line.split(': ')[1].strip() for line in names.splitlines()
                  if 'Subject:' in line)
        text = dn.replace(',', ',,')
        listed = 'authz-list,id=who,policy=deny,rules.0.policy=allow'
        self.assertTrue(self.allowed(f'authz-simple,id=who,identity={text}'))
        self.assertFalse(self.allowed(f'authz-simple,id=who,identity=x{text}'))
        self.assertTrue(self.allowed(
            f'{listed},rules.0.match=*NEMU*,rules.0.format=glob'))
        self.assertFalse(self.allowed(f'{listed},rules.0.match=*NEMU*'))
        self.assertFalse(self.allowed('authz-list,id=who'))
        self.assertFalse(self.allowed('authz-simple,id=other,identity=x'))

    @unittest.skipUnless(NBDINFO, 'needs libnbd-bin')
    def test_file_is_read_again(self):
        path = f'{self.dir}/rules'
        rules = '{"policy": "%s", "rules": []}'

        def write(text):
            with open(f'{path}.new', 'w', encoding='utf-8') as f:
                f.write(text)
            os.rename(f'{path}.new', path)

        write(rules % 'deny')
        with self.x509_server(
                '--tls-authz', 'who',
                more=[f'authz-listfile,id=who,filename={path}']) as s:
            uri = libnbd_uri(s, tls_certificates=self.client)
            for text, ok in (rules % 'deny', False), (rules % 'allow', True), \
                    ('{', False), (rules % 'allow', True):
                write(text)
                self.assertEqual(
                    not run(NBDINFO, uri, check=False).returncode, ok, text)


class InClear(Case):
    """What a server that wants TLS says to those who do not speak it."""

    def test_options_are_refused(self):
        with self.x509_server() as s, Client(s.path) as c:
            for opt, data in ((wire.OPT_LIST, b''), (wire.OPT_GO, b'\0' * 6),
                              (wire.OPT_STRUCTURED, b''), (77, b'')):
                c.option(opt, data)
                self.assertEqual(c.reply()[:2], (opt, ERR_TLS_REQD))
            c.option(wire.OPT_STARTTLS, b'x')
            self.assertEqual(c.reply()[:2],
                             (wire.OPT_STARTTLS, wire.ERR_INVALID))
            c.option(wire.OPT_EXPORT_NAME, b'')
            self.assertTrue(c.at_end())

    def test_nothing_sent_before_the_handshake_counts_after_it(self):
        with self.x509_server() as s, Client(s.path) as c:
            # In one piece: an option that must not be taken as encrypted.
            start = wire.struct.pack('>QII', 0x49484156454f5054,
                                     wire.OPT_STARTTLS, 0)
            lst = wire.struct.pack('>QII', 0x49484156454f5054, wire.OPT_LIST,
                                   0)
            c.send(start + lst)
            self.assertEqual(c.reply()[:2], (wire.OPT_STARTTLS, wire.REP_ACK))
            self.assertTrue(c.at_end())

    def test_garbage_and_silence_in_the_handshake(self):
        with self.x509_server() as s:
            for junk in b'', b'\x16\x03\x01\xff\xff' + bytes(40), bytes(9999):
                with Client(s.path) as c:
                    c.option(wire.OPT_STARTTLS)
                    self.assertEqual(c.reply()[1], wire.REP_ACK)
                    c.send(junk)
                    c.sock.shutdown(socket.SHUT_WR)
                    try:
                        while c.sock.recv(4096):
                            pass
                    except ConnectionResetError:
                        pass
            with Client(s.path) as c:
                c.option(wire.OPT_LIST)
                self.assertEqual(c.reply()[1], ERR_TLS_REQD)


class Daemon:
    """A storage daemon whose client of @server is exported in clear."""

    def __init__(self, folder, blockdev, *objects, tool=OUR_DAEMON):
        self.path = os.path.join(folder, 'clear')
        self.log = os.path.join(folder, 'log')
        args = [a for o in objects for a in ('--object', o)]
        self.args = [
            tool, *args, '--blockdev', f'driver=nbd,node-name=n,{blockdev}',
            '--nbd-server', f'addr.type=unix,addr.path={self.path}',
            '--export', 'nbd,id=e,node-name=n,writable=on,name=']

    def uri(self):
        return f'nbd+unix:///?socket={self.path}'

    def __enter__(self):
        with open(self.log, 'w', encoding='utf-8') as log:
            self.proc = subprocess.Popen(self.args, stderr=log)
        for _ in range(6000):
            if self.proc.poll() is not None:
                break
            with socket.socket(socket.AF_UNIX) as s:
                try:
                    s.connect(self.path)
                    break
                except (FileNotFoundError, ConnectionRefusedError):
                    time.sleep(0.01)
        return self

    def __exit__(self, *exc):
        if self.proc.poll() is None:
            self.proc.terminate()
        self.proc.wait(60)

    def failure(self):
        """What it says when it does not come up."""
        with self:
            assert self.proc.wait(60), 'it came up'
        with open(self.log, encoding='utf-8') as f:
            return f.read()


@unittest.skipUnless(NBDINFO and NBDCOPY, 'needs libnbd-bin')
class OurClient(Case):
    def check(self, blockdev, obj, *more):
        with Daemon(self.dir, blockdev, *more, obj) as d:
            run(NBDCOPY, d.uri(), f'{self.dir}/out')
        with open(f'{self.dir}/out', 'rb') as f:
            self.assertEqual(f.read(), self.data)

    def servers(self):
        return [t for t in (wire.OUR_NBD, wire.ORACLE_NBD) if t]

    def test_x509_psk_and_anon(self):
        kinds = (('x509', self.server, self.client),
                 ('psk', self.keys, self.keys), ('anon', None, None))
        for tool in self.servers():
            for kind, theirs, ours in kinds:
                with self.subTest(tool=tool, kind=kind), self.serve(
                        creds(kind, theirs, 'server'), tool=tool) as s:
                    where = f'server.type=unix,server.path={s.path}'
                    name = ',tls-hostname=localhost' if kind == 'x509' else ''
                    self.check(f'{where},tls-creds=tls{name}',
                               creds(kind, ours))

    def test_servers_that_are_not_who_they_should_be(self):
        with self.x509_server() as s:
            where = f'server.type=unix,server.path={s.path},tls-creds=tls'
            for blockdev, folder, text in (
                    (where + ',tls-hostname=elsewhere', self.client, 'name'),
                    (where + ',tls-hostname=localhost', self.stranger,
                     'trusted'),
                    (where[:-3] + 'no', self.client, 'No TLS cred'),
                    (f'server.type=unix,server.path={s.path}', self.client,
                     'TLS')):
                d = Daemon(self.dir, blockdev, creds('x509', folder))
                self.assertIn(text, d.failure(), blockdev)

    def test_server_without_tls(self):
        with Server(self.dir, '-t', '-f', 'raw', self.img) as s:
            d = Daemon(self.dir, f'server.type=unix,server.path={s.path},'
                       'tls-creds=tls', creds('x509', self.client))
            self.assertIn('does not support', d.failure())

    @unittest.skipUnless(NBDKIT, 'needs nbdkit')
    def test_nbdkit(self):
        for args, obj in (
                ([f'--tls-certificates={self.server}', '--tls-verify-peer'],
                 creds('x509', self.client)),
                ([f'--tls-psk={self.keys}/keys.psk'], creds('psk', self.keys))):
            path = f'{self.dir}/kit'
            kit = subprocess.Popen(
                [NBDKIT, '-f', '-U', path, '--tls=require', *args, 'file',
                 self.img], stderr=subprocess.DEVNULL)
            try:
                with self.subTest(args=args):
                    for _ in range(6000):
                        if os.path.exists(path):
                            break
                        time.sleep(0.01)
                    self.check(f'server.type=unix,server.path={path},'
                               'tls-creds=tls,tls-hostname=localhost', obj)
            finally:
                kit.terminate()
                kit.wait(60)
                os.unlink(path)

    def test_list_of_exports(self):
        for tool in self.servers():
            with self.x509_server(tool=tool) as s:
                text = run(wire.OUR_NBD, '-L', '-k', s.path, '--object',
                           creds('x509', self.client), '--tls-creds', 'tls',
                           '--tls-hostname', 'localhost').stdout
                self.assertIn('exports available: 1', text)


@unittest.skipUnless(ORACLE_IMG and ORACLE_DAEMON, 'needs QEMU 7.2')
class BesideOracle(Case):
    def test_oracle_is_a_client_of_ours(self):
        for kind, theirs, ours in (('x509', self.server, self.client),
                                   ('psk', self.keys, self.keys),
                                   ('anon', None, None)):
            with self.subTest(kind), \
                    self.serve(creds(kind, theirs, 'server')) as s:
                run(ORACLE_IMG, 'convert', '--object', creds(kind, ours),
                    '--image-opts', '-O', 'raw',
                    f'driver=nbd,server.type=unix,server.path={s.path},'
                    'tls-creds=tls,tls-hostname=localhost',
                    f'{self.dir}/out')
                with open(f'{self.dir}/out', 'rb') as f:
                    self.assertEqual(f.read(), self.data)

    def test_same_words_for_what_is_wrong(self):
        """Objects and references that cannot be."""
        nbd_server = f'addr.type=unix,addr.path={self.dir}/s'
        for args in (
                ['--object', 'tls-creds-x509,id=t'],
                ['--object', 'tls-creds-psk,id=t,endpoint=client'],
                ['--object', f'tls-creds-x509,id=t,dir={self.dir}'],
                ['--object', f'tls-creds-psk,id=t,dir={self.dir}'],
                ['--object', 'authz-simple,id=a'],
                ['--nbd-server', f'{nbd_server},tls-creds=x'],
                ['--object', 'secret,id=x,data=y',
                 '--nbd-server', f'{nbd_server},tls-creds=x'],
                ['--object', 'tls-creds-anon,id=x,endpoint=client',
                 '--nbd-server', f'{nbd_server},tls-creds=x']):
            with self.subTest(args):
                got = [run(tool, *args, check=False)
                       for tool in (OUR_DAEMON, ORACLE_DAEMON)]
                self.assertEqual(got[0].stdout, got[1].stdout)
                self.assertEqual(got[0].returncode, got[1].returncode)
        for args in (['--tls-creds', 'no', self.img],
                     ['--tls-authz', 'no', self.img]):
            with self.subTest(args):
                got = [run(tool, '-f', 'raw', *args, check=False)
                       for tool in (wire.OUR_NBD, wire.ORACLE_NBD)]
                self.assertEqual(*[p.stdout for p in got])


class Certificates(Case):
    """sanity-check finds what peers would not take."""

    def refuse(self, text, kind='server', template=tlslib.SERVER):
        folder = self.ca.sign(kind, template, name='bad')
        obj = creds('x509', folder, kind)
        p = run(wire.OUR_NBD, '-f', 'raw', '-k', f'{self.dir}/s', '--object',
                obj, '--tls-creds', 'tls', self.img, check=False)
        self.assertTrue(p.returncode)
        self.assertIn(text, p.stdout)

    def test_mistakes(self):
        self.refuse('show a CA', template=tlslib.SERVER + 'ca\n')
        self.refuse('expired', template=tlslib.SERVER.replace(
            'expiration_days = 2',
            'activation_date = "2001-01-01 00:00:00"\n'
            'expiration_date = "2002-01-01 00:00:00"'))
        self.refuse('not yet active', template=tlslib.SERVER.replace(
            'expiration_days = 2',
            'activation_date = "2100-01-01 00:00:00"\n'
            'expiration_date = "2101-01-01 00:00:00"'))

    def test_foreign_issuer(self):
        folder = f'{self.dir}/mixed'
        shutil.copytree(self.server, folder)
        shutil.copy(f'{self.tmp.name}/other/ca-cert.pem', folder)
        p = run(wire.OUR_NBD, '-f', 'raw', '-k', f'{self.dir}/s', '--object',
                creds('x509', folder, 'server'), '--tls-creds', 'tls',
                self.img, check=False)
        self.assertIn('failed validation', p.stdout)


if __name__ == '__main__':
    unittest.main()
