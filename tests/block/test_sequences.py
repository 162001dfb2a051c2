#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Random sequences of what qemu-img and qemu-io do to chains of images."""

import unittest

import blocklib as b
from daemonlib import IoServer
from seqlib import STEP, Chain, Sequences

COUNT = 1000


class ToolSequences(Sequences):
    def setUp(self):
        super().setUp()
        self.ours = IoServer(b.OUR_IO)
        self.addCleanup(self.ours.close)

    def fills(self, chain, top):
        lines = ['open -o driver=qcow2,discard=unmap,cache.no-flush=on,'
                 f'file.filename={chain.path(top)}']
        for _ in range(chain.rng.randrange(1, 6)):
            kind, at, n, byte = chain.fill()
            lines.append({'write': f'write -q -P {byte} {at} {n}',
                          'zero': f'write -q -z -u {at} {n}',
                          'discard': f'discard -q {at} {n}'}[kind])
        self.assertEqual(self.ours.run([*lines, 'close']), '')

    # Each leaves the content of the top, of which the model tells, alone.

    def overlay(self, chain):
        chain.files.append(chain.create(chain.files[-1]))

    def commit(self, chain):
        if len(chain.files) > 1:
            keep = ['-d'] if chain.rng.randrange(2) else []
            chain.img('commit', '-q', *keep, chain.files.pop())

    def commit_far(self, chain):
        if len(chain.files) > 2:
            n = chain.rng.randrange(len(chain.files) - 2)
            chain.img('commit', '-q', '-b', chain.files[n], chain.files[-1])
            del chain.files[n + 1:]

    def rebase(self, chain):
        if len(chain.files) > 1:
            n = chain.rng.randrange(-1, len(chain.files) - 1)
            below = chain.files[n] if n >= 0 else ''
            fmt = ['-F', 'qcow2'] if below else []
            chain.img('rebase', '-q', *fmt, '-b', below, chain.files[-1])
            chain.files = [*chain.files[:n + 1], chain.files[-1]]

    def convert(self, chain):
        name = chain.name()
        how = chain.rng.choice([[], ['-c'], ['-W'], ['-S', '0'],
                                ['-B', chain.files[0], '-F', 'qcow2']])
        chain.img('convert', '-q', '-O', 'qcow2', *how, '-o',
                  f'cluster_size={chain.cluster}', chain.files[-1], name)
        chain.files = [*chain.files[:'-B' in how], name]

    def grow(self, chain):
        n = chain.rng.randrange(1, 4) * STEP
        chain.img('resize', '-q', chain.files[-1], f'+{n}')
        chain.data.extend(bytes(n))

    def shrink(self, chain):
        if len(chain.data) > 4 * STEP and len(chain.files) == 1:
            del chain.data[-STEP:]
            chain.img('resize', '-q', '--shrink', chain.files[-1],
                      str(len(chain.data)))

    def snapshot(self, chain):
        """Change after it, and go back."""
        then = bytearray(chain.data)
        chain.img('snapshot', '-q', '-c', 's', chain.files[-1])
        self.fills(chain, chain.files[-1])
        if chain.rng.randrange(2):
            chain.img('snapshot', '-q', '-a', 's', chain.files[-1])
            chain.data = then
        chain.img('snapshot', '-q', '-d', 's', chain.files[-1])

    def one(self, folder, seed):
        rng = b.rng_for(seed)
        chain = Chain(folder, rng, rng.randrange(4, 16) * STEP)
        chain.files.append(chain.create())
        self.fills(chain, chain.files[-1])
        for _ in range(rng.randrange(2, 6)):
            rng.choice([self.overlay, self.overlay, self.commit,
                        self.commit_far, self.rebase, self.convert, self.grow,
                        self.shrink, self.snapshot])(chain)
            self.fills(chain, chain.files[-1])
        self.judge(chain, seed, chain.files[-1])

    def test_tools(self):
        self.each(COUNT, self.one)


if __name__ == '__main__':
    unittest.main()
