# SPDX-License-Identifier: GPL-2.0-or-later
"""What the block tests share: our tools, QEMU 7.2's, and a naive model."""

import hashlib
import os
import random
import shutil
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILD = os.environ.get('NEMU_BUILD', os.path.join(ROOT, 'build'))
OUR_IMG = os.path.join(BUILD, 'qemu-img')
OUR_IO = os.path.join(BUILD, 'qemu-io')
ORACLE_IMG = shutil.which('qemu-img')
ORACLE_IO = shutil.which('qemu-io')
HAVE_ORACLE = bool(ORACLE_IMG and ORACLE_IO)

# Every parameter that shapes a qcow2 file, in mixed company.
MATRIX = [
    {},
    {'compat': '0.10'},
    {'cluster_size': '512'},
    {'cluster_size': '512', 'refcount_bits': '64'},
    {'cluster_size': '4k', 'lazy_refcounts': 'on'},
    {'cluster_size': '2M'},
    {'cluster_size': '1k', 'refcount_bits': '1'},
    {'cluster_size': '4k', 'refcount_bits': '2'},
    {'cluster_size': '8k', 'refcount_bits': '4', 'compat': '1.1'},
    {'cluster_size': '16k', 'refcount_bits': '8'},
    {'cluster_size': '32k', 'refcount_bits': '32'},
    {'preallocation': 'metadata', 'cluster_size': '4k'},
    {'preallocation': 'falloc'},
    {'compression_type': 'zstd'},
    {'cluster_size': '512', 'compat': '0.10'},
    {'extended_l2': 'on'},
    {'extended_l2': 'on', 'cluster_size': '16k', 'refcount_bits': '8'},
    {'extended_l2': 'on', 'cluster_size': '2M', 'lazy_refcounts': 'on'},
    {'extended_l2': 'on', 'preallocation': 'metadata'},
    {'data_file': '@.data'},
    {'data_file': '@.data', 'data_file_raw': 'on', 'cluster_size': '4k'},
    {'data_file': '@.data', 'extended_l2': 'on', 'cluster_size': '16k'},
]
# The same without what a kind of test cannot have.
NO_BACKING = ('preallocation', 'data_file_raw')
NO_SNAPSHOTS = ('data_file',)


def options_without(options, names):
    return {} if set(names) & set(options) else options


def run(*args, check=True, **kw):
    p = subprocess.run([str(a) for a in args], stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, timeout=300, **kw)
    if check and p.returncode:
        raise AssertionError(f'{" ".join(map(str, args))}\n'
                             f'exit {p.returncode}\n{p.stdout}')
    return p


def cluster_size(options):
    text = options.get('cluster_size', '64k')
    unit = {'k': 1 << 10, 'M': 1 << 20}.get(text[-1])
    return int(text[:-1]) * unit if unit else int(text)


def create(path, size, options=None, backing=None):
    args = [ORACLE_IMG, 'create', '-q', '-f', 'qcow2']
    if options:
        # The data file is beside the image.
        args += ['-o', ','.join(f'{k}={v}' for k, v in options.items())
                 .replace('@', str(path))]
    if backing:
        args += ['-b', backing, '-F', 'qcow2']
    run(*args, path, size)


def digest(path):
    with open(path, 'rb') as f:
        return hashlib.file_digest(f, 'sha256').hexdigest()


def check(path):
    """QEMU 7.2 finds neither errors nor leaks."""
    p = run(ORACLE_IMG, 'check', path, check=False)
    assert p.returncode == 0, f'qemu-img check {path}: {p.stdout}'


def content(path, fmt='qcow2'):
    """The guest's bytes, as QEMU 7.2 sees them."""
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(path)) as out:
        run(ORACLE_IMG, 'convert', '-f', fmt, '-O', 'raw', path, out.name)
        with open(out.name, 'rb') as f:
            return f.read()


class Io:
    """A list of qemu-io commands, run in one process."""

    def __init__(self, path, tool=OUR_IO, args=()):
        # Writes are cached unless a test says otherwise: tools have them
        # durable at once.
        cache = () if {'-t', '-n'} & set(args) else ('-t', 'writeback')
        # And discards count only where the test expects them.
        says = '-d' in args or 'discard=' in str(path)
        discard = () if says else ('-d', 'ignore')
        self.cmd = [tool, *cache, *discard, *args, path]
        self.lines = []

    def add(self, line):
        self.lines.append(line)

    def run(self, check=True):
        args = list(self.cmd[:-1])
        for line in self.lines:
            args += ['-c', line]
        return run(*args, self.cmd[-1], check=check)


class Model:
    """A disk that is a bytearray, and the commands that do the same."""

    def __init__(self, size, rng, data=None, discards=0):
        """discards: the granularity of those that have an effect, or 0."""
        self.discards = discards
        self.rng = rng
        self.data = bytearray(data) if data else bytearray(size)
        self.size = size

    def range(self, align=None):
        rng = self.rng
        align = align or rng.choice([1, 512, 512, 4096, 65536])
        top = rng.choice([4096, 65536, 65536, 1 << 20])
        off = rng.randrange(self.size) // align * align
        n = max(align, rng.randrange(1, top) // align * align)
        return off, min(n, self.size - off)

    def write(self, io, verb='write', flags=''):
        off, n = self.range()
        pat = self.rng.randrange(1, 256)
        io.add(f'{verb} -q {flags} -P {pat} {off} {n}')
        self.data[off:off + n] = bytes([pat]) * n

    def batch(self, io):
        """Writes in parallel, to places of their own."""
        step = self.rng.choice([512, 4096, 65536, 200000])
        base = self.rng.randrange(self.size)
        for i in range(self.rng.randrange(2, 12)):
            off = base + i * step
            n = min(self.rng.randrange(1, step + 1), self.size - off)
            if n <= 0:
                break
            pat = self.rng.randrange(1, 256)
            io.add(f'aio_write -q -P {pat} {off} {n}')
            self.data[off:off + n] = bytes([pat]) * n
        io.add('aio_flush')

    def zero(self, io):
        off, n = self.range()
        unmap = self.rng.choice(['', '-u'])
        io.add(f'write -q -z {unmap} {off} {n}')
        self.data[off:off + n] = bytes(n)

    def discard(self, io):
        off, n = self.range()
        io.add(f'discard -q {off} {n}')
        if self.discards:
            start = -(-off // self.discards) * self.discards
            end = off + n
            if end < self.size:
                end = end // self.discards * self.discards
            if start < end:
                self.data[start:end] = bytes(end - start)

    def verify(self, io):
        """A stretch of equal bytes somewhere."""
        off = self.rng.randrange(self.size)
        end = off + 1
        while end < min(self.size, off + 300000) and \
                self.data[end] == self.data[off]:
            end += 1
        io.add(f'read -q -P {self.data[off]} {off} {end - off}')

    def step(self, io):
        what = self.rng.randrange(13)
        if what == 12:
            self.discard(io)
        elif what < 4:
            self.write(io, flags=self.rng.choice(['', '', '-f']))
        elif what < 6:
            self.batch(io)
        elif what < 8:
            self.zero(io)
        elif what == 8:
            io.add('flush')
        else:
            self.verify(io)


def seeds(count):
    """Seeds to run: NEMU_SEED=N repeats one; NEMU_COUNT sets how many, and
    NEMU_FIRST the one to begin with."""
    if 'NEMU_SEED' in os.environ:
        return [int(os.environ['NEMU_SEED'])]
    count = int(os.environ.get('NEMU_COUNT', count))
    first = int(os.environ.get('NEMU_FIRST', 1))
    return range(first, first + count)


def rng_for(seed):
    return random.Random(seed)
