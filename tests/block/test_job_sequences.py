#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Random sequences of the jobs of one qemu-storage-daemon, on chains of images
that an NBD client writes to meanwhile."""

import unittest

import blocklib as b
from daemonlib import Storage
from seqlib import STEP, Chain, Sequences

COUNT = 1000


class JobSequences(Sequences):
    def setUp(self):
        super().setUp()
        self.q = Storage(self.dir)
        self.addCleanup(self.q.close)
        self.q.serve()

    def fills(self, chain, most=6):
        for _ in range(chain.rng.randrange(most)):
            kind, at, n, byte = chain.fill()
            err = chain.disk.write(at, bytes([byte]) * n) if kind == 'write' \
                else chain.disk.zero(at, n) if kind == 'zero' \
                else chain.disk.trim(at, n)
            self.assertEqual(err, 0)

    def job(self, chain, command, ready=False, **args):
        """Run one, and write meanwhile."""
        q = self.q
        q.events.clear()
        slow = {'speed': 16 << 20} if chain.rng.randrange(9) == 0 else {}
        q.do(command, job_id='j', **slow, **args)
        self.fills(chain)
        if ready:
            q.wait('BLOCK_JOB_READY', device='j')
            self.fills(chain, 3)
            q.do('job-complete', id='j')
        self.assertEqual(q.end('j'), None)

    def snapshot(self, chain):
        name = chain.name()
        self.q.do('blockdev-snapshot-sync', node_name=chain.files[-1],
                  snapshot_file=chain.path(name), snapshot_node_name=name)
        chain.files.append(name)

    def stream(self, chain):
        n = chain.rng.randrange(-1, len(chain.files) - 1)
        base = {'base_node': chain.files[n]} if n >= 0 else {}
        self.job(chain, 'block-stream', device=chain.files[-1], **base)
        chain.files = [*chain.files[:n + 1], chain.files[-1]]

    def commit(self, chain):
        """Images in the middle, or all down to one."""
        if len(chain.files) < 2:
            return
        low = chain.rng.randrange(len(chain.files) - 1)
        high = chain.rng.randrange(low + 1, len(chain.files))
        top = high == len(chain.files) - 1
        self.job(chain, 'block-commit', device=chain.files[-1], ready=top,
                 base_node=chain.files[low], top_node=chain.files[high])
        del chain.files[low + 1:high + 1]

    def mirror(self, chain):
        name = chain.name()
        mode = chain.rng.choice(['background', 'write-blocking'])
        sync = chain.rng.choice(['full', 'top'])
        self.job(chain, 'drive-mirror', ready=True, sync=sync, copy_mode=mode,
                 device=chain.files[-1], target=chain.path(name),
                 node_name=name, format='qcow2')
        chain.files[0 if sync == 'full' else -1:] = [name]

    def backup(self, chain):
        """Of the time when it started."""
        name = chain.name()
        chain.backups[name] = bytes(chain.data)
        self.job(chain, 'drive-backup', sync='full', format='qcow2',
                 device=chain.files[-1], target=chain.path(name),
                 compress=bool(chain.rng.randrange(3) == 0))

    def forget(self, keep=()):
        """Nodes, also those that jobs have left; users come first."""
        def named():
            return [n['node-name']
                    for n in self.q.do('query-named-block-nodes', flat=True)
                    if n['node-name'][0] != '#' and n['node-name'] not in keep]
        nodes = named()
        while nodes:
            for n in nodes:
                self.q.cmd('blockdev-del', node_name=n)
            left = named()
            self.assertLess(len(left), len(nodes))
            nodes = left

    def resize(self, chain):
        """What is cut off of an image alone is zero when it grows again."""
        self.q.unexport(chain.disk)
        self.forget()
        below = None
        for name in chain.files:
            top = name == chain.files[-1]
            self.q.file(name, chain.path(name), backing=below,
                        **{'read-only': not top})
            below = name
        for _ in range(chain.rng.randrange(1, 3)):
            if len(chain.files) == 1 and chain.rng.randrange(2):
                del chain.data[-STEP:]
            else:
                chain.data.extend(bytes(chain.rng.randrange(1, 4) * STEP))
            self.q.do('block_resize', node_name=chain.files[-1],
                      size=len(chain.data))
        chain.disk = self.q.export(chain.files[-1])

    def one(self, folder, seed):
        rng = b.rng_for(seed)
        chain = Chain(folder, rng, rng.randrange(8, 24) * STEP)
        chain.backups = {}
        first = chain.create()
        self.q.file(first, chain.path(first))
        chain.disk = self.q.export(first)
        chain.files.append(first)
        self.fills(chain)
        for _ in range(rng.randrange(2, 6)):
            rng.choice([self.snapshot, self.snapshot, self.stream, self.commit,
                        self.mirror, self.backup, self.resize])(chain)
            self.forget(keep=chain.files)
            self.fills(chain, 4)
        err, data = chain.disk.read(0, len(chain.data))
        self.assertEqual(err, 0)
        self.assertEqual(data == chain.data, True)
        self.q.unexport(chain.disk)
        self.forget()
        self.assertEqual(self.q.do('query-named-block-nodes'), [])
        self.judge(chain, seed, chain.files[-1])
        for name, then in chain.backups.items():
            said = self.theirs.differs(chain.path(name), then)
            self.assertEqual(said, '', f'seed {seed}')

    def test_jobs(self):
        self.each(COUNT, self.one)


if __name__ == '__main__':
    unittest.main()
