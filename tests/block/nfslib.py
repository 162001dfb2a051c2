# SPDX-License-Identifier: GPL-2.0-or-later
"""A small NFS version 3 server with its portmapper and mount service, all on
port 111 of a network namespace of the test's own (RFC 1813, 1833, 5531)."""

import fcntl
import os
import socket
import struct
import subprocess
import sys
import threading

PORTMAP, NFS, MOUNT = 100000, 100003, 100005
OK, NOENT, IO, EXIST, ACCES, ROFS = 0, 2, 5, 17, 13, 30
INSIDE = 'NEMU_NFS_TEST_NAMESPACE'


def enter_namespace():
    """Start the program again where port 111 is free; False: that cannot be."""
    if os.environ.get(INSIDE):
        with socket.socket() as s:      # lo comes up
            request = struct.pack('16sH14x', b'lo', 0x41)
            fcntl.ioctl(s, 0x8914, request)     # SIOCSIFFLAGS
        return True
    if subprocess.run(['unshare', '-rn', 'true'],
                      capture_output=True).returncode:
        return False
    os.environ[INSIDE] = '1'
    os.execvp('unshare', ['unshare', '-rn', sys.executable, *sys.argv])


class Reader:
    """XDR, read."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        self.at += n
        return self.data[self.at - n:self.at]

    def u32(self):
        return struct.unpack('>I', self.take(4))[0]

    def u64(self):
        return struct.unpack('>Q', self.take(8))[0]

    def opaque(self):
        n = self.u32()
        data = self.take(n)
        self.take(-n % 4)
        return data


def u32(*values):
    return struct.pack(f'>{len(values)}I', *values)


def u64(value):
    return struct.pack('>Q', value)


def opaque(data):
    return u32(len(data)) + data + bytes(-len(data) % 4)


class Server:
    """Serves a folder. mode: what goes wrong; ids: (uid, gid) of the last
    caller; calls: names of what was asked for."""

    def __init__(self, root):
        self.root, self.mode, self.ids, self.calls = root, '', None, []
        self.read_only = False
        self.connections, self.lock = set(), threading.Lock()
        self.listener = socket.create_server(('127.0.0.1', 111))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                s = self.listener.accept()[0]
            except OSError:
                return
            with self.lock:
                self.connections.add(s)
            threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()

    def cut(self):
        with self.lock:
            for s in self.connections:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def serve(self, s):
        with s:
            try:
                while record := self.receive(s):
                    reply = self.answer(Reader(record))
                    s.sendall(u32(0x80000000 | len(reply)) + reply)
            except (OSError, struct.error):
                pass
            with self.lock:
                self.connections.discard(s)

    def receive(self, s):
        record, last = b'', False
        while not last:
            head = s.recv(4, socket.MSG_WAITALL)
            if len(head) < 4:
                return None
            n = struct.unpack('>I', head)[0]
            last = n >> 31
            record += s.recv(n & 0x7fffffff, socket.MSG_WAITALL)
        return record

    def answer(self, r):
        xid, _, _, program, _, procedure = (r.u32() for _ in range(6))
        flavor, cred = r.u32(), Reader(r.opaque())
        r.u32(), r.opaque()
        if flavor == 1:
            cred.u32(), cred.opaque()
            self.ids = cred.u32(), cred.u32()
        service = {PORTMAP: self.portmap, MOUNT: self.mount,
                   NFS: self.nfs}[program]
        return u32(xid, 1, 0, 0, 0, 0) + service(procedure, r)

    def portmap(self, procedure, r):
        return u32(111) if procedure == 3 else b''

    def mount(self, procedure, r):
        if procedure == 1:
            name = r.opaque().decode().strip('/')
            self.calls.append('mount /' + name)
            if not os.path.isdir(os.path.join(self.root, name)):
                return u32(NOENT)
            return u32(OK) + opaque(b'/' + name.encode()) + u32(1, 1)
        return u32(0) if procedure == 5 else b''

    # NFS

    def path(self, handle):
        return os.path.join(self.root, handle.decode().strip('/'))

    def attributes(self, path):
        """post_op_attr"""
        try:
            st = os.stat(path)
        except OSError:
            return u32(0)
        return u32(1) + self.fattr(st)

    def fattr(self, st):
        return (u32(2 if st.st_mode & 0o40000 else 1, st.st_mode & 0o7777, 1,
                    0, 0) + u64(st.st_size) + u64(st.st_blocks * 512) +
                u32(0, 0) + u64(1) + u64(st.st_ino) +
                u32(int(st.st_atime), 0, int(st.st_mtime), 0, int(st.st_ctime),
                    0))

    def wcc(self, path):
        return u32(0) + self.attributes(path)

    def sattr(self, r, path):
        for _ in range(3):
            if r.u32():
                r.u32()
        if r.u32():
            os.truncate(path, r.u64())

    def nfs(self, procedure, r):
        name = {1: 'getattr', 2: 'setattr', 3: 'lookup', 4: 'access', 6: 'read',
                7: 'write', 8: 'create', 18: 'fsstat', 19: 'fsinfo',
                20: 'pathconf', 21: 'commit'}.get(procedure)
        if not name:
            return b''
        self.calls.append(name)
        if self.mode == 'cut-' + name:
            self.mode = ''
            raise OSError
        if self.mode == 'garbage-' + name:
            return b'\xff' * 200
        return getattr(self, name)(self.path(r.opaque()), r)

    def getattr(self, path, r):
        try:
            return u32(OK) + self.fattr(os.stat(path))
        except OSError:
            return u32(NOENT)

    def setattr(self, path, r):
        if self.mode == 'full':
            return u32(28) + self.wcc(path)
        self.sattr(r, path)
        return u32(OK) + self.wcc(path)

    def lookup(self, path, r):
        name = r.opaque().decode()
        found = os.path.normpath(os.path.join(path, name))
        if not os.path.exists(found):
            return u32(NOENT) + self.attributes(path)
        handle = found[len(self.root):].encode() or b'/'
        return (u32(OK) + opaque(handle) + self.attributes(found) +
                self.attributes(path))

    def access(self, path, r):
        wanted = r.u32()
        return (u32(OK) + self.attributes(path) +
                u32(wanted & 0x23 if self.read_only else wanted))

    def read(self, path, r):
        offset, count = r.u64(), r.u32()
        if self.mode == 'read-error':
            return u32(IO) + self.attributes(path)
        with open(path, 'rb') as f:
            f.seek(offset)
            data = f.read(count)
        if self.mode == 'short-reads':
            data = data[:max(1, min(len(data), 1000))]
        if self.mode == 'long-reads':
            data += b'X' * 100000
        eof = offset + len(data) >= os.path.getsize(path)
        return (u32(OK) + self.attributes(path) + u32(len(data), eof) +
                opaque(data))

    def write(self, path, r):
        offset, _, stable = r.u64(), r.u32(), r.u32()
        data = r.opaque()
        if self.mode in ('full', 'write-error'):
            return u32(28 if self.mode == 'full' else IO) + self.wcc(path)
        if self.mode == 'short-writes':
            data = data[:5000]
        with open(path, 'r+b') as f:
            f.seek(offset)
            f.write(data)
        return u32(OK) + self.wcc(path) + u32(len(data), stable) + b'verifier'

    def create(self, path, r):
        made = os.path.join(path, r.opaque().decode())
        if self.read_only:
            return u32(ROFS) + self.wcc(path)
        if r.u32() and os.path.exists(made):
            return u32(EXIST) + self.wcc(path)
        open(made, 'ab').close()
        self.sattr(r, made)
        return (u32(OK, 1) + opaque(made[len(self.root):].encode()) +
                self.attributes(made) + self.wcc(path))

    def fsstat(self, path, r):
        return u32(OK) + self.attributes(path) + bytes(48) + u32(0)

    def fsinfo(self, path, r):
        size = 128 << 10
        return (u32(OK) + self.attributes(path) +
                u32(size, size, 4096, size, size, 4096, 4096) +
                u64(1 << 62) + u32(0, 1, 0x1b))

    def pathconf(self, path, r):
        return u32(OK) + self.attributes(path) + u32(1, 255, 1, 1, 0, 1)

    def commit(self, path, r):
        if self.mode == 'commit-error':
            return u32(IO) + self.wcc(path)
        return u32(OK) + self.wcc(path) + b'verifier'
