#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Images on HTTP and SFTP servers: the bytes that are there, what servers and
options can get wrong, and QEMU 7.2's messages."""

import base64
import functools
import hashlib
import http.server
import json
import os
import random
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

import blocklib as b
from daemonlib import ORACLE_DAEMON, OUR_DAEMON, Storage

KiB, MiB = 1 << 10, 1 << 20
IMG = os.path.join(b.BUILD, 'qemu-img')
IO = os.path.join(b.BUILD, 'qemu-io')
HAS_ORACLE_SSH = b.HAVE_ORACLE and os.path.exists(
    '/usr/lib/x86_64-linux-gnu/qemu/block-ssh.so')
SSHD = shutil.which('sshd') or '/usr/sbin/sshd'


def has_module(name):
    return unittest.skipUnless(
        os.path.exists(os.path.join(b.BUILD, f'{name}.so')),
        f'built without {name}')


def without_oracle_noise(text):
    """7.2's curl driver makes GLib complain when it fails early."""
    return re.sub(r'.*GLib: .*\n', '', text)


def normal_names(done):
    return re.sub(r'^\S*(qemu-\w+):', r'\1:', done.stdout + done.stderr,
                  flags=re.M)


class Files(http.server.BaseHTTPRequestHandler):
    """A file at every path, by ranges; server.mode breaks it."""
    protocol_version = 'HTTP/1.1'

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.answer(False)

    def do_GET(self):
        self.answer(True)

    def refused(self):
        s = self.server
        auth = self.headers.get('Authorization', '')
        if s.login and auth != 'Basic ' + base64.b64encode(
                s.login.encode()).decode():
            return 401
        if s.cookie and self.headers.get('Cookie') != s.cookie:
            return 403
        return 404 if self.path != '/disk' else 0

    def answer(self, body):
        s = self.server
        data, status = s.data, 200
        wanted = re.match(r'bytes=(\d+)-(\d+)', self.headers.get('Range', ''))
        if self.refused():
            data, status = b'', self.refused()
        elif wanted and s.mode != 'ignore-range':
            first, last = map(int, wanted.groups())
            data, status = data[first:last + 1], 206
            s.ranges.append((first, len(data)))
        self.send_response(status)
        self.send_header('Content-Length', str(len(data)))
        if s.mode != 'no-ranges':
            self.send_header('Accept-Ranges', 'bytes')
        self.end_headers()
        if body:
            if s.mode == 'cut':
                data = data[:len(data) // 2]
                self.close_connection = True
            self.wfile.write(data)


class Server(http.server.ThreadingHTTPServer):

    def __init__(self, data, context=None):
        super().__init__(('127.0.0.1', 0), Files)
        self.data, self.mode, self.login, self.cookie = data, '', None, None
        self.ranges = []
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.thread = threading.Thread(target=self.serve_forever)
        self.thread.start()
        self.at = f'127.0.0.1:{self.server_address[1]}'

    def handle_error(self, request, client_address):
        pass    # a client that hangs up

    def stop(self):
        self.shutdown()
        self.thread.join()
        self.server_close()


def qemu_img(*args, tool=None):
    return subprocess.run([tool or IMG, *args], text=True, timeout=120,
                          stdin=subprocess.DEVNULL, capture_output=True)


@has_module('block-curl')
class Http(unittest.TestCase):

    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory(prefix='nemu-remote-')
        self.addCleanup(self.tmp.cleanup)
        self.data = random.Random(7).randbytes(3 * MiB + 700)
        self.server = self.serve(self.data)
        self.url = f'http://{self.server.at}/disk'

    def serve(self, data, context=None):
        server = Server(data, context)
        self.addCleanup(server.stop)
        return server

    def path(self, name):
        return os.path.join(self.tmp.name, name)

    def fetch(self, *source):
        """What convert reads: (bytes, or the error's text)."""
        out = self.path('out')
        done = qemu_img('convert', *source, '-O', 'raw', out)
        if done.returncode:
            return done.stderr
        with open(out, 'rb') as f:
            return f.read()

    def opts(self, **opts):
        return ['--image-opts', ','.join(
            f'{k.replace("_", "-")}={v}' for k, v in
            {'driver': 'http', 'url': self.url, **opts}.items())]

    def test_whole_image(self):
        got = self.fetch('-f', 'raw', self.url)
        self.assertTrue(got == self.data.ljust(-(-len(self.data) // 512) * 512,
                                               b'\0'))

    def test_qcow2_is_found_and_read(self):
        raw, image = self.path('raw'), self.path('q')
        with open(raw, 'wb') as f:
            f.write(self.data[:3 * MiB])
        qemu_img('convert', '-O', 'qcow2', raw, image)
        with open(image, 'rb') as f:
            self.server.data = f.read()
        self.assertTrue(self.fetch(self.url) == self.data[:3 * MiB])
        info = json.loads(qemu_img('info', '--output=json', self.url).stdout)
        self.assertEqual((info['filename'], info['format']),
                         (self.url, 'qcow2'))

    def test_reads_anywhere(self):
        io = subprocess.run(
            [IO, '-r', '-f', 'raw', '-c', f'write 0 512', '-c',
             'read -v 1000 10', '-c', f'read -v {3 * MiB + 690} 10', self.url],
            text=True, capture_output=True, timeout=120)
        for start in (1000, 3 * MiB + 690):
            digits = ' '.join(f'{x:02x}' for x in self.data[start:start + 10])
            self.assertIn(digits, io.stdout)
        self.assertRegex(io.stdout + io.stderr, 'read.only|not permitted')

    def test_reads_ahead_as_told(self):
        for ahead, most in ((0, 64 * KiB), (1 * MiB, 64 * KiB + MiB)):
            self.server.ranges.clear()
            done = subprocess.run(
                [IO, '-r', '--image-opts', '-c', 'read 0 64k', '-c',
                 'read 64k 64k', self.opts(readahead=ahead)[1]],
                capture_output=True, timeout=120)
            self.assertEqual(done.returncode, 0)
            self.assertLessEqual(max(n for _, n in self.server.ranges), most)
            seen = [r for r in self.server.ranges if r[0] == 64 * KiB]
            self.assertEqual(len(seen), 0 if ahead else 1)

    def test_logging_in(self):
        self.server.login = 'me:pass'
        secret = ['--object', 'secret,id=s,data=pass']
        self.assertIn('401', self.fetch(*self.opts()))
        self.assertIn('401', self.fetch(*secret, *self.opts(username='you',
                                                           password_secret='s')))
        self.assertEqual(len(self.fetch(
            *secret, *self.opts(username='me', password_secret='s'))),
            3 * MiB + 1024)

    def test_cookies(self):
        self.server.cookie = 'a=1; b=2'
        secret = ['--object', 'secret,id=c,data=a=1; b=2']
        self.assertIn('403', self.fetch(*self.opts()))
        for args in ([*self.opts(cookie='a=1; b=2')],
                     [*secret, *self.opts(cookie_secret='c')]):
            self.assertEqual(len(self.fetch(*args)), 3 * MiB + 1024)

    def test_broken_servers(self):
        for mode, text in (('no-ranges', "does not support 'range'"),
                           ('ignore-range', 'Input/output error'),
                           ('cut', 'Input/output error')):
            self.server.mode = mode
            with self.subTest(mode):
                self.assertIn(text, self.fetch('-f', 'raw', self.url))

    def test_image_that_became_shorter(self):
        io = subprocess.Popen(
            [IO, '-r', '--image-opts', self.opts(readahead=0)[1]], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        io.stdin.write('read 0 512\n')
        io.stdin.flush()
        while 'read 512' not in io.stdout.readline():
            pass
        self.server.data = self.data[:MiB]
        out = io.communicate('read 2M 64k\nread 0 4k\n', timeout=120)[0]
        self.assertIn('Input/output error', out)
        self.assertIn('read 4096/4096', out)

    def test_messages(self):
        bad = [dict(url='ftp://x/y'), dict(timeout=-1), dict(timeout=10001),
               dict(readahead=1), dict(cookie='a', cookie_secret='b'),
               dict(username='u', password_secret='nope'),
               dict(url='http://127.0.0.1:1/x'),
               dict(url=f'http://{self.server.at}/nothere')]
        for opts in bad:
            args = ['info', *self.opts(**opts)]
            ours = qemu_img(*args)
            self.assertEqual(ours.returncode, 1, opts)
            if not b.HAVE_ORACLE or not os.path.exists(
                    '/usr/lib/x86_64-linux-gnu/qemu/block-curl.so'):
                continue
            theirs = without_oracle_noise(
                qemu_img(*args, tool=b.ORACLE_IMG).stderr)
            self.assertEqual(re.sub(r'after \d+ ms', '', ours.stderr),
                             re.sub(r'after \d+ ms', '', theirs), opts)

    @unittest.skipUnless(shutil.which('openssl'), 'needs openssl')
    def test_https_checks_the_certificate(self):
        pem = self.path('pem')
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048',
                        '-nodes', '-keyout', pem, '-out', self.path('crt'),
                        '-subj', '/CN=127.0.0.1'], check=True,
                       capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path('crt'), pem)
        url = f'https://{self.serve(self.data, context).at}/disk'
        self.assertRegex(self.fetch('-f', 'raw', url), 'certificate')
        self.assertEqual(len(self.fetch(*self.opts(
            driver='https', url=url, sslverify='off'))), 3 * MiB + 1024)


@has_module('block-ssh')
@unittest.skipUnless(os.path.exists(SSHD), 'needs openssh-server')
class Ssh(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.tmp = tempfile.TemporaryDirectory(prefix='nemu-ssh-')
        cls.addClassCleanup(cls.tmp.cleanup)
        for name in ('host', 'client'):
            subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '',
                            '-f', cls.path(name)], check=True)
        cls.agent()
        cls.port = cls.sshd()

    @classmethod
    def path(cls, name):
        return os.path.join(cls.tmp.name, name)

    @classmethod
    def agent(cls):
        """The key is offered by an agent of our own, and by nothing else."""
        cls.env = dict(os.environ, SSH_AUTH_SOCK=cls.path('agent'))
        agent = subprocess.Popen(['ssh-agent', '-D', '-a', cls.path('agent')],
                                 stdout=subprocess.DEVNULL)
        cls.addClassCleanup(agent.wait)
        cls.addClassCleanup(agent.kill)
        end = time.monotonic() + 60
        while subprocess.run(['ssh-add', '-q', cls.path('client')],
                             env=cls.env, capture_output=True).returncode:
            if time.monotonic() > end:
                raise AssertionError('no agent')
            time.sleep(0.05)

    @classmethod
    def sshd(cls):
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            port = s.getsockname()[1]
        os.makedirs('/run/sshd', exist_ok=True)
        config = cls.path('config')
        with open(config, 'w') as f:
            f.write(f'Port {port}\nListenAddress 127.0.0.1\n'
                    f'HostKey {cls.path("host")}\n'
                    f'AuthorizedKeysFile {cls.path("client.pub")}\n'
                    'StrictModes no\nUsePAM no\nPasswordAuthentication no\n'
                    'PermitRootLogin yes\nPidFile none\nMaxStartups 100\n'
                    'Subsystem sftp internal-sftp\n')
        log = open(cls.path('log'), 'w')
        cls.addClassCleanup(log.close)
        sshd = subprocess.Popen([SSHD, '-D', '-e', '-f', config],
                                stdout=log, stderr=log)
        cls.addClassCleanup(sshd.wait)
        cls.addClassCleanup(sshd.terminate)
        end = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(('127.0.0.1', port)).close()
                return port
            except OSError:
                if sshd.poll() is not None or time.monotonic() > end:
                    raise AssertionError(open(cls.path('log')).read())
                time.sleep(0.05)

    def url(self, name, check='no'):
        return (f'ssh://127.0.0.1:{self.port}{self.path(name)}'
                f'?host_key_check={check}')

    def run_tool(self, *args, tool=None, env=None):
        return subprocess.run([tool or IMG, *args], text=True, timeout=120,
                              env=env or self.env, stdin=subprocess.DEVNULL,
                              capture_output=True)

    def fingerprint(self, kind):
        with open(self.path('host.pub')) as f:
            key = base64.b64decode(f.read().split()[1])
        return kind + ':' + hashlib.new(kind, key).hexdigest()

    def test_reads_and_writes(self):
        image = self.path('image')
        b.create(image, '8M')
        done = self.run_tool('-f', 'qcow2', '-c', 'write -P 7 1M 3M', '-c',
                             'write -P 9 4000 100', '-c', 'flush', '-c',
                             'read -P 7 1M 3M', '-c', 'read -P 9 4000 100',
                             self.url('image'), tool=IO)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        b.check(image)
        expected = bytearray(8 * MiB)
        expected[4000:4100] = bytes([9]) * 100
        expected[MiB:4 * MiB] = bytes([7]) * 3 * MiB
        self.assertTrue(b.content(image) == bytes(expected))
        copy = self.path('copy')
        self.assertEqual(self.run_tool('convert', '-O', 'raw',
                                       self.url('image'), copy).returncode, 0)
        with open(copy, 'rb') as f:
            self.assertTrue(f.read() == bytes(expected))

    def test_grows_but_does_not_shrink(self):
        with open(self.path('raw'), 'wb') as f:
            f.write(b'x' * MiB)
        url = self.url('raw')
        self.assertEqual(self.run_tool('resize', '-f', 'raw', url,
                                       '2M').returncode, 0)
        self.assertEqual(os.path.getsize(self.path('raw')), 2 * MiB)
        self.assertEqual(self.run_tool('resize', '-f', 'raw', '--shrink', url,
                                       '1M').returncode, 1)
        self.assertEqual(os.path.getsize(self.path('raw')), 2 * MiB)

    def test_makes_files(self):
        for name, fmt, size in (('new', 'raw', '3M'), ('q', 'qcow2', '1G'),
                                ('new', 'raw', '1M'), ('new', 'raw', '0')):
            done = self.run_tool('create', '-q', '-f', fmt, self.url(name),
                                 size)
            self.assertEqual((done.returncode, done.stderr), (0, ''))
            if name == 'new':
                self.assertEqual(os.path.getsize(self.path(name)),
                                 int(size[0]) * MiB)
        b.check(self.path('q'))
        outputs = [normal_names(self.run_tool('create', *args, tool=tool))
                   for tool in (IMG, b.ORACLE_IMG) if tool
                   for args in [['-f', 'raw', self.url('nodir/x'), '1M']]]
        self.assertEqual(len(set(outputs)), 1, outputs)

    def test_blockdev_create(self):
        def location(name, **more):
            return {'server': {'host': '127.0.0.1', 'port': str(self.port)},
                    'path': self.path(name),
                    'host-key-check': {'mode': 'none'}, **more}
        jobs = [
            {'location': location('made'), 'size': 3 * MiB},
            {'location': location('made'), 'size': MiB + 1},
            {'location': location('made'), 'size': 0},
            {'location': location('made')}, {'size': MiB},
            {'location': location('made'), 'size': MiB, 'zork': 1},
            {'location': location('nodir/made'), 'size': MiB},
            {'location': location('.'), 'size': MiB},
            {'location': location('made', server={
                'host': '127.0.0.1', 'port': '1'}), 'size': MiB},
            {'location': location('made', user='nobody'), 'size': MiB},
            {'location': location('made', **{'host-key-check': {
                'mode': 'hash', 'type': 'md5', 'hash': '0' * 32}}),
             'size': MiB},
        ]
        outcomes = []
        for program in filter(None, (OUR_DAEMON, HAS_ORACLE_SSH and
                                     ORACLE_DAEMON)):
            seen = []
            daemon = Storage(self.tmp.name, program, env=self.env)
            self.addCleanup(daemon.close)
            for options in jobs:
                how = daemon.create(driver='ssh', **options)
                if not isinstance(how, str) and 'error' in how[1]:
                    # Ours has libssh's words behind it.
                    how[1]['error'] = how[1]['error'].partition(': Acc')[0]
                made = os.path.exists(self.path('made'))
                seen.append((options, how,
                             made and os.path.getsize(self.path('made'))))
            outcomes.append(seen)
        self.assertEqual(outcomes[0], outcomes[-1])
        self.assertEqual([size for *_, size in outcomes[0][:3]],
                         [3 * MiB, MiB + 1, 0])

    def test_address_options(self):
        with open(self.path('addressed'), 'wb') as f:
            f.write(b'x' * MiB)
        for host, more, works in (
                ('127.0.0.1', 'server.numeric=on', True),
                ('localhost', 'server.numeric=on', False),
                ('localhost', 'server.ipv4=on,server.ipv6=off', True),
                ('127.0.0.1', 'server.ipv6=on,server.ipv4=off', False),
                ('127.0.0.1', 'server.keep-alive=on', True)):
            done = self.run_tool(
                'info', '--image-opts', f'driver=ssh,server.host={host},'
                f'server.port={self.port},path={self.path("addressed")},'
                f'host-key-check.mode=none,{more}')
            self.assertEqual(done.returncode == 0, works, (more, done.stderr))

    def test_host_keys(self):
        with open(self.path('keyed'), 'wb') as f:
            f.write(b'x' * MiB)
        for kind in ('md5', 'sha1', 'sha256'):
            good = self.fingerprint(kind)
            bad = good[:-1] + ('0' if good[-1] != '0' else '1')
            info = functools.partial(self.run_tool, 'info', '-f', 'raw')
            self.assertEqual(info(self.url('keyed', good)).stderr, '')
            for wrong in (bad, good + '00', good[:-2]):
                self.assertIn('does not match',
                              info(self.url('keyed', wrong)).stderr)
        self.assertIn('host key', info(self.url('keyed', 'yes')).stderr)

    def test_what_goes_wrong(self):
        nobody = dict(self.env, SSH_AUTH_SOCK=self.path('nothere'))
        for url, text, env in (
                (self.url('nothere'), 'failed to open remote file', None),
                ('ssh://127.0.0.1:1/x', 'Failed to connect to', None),
                ('ssh://127.0.0.1', 'missing remote path in URI', None),
                ('ssh://127.0.0.1/x?a=b', "unknown parameter 'a'", None),
                ('ssh://127.0.0.1/x?host_key_check=maybe',
                 'unknown host_key_check setting (maybe)', None),
                (self.url('nothere'), 'failed to authenticate', nobody)):
            done = self.run_tool('info', '-f', 'raw', url, env=env)
            self.assertEqual(done.returncode, 1)
            self.assertIn(text, done.stderr)


if __name__ == '__main__':
    unittest.main()
