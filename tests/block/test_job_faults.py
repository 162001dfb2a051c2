#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Jobs whose requests fail, whose target goes away for a while, and programs
that are killed while they work: the policies and events of QEMU 7.2, no write
lost, and images that are valid."""

import os
import re
import tempfile
import time
import unittest

import blocklib as b
from daemonlib import ORACLE_DAEMON, OUR_DAEMON, Storage

OUR_IMG = os.path.join(b.BUILD, 'qemu-img')
MiB = 1 << 20
SIZE = 4 * MiB
SECTOR, LOW_SECTOR = 5000, 1000  # what fails
POLICIES = [('report', 5), ('ignore', 5), ('stop', 5), ('enospc', 5),
            ('enospc', 28)]


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        tmp = tempfile.TemporaryDirectory(prefix='nemu-faults-')
        self.addCleanup(tmp.cleanup)
        self.dir = tmp.name

    def path(self, name):
        return os.path.join(self.dir, name)

    def read(self, name):
        with open(self.path(name), 'rb') as f:
            return f.read()


@unittest.skipUnless(ORACLE_DAEMON, "needs Debian's qemu-utils")
class PolicyTest(Case):
    """One request fails once."""

    def faulty(self, q, node, file, iotype, errno, sector=SECTOR):
        q.do('blockdev-add', **{
            'driver': 'raw', 'node-name': node, 'file': {
                'driver': 'blkdebug', 'image': {
                    'driver': 'file', 'filename': file},
                'inject-error': [{'event': 'none', 'iotype': iotype,
                                  'errno': errno, 'sector': sector,
                                  'once': True}]}})

    def plain(self, q, node, file):
        q.do('blockdev-add', **{'driver': 'file', 'node-name': node,
                                'filename': file})

    def mirror(self, q, how, errno, policy):
        if how == 'read':
            self.faulty(q, 'src', 'a', 'read', errno)
            self.plain(q, 'dst', 'b')
        else:
            self.plain(q, 'src', 'a')
            self.faulty(q, 'dst', 'b', 'write', errno)
        which = 'on_source_error' if how == 'read' else 'on_target_error'
        return 'blockdev-mirror', {'device': 'src', 'target': 'dst',
                                   'sync': 'full', which: policy}

    def backup(self, q, how, errno, policy):
        return 'blockdev-backup', self.mirror(q, how, errno, policy)[1]

    def chain(self, q, how, errno, sector):
        self.faulty(q, 'base', 'a', how, errno, sector)
        q.do('blockdev-add', **{
            'driver': 'qcow2', 'node-name': 'mid', 'backing': 'base',
            'file': {'driver': 'file', 'filename': 'mid'}})
        q.do('blockdev-add', **{
            'driver': 'qcow2', 'node-name': 'top', 'backing': 'mid',
            'file': {'driver': 'file', 'filename': 'top'}})

    def stream(self, q, how, errno, policy):
        self.chain(q, 'read', errno, LOW_SECTOR)
        return 'block-stream', {'device': 'top', 'on_error': policy}

    def commit(self, q, how, errno, policy):
        self.chain(q, 'write', errno, SECTOR)
        return 'block-commit', {'device': 'top', 'top_node': 'mid',
                                'base_node': 'base', 'on_error': policy,
                                'backing_file': self.path('a')}

    def stopped(self, q):
        """As the job says when it has come to rest after the error."""
        q.wait('BLOCK_JOB_ERROR', device='j')
        for _ in range(6000):
            job, = q.do('query-block-jobs')
            if job['status'] == 'paused' and job['io-status'] != 'ok':
                return [job['io-status'], job['paused']]
            time.sleep(0.01)
        raise AssertionError('does not stop')

    def one(self, q, start, how, errno, policy):
        with open(self.path('a'), 'wb') as f:
            f.write(bytes(range(1, 129)) * (SIZE // 128))
        with open(self.path('b'), 'wb') as f:
            f.truncate(SIZE)
        for name, below in ('mid', 'a'), ('top', 'mid'):
            b.run(OUR_IMG, 'create', '-q', '-f', 'qcow2', '-u', '-b', below,
                  '-F', 'raw' if below == 'a' else 'qcow2', name, str(SIZE),
                  cwd=self.dir)
        io = b.Io(self.path('mid'), args=['-f', 'qcow2'])
        io.add(f'write -q -P 200 {2 * MiB} 1M')
        io.run()
        q.events.clear()
        command, args = start(q, how, errno, policy)
        q.do(command, job_id='j', auto_dismiss=False, **args)
        seen = []
        if policy == 'stop' or (policy == 'enospc' and errno == 28):
            seen = self.stopped(q)
            q.do('block-job-resume', device='j')
        while not self.over(q):
            q.take()
        job, = q.do('query-jobs')
        seen += [job['status'], job.get('error')]
        events = [(name, {k: v for k, v in data.items()
                          if k not in ('len', 'offset', 'speed')})
                  for name, data in q.events if name.startswith('BLOCK_JOB')]
        if job['status'] == 'ready':
            q.do('job-cancel', id='j')
            q.wait('JOB_STATUS_CHANGE', id='j', status='concluded')
        q.do('job-dismiss', id='j')
        for node in 'src', 'dst', 'top', 'mid', 'base':
            q.cmd('blockdev-del', node_name=node)
        self.assertEqual(q.do('query-named-block-nodes'), [])
        good = job.get('error') is None
        return seen, events, good and [
            self.read('b'), b.content(self.path('top')), self.read('a')]

    def over(self, q):
        return any(d.get('status') in ('ready', 'concluded')
                   for name, d in q.events if name == 'JOB_STATUS_CHANGE')

    def check(self, start, *hows):
        daemons = [Storage(self.dir, p) for p in (OUR_DAEMON, ORACLE_DAEMON)]
        for q in daemons:
            self.addCleanup(q.close)
        for how in hows:
            for policy, errno in POLICIES:
                with self.subTest(how=how, policy=policy, errno=errno):
                    ours, theirs = (self.one(q, start, how, errno, policy)
                                    for q in daemons)
                    self.assertEqual(ours[:2], theirs[:2])
                    self.assertEqual(ours[2] == theirs[2], True)

    def test_mirror(self):
        self.check(self.mirror, 'read', 'write')

    def test_backup(self):
        self.check(self.backup, 'read', 'write')

    def test_stream(self):
        self.check(self.stream, 'read')

    def test_commit(self):
        self.check(self.commit, 'write')


class VanishingTarget(Case):
    def test_nothing_is_lost(self):
        """The server of a mirror's target is killed, and comes back."""
        rng = b.rng_for(1)
        sock = self.path('target.sock')
        data = bytearray(rng.randbytes(SIZE))
        with open(self.path('a'), 'wb') as f:
            f.write(data)
        with open(self.path('b'), 'wb') as f:
            f.truncate(SIZE)
        serve = ['--blockdev', f'file,node-name=n,filename={self.path("b")}',
                 '--nbd-server', f'addr.type=unix,addr.path={sock}',
                 '--export', 'nbd,id=e,node-name=n,name=x,writable=on']
        target = Storage(self.dir, args=serve)
        q = Storage(self.dir)
        self.addCleanup(q.close)
        q.serve()
        q.do('blockdev-add', **{'driver': 'file', 'node-name': 'src',
                                'filename': 'a'})
        q.do('blockdev-add', **{
            'driver': 'nbd', 'node-name': 'dst', 'export': 'x',
            'reconnect-delay': 60, 'server': {'type': 'unix', 'path': sock}})
        disk = q.export('src')
        q.do('blockdev-mirror', job_id='j', device='src', target='dst',
             sync='full', speed=8 << 20)
        for i in range(30):
            if i in (3, 20):
                target.kill()
                os.unlink(sock)
            at = rng.randrange(SIZE // 512 - 64) * 512
            part = rng.randbytes(rng.randrange(1, 64) * 512)
            self.assertEqual(disk.write(at, part), 0)
            data[at:at + len(part)] = part
            if i in (9, 25):
                target = Storage(self.dir, args=serve)
        q.wait('BLOCK_JOB_READY', device='j')
        q.do('job-complete', id='j')
        self.assertEqual(q.end('j'), None)
        disk.client.sock.close()
        q.close()
        target.close()
        self.assertEqual(self.read('b') == data, True)
        self.assertEqual(self.read('a') == data, True)


class BlockingWrites(Case):
    def scenario(self, program):
        for name in 'a', 'b':
            with open(self.path(name), 'wb') as f:
                f.truncate(SIZE)
        q = Storage(self.dir, program)
        self.addCleanup(q.close)
        q.serve()
        for name, node in ('a', 'src'), ('b', 'dst'):
            q.do('blockdev-add', **{'driver': 'file', 'node-name': node,
                                    'filename': name})
        disk = q.export('src')
        q.do('blockdev-mirror', job_id='j', device='src', target='dst',
             sync='full', copy_mode='write-blocking', granularity=65536)
        q.wait('BLOCK_JOB_READY', device='j')
        seen = []
        for start, end in ((1, 2), (60, 150), (192, 256), (1023, 1024),
                           (200, 300)):
            disk.write(start << 10, b'x' * ((end - start) << 10))
            seen += [bitmap['count']
                     for node in q.do('query-named-block-nodes')
                     for bitmap in node.get('dirty-bitmaps', [])]
        self.assertEqual(self.read('a') == self.read('b'), True)
        q.do('job-complete', id='j')
        self.assertEqual(q.end('j'), None)
        disk.client.sock.close()
        q.close()
        return seen

    def test_they_leave_nothing_to_copy(self):
        """Not even of the bits of the bitmap that they cover in part."""
        ours = self.scenario(OUR_DAEMON)
        self.assertEqual(ours, [0] * 5)
        if ORACLE_DAEMON:
            self.assertEqual(ours, self.scenario(ORACLE_DAEMON))


@unittest.skipUnless(b.HAVE_ORACLE, "needs Debian's qemu-utils")
class KillTest(Case):
    """kill -9 at any moment."""

    def setUp(self):
        super().setUp()
        self.rng = b.rng_for(int(os.environ.get('NEMU_SEED', '1')))
        for name, below in ('base', None), ('mid', 'base'), ('top', 'mid'):
            b.create(self.path(name), f'{SIZE * 4}', {'cluster_size': '4k'},
                     backing=below)
            model = b.Model(SIZE * 4, self.rng)
            io = b.Io(self.path(name))
            for _ in range(60):
                model.write(io)
            io.run()
        self.good = {n: self.read(n) for n in ('base', 'mid', 'top')}
        self.content = b.content(self.path('top'))

    def restore(self):
        for name, data in self.good.items():
            with open(self.path(name), 'wb') as f:
                f.write(data)

    def sound(self, *names):
        """No errors but leaks, which go away."""
        for name in names:
            for img in b.ORACLE_IMG, OUR_IMG:
                done = b.run(img, 'check', self.path(name), check=False)
                # Clusters that nobody else uses and that are not marked so are
                # copied for nothing, no more.
                text = re.sub(r'ERROR OFLAG_COPIED (data|L2) cluster: '
                              r'.*refcount=1\n', '', done.stdout)
                self.assertTrue(done.returncode in (0, 3) or
                                'ERROR' not in text, done.stdout)
            b.run(OUR_IMG, 'check', '-q', '-r', 'all', self.path(name))
            b.check(self.path(name))

    def shows_the_same(self):
        self.assertEqual(b.content(self.path('top')) == self.content, True)

    def img(self, *args):
        """Killed after some part of what it takes; once in a while not."""
        start = time.monotonic()
        b.run(OUR_IMG, *args, cwd=self.dir)
        took = time.monotonic() - start
        for _ in range(5):
            self.restore()
            proc = b.subprocess.Popen([OUR_IMG, *args], cwd=self.dir)
            time.sleep(self.rng.random() * took)
            proc.kill()
            proc.wait(60)
            yield
        self.restore()

    def test_convert(self):
        for _ in self.img('convert', '-O', 'qcow2', 'top', 'new'):
            made = os.path.exists(self.path('new')) and \
                self.read('new')[:4] == b'QFI\xfb'
            self.sound('top', *(['new'] if made else []))
            self.shows_the_same()

    def test_commit(self):
        for _ in self.img('commit', '-q', '-d', 'top'):
            self.sound('top', 'mid')
            self.shows_the_same()

    def test_rebase(self):
        for _ in self.img('rebase', '-b', 'base', '-F', 'qcow2', 'top'):
            self.sound('top')
            self.shows_the_same()

    def test_snapshot(self):
        for _ in self.img('snapshot', '-c', 's', 'top'):
            self.sound('top')
            self.shows_the_same()

    def job(self, command, **args):
        for _ in range(4):
            self.restore()
            q = Storage(self.dir)
            self.addCleanup(q.close)
            q.serve()
            q.file('base', 'base', read_only=True)
            q.file('mid', 'mid', read_only=True, backing='base')
            q.file('top', 'top', backing='mid')
            disk = q.export('top')
            q.do(command, job_id='j', device='top', speed=64 << 20, **args)
            data = bytearray(self.content)
            for _ in range(self.rng.randrange(12)):
                at = self.rng.randrange(len(data) // 512 - 64) * 512
                part = self.rng.randbytes(self.rng.randrange(1, 64) * 512)
                self.assertEqual(disk.write(at, part), 0)
                data[at:at + len(part)] = part
            self.assertEqual(disk.flush(), 0)
            time.sleep(self.rng.random() * 0.05)
            disk.client.sock.close()
            q.kill()
            os.unlink(q.sock)
            self.sound('base', 'mid', 'top')
            self.assertEqual(b.content(self.path('top')) == data, True)

    def test_stream_job(self):
        self.job('block-stream')

    def test_commit_job(self):
        self.job('block-commit', top_node='mid', base_node='base')

    def test_active_commit_job(self):
        self.job('block-commit', base_node='base')

    def test_mirror_job(self):
        self.job('drive-mirror', target='new', sync='full', format='qcow2')


if __name__ == '__main__':
    unittest.main()
