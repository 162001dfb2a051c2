# SPDX-License-Identifier: GPL-2.0-or-later
"""Inputs from which fuzzing starts: small, valid, and each of another kind."""

import re
import struct
from pathlib import Path

HERE = Path(__file__).resolve().parent


def be(fmt, *values):
    return struct.pack('>' + fmt, *values)


def le(fmt, *values):
    return struct.pack('<' + fmt, *values)


def json():
    return [b'{"a": [1, -2.5e3, true, null], "b": {"c": "\\u00e9\\n\\ud83d\\ude00"}}',
            b"{'single': 'quotes', 'n': 18446744073709551615}",
            b'[[[[[]]]]] {} 1 "x" -0.0 1e999', b'{"broken": ] {"next": 1}',
            b'"\xff\xfe" \xff {"reset": 1}']


def qmp():
    requests = [
        b'{"execute": "nothing", "id": 1}',
        b'{"execute": "add", "arguments": {"a": 1, "b": 2}, "id": "x"}',
        b'{"exec-oob": "oob", "id": {"deep": []}}',
        b'{"execute": "boxed", "arguments": {"kind": "two", "string": "s"}}',
        b'{"execute": "from-struct", "arguments": {"integer": 1, "left": 2}}',
        b'{"execute": "get-strs", "arguments": {"l": ["a", "b"]}}',
        b'{"execute": "qmp_capabilities", "arguments": {"enable": ["oob"]}}',
        b'{"execute": "silent", "arguments": {"fail": true}}']
    return [bytes([mode]) + r for mode in (1, 3) for r in requests]


def monitor():
    qmp_session = (b'{"execute": "qmp_capabilities"}\xfe'
                   b'{"execute": "query-commands", "id": 7}\xfe'
                   b'{"execute": "query-version"}')
    hmp = b'help\ninfo version\ninfo s\t\n\x1b[A\x7f\x17p 1+2*(3<<4)\nquit\n'
    return [b'\0' + qmp_session, b'\1' + hmp,
            b'\2\xff\xfd\x01\xff\xfb\x03' + hmp + b'\x01c\x01h']


def keyval():
    return [b'qom-type=memory-backend-file,id=m0,size=1G,mem-path=/x,share=on',
            b'memory-backend-ram,id=a,size=128M,host-nodes=0-3,policy=bind',
            b'driver=qcow2,node-name=n,file.driver=file,file.filename=a,,b',
            b'raw,file=n,size=512,offset=0,cache.direct=on',
            b'tap,id=n0,ifname=t0,script=no,queues=4,vhost=off',
            b'type=socket,addr.type=inet,addr.host=::1,addr.port=1,server=on',
            b'node,nodeid=0,cpus=0-3,memdev=m', b'{"driver": "null-co"}',
            b'id=a,l.0=x,l.1=y', b'help', b'=', b'a=,b=,,']


def names():
    return [b'nfs://host/folder/file?uid=1&gid=2&readahead=65536&debug=1',
            b'iscsi://user%pass@host:3260/iqn.2026-11.test%3Aone/12',
            b'iser://[::1]/t/0', b'rbd:pool/namespace/image@snap:id=u:a=b',
            b'rbd:p/i\\@x:conf=/etc/ceph.conf:mon_host=a\\:1',
            b'ssh://me@host:22/path?host_key_check=md5:00',
            b'https://host/path?x=y', b'ftp://', b'nfs:', b'rbd:',
            b'nbd://host:10809/name', b'nbd+unix:///name?socket=/run/s',
            b'nbd:[::1]:10809:exportname=x', b'nbd:unix:/run/s:exportname=y',
            b'json:{"driver": "qcow2", "file": {"driver": "file", '
            b'"filename": "a"}, "l2-cache-size": "1M"}',
            b'json:{"file.driver": "nbd", "file.server.type": "inet", '
            b'"file.server.host": "h", "file.server.port": "1"}',
            b'json:{"driver": "quorum", "children.0": "a", "children.1": {}}',
            b'blkdebug:rules:nbd:h:1', b'blkverify:a:json:{"driver":"null-co"}',
            b'null-co://', b'host_device:/x', b'host_cdrom:/x', b'file:x']


def secret():
    iv = b'AAECAwQFBgcICQoLDA0ODw==\0'
    block = b'eHh4eHh4eHh4eHh4eHh4AQ=='
    return [b'\0\0password', b'\1\0cGFzc3dvcmQ=', b'\1\0c GF*',
            b'\3' + iv + block, b'\2' + iv + b'0123456789abcde\1',
            b'\7\0' + block, b'\3short\0' + block, b'\1\0=', b'\3' + iv]


def blkdebug():
    return [b'[inject-error]\nevent = "read_aio"\nerrno = "5"\nonce = "on"\n'
            b'[set-state]\nevent = "write_aio"\nstate = "1"\n'
            b'new_state = "2"\n',
            b'# a comment\n[inject-error "id"]\nevent = "none"\n'
            b'iotype = "write"\nsector = "8"\nstate = "0"\n',
            b'[inject-error]\nevent="none"\nimmediately="on"\n', b'x = "y"',
            b'[none]\n', b'[inject-error\n', b'[set-state]\nevent = x']


def blklogwrites():
    def log(*entries, magic=0x6a736677736872, version=1, size=512, count=None):
        n = len(entries) if count is None else count
        text = le('QQQI', magic, version, n, size).ljust(size, b'\0')
        for at, sectors, flags in entries:
            text += le('QQQQ', at, sectors, flags, 0).ljust(size, b'\0')
            text += bytes(0 if flags & 4 else sectors * size)
        return text + b'\x40'
    return [log(), log((0, 1, 0), (8, 2, 2), (0, 0, 1)),
            log((0, 1 << 40, 4), (0, 1, 0)), log((0, 1 << 60, 4), (1 << 60, 0, 0)),
            log(count=1 << 31), log((0, 1, 0), size=4096), log(size=1 << 20),
            log(version=2), log(magic=1)]


def kernel():
    setup = bytearray(5 * 512 + 4096)
    setup[0x1f1] = 4
    struct.pack_into('<IHH', setup, 0x1f4, 256, 0, 0)
    struct.pack_into('<HH4sH', setup, 0x1fe, 0xaa55, 0x6aeb, b'HdrS', 0x020f)
    struct.pack_into('<B', setup, 0x211, 1)         # loaded high
    struct.pack_into('<I', setup, 0x22c, 0x7fffffff)
    struct.pack_into('<IBBHI', setup, 0x230, 0x200000, 1, 21, 3, 2047)
    struct.pack_into('<QI', setup, 0x258, 0x1000000, 0x1800000)
    note = le('III4sI', 4, 4, 18, b'Xen\0', 0x100000)
    text = b'\xf4' * 64
    head = b'\x7fELF\2\1\1' + bytes(9) + le('HHIQQQIHHHHHH', 2, 62, 1, 0x100000,
                                           64, 0, 0, 64, 56, 2, 0, 0, 0)
    load = le('IIQQQQQQ', 1, 5, 192, 0x100000, 0x100000, len(text), 4096, 4096)
    notes = le('IIQQQQQQ', 4, 4, 256, 0, 0, len(note), len(note), 4)
    elf = (head + load + notes).ljust(192, b'\0') + text + note
    return [bytes(setup), elf]


def vmstate():
    return [bytes([n]) + bytes(range(200)) + b'\5sub\0' for n in range(5)]


def x86_state():
    """The stream of a CPU that the unit test loads, and a LAPIC of zeros."""
    header = HERE.parent / 'unit/x86-cpu-stream.h'
    text = ''.join(re.findall(r'^ *"(.*)"', header.read_text(), re.M))
    cpu = re.sub(r'\[(\d+)\]', lambda m: '00' * int(m[1]), text)
    return [b'\0' + bytes.fromhex(cpu), b'\1' + bytes(181)]


def vring():
    def split(features):
        desc = b''.join(le('QIHH', 1024 + 64 * i, 64, f, i + 1) for i, f in
                        enumerate((1, 3, 2, 4)))
        avail = le('HHHHH', 0, 2, 0, 3, 1)
        return bytes([features]) + desc.ljust(256, b'\0') + \
            avail.ljust(256, b'\0') + bytes(512)

    def packed():
        return b'\1' + b''.join(le('QIHH', 1024 + 64 * i, 64, i, 0x80 | f)
                                for i, f in enumerate((1, 2, 0))) + bytes(1000)
    return [split(f) for f in (0, 2, 4, 6)] + [packed()]


def fw_cfg():
    def act(kind, operands=b''):
        return (bytes([kind]) + operands).ljust(17, b'\0')

    def dma(control, length, address):
        return act(2, be('IIQ', control, length, address))
    return [act(0, le('H', 0x19)) + act(1, b'\x40'),
            dma(0x190000 | 8 | 2, 64, 0x800) + dma(4, 32, 0),
            dma(0x200000 | 8 | 16, 10, 0x400) + dma(2, 10, 0x900)]


def qcow2():
    """Clusters of one size: header, reftable, refblock, L1, L2, data."""
    # Read-write or read-only, then six steps of three bytes (fuzz-qcow2.c).
    steps = [bytes([n]) + b'\0\0\0\2\0\0\4\0\0\x0c\0\0\5\0\0\7\x10\0'
             for n in (0, 1, 4, 8)]

    def image(version, entries, incompat=0, backing=b'', bits=9, autoclear=0,
              crypt=0, more=b'', snapshots=b'', tail=b''):
        cluster = 1 << bits
        at = 5 * cluster
        header = be('4sIQIIQIIQQIIQ', b'QFI\xfb', version,
                    400 if backing else 0, len(backing), bits, 64 * cluster,
                    crypt, 1, 3 * cluster, cluster, 1, bool(snapshots),
                    8 * cluster if snapshots else 0)
        if version == 3:
            header += be('QQQII', incompat, 0, autoclear, 4, 104) + more
        table = be('Q', 2 * cluster)
        block = be('H', 1) * 8
        l1 = be('Q', 1 << 63 | 4 * cluster)
        l2 = b''.join(be('Q', e(at)) for e in entries)
        head = bytearray(header.ljust(cluster, b'\0'))
        head[400:400 + len(backing)] = backing
        data = b'\x4b\x4c\x4a\x06\0'.ljust(cluster * 3, b'\x5a')
        return bytes(head) + b''.join(
            part.ljust(cluster, b'\0')
            for part in (table, block, l1, l2)) + data + snapshots + tail

    entries = [lambda at: 1 << 63 | at, lambda at: 0, lambda at: 1,
               lambda at: 1 << 63 | at + 512 | 1,
               lambda at: 1 << 62 | at + 1024]
    images = [image(3, entries), image(2, [entries[0], entries[1], entries[4]]),
              image(3, entries, incompat=1), image(3, entries, incompat=2),
              image(3, entries, backing=b'json:{"driver":"null-co"}'),
              # Extended L2 entries: a descriptor, then two bitmaps.
              image(3, [lambda at: 1 << 63 | at, lambda at: 0xfff0000000ff,
                        lambda at: 0, lambda at: 0xff << 32,
                        lambda at: 1 << 63 | at + 16384, lambda at: 0,
                        lambda at: 1 << 62 | at + 32768, lambda at: 0],
                    incompat=16, bits=14),
              # With a data file, also one that is a raw image.
              *(image(3, [lambda at: 1 << 63, lambda at: 0,
                          lambda at: 1 << 63 | 1024 | 1, lambda at: 1],
                      incompat=4, autoclear=raw) for raw in (0, 2)),
              image(3, [lambda at: 1 << 63, lambda at: 0xfff0000000ff],
                    incompat=20, bits=14)]
    for extra in (b'', bytes(16), bytes(24)):
        entry = be('QIHHIIQII', 3 * 512, 1, 1, 4, 0, 0, 0, 0, len(extra))
        images.append(image(3, entries, snapshots=entry + extra + b'1name'))
    # Encrypted: by AES, and with a LUKS header behind the data.
    pointer = be('IIQQ', 0x0537be77, 16, 8 * 512, 1032 * 512)
    images += [image(2, entries, crypt=1), image(3, entries, crypt=1),
               image(3, entries, crypt=2, more=pointer, tail=luks_header(
                   key=16, payload=1032, mode=b'cbc-plain64'))]
    # The image's own snapshot, then a check.
    steps.append(b'\0\7\1\xc0\2\0\0\7\0\x80\0\0\0\7\0\xc0\6\0\0')
    # Add a bitmap, write, change it, shrink, take it away, check.
    steps.append(b'\0\7\x88\xa0\2\0\0\7\1\xa8\7\4\0\7\x40\xa0\7\0\x80')
    images += [bitmaps(flags, table) for flags in (0, 1, 2, 6)
               for table in (0, 1, 2560)]
    return [spread(s, i) for s in steps for i in images]


def spread(steps, image):
    """Clusters come as their first 512 bytes; the first byte tells it."""
    bits = image[23]
    image = b''.join(image[i:i + 512] for i in range(0, len(image), 1 << bits))
    return bytes([steps[0] | bits - 9 << 4]) + steps[1:] + image


def bitmaps(flags, entry):
    """The directory is cluster 3, its bitmap's table 4, the bitmap 5."""
    cluster = 512
    header = be('4sIQIIQIIQQIIQ', b'QFI\xfb', 3, 0, 0, 9, 64 * cluster, 0,
                1, 6 * cluster, cluster, 1, 0, 0)
    header += be('QQQII', 0, 0, 1, 4, 104)
    extra = b'extra...' if flags & 4 else b''
    directory = b''.join(
        be('QIIBBHI', 4 * cluster, 1, flags, 1, 9, 4, len(extra)) + extra +
        name.ljust(8, b'\0') for name in (b'abcd', b'efgh'))
    header += be('IIIIQQ', 0x23852875, 24, 2, 0, len(directory), 3 * cluster)
    parts = (header, be('Q', 2 * cluster), be('H', 1) * 7, directory,
             be('Q', entry), b'\xf0\x0f')
    return b''.join(p.ljust(cluster, b'\0') for p in parts) + bytes(cluster)


def nbd_server():
    """A client's words; an odd first byte: after the handshake."""
    def option(kind, data=b''):
        return be('8sII', b'IHAVEOPT', kind, len(data)) + data

    def request(flags, kind, offset, length, data=b''):
        return be('IHHQQI', 0x25609513, flags, kind, 1, offset, length) + data

    requests = [request(0, 0, 4096, 512),                 # read
                request(1, 1, 0, 512, bytes(512)),        # write, FUA
                request(0, 3, 0, 0),                      # flush
                request(0, 4, 8192, 4096),                # trim
                request(0, 5, 0, 4096),                   # cache
                request(2, 6, 0, 65536),                  # write zeroes
                request(8, 7, 0, 262144)]                 # block status
    end = request(0, 2, 0, 0)
    info = be('IH', 0, 2) + be('HH', 1, 3)
    hello = be('I', 3) + option(8)

    def contexts(*names):
        return be('III', 0, len(names), len(names[0])) + \
            be('I', len(names[-1])).join(names)
    bitmap = contexts(b'base:allocation', b'qemu:dirty-bitmap:m')
    return [b'\0' + hello + option(9, contexts(b'qemu:')) + option(10, bitmap)
            + option(7, info) + requests[-1] + requests[1] + requests[-1] + end,
            b'\1' + b''.join(requests) + end,
            *(b'\1' + r + end for r in requests),
            b'\0' + hello + option(3) + option(6, be('I', 1) + b'b' + be('H', 0))
            + option(7, info) + requests[0] + end,
            b'\0' + hello + option(9, be('II', 0, 0)) + option(5)
            + option(1, b'b') + requests[0] + end,
            b'\0' + be('I', 0) + option(1) + requests[0] + end,
            b'\0' + hello + option(2)]


def nbd_client():
    """A server's words; an odd first byte: after the handshake."""
    def reply(option, kind, data=b''):
        return be('QIII', 0x3e889045565a9, option, kind, len(data)) + data

    def chunk(flags, kind, cookie, data=b''):
        return be('IHHQI', 0x668e33ef, flags, kind, cookie, len(data)) + data

    hello = b'NBDMAGIC' + b'IHAVEOPT' + be('H', 3)
    size = reply(7, 3, be('HQH', 0, 262144, 0x0fed))
    blocks = reply(7, 3, be('HIII', 3, 1, 4096, 1 << 25))
    chunks = [chunk(0, 1, 0, be('Q', 4096) + bytes(2048))
              + chunk(1, 2, 0, be('QI', 6144, 2048)),
              chunk(1, 5, 1, be('III', 1, 65536, 3)),
              chunk(1, 0, 2), chunk(1, 0x8001, 3, be('IH', 5, 2) + b'no')]
    plain = [be('IIQ', 0x67446698, error, 0) for error in (0, 5)]
    return [b'\1' + b''.join(chunks), *(b'\1' + c for c in chunks),
            b'\1' + plain[0] + bytes(4096), b'\1' + plain[1],
            b'\0' + hello + reply(8, 1) + reply(10, 4, be('I', 1)
                                                + b'base:allocation')
            + reply(10, 1) + size + blocks + reply(7, 1) + b''.join(chunks),
            b'\0' + hello + reply(8, 0x80000001) + reply(7, 0x80000006, b'none'),
            b'\0' + hello + reply(8, 0x80000001) + reply(7, 0x80000001)
            + be('QH', 262144, 1) + plain[0] + bytes(4096),
            b'\0' + b'NBDMAGIC' + be('QQI', 0x420281861253, 262144, 1)
            + bytes(124)]


def vhost_user():
    def desc(addr, length, flags, link=0):
        return le('QIHH', addr, length, flags, link)

    def memory(descs, heads):
        ring = b''.join(descs).ljust(256, b'\0')
        ring += le('HH', 0, len(heads)) + b''.join(le('H', h) for h in heads)
        return ring.ljust(1024, b'\0')

    def record(request, payload=b'', fd=0, flags=1):
        text = le('III', request, flags, len(payload)) + payload
        return bytes([fd, len(text)]) + text

    def seed(ring, *records):
        return le('H', len(ring)) + ring + b''.join(records)

    kick = bytes([0x80, 0])
    rings = []
    for kind in 0, 1, 4, 8, 11, 13:
        data_flags = 3 if kind in (0, 8) else 1
        ring = memory([desc(1024, 16, 1, 1), desc(4096, 16, data_flags, 2),
                       desc(2048, 1, 2)], [0])
        rings.append(ring + le('IIQ', kind, 0, 1))
    table = memory([desc(768, 48, 4)], [0])[:768] + desc(1024, 16, 1, 1) + \
        desc(4096, 512, 3, 2) + desc(2048, 1, 2)
    region = le('QQQQ', 1 << 20, 4096, 1 << 32, 0)
    messages = [
        record(1), record(15), record(17), record(36), record(3),
        record(16, le('Q', 0x8a0b)), record(24, le('III', 0, 60, 0) + bytes(60)),
        record(25, le('III', 32, 1, 0) + b'\0'), record(11, le('II', 0, 0)),
        record(5, le('II', 1, 0) + region, 1),
        record(37, le('Q', 0) + region, 1), record(38, le('Q', 0) + region),
        record(6, le('QQ', 512, 0), 1), record(14, le('Q', 0), 2),
        record(18, le('II', 0, 0), flags=9)]
    return [seed(r, kick) for r in rings] + [seed(table, kick),
                                             seed(b'', *messages)]


def luks_header(cipher=b'aes', mode=b'xts-plain64', hashed=b'sha256', key=64,
                payload=4040, active=1, iterations=1000):
    step = (key * 4000 // 512 + 8) // 8 * 8
    slots = b''.join(
        be('II32xII', 0xac71f3 if i < active else 0xdead,
           iterations if i < active else 0, 8 + i * step, 4000)
        for i in range(8))
    return (b'LUKS\xba\xbe' + be('H32s32s32sII', 1, cipher, mode, hashed,
                                 payload, key)
            + bytes(52) + be('I40s', 1000, b'uuid') + slots)


def luks():
    """With the toys of the target any password opens most of them."""
    header = luks_header
    return [header(), header(active=8), header(key=32, payload=2056),
            header(mode=b'cbc-essiv:sha256', key=32, payload=2056),
            header(mode=b'ctr-plain', key=16, payload=1032, hashed=b'sha1'),
            header(cipher=b'cast5', mode=b'ecb-plain', key=16, payload=1032),
            header(iterations=0xffffffff), header(active=0),
            header() + bytes(100) + b'\xff',
            header(key=16, payload=1032, mode=b'cbc-plain64') + b'\xfe']
