# SPDX-License-Identifier: GPL-2.0-or-later
"""Images of all kinds: each a choice on every axis, chosen so that as few
images as possible hold all pairs of choices."""

import dataclasses
import itertools
import os
import struct
import subprocess

import blocklib as b

MAKERS = {'ours': (b.OUR_IMG, b.OUR_IO), 'theirs': (b.ORACLE_IMG, b.ORACLE_IO)}
SECRET = 'secret,id=k,data=password'
FAST = 'iter-time=10'

AXES = {
    'maker': ['theirs', 'ours'],
    'format': ['qcow2'] * 8 + ['raw', 'luks'],
    'size': ['4M', '0', '512', '1000', '1049088', '9M', '5000000'],
    'content': ['some', 'none', 'all', 'compressed', 'mixed'],
    'compat': ['1.1', '0.10'],
    'cluster': ['64k', '512', '1k', '4k', '16k', '32k', '2M'],
    'refcounts': ['16', '1', '2', '4', '8', '32', '64'],
    'extended_l2': ['off', 'on'],
    'lazy_refcounts': ['off', 'on'],
    'preallocation': ['off', 'metadata', 'falloc', 'full'],
    'data_file': ['', 'own', 'raw'],
    'compression': ['zlib', 'zstd'],
    'backing': ['', '', 'relative', 'absolute', 'json', 'unnamed', 'chain'],
    'encryption': ['', '', '', 'luks', 'aes'],
    'snapshots': ['0', '1', '2'],
    'bitmaps': ['', 'one', 'disabled', 'large', 'in-use', 'several'],
    'marks': ['', '', 'dirty', 'corrupt', 'leak', 'copied', 'lost', 'killed'],
}
PLAIN = {axis: values[0] for axis, values in AXES.items()}


@dataclasses.dataclass(frozen=True)
class Spec:
    """What an image is. The others beside it are always the same."""
    choice: tuple

    def __getattr__(self, axis):
        try:
            return dict(self.choice)[axis]
        except KeyError:
            raise AttributeError(axis) from None

    def __str__(self):
        return ' '.join(f'{k}={v}' for k, v in self.choice if v != PLAIN[k])

    def pairs(self):
        return set(itertools.combinations(self.choice, 2))

    @property
    def options(self):
        """Of create -o, and --object where one is needed."""
        o = []
        if self.format == 'luks':
            return ['key-secret=k', FAST]
        if self.format == 'raw':
            return [f'preallocation={self.preallocation}']
        for name, axis in (('compat', 'compat'), ('cluster_size', 'cluster'),
                           ('refcount_bits', 'refcounts'),
                           ('extended_l2', 'extended_l2'),
                           ('lazy_refcounts', 'lazy_refcounts'),
                           ('preallocation', 'preallocation'),
                           ('compression_type', 'compression')):
            if getattr(self, axis) != PLAIN[axis]:
                o.append(f'{name}={getattr(self, axis)}')
        if self.data_file:
            o.append('data_file=i.data')
        if self.data_file == 'raw':
            o.append('data_file_raw=on')
        if self.encryption:
            o += [f'encrypt.format={self.encryption}', 'encrypt.key-secret=k']
        if self.encryption == 'luks':
            o.append('encrypt.' + FAST)
        return o

    @property
    def keys(self):
        return bool(self.encryption) or self.format == 'luks'

    @property
    def opened(self):
        """The image as --image-opts."""
        o = f'driver={self.format},file.filename=i'
        if self.format == 'luks':
            return o + ',key-secret=k'
        if self.encryption:
            o += f',encrypt.format={self.encryption},encrypt.key-secret=k'
        return o


def possible(choice):
    """The nearest choice that qcow2 can be."""
    c = dict(choice)

    def drop(*axes):
        for axis in axes:
            c[axis] = PLAIN[axis]

    if c['format'] == 'luks':
        c['size'] = '4M' if c['size'] in ('1000', '5000000') else c['size']
    if c['format'] != 'qcow2':
        keep = ('maker', 'format', 'size', 'content') + \
            (('preallocation',) if c['format'] == 'raw' else ())
        drop(*(set(AXES) - set(keep)))
        if c['preallocation'] == 'metadata':
            drop('preallocation')
        if c['content'] in ('compressed', 'mixed'):
            drop('content')
        return Spec(tuple(c.items()))
    if c['compat'] == '0.10':
        drop('refcounts', 'extended_l2', 'lazy_refcounts', 'data_file',
             'compression', 'bitmaps')
        if c['marks'] not in ('leak', 'copied', 'lost'):
            drop('marks')
    if c['extended_l2'] == 'on' and c['cluster'] in ('512', '1k', '4k'):
        c['cluster'] = '16k'
    if c['data_file']:
        drop('snapshots', 'encryption', 'preallocation')
    if c['data_file'] and c['backing'] == 'unnamed':
        c['backing'] = 'relative'
    if c['data_file'] == 'raw':
        drop('backing')
    if c['refcounts'] in '1':
        drop('snapshots')
    if c['refcounts'] == '2' and c['snapshots'] == '2':
        c['snapshots'] = '1'
    if c['backing'] and c['extended_l2'] == 'off':
        drop('preallocation')
    if c['encryption'] or c['data_file'] or c['size'] == '1000' or \
            c['preallocation'] != 'off':
        c['content'] = 'some' if c['content'] in ('compressed', 'mixed') \
            else c['content']
    if c['size'] == '0' or c['content'] == 'none':
        c['marks'] = c['marks'] if c['marks'] in ('dirty', 'corrupt') else ''
    if c['marks'] == 'killed':
        c['lazy_refcounts'] = 'on'
    if c['marks'] == 'killed' or c['bitmaps'] == 'in-use':
        drop('snapshots')   # 7.2 leaves leaks
    if c['snapshots'] != '0' and c['format'] == 'qcow2':
        drop('bitmaps')     # 7.2's check -r forgets the snapshots
    if c['marks'] in ('corrupt', 'killed') or c['encryption'] == 'aes' or \
            c['size'] == '0':
        drop('bitmaps')
    if c['preallocation'] in ('falloc', 'full') and c['cluster'] == '512':
        c['cluster'] = '4k'
    return Spec(tuple(c.items()))


def sample(rng, count):
    """Specs that hold as many pairs as so few can."""
    seen, specs = set(), []
    while len(specs) < count:
        best = max((possible({a: rng.choice(v) for a, v in AXES.items()})
                    for _ in range(40)), key=lambda s: len(s.pairs() - seen))
        seen |= best.pairs()
        specs.append(best)
    return specs


# Making them
# ---------------------------------------------------------------------------


class Maker:
    """The folder of one image: i, and beside it the others that commands
    take: base, mid (its overlay), other, r (raw, the bytes of base)."""

    def __init__(self, folder, spec):
        self.dir, self.spec = folder, spec
        self.tool, self.io_tool = MAKERS[spec.maker]

    def run(self, *args, check=True):
        p = subprocess.run(args, cwd=self.dir, text=True, timeout=120,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if check and 'accurate CPU usage' in p.stdout:
            return self.run(*args)      # 7.2, on a busy machine
        if check and p.returncode:
            raise AssertionError(f'{self.spec}\n{args}\n{p.stdout}')
        return p

    def img(self, *args):
        self.run(self.tool, *args)

    def io(self, *lines, image='i', fmt='qcow2', check=True):
        """Each write is one request: the layout is that of the order."""
        args = [self.io_tool, '-t', 'writeback']
        if image == 'i':
            args += ['--object', SECRET] if self.spec.keys else []
            args += ['--image-opts']
            image = self.spec.opened
        else:
            args += ['-f', fmt]
        for line in lines:
            args += ['-c', line]
        self.run(*args, image, check=check)

    def make(self):
        s = self.spec
        self.neighbours()
        args = ['create', '-q', '-f', s.format]
        args += ['--object', SECRET] if s.keys else []
        args += ['-o', ','.join(s.options)] if s.options else []
        self.img(*args, *self.backing_args(), 'i', s.size)
        if s.backing == 'unnamed':
            self.forget_format()
        self.write()
        for n in range(int(s.snapshots)):
            self.io(*self.fit(f'write -P {n + 8} 10k 3000'))
            self.img('snapshot', '-c', f'snap {n + 1}', *self.plain())
        self.add_bitmaps()
        self.mark()

    def plain(self):
        """The image as the last arguments of a command."""
        if self.spec.keys:
            return ['--object', SECRET, '--image-opts', self.spec.opened]
        return ['i']

    def neighbours(self):
        self.img('create', '-q', '-f', 'qcow2', 'base', '3M')
        self.io('write -q -P 1 0 200k', 'write -q -P 2 1M 100k',
                'write -q -z 2M 64k', image='base')
        self.img('create', '-q', '-f', 'qcow2', '-b', 'base', '-F', 'qcow2',
                 'mid', '4M')
        self.io('write -q -P 3 100k 64k', 'write -q -P 0 1M 64k', image='mid')
        self.img('create', '-q', '-f', 'qcow2', 'other', '2M')
        self.io('write -q -P 4 64k 128k', image='other')
        self.img('convert', '-O', 'raw', 'base', 'r')

    def backing_args(self):
        kind = self.spec.backing
        if not kind:
            return []
        name = {'absolute': os.path.join(self.dir, 'base'), 'chain': 'mid',
                'json': 'json:{"driver":"qcow2","file":{"driver":"file",'
                        '"filename":"%s"}}' % os.path.join(self.dir, 'base'),
                }.get(kind, 'base')
        return ['-b', name, '-F', 'qcow2']

    def forget_format(self):
        """The header's extensions end where the backing file's format was
        named."""
        with open(os.path.join(self.dir, 'i'), 'r+b') as f:
            data = f.read(4096)
            at = data.find(struct.pack('>I', 0xe2792aca))
            f.seek(at)
            f.write(bytes(8))

    def fit(self, *lines):
        """Of these requests, what lies within the disk."""
        size = self.spec.size
        size = int(size[:-1]) << 20 if size[-1] == 'M' else int(size)
        unit = {'k': 1 << 10, 'M': 1 << 20}
        for line in lines:
            *words, at, n = line.split()
            at, n = (int(x[:-1]) * unit[x[-1]] if x[-1] in unit else int(x)
                     for x in (at, n))
            if at < size:
                yield ' '.join([*words, str(at), str(min(n, size - at))])

    def write(self):
        s = self.spec
        lines = {
            'none': [],
            'some': ['write -P 5 60k 70000', 'write -z 1M 200k',
                     'write -P 6 3M 5000', 'discard 1100k 64k'],
            'all': ['write -P 7 0 16M'],
            'compressed': ['write -c -P 5 0 128k', 'write -c -P 6 2M 64k'],
            'mixed': ['write -c -P 5 0 256k', 'write -P 6 70k 3000',
                      'write -z 128k 64k', 'write -P 7 512k 128k'],
        }[s.content]
        if s.cluster == '2M':
            lines = [x.replace('64k', '2M').replace('128k', '2M')
                     .replace('256k', '2M') if ' -c ' in x else x
                     for x in lines]
        lines = [x for x in self.fit(*lines)]
        if lines:
            self.io(*lines)

    def add_bitmaps(self):
        kind = self.spec.bitmaps
        if not kind:
            return
        more = {'large': ['-g', '2M'], 'several': ['-g', '4k'],
                'disabled': ['--disable']}.get(kind, [])
        self.img('bitmap', '--add', *more, *self.plain(), 'b0')
        if kind == 'several':
            self.img('bitmap', '--add', '--disable', *self.plain(), 'b1')
        writes = [*self.fit('write -P 9 1M 70000')]
        if kind == 'in-use':
            self.io(*writes, 'sigraise 9', check=False)
        elif writes:
            self.io(*writes)

    def mark(self):
        kind = self.spec.marks
        path = os.path.join(self.dir, 'i')
        if kind == 'killed':
            self.io(*self.fit('write -P 3 200k 100k'), 'flush', 'sigraise 9',
                    check=False)
            return
        if not kind:
            return
        with open(path, 'r+b') as f:
            head = f.read(104)
            if kind in ('dirty', 'corrupt'):
                f.seek(79)
                f.write(bytes([head[79] | (1 if kind == 'dirty' else 2)]))
                return
            self.spoil(f, head, kind)

    def spoil(self, f, head, kind):
        """One cluster: nothing names it any more; it is not marked as the
        only use of its place; it counts as free."""
        bits, = struct.unpack_from('>I', head, 20)
        l1, = struct.unpack_from('>Q', head, 40)
        n, = struct.unpack_from('>I', head, 36)

        def entry(at):
            f.seek(at)
            return struct.unpack('>Q', f.read(8))[0]

        mask = 0x00fffffffffffe00
        wide = 16 if self.spec.extended_l2 == 'on' else 8
        places = (table + i for table in (entry(l1 + 8 * i) & mask
                                          for i in range(n)) if table
                  for i in range(0, 1 << bits, wide))
        at = next((p for p in places if entry(p) & mask and
                   not entry(p) >> 62 & 1), None)
        if at is None:
            return
        old = entry(at)
        if kind == 'lost':
            self.lose(f, head, old & mask, bits, entry)
            return
        f.seek(at)
        if kind == 'leak':
            f.write(bytes(wide))
        else:
            f.write(struct.pack('>Q', old ^ 1 << 63))

    def lose(self, f, head, host, bits, entry):
        order = int(self.spec.refcounts).bit_length() - 1
        index = host >> bits
        per_block = bits + 3 - order
        table, = struct.unpack_from('>Q', head, 48)
        block = entry(table + 8 * (index >> per_block)) & ~511
        bit = (index & ((1 << per_block) - 1)) << order
        f.seek(block + bit // 8)
        width = max(1, (1 << order) // 8)
        data = f.read(width)
        f.seek(block + bit // 8)
        keep = 0xff & ~(((1 << (1 << order)) - 1) << bit % 8) \
            if order < 3 else 0
        f.write(bytes([data[0] & keep]) if order < 3 else bytes(width))
