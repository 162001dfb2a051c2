# SPDX-License-Identifier: GPL-2.0-or-later
"""A front end of a vhost-user block device: memory, rings and requests.

Spec: the vhost-user protocol, as QEMU's interop manual publishes it; Virtio
1.2, 2.7 "Split Virtqueues" and 5.2 "Block Device".
"""

import array
import mmap
import os
import select
import socket
import struct

(GET_FEATURES, SET_FEATURES, SET_OWNER, RESET_OWNER, SET_MEM_TABLE,
 SET_LOG_BASE, SET_LOG_FD, SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE,
 GET_VRING_BASE, SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR,
 GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, GET_QUEUE_NUM,
 SET_VRING_ENABLE) = range(1, 19)
SET_BACKEND_REQ_FD, GET_CONFIG, SET_CONFIG = 21, 24, 25
BACKEND_CONFIG_CHANGE = 2
GET_MAX_MEM_SLOTS, ADD_MEM_REG, REM_MEM_REG = 36, 37, 38
F_REPLY, F_NEED_REPLY = 4, 8
# Features
BLK_F_SEG_MAX, BLK_F_RO, BLK_F_BLK_SIZE, BLK_F_FLUSH = 2, 5, 6, 9
BLK_F_TOPOLOGY, BLK_F_WCE, BLK_F_MQ = 10, 11, 12
BLK_F_DISCARD, BLK_F_WRITE_ZEROES = 13, 14
F_LOG_ALL, F_INDIRECT, F_EVENT_IDX, F_PROTOCOL, F_VERSION_1 = 26, 28, 29, 30, 32
P_MQ, P_LOG_SHMFD, P_REPLY_ACK, P_BACKEND_REQ, P_CONFIG = 0, 1, 3, 5, 9
P_SLOTS = 15
# Requests
T_IN, T_OUT, T_FLUSH, T_GET_ID, T_DISCARD, T_WRITE_ZEROES = 0, 1, 4, 8, 11, 13
OK, IOERR, UNSUPP = 0, 1, 2
NEXT, WRITE, INDIRECT = 1, 2, 4

USER = 0x7f0000000000  # where the front end says its memory is


class FrontEnd:
    """A connection, and memory that is shared over it.

    Guest physical address X is at offset X of the memory."""

    def __init__(self, path, size=4 << 20, features=None):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        try:
            self.sock.connect(path)
        except OSError:
            self.sock.close()
            raise
        self.size = size
        self.memfd = os.memfd_create('guest')
        os.ftruncate(self.memfd, size)
        self.mem = mmap.mmap(self.memfd, size)
        self.rings = []
        self.need_ack = False
        self.wanted = features

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        if self.mem.closed:
            return
        self.sock.close()
        for ring in self.rings:
            ring.close()
        self.rings = []
        self.mem.close()
        os.close(self.memfd)

    # Messages

    def send(self, request, payload=b'', fds=(), flags=1, size=None):
        head = struct.pack('<III', request, flags,
                           len(payload) if size is None else size)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                   array.array('i', fds))] if fds else []
        self.sock.sendmsg([head + payload], rights)

    def recv(self, n):
        data = b''
        while len(data) < n:
            part = self.sock.recv(n - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def reply(self):
        request, flags, size = struct.unpack('<III', self.recv(12))
        assert flags == 1 | F_REPLY, flags
        return request, self.recv(size)

    def ask(self, request, payload=b'', fds=()):
        self.send(request, payload, fds)
        got, data = self.reply()
        assert got == request, got
        return data

    def ask_u64(self, request):
        return struct.unpack('<Q', self.ask(request))[0]

    def tell(self, request, payload=b'', fds=()):
        """0, or what the back end says that went wrong."""
        if not self.need_ack:
            self.send(request, payload, fds)
            return 0
        self.send(request, payload, fds, 1 | F_NEED_REPLY)
        got, data = self.reply()
        assert got == request, got
        return struct.unpack('<Q', data)[0]

    def at_end(self):
        try:
            return self.sock.recv(1) == b''
        except ConnectionResetError:
            return True

    # Set-up

    def negotiate(self):
        self.tell(SET_OWNER)
        self.offered = self.ask_u64(GET_FEATURES)
        self.protocol = self.ask_u64(GET_PROTOCOL_FEATURES)
        ours = 1 << P_MQ | 1 << P_REPLY_ACK | 1 << P_BACKEND_REQ | \
            1 << P_CONFIG | 1 << P_SLOTS
        self.tell(SET_PROTOCOL_FEATURES,
                  struct.pack('<Q', self.protocol & ours))
        self.need_ack = bool(self.protocol & 1 << P_REPLY_ACK)
        self.features = self.offered & ~(1 << F_LOG_ALL)
        if self.wanted is not None:
            self.features &= self.wanted | 1 << F_VERSION_1 | 1 << F_PROTOCOL
        assert self.tell(SET_FEATURES, struct.pack('<Q', self.features)) == 0

    def has(self, bit):
        return bool(self.features >> bit & 1)

    def config(self, offset=0, size=60):
        data = self.ask(GET_CONFIG, struct.pack('<III', offset, size, 0) +
                        bytes(size))
        got = struct.unpack('<III', data[:12])
        return data[12:12 + got[1]]

    def set_config(self, offset, data):
        return self.tell(SET_CONFIG, struct.pack('<III', offset, len(data), 0)
                         + data)

    def table(self, regions=None):
        """Regions are (guest address, size, user address, file offset)."""
        regions = regions or [(0, self.size, USER, 0)]
        payload = struct.pack('<II', len(regions), 0)
        for r in regions:
            payload += struct.pack('<QQQQ', *r)
        return self.tell(SET_MEM_TABLE, payload, [self.memfd] * len(regions))

    def ring(self, num=64, at=None, **kw):
        ring = Ring(self, len(self.rings), num,
                    0x1000 + 0x10000 * len(self.rings) if at is None else at,
                    **kw)
        self.rings.append(ring)
        return ring

    def start(self, queues=1, num=64):
        self.negotiate()
        assert self.table() == 0
        for _ in range(queues):
            self.ring(num).start()
        return self.rings[0]


class Ring:
    """A split ring of @num entries at @at; its requests' buffers lie at
    DATA + slot * PER_SLOT."""

    DATA, PER_SLOT = 1 << 20, 1 << 15

    def __init__(self, fe, index, num, at, data=None):
        self.fe, self.index, self.num = fe, index, num
        self.data = self.DATA + index * (1 << 19) if data is None else data
        self.desc, self.avail = at, at + 16 * num
        self.used = (self.avail + 6 + 2 * num + 3) & ~3
        self.kick, self.call = os.eventfd(0), os.eventfd(0, os.EFD_NONBLOCK)
        self.next = self.seen = 0
        self.waiting = {}

    def close(self):
        os.close(self.kick)
        os.close(self.call)

    def start(self, base=0):
        """From a clean ring."""
        struct.pack_into('<HH', self.fe.mem, self.avail, 0, base)
        self.next = self.seen = base
        self.resume(base)

    def resume(self, base):
        state = struct.Struct('<II')
        fe = self.fe
        addr = struct.pack('<IIQQQQ', self.index, 0, USER + self.desc,
                           USER + self.used, USER + self.avail, 0)
        for request, payload, fds in (
                (SET_VRING_NUM, state.pack(self.index, self.num), ()),
                (SET_VRING_ADDR, addr, ()),
                (SET_VRING_BASE, state.pack(self.index, base), ()),
                (SET_VRING_CALL, struct.pack('<Q', self.index), (self.call,)),
                (SET_VRING_KICK, struct.pack('<Q', self.index), (self.kick,)),
                (SET_VRING_ENABLE, state.pack(self.index, 1), ())):
            failed = fe.tell(request, payload, fds)
            assert failed == 0, (request, failed)

    def stop(self):
        got = struct.unpack('<II', self.fe.ask(
            GET_VRING_BASE, struct.pack('<II', self.index, 0)))
        assert got[0] == self.index
        return got[1]

    def put_desc(self, i, addr, length, flags, link=0, table=None):
        struct.pack_into('<QIHH', self.fe.mem,
                         (self.desc if table is None else table) + 16 * i,
                         addr, length, flags, link)

    def publish(self, head):
        mem = self.fe.mem
        struct.pack_into('<H', mem, self.avail + 4 + 2 * (self.next % self.num),
                         head)
        self.next = (self.next + 1) & 0xffff
        struct.pack_into('<H', mem, self.avail + 2, self.next)

    def want_interrupt(self):
        if self.fe.has(F_EVENT_IDX):
            struct.pack_into('<H', self.fe.mem, self.avail + 4 + 2 * self.num,
                             self.seen)

    def notify(self):
        os.write(self.kick, struct.pack('=Q', 1))

    def submit(self, kind, sector=0, out=b'', size=0, pieces=1, indirect=False,
               kick=True):
        """Queue a request; the slot that it takes."""
        slot = next(s for s in range(self.num // 4) if s not in self.waiting)
        mem = self.fe.mem
        base = self.data + slot * self.PER_SLOT
        body = base + 4096
        struct.pack_into('<IIQ', mem, base, kind, 0, sector)
        mem[base + 16] = 0xff
        mem[body:body + len(out)] = out
        total = len(out) or size
        parts, at = [(base, 16, 0)], 0
        for i in range(pieces if total else 0):
            n = total // pieces if i + 1 < pieces else total - at
            parts.append((body + at, n, 0 if out else WRITE))
            at += n
        parts.append((base + 16, 1, WRITE))
        head = slot * 4
        if indirect or len(parts) > 4:
            table = base + 64
            for i, (addr, n, flags) in enumerate(parts):
                more = i + 1 < len(parts)
                self.put_desc(i, addr, n, flags | (NEXT if more else 0),
                              i + 1, table)
            self.put_desc(head, table, 16 * len(parts), INDIRECT)
        else:
            for i, (addr, n, flags) in enumerate(parts):
                more = i + 1 < len(parts)
                self.put_desc(head + i, addr, n, flags | (NEXT if more else 0),
                              head + i + 1)
        self.want_interrupt()
        self.waiting[slot] = size
        self.publish(head)
        if kick:
            self.notify()
        return slot

    def reap(self):
        """{slot: (status, data)} of what is done now."""
        mem, done = self.fe.mem, {}
        idx = struct.unpack_from('<H', mem, self.used + 2)[0]
        while self.seen != idx:
            head, _ = struct.unpack_from('<II', mem, self.used + 4 + 8 *
                                         (self.seen % self.num))
            slot = head // 4
            size = self.waiting.pop(slot)
            base = self.data + slot * self.PER_SLOT
            done[slot] = mem[base + 16], bytes(mem[base + 4096:
                                                   base + 4096 + size])
            self.seen = (self.seen + 1) & 0xffff
        return done

    def wait(self, slots):
        """The same of these slots, all of them."""
        done = {}
        while not set(slots) <= set(done):
            done.update(self.reap())
            self.want_interrupt()
            more = self.reap()
            done.update(more)
            if not more and not set(slots) <= set(done):
                ready, _, _ = select.select([self.call], [], [], 60)
                assert ready, 'no interrupt after a minute'
                os.read(self.call, 8)
        return done

    def do(self, kind, sector=0, **kw):
        slot = self.submit(kind, sector, **kw)
        return self.wait([slot])[slot]
