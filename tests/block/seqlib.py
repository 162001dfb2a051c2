# SPDX-License-Identifier: GPL-2.0-or-later
"""What the random sequences of operations on chains of images share. A model
says what the guest must see; QEMU 7.2's qemu-io looks whether it does, and
both qemu-imgs whether the images are sound.

NEMU_SEED=N repeats one sequence, NEMU_COUNT sets how many there are and
NEMU_FIRST the first one's number.
"""

import os
import shutil
import tempfile
import unittest

import blocklib as b
from daemonlib import IoServer

STEP = 64 << 10  # a whole number of any cluster


class Chain:
    """The images of a sequence, the model of what their top shows."""

    def __init__(self, folder, rng, size):
        self.folder = folder
        self.rng = rng
        self.data = bytearray(size)
        self.files = []
        self.next = 0
        self.cluster = rng.choice(['512', '4k', '64k'])

    def path(self, name):
        return os.path.join(self.folder, name)

    def name(self):
        self.next += 1
        return f'i{self.next}'

    def img(self, *args):
        b.run(b.OUR_IMG, *args, cwd=self.folder)

    def create(self, backing=None):
        name = self.name()
        args = ['-b', backing, '-F', 'qcow2'] if backing else []
        self.img('create', '-q', '-f', 'qcow2', '-o',
                 f'cluster_size={self.cluster}', *args, name,
                 str(len(self.data)))
        return name

    def range(self):
        """Somewhere; half of the time whole clusters of any size."""
        size = len(self.data)
        if self.rng.randrange(2):
            n = self.rng.randrange(1, 4)
            at = self.rng.randrange(max(1, size // STEP - n)) * STEP
            return at, min(n * STEP, size - at)
        at = self.rng.randrange(size // 512) * 512
        return at, min(self.rng.randrange(1, 200) * 512, size - at)

    def fill(self):
        """A change of the content: what it is called, where, which byte."""
        kind = self.rng.choice(['write', 'write', 'write', 'zero', 'discard'])
        at, n = self.range()
        if kind == 'discard':
            at, n = at // STEP * STEP, max(n // STEP, 1) * STEP
            n = min(n, len(self.data) - at) // STEP * STEP
        byte = self.rng.randrange(1, 256) if kind == 'write' else 0
        self.data[at:at + n] = bytes([byte]) * n
        return kind, at, n, byte


@unittest.skipUnless(b.HAVE_ORACLE, "needs Debian's qemu-utils")
class Sequences(unittest.TestCase):
    def setUp(self):
        shm = '/dev/shm' if os.access('/dev/shm', os.W_OK) else None
        tmp = tempfile.TemporaryDirectory(prefix='nemu-seq-', dir=shm)
        self.addCleanup(tmp.cleanup)
        self.dir = tmp.name
        self.theirs = IoServer(b.ORACLE_IO)
        self.addCleanup(self.theirs.close)

    def judge(self, chain, seed, top):
        """The content, and each image by itself."""
        said = self.theirs.differs(chain.path(top), bytes(chain.data))
        self.assertEqual(said, '', f'seed {seed}')
        for name in {chain.files[0], top}:
            b.run(b.OUR_IMG, 'check', '-q', chain.path(name))
        if seed % 10 == 0:
            for name in chain.files:
                b.check(chain.path(name))

    def each(self, count, one):
        for seed in b.seeds(count):
            folder = os.path.join(self.dir, str(seed))
            os.mkdir(folder)
            try:
                one(folder, seed)
            except Exception:
                print(f'NEMU_SEED={seed} repeats it')
                raise
            shutil.rmtree(folder)
