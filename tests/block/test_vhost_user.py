#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""vhost-user-blk exports: with a front end of our own, which also breaks the
rules, and with QEMU 7.2's."""

import json
import os
import random
import shutil
import socket
import struct
import subprocess
import tempfile
import time
import unittest

import vhostlib as vu
from blocklib import BUILD
from vhostlib import FrontEnd

OURS = os.path.join(BUILD, 'qemu-storage-daemon')
ORACLE = shutil.which('qemu-storage-daemon')
ORACLE_VM = shutil.which('qemu-system-x86_64')
SIZE = 1 << 20


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = folder.name
        self.img = f'{self.dir}/img'
        self.path = f'{self.dir}/sock'
        self.data = bytearray(random.Random(3).randbytes(SIZE))
        with open(self.img, 'wb') as f:
            f.write(self.data)

    def serve(self, *more, node='n', options='writable=on,num-queues=2',
              tool=OURS, **popen):
        self.proc = subprocess.Popen(
            [tool, '--object', 'iothread,id=t', '--blockdev',
             f'file,node-name=n,filename={self.img},discard=unmap', *more,
             '--export', f'vhost-user-blk,id=e,node-name={node},addr.type=unix,'
             f'addr.path={self.path},{options}'], **popen)
        self.addCleanup(self.end, self.proc)
        for _ in range(6000):
            if os.path.exists(self.path):
                break
            assert self.proc.poll() is None, 'the daemon ended'
            time.sleep(0.01)

    def end(self, proc=None):
        proc = proc or self.proc
        if proc.poll() is None:
            proc.terminate()
        self.assertEqual(proc.wait(60), 0)
        for pipe in proc.stdin, proc.stdout:
            if pipe:
                pipe.close()

    def connect(self, **kw):
        for _ in range(6000):
            try:
                fe = FrontEnd(self.path, **kw)
                self.addCleanup(fe.close)
                return fe
            except (ConnectionRefusedError, BlockingIOError):
                time.sleep(0.01)
        raise AssertionError('no server after a minute')

    def started(self, queues=1, num=64, **kw):
        fe = self.connect(**kw)
        fe.start(queues, num)
        return fe

    def usable(self):
        """A new front end is served."""
        fe = self.started()
        self.assertEqual(fe.rings[0].do(vu.T_IN, 0, size=512)[0], vu.OK)
        fe.close()


class Requests(Case):
    def check(self, fe, seed, steps=80):
        """Random requests, many under way, against a model; sectors of those
        under way do not overlap."""
        rng = random.Random(seed)
        busy = {}
        for _ in range(steps):
            ring = rng.choice(fe.rings)
            n = rng.choice([1, 1, 2, 8, 40])
            sector = rng.randrange(SIZE // 512 - n)
            if any(s < sector + n and sector < s + m
                   for s, m, _ in busy.values()):
                continue
            at, end = sector * 512, (sector + n) * 512
            kind = rng.choice([vu.T_IN, vu.T_OUT, vu.T_OUT, vu.T_WRITE_ZEROES,
                               vu.T_FLUSH])
            pieces = rng.choice([1, 1, 3])
            indirect = pieces > 2 or (fe.has(vu.F_INDIRECT)
                                      and rng.random() < .3)
            if indirect and not fe.has(vu.F_INDIRECT):
                pieces, indirect = 1, False
            kw = {'pieces': pieces, 'indirect': indirect}
            want = b''
            if kind == vu.T_IN:
                kw['size'] = end - at
                want = bytes(self.data[at:end])
            elif kind == vu.T_OUT:
                kw['out'] = rng.randbytes(end - at)
                self.data[at:end] = kw['out']
            elif kind == vu.T_WRITE_ZEROES:
                kw = {'out': struct.pack('<QII', sector, n, rng.randrange(2))}
                self.data[at:end] = bytes(end - at)
                sector = 0
            busy[ring, ring.submit(kind, sector, **kw)] = at // 512, n, want
            if len([r for r, _ in busy if r is ring]) > 10:
                self.finish(busy, ring)
        for ring in fe.rings:
            self.finish(busy, ring)

    def finish(self, busy, ring):
        slots = [s for r, s in busy if r is ring]
        for slot, (status, got) in ring.wait(slots).items():
            self.assertEqual(status, vu.OK)
            _, _, want = busy.pop((ring, slot))
            if want:
                self.assertEqual(got, want)

    def test_random_requests(self):
        modern = 1 << vu.F_INDIRECT | 1 << vu.F_EVENT_IDX
        for tool in filter(None, (OURS, ORACLE)):
            for features in modern, 1 << vu.F_INDIRECT, 0:
                for thread in '', ',iothread=t':
                    if tool == ORACLE and thread:
                        continue  # checks our front end, no more
                    with self.subTest(tool=tool, features=features):
                        self.serve(tool=tool, options='writable=on,num-queues=2'
                                   + thread)
                        fe = self.started(2, features=features)
                        self.check(fe, features + len(thread))
                        self.assertEqual(fe.rings[0].do(vu.T_FLUSH)[0], vu.OK)
                        fe.close()
                        self.end()
                        with open(self.img, 'rb') as f:
                            self.assertEqual(f.read(), self.data)

    def test_what_cannot_be(self):
        self.serve()
        ring = self.started().rings[0]
        rng = struct.Struct('<QII')
        for kind, sector, kw, status in (
                (vu.T_IN, SIZE // 512, {'size': 512}, vu.IOERR),
                (vu.T_IN, SIZE // 512 - 1, {'size': 1024}, vu.IOERR),
                (vu.T_IN, (1 << 64) - 1, {'size': 512}, vu.IOERR),
                (vu.T_IN, 1 << 55, {'size': 512}, vu.IOERR),
                (vu.T_IN, 0, {'size': 100}, vu.IOERR),
                (vu.T_OUT, SIZE // 512, {'out': bytes(512)}, vu.IOERR),
                (vu.T_OUT, 0, {'out': bytes(511)}, vu.IOERR),
                (vu.T_DISCARD, 0, {'out': rng.pack(SIZE // 512, 1, 0)},
                 vu.IOERR),
                (vu.T_DISCARD, 0, {'out': rng.pack((1 << 64) - 1, 2, 0)},
                 vu.IOERR),
                (vu.T_DISCARD, 0, {'out': rng.pack(0, 8, 1)}, vu.UNSUPP),
                (vu.T_WRITE_ZEROES, 0, {'out': rng.pack(0, 8, 2)}, vu.UNSUPP),
                (vu.T_WRITE_ZEROES, 0, {'out': rng.pack(0, 8, 0) * 2},
                 vu.UNSUPP),
                (vu.T_WRITE_ZEROES, 0, {'out': b'short'}, vu.UNSUPP),
                (77, 0, {}, vu.UNSUPP)):
            with self.subTest(kind=kind, sector=sector, kw=kw):
                self.assertEqual(ring.do(kind, sector, **kw)[0], status)
        self.assertEqual(ring.do(vu.T_GET_ID, size=20),
                         (vu.OK, b'vhost_user_blk'.ljust(20, b'\0')))
        with open(self.img, 'rb') as f:
            self.assertEqual(f.read(), self.data)

    def test_read_only_and_block_size(self):
        self.serve(options='logical-block-size=4096')
        fe = self.started()
        ring = fe.rings[0]
        self.assertTrue(fe.has(vu.BLK_F_RO))
        config = fe.config()
        self.assertEqual(struct.unpack_from('<Q', config)[0], SIZE // 512)
        self.assertEqual(struct.unpack_from('<I', config, 20)[0], 4096)
        self.assertEqual(ring.do(vu.T_IN, 8, size=4096),
                         (vu.OK, bytes(self.data[4096:8192])))
        self.assertEqual(ring.do(vu.T_IN, 1, size=4096)[0], vu.IOERR)
        self.assertEqual(ring.do(vu.T_IN, 0, size=512)[0], vu.IOERR)
        for kind in vu.T_OUT, vu.T_DISCARD, vu.T_WRITE_ZEROES:
            self.assertEqual(ring.do(kind, 0, out=bytes(4096))[0], vu.IOERR)

    def test_write_cache_is_the_front_ends(self):
        self.serve()
        fe = self.connect()
        fe.negotiate()
        self.assertEqual(fe.config(32, 1), b'\1')
        for value in b'\0', b'\1':
            self.assertEqual(fe.set_config(32, value), 0)
            self.assertEqual(fe.config(32, 1), value)
        self.assertTrue(fe.set_config(0, bytes(8)))
        self.assertEqual(fe.config(60, 1), b'')
        self.assertEqual(fe.config(32, 100), b'')


class Life(Case):
    def test_stop_and_go_on(self):
        self.serve()
        fe = self.started()
        ring = fe.rings[0]
        for n in range(1, 4):
            slots = [ring.submit(vu.T_IN, i, size=512) for i in range(10)]
            # The answer comes when all that was taken is done.
            base = ring.stop()
            done = ring.reap()
            self.assertEqual(base, len(done) + 10 * (n - 1))
            # The rest is taken when it goes on.
            ring.resume(base)
            ring.wait(set(slots) - set(done))

    def test_one_front_end_after_the_other(self):
        self.serve(options='writable=on,num-queues=2,iothread=t')
        for _ in range(5):
            fe = self.started()
            for i in range(8):
                fe.rings[0].submit(vu.T_OUT, i * 64, out=bytes(20000))
            fe.close()  # whatever is under way
        self.usable()

    def test_export_goes_with_a_front_end(self):
        self.serve('--chardev', 'stdio,id=c', '--monitor', 'c',
                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        def line(text):
            self.proc.stdin.write(text + '\n')
            self.proc.stdin.flush()

        line('{"execute":"qmp_capabilities"}')
        fe = self.started()
        fe.rings[0].submit(vu.T_IN, 0, size=4096)
        line('{"execute":"block-export-del","arguments":{"id":"e"}}')
        while 'BLOCK_EXPORT_DELETED' not in self.proc.stdout.readline():
            pass
        self.assertTrue(fe.at_end())
        self.assertFalse(os.path.exists(self.path))
        # The node is free.
        line('{"execute":"blockdev-del","arguments":{"node-name":"n"}}')
        while 'return' not in (text := self.proc.stdout.readline()):
            self.assertNotIn('error', text)

    def test_memory_that_comes_and_goes(self):
        self.serve()
        fe = self.connect()
        fe.negotiate()
        half = fe.size // 2
        region = struct.Struct('<QQQQQ')
        low = region.pack(0, 0, half, vu.USER, 0)
        # The halves lie apart here, and side by side in the guest.
        high = region.pack(0, half, half, vu.USER + (1 << 32), half)
        self.assertEqual(fe.tell(vu.ADD_MEM_REG, low, [fe.memfd]), 0)
        ring = fe.ring(data=half - 8192)
        ring.start()
        self.assertEqual(fe.tell(vu.ADD_MEM_REG, high, [fe.memfd]), 0)
        # A buffer that lies in both.
        self.assertEqual(ring.do(vu.T_IN, 0, size=16384),
                         (vu.OK, bytes(self.data[:16384])))
        self.data[:16384] = bytes(16384)
        self.assertEqual(ring.do(vu.T_OUT, 0, out=bytes(16384))[0], vu.OK)
        self.assertEqual(fe.tell(vu.REM_MEM_REG, high), 0)
        ring.data = half // 2
        self.assertEqual(ring.do(vu.T_IN, 8, size=512), (vu.OK, bytes(512)))
        with open(self.img, 'rb') as f:
            self.assertEqual(f.read(), self.data)

    def test_dirty_log(self):
        self.serve()
        fe = self.started()
        ring = fe.rings[0]
        log = os.memfd_create('log')
        self.addCleanup(os.close, log)
        os.ftruncate(log, 4096)
        fe.tell(vu.SET_PROTOCOL_FEATURES,
                struct.pack('<Q', 1 << vu.P_LOG_SHMFD | 1 << vu.P_REPLY_ACK))
        fe.ask(vu.SET_LOG_BASE, struct.pack('<QQ', fe.size // 4096 // 8, 0),
               [log])
        fe.tell(vu.SET_FEATURES,
                struct.pack('<Q', fe.features | 1 << vu.F_LOG_ALL))
        addr = struct.pack('<IIQQQQ', 0, 1, vu.USER + ring.desc,
                           vu.USER + ring.used, vu.USER + ring.avail,
                           ring.used)
        fe.tell(vu.SET_VRING_ADDR, addr)
        slot = ring.submit(vu.T_IN, 0, size=8192)
        ring.wait([slot])
        bits = int.from_bytes(os.pread(log, 4096, 0), 'little')
        base = ring.data + slot * ring.PER_SLOT
        dirty = {i for i in range(fe.size // 4096) if bits >> i & 1}
        self.assertEqual(dirty, {base // 4096, base // 4096 + 1,
                                 base // 4096 + 2, ring.used // 4096})


class Hostile(Case):
    """A broken ring stops; a broken message ends the conversation. The next
    front end is served."""

    def setUp(self):
        super().setUp()
        self.serve()

    def stopped(self, ring):
        """The ring does nothing more, and can be stopped and used again."""
        ring.stop()
        self.assertEqual(ring.reap(), {})
        ring.waiting = {}
        ring.start(ring.seen)
        self.assertEqual(ring.do(vu.T_IN, 0, size=512)[0], vu.OK)

    def test_rings(self):
        mem = 4 << 20
        base = vu.Ring.DATA

        def chain(*descs):
            def put(fe, ring):
                for i, (addr, n, flags, link) in enumerate(descs):
                    ring.put_desc(i, addr, n, flags, link)
                ring.publish(0)
            return put

        def indirect(length, *descs, addr=0x9000):
            def put(fe, ring):
                for i, (a, n, flags, link) in enumerate(descs):
                    ring.put_desc(i, a, n, flags, link, 0x9000)
                ring.put_desc(0, addr, length, vu.INDIRECT)
                ring.publish(0)
            return put

        def head(value):
            return lambda fe, ring: ring.publish(value)

        def jump(fe, ring):
            struct.pack_into('<H', fe.mem, ring.avail + 2, 1000)

        ok = (base, 16, vu.NEXT, 1)
        for name, put in {
                'head beyond the ring': head(64), 'head 65535': head(65535),
                'index far ahead': jump,
                'circle': chain((base, 16, vu.NEXT, 0)),
                'circle of two': chain(ok, (base, 16, vu.NEXT, 0)),
                'link beyond the ring': chain((base, 16, vu.NEXT, 64)),
                'no memory there': chain(ok, (mem, 1, vu.WRITE, 0)),
                'memory ends': chain(ok, (mem - 8, 16, vu.WRITE, 0)),
                'wraps around': chain(ok, ((1 << 64) - 8, 16, vu.WRITE, 0)),
                'empty buffer': chain(ok, (base, 0, vu.WRITE, 0)),
                'out behind in': chain((base, 16, vu.WRITE | vu.NEXT, 1),
                                       (base, 16, 0, 0)),
                'no status': chain((base, 512, 0, 0)),
                'no header': chain((base, 512, vu.WRITE, 0)),
                'short header': chain((base, 8, vu.NEXT, 1),
                                      (base, 8, vu.WRITE, 0)),
                'huge': chain(ok, (0, 0xffffffff, vu.WRITE, 0)),
                'table of odd size': indirect(17),
                'table of no size': indirect(0),
                'table not there': indirect(16, addr=mem),
                'table ends in nothing': indirect(32, addr=mem - 16),
                'table too large': indirect(16 * 4096, addr=0),
                'table in a table': indirect(
                    16, (0x9000, 16, vu.INDIRECT, 0)),
                'table with more behind': chain(
                    (0x9000, 16, vu.INDIRECT | vu.NEXT, 1)),
                'circle in a table': indirect(32, (base, 16, vu.NEXT, 1),
                                              (base, 16, vu.NEXT, 0)),
                'link beyond the table': indirect(16, (base, 16, vu.NEXT, 1)),
        }.items():
            with self.subTest(name):
                fe = self.started()
                ring = fe.rings[0]
                put(fe, ring)
                ring.notify()
                self.stopped(ring)
                fe.close()

    def test_more_requests_than_the_ring_has_room_for(self):
        self.end()
        self.serve('--blockdev',
                   'null-co,node-name=slow,latency-ns=200000000,size=65536',
                   node='slow', options='num-queues=2')
        fe = self.started()
        ring = fe.rings[0]
        ring.put_desc(0, vu.Ring.DATA, 16, vu.NEXT, 1)
        ring.put_desc(1, vu.Ring.DATA + 16, 513, vu.WRITE)
        for _ in range(200):  # one chain again and again, all in flight
            ring.publish(0)
            ring.notify()
            time.sleep(0.0002)
        ring.stop()
        done, = struct.unpack_from('<H', fe.mem, ring.used + 2)
        self.assertLessEqual(done, 64)
        fe.close()

    def test_a_ring_that_changes_all_the_time(self):
        rng = random.Random(5)
        fe = self.started()
        ring = fe.rings[0]
        for _ in range(300):
            at = rng.choice([ring.desc, ring.avail, 0x9000]) \
                + rng.randrange(1100)
            fe.mem[at:at + 4] = rng.randbytes(4)
            if rng.random() < .3:
                ring.submit(rng.choice([0, 1, 4, 8, 13]), 0, size=512) \
                    if len(ring.waiting) < 8 else ring.waiting.clear()
            ring.notify()
        fe.close()
        self.usable()

    def ended(self, act):
        fe = self.connect()
        fe.negotiate()
        fe.need_ack = False
        act(fe)
        self.assertTrue(fe.at_end())
        fe.close()

    def test_messages(self):
        u64 = struct.Struct('<Q')
        state = struct.Struct('<II')
        other = os.memfd_create('x')
        self.addCleanup(os.close, other)
        os.ftruncate(other, 4096)

        def table(regions, fds, n=None):
            payload = state.pack(len(regions) if n is None else n, 0)
            for r in regions:
                payload += struct.pack('<QQQQ', *r)
            return lambda fe: fe.send(vu.SET_MEM_TABLE, payload, fds)

        def ring(payload, request, fds=()):
            def act(fe):
                fe.table()
                fe.send(request, payload, fds)
            return act

        good = (0, 4096, vu.USER, 0)
        top = (1 << 64) - 4096
        for name, act in {
                'unknown': lambda fe: fe.send(99),
                'version': lambda fe: fe.send(vu.GET_FEATURES, flags=2),
                'a reply': lambda fe: fe.send(vu.GET_FEATURES, flags=5),
                'too long': lambda fe: fe.send(vu.GET_FEATURES, size=1 << 31),
                'long by one': lambda fe: fe.send(vu.SET_FEATURES, bytes(9)),
                'features': lambda fe: fe.send(vu.SET_FEATURES,
                                               u64.pack(1 << 63)),
                'protocol': lambda fe: fe.send(vu.SET_PROTOCOL_FEATURES,
                                               u64.pack(1 << 40)),
                'no descriptor': table([good], []),
                'too many descriptors': table([good], [other, other]),
                'too few regions': table([good], [other], 2),
                'a million regions': table([], [], 1 << 20),
                'overlap': table([good, good], [other, other]),
                'beyond the file': table([(0, 8192, vu.USER, 0)], [other]),
                'offset': table([(0, 4096, vu.USER, top)], [other]),
                'wraps': table([(top, 8192, vu.USER, 0)], [other]),
                'empty': table([(0, 0, vu.USER, 0)], [other]),
                'nothing to remove': lambda fe: fe.send(
                    vu.REM_MEM_REG, struct.pack('<QQQQQ', 0, *good)),
                'size of a ring': ring(state.pack(0, 3), vu.SET_VRING_NUM),
                'no size': ring(state.pack(0, 0), vu.SET_VRING_NUM),
                'large ring': ring(state.pack(0, 1 << 20), vu.SET_VRING_NUM),
                'no such ring': ring(state.pack(2, 64), vu.SET_VRING_NUM),
                'ring enable': ring(state.pack(900, 1), vu.SET_VRING_ENABLE),
                'ring base': ring(state.pack(0, 1 << 16), vu.SET_VRING_BASE),
                'stop no ring': ring(state.pack(9, 0), vu.GET_VRING_BASE),
                'kick of no ring': ring(u64.pack(9), vu.SET_VRING_KICK,
                                        [other]),
                'kick that is a file': ring(u64.pack(0), vu.SET_VRING_KICK,
                                            [other]),
                'kick without descriptor': ring(u64.pack(0),
                                                vu.SET_VRING_KICK),
                'polling': ring(u64.pack(0x100), vu.SET_VRING_KICK),
                'call that is a file': ring(u64.pack(0), vu.SET_VRING_CALL,
                                            [other]),
                'config beyond': lambda fe: fe.send(
                    vu.SET_CONFIG, struct.pack('<III', 0, 999, 0)),
                'log': lambda fe: fe.send(vu.SET_LOG_BASE,
                                          struct.pack('<QQ', 1 << 50, 0),
                                          [other]),
        }.items():
            with self.subTest(name):
                self.ended(act)
        self.usable()

    def test_ring_outside_the_memory(self):
        num = struct.pack('<II', 0, 64)
        for at in ((4 << 20) - 64, 8 << 20, 3):
            with self.subTest(at=at):
                fe = self.connect()
                fe.negotiate()
                fe.need_ack = False
                fe.table()
                fe.send(vu.SET_VRING_NUM, num)
                fe.send(vu.SET_VRING_ADDR,
                        struct.pack('<IIQQQQ', 0, 0, *[vu.USER + at] * 3, 0))
                self.assertTrue(fe.at_end())
                fe.close()
        self.usable()

    def test_half_a_message_and_random_bytes(self):
        rng = random.Random(7)
        for n in list(range(0, 20)) + [100, 1000, 5000]:
            fe = self.connect()
            try:
                fe.sock.sendall(rng.randbytes(n))
            except (BrokenPipeError, ConnectionResetError):
                pass  # it has seen enough
            fe.close()
        self.usable()


# Reads four sectors from the second on, writes the first of them to the tenth,
# and prints what it read on port 0xe9. (int 13h: functions 2 and 3.)
BOOT = bytes.fromhex(
    '31c08ed88ec0'
    'b80402bb0080b90200b600cd13721c'
    'b80103bb0080b90a00b600cd13720d'
    'be0080ac84c07404e6e9ebf7eb04'
    'b046e6e9'
    'ba010530c0eef4')


class Debian(Case):
    @unittest.skipUnless(ORACLE_VM, 'needs QEMU 7.2')
    def test_qemu_boots_from_it(self):
        text = b'hello from the other side'
        with open(self.img, 'wb') as f:
            f.write((BOOT.ljust(510, b'\0') + b'\x55\xaa' +
                     text).ljust(SIZE, b'\0'))
        for thread in '', ',iothread=t':
            self.serve(options='writable=on' + thread)
            out = f'{self.dir}/out'
            vm = subprocess.run(
                [ORACLE_VM, '-accel', 'tcg', '-M', 'q35,memory-backend=m',
                 '-m', '64', '-object',
                 'memory-backend-memfd,id=m,size=64M,share=on', '-nodefaults',
                 '-display', 'none', '-chardev', f'socket,id=c,path={self.path}',
                 '-device', 'vhost-user-blk-pci,chardev=c,bootindex=1',
                 '-chardev', f'file,id=d,path={out}', '-device',
                 'isa-debugcon,iobase=0xe9,chardev=d', '-device',
                 'isa-debug-exit,iobase=0x501,iosize=2', '-no-reboot'],
                timeout=120, check=False)
            self.assertEqual(vm.returncode, 1)
            with open(out, 'rb') as f:
                self.assertEqual(f.read(), text)
            self.end()
            with open(self.img, 'rb') as f:
                self.assertEqual(f.read()[9 * 512:9 * 512 + len(text)], text)



class Resize(Case):
    def changed(self):
        """What a front end learns when the disk gets another size."""
        self.serve('--chardev', 'stdio,id=c', '--monitor', 'c',
                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        fe = self.started()
        mine, theirs = socket.socketpair()
        with mine, theirs:
            mine.settimeout(60)
            fe.tell(vu.SET_BACKEND_REQ_FD, fds=[theirs.fileno()])
            before = fe.config(0, 8)
            for command, args in (
                    ('qmp_capabilities', {}),
                    ('block_resize', {'node-name': 'n', 'size': 2 * SIZE})):
                self.proc.stdin.write(json.dumps({
                    'execute': command, 'arguments': args}).encode() + b'\n')
                self.proc.stdin.flush()
            told = struct.unpack('<III', mine.recv(12))
        after = fe.config(0, 8)
        fe.close()
        self.end()
        os.truncate(self.img, SIZE)
        return told[0], told[2], before, after

    def test_front_end_learns_of_another_size(self):
        seen = self.changed()
        self.assertEqual(seen, (
            vu.BACKEND_CONFIG_CHANGE, 0, struct.pack('<Q', SIZE // 512),
            struct.pack('<Q', 2 * SIZE // 512)))


if __name__ == '__main__':
    unittest.main()
