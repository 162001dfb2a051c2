# SPDX-License-Identifier: GPL-2.0-or-later
"""A small NBD client that says exactly what it is told, and servers for it.

Spec: https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md
"""

import os
import shutil
import socket
import struct
import subprocess
import threading
import time

from blocklib import BUILD

OUR_NBD = os.path.join(BUILD, 'qemu-nbd')
ORACLE_NBD = shutil.which('qemu-nbd')
NBDINFO = shutil.which('nbdinfo')
NBDCOPY = shutil.which('nbdcopy')

FLAG_FIXED, FLAG_NO_ZEROES = 1, 2
OPT_EXPORT_NAME, OPT_ABORT, OPT_LIST, OPT_STARTTLS = 1, 2, 3, 5
OPT_INFO, OPT_GO, OPT_STRUCTURED, OPT_LIST_META, OPT_SET_META = 6, 7, 8, 9, 10
REP_ACK, REP_SERVER, REP_INFO, REP_META = 1, 2, 3, 4
ERR_UNSUP, ERR_POLICY, ERR_INVALID = 1 << 31 | 1, 1 << 31 | 2, 1 << 31 | 3
ERR_UNKNOWN, ERR_TOO_BIG = 1 << 31 | 6, 1 << 31 | 9
READ, WRITE, DISC, FLUSH, TRIM, CACHE, ZEROES, STATUS = range(8)
F_FUA, F_NO_HOLE, F_DF, F_ONE, F_FAST = 1, 2, 4, 8, 16
EPERM, EIO, EINVAL, ENOSPC, ENOTSUP = 1, 5, 22, 28, 95


class Server:
    """qemu-nbd on a unix socket in @folder, until the end of the block."""

    def __init__(self, folder, *args, tool=OUR_NBD, name='s'):
        self.path = os.path.join(folder, name)
        self.args = [tool, '-k', self.path, *map(str, args)]

    def __enter__(self):
        self.proc = subprocess.Popen(self.args)
        for _ in range(6000):
            if os.path.exists(self.path):
                # It is there before it listens.
                try:
                    with socket.socket(socket.AF_UNIX) as s:
                        if '-t' not in self.args:
                            return self
                        s.connect(self.path)
                        return self
                except ConnectionRefusedError:
                    pass
            assert self.proc.poll() is None, 'the server ended'
            time.sleep(0.01)
        raise AssertionError('no server after a minute')

    def __exit__(self, *exc):
        if self.proc.poll() is None:
            self.proc.terminate()
        self.status = self.proc.wait(60)

    def uri(self, name=''):
        return f'nbd+unix:///{name}?socket={self.path}'


class Gate:
    """A socket in @folder for a server's, that lets @allow bytes of its
    answers pass and then waits until it is opened."""

    def __init__(self, folder, server, allow, name='gate'):
        self.path = os.path.join(folder, name)
        self.server = server
        self.passed, self.allow = 0, allow
        self.reached, self.opened = threading.Event(), threading.Event()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.opened.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()
        os.unlink(self.path)

    def accept(self):
        try:
            while True:
                threading.Thread(target=self.serve, daemon=True,
                                 args=self.listener.accept()[:1]).start()
        except OSError:
            pass  # the end

    def serve(self, client):
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(self.server)
            back = threading.Thread(target=self.pump, daemon=True,
                                    args=(server, client, True))
            back.start()
            self.pump(client, server, False)
            back.join()

    def pump(self, source, to, answers):
        try:
            while data := source.recv(65536):
                if answers:
                    self.passed += len(data)
                    if self.passed > self.allow:
                        self.reached.set()
                        self.opened.wait()
                to.sendall(data)
        except OSError:
            pass
        for s in source, to:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Client:
    def __init__(self, path, flags=FLAG_FIXED | FLAG_NO_ZEROES):
        for _ in range(6000):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(60)
            try:
                self.sock.connect(path)
                break
            except ConnectionRefusedError:
                # The socket is there before the server listens.
                self.sock.close()
                time.sleep(0.01)
        magic, opt, server = struct.unpack('>QQH', self.recv(18))
        assert magic == 0x4e42444d41474943, hex(magic)
        assert opt == 0x49484156454f5054, hex(opt)
        assert server == 3, server
        self.structured = False
        if flags is not None:
            self.send(struct.pack('>I', flags))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def recv(self, n):
        data = b''
        while len(data) < n:
            part = self.sock.recv(n - len(data))
            if not part:
                raise EOFError(f'{len(data)} of {n}')
            data += part
        return data

    def at_end(self):
        """The server hangs up."""
        try:
            return self.sock.recv(1) == b''
        except ConnectionResetError:
            return True

    # Options

    def option(self, opt, data=b'', length=None):
        self.send(struct.pack('>QII', 0x49484156454f5054, opt,
                              len(data) if length is None else length) + data)

    def reply(self):
        magic, opt, kind, length = struct.unpack('>QIII', self.recv(20))
        assert magic == 0x3e889045565a9, hex(magic)
        return opt, kind, self.recv(length)

    def replies(self):
        """All until an acknowledgement or an error."""
        out = []
        while True:
            _, kind, data = self.reply()
            out.append((kind, data))
            if kind == REP_ACK or kind >> 31:
                return out

    def ask(self, opt, data=b''):
        self.option(opt, data)
        return self.replies()

    def go(self, name=b'', infos=(), structured=False, contexts=()):
        if structured or contexts:
            assert self.ask(OPT_STRUCTURED) == [(REP_ACK, b'')]
            self.structured = True
        if contexts:
            self.contexts = {
                data[4:].decode(): struct.unpack('>I', data[:4])[0]
                for kind, data in self.ask(OPT_SET_META,
                                           meta_query(name, contexts))
                if kind == REP_META}
        got = self.ask(OPT_GO, struct.pack('>I', len(name)) + name +
                       struct.pack(f'>H{len(infos)}H', len(infos), *infos))
        assert got[-1] == (REP_ACK, b''), got
        for kind, data in got[:-1]:
            assert kind == REP_INFO
            if data[:2] == b'\0\0':
                self.size, self.flags = struct.unpack('>QH', data[2:])
        return got

    # Requests

    def request(self, kind, offset=0, length=0, flags=0, data=b'', handle=7,
                magic=0x25609513):
        self.send(struct.pack('>IHHQQI', magic, flags, kind, handle, offset,
                              length) + data)

    def simple(self, length=0):
        """The error, and the data that follows when there is none."""
        magic, error, handle = struct.unpack('>IIQ', self.recv(16))
        assert magic == 0x67446698, hex(magic)
        self.handle = handle
        return error, b'' if error else self.recv(length)

    def chunk(self):
        magic, flags, kind, handle, length = struct.unpack('>IHHQI',
                                                           self.recv(20))
        assert magic == 0x668e33ef, hex(magic)
        self.handle = handle
        return flags & 1, kind, self.recv(length)

    def do(self, kind, *args, **kw):
        self.request(kind, *args, **kw)
        return self.simple()[0]


def meta_query(name, queries):
    return (struct.pack('>I', len(name)) + name +
            struct.pack('>I', len(queries)) +
            b''.join(struct.pack('>I', len(q)) + q.encode() for q in queries))
