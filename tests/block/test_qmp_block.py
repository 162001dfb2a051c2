#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What QMP says of nodes in use, of jobs in all their states, of media and of
the graph is what QEMU 7.2 says."""

import os
import shutil
import subprocess
import tempfile
import unittest

import blocklib as b
from test_jobs import OURS, ORACLE, MiB, Qmp, without_rests

CHAIN = [
    '-blockdev', 'node-name=base,driver=qcow2,read-only=on,'
    'file.driver=file,file.filename=base',
    '-blockdev', 'node-name=mid,driver=qcow2,read-only=on,backing=base,'
    'file.driver=file,file.filename=mid',
    '-drive', 'if=none,id=d0,node-name=top,file=top,format=qcow2,backing=mid',
    '-drive', 'if=none,id=cd,media=cdrom']
BACKING = {'top': 'mid', 'mid': 'base'}


def options(node, **more):
    """For blockdev-reopen."""
    opts = {'driver': 'qcow2', 'node-name': node,
            'file': {'driver': 'file', 'filename': node}, **more}
    if node in BACKING:
        opts.setdefault('backing', BACKING[node])
    return opts


def attempts():
    """Commands by the names that the lists below have for them."""
    made = {
        'drop backing': ('blockdev-reopen',
                         {'options': [options('top', backing=None)]}),
        'drop backing mid': ('blockdev-reopen', {
            'options': [options('mid', backing=None)]}),
        'resize dev': ('block_resize', {'device': 'd0', 'size': 16 * MiB}),
        'cbf': ('change-backing-file', {
            'device': 'd0', 'image_node_name': 'top', 'backing_file': 'mid'}),
        'cbf2': ('change-backing-file', {
            'device': 'd0', 'image_node_name': 'mid', 'backing_file': 'base'}),
        'isnapdel': ('blockdev-snapshot-delete-internal-sync', {
            'device': 'd0', 'name': 'a'}),
        'ssync': ('blockdev-snapshot-sync', {
            'device': 'd0', 'snapshot_file': 's', 'snapshot_node_name': 's'}),
        'ssync mid': ('blockdev-snapshot-sync', {
            'node_name': 'mid', 'snapshot_file': 's',
            'snapshot_node_name': 's'}),
        'dmirror': ('drive-mirror', {'job_id': 'x', 'device': 'd0',
                                     'target': 'm', 'sync': 'full'}),
        'dbackup': ('drive-backup', {'job_id': 'x', 'device': 'd0',
                                     'target': 'm', 'sync': 'full'}),
        'eject': ('eject', {'device': 'd0'}),
        'eject f': ('eject', {'device': 'd0', 'force': True}),
        'change': ('blockdev-change-medium', {'device': 'd0',
                                              'filename': 't2'}),
    }
    for name, args in (('mid', {'top_node': 'mid'}), ('top', {}),
                       ('top to mid', {'base_node': 'mid'}),
                       ('mid to base', {'top_node': 'mid',
                                        'base_node': 'base'})):
        made['commit ' + name] = 'block-commit', {
            'job_id': 'x', 'device': 'd0', **args}
    for base in 'mid', 'base':
        made['stream to ' + base] = 'block-stream', {
            'job_id': 'x', 'device': 'd0', 'base_node': base}
    for node in 'top', 'mid', 'base', 't1':
        copy = {'job_id': 'x', 'device': node, 'target': 't2', 'sync': 'full'}
        to = {'job_id': 'x', 'device': 'd0', 'target': node}
        export = {'type': 'vhost-user-blk', 'id': 'x', 'node_name': node,
                  'addr': {'type': 'unix', 'path': 'x'}}
        made.update({
            f'del {node}': ('blockdev-del', {'node_name': node}),
            f'resize {node}': ('block_resize', {'node_name': node,
                                                'size': 16 * MiB}),
            f'reopen ro {node}': ('blockdev-reopen', {
                'options': [options(node, **{'read-only': True})]}),
            f'reopen rw {node}': ('blockdev-reopen',
                                  {'options': [options(node)]}),
            f'snap {node}': ('blockdev-snapshot', {'node': node,
                                                   'overlay': 't2'}),
            f'stream {node}': ('block-stream', {'job_id': 'x',
                                                'device': node}),
            f'bitmap {node}': ('block-dirty-bitmap-add', {
                'node': node, 'name': 'b', 'persistent': True}),
            f'export w {node}': ('block-export-add', {**export,
                                                      'writable': True}),
            f'export r {node}': ('block-export-add', export),
            f'mirror from {node}': ('blockdev-mirror', copy),
            f'backup from {node}': ('blockdev-backup', copy),
            f'isnap {node}': ('blockdev-snapshot-internal-sync', {
                'device': node, 'name': 'a'}),
            f'mirror to {node}': ('blockdev-mirror', {**to, 'sync': 'full'}),
            f'backup to {node}': ('blockdev-backup', {**to, 'sync': 'full'}),
            f'backup none to {node}': ('blockdev-backup', {**to,
                                                           'sync': 'none'}),
        })
    return made


# What is refused whatever of these uses the nodes, and what else is.
COMMON = (
    'del top, del mid, resize mid, snap mid, mirror from mid, isnap '
    'mid, del base, resize base, snap base, mirror from base, isnap '
    'base, mirror to mid, backup to mid, backup none to mid, mirror to '
    'base, backup to base, backup none to base, mirror to top, backup '
    'to top, backup none to top, isnapdel, ssync mid, change')
REFUSED = {
    'mirror': (
        'resize top, snap top, stream top, mirror from top, backup from '
        'top, isnap top, export w mid, export w base, del t1, resize t1, '
        'reopen ro t1, snap t1, stream t1, export w t1, export r t1, mirror '
        'from t1, backup from t1, isnap t1, mirror to t1, backup to t1, '
        'backup none to t1, resize dev, cbf, cbf2, commit mid, commit top, '
        'commit top to mid, commit mid to base, stream to mid, stream to '
        'base, ssync, dmirror, dbackup, eject, eject f'),
    'backup': (
        'resize top, export w top, mirror from top, isnap top, export w '
        'mid, export w base, del t1, resize t1, reopen ro t1, snap t1, '
        'stream t1, mirror from t1, backup from t1, isnap t1, mirror to t1, '
        'backup to t1, backup none to t1, resize dev, cbf, cbf2, commit '
        'mid, commit top, commit top to mid, commit mid to base, stream to '
        'mid, stream to base, ssync, dmirror, dbackup, eject, eject f'),
    'commit': (
        'resize top, snap top, stream top, mirror from top, backup from '
        'top, isnap top, stream mid, export w mid, export r mid, backup '
        'from mid, reopen ro base, stream base, export w base, backup from '
        'base, mirror to t1, backup to t1, backup none to t1, drop backing, '
        'drop backing mid, resize dev, cbf, cbf2, commit mid, commit top, '
        'commit top to mid, commit mid to base, stream to mid, stream to '
        'base, ssync, dmirror, dbackup, eject, eject f'),
    'active commit': (
        'resize top, snap top, stream top, export w top, export r top, '
        'mirror from top, backup from top, isnap top, stream mid, export w '
        'mid, export r mid, backup from mid, reopen ro base, stream base, '
        'backup from base, mirror to t1, backup to t1, backup none to t1, '
        'drop backing, drop backing mid, resize dev, cbf, cbf2, commit mid, '
        'commit top, commit top to mid, commit mid to base, stream to mid, '
        'stream to base, ssync, dmirror, dbackup, eject, eject f'),
    'stream': (
        'resize top, reopen ro top, snap top, stream top, mirror from top, '
        'backup from top, isnap top, stream mid, export w mid, backup from '
        'mid, stream base, export w base, backup from base, mirror to t1, '
        'backup to t1, backup none to t1, drop backing, drop backing mid, '
        'resize dev, cbf, cbf2, commit mid, commit top, commit top to mid, '
        'commit mid to base, stream to mid, stream to base, ssync, dmirror, '
        'dbackup, eject, eject f'),
    'stream below': (
        'stream top, reopen ro mid, stream mid, backup from mid, stream '
        'base, export w base, backup from base, drop backing, drop backing '
        'mid, commit mid, commit top, commit top to mid, commit mid to '
        'base, stream to base'),
    'export': (
        'resize top, reopen ro top, export w mid, export w base, resize dev'),
}

class Case(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.images = tempfile.mkdtemp(prefix='nemu-qmp-')
        cls.addClassCleanup(shutil.rmtree, cls.images)
        for name, below in ('base', None), ('mid', 'base'), ('top', 'mid'), \
                ('t1', None), ('t2', None):
            b.create(os.path.join(cls.images, name), '8M', backing=below)
            io = b.Io(os.path.join(cls.images, name), tool=b.ORACLE_IO)
            io.add('write -q -P 1 1M 1M')
            io.run()
        with open(os.path.join(cls.images, 'r'), 'wb') as f:
            f.truncate(8 * MiB)

    def one(self, binary, scenario):
        """What the scenario sees, and the events of jobs."""
        with tempfile.TemporaryDirectory(prefix='nemu-qmp-') as folder:
            for name in os.listdir(self.images):
                shutil.copy(os.path.join(self.images, name), folder)
            q = Qmp(binary, folder, *CHAIN)
            try:
                seen = scenario(q)
            finally:
                q.close()
            return seen, without_rests([
                (e, {k: v for k, v in d.items() if k not in ('offset', 'len')})
                for e, d in q.events if 'JOB' in e])

    def same(self, scenario, events=True):
        ours = self.one(OURS, scenario)
        if ORACLE:
            theirs = self.one(ORACLE, scenario)
            self.assertEqual(ours[0], theirs[0])
            if events:
                self.assertEqual(ours[1], theirs[1])
        return ours[0]


def nodes(q):
    q.file('t1', 't1')
    q.file('t2', 't2', backing=None)


def job(command, until, **args):
    """Starts a job, which waits: ready, or to be finalized."""
    def use(q):
        nodes(q)
        started = q.cmd(command, job_id='j', auto_finalize=False, **args)
        assert started == {}, started
        q.wait('JOB_STATUS_CHANGE', id='j', status=until)
    return use


def export(q):
    nodes(q)
    q.cmd('nbd-server-start', addr={'type': 'unix', 'data': {'path': 'nbd'}})
    q.cmd('block-export-add', type='nbd', id='e', node_name='top',
          writable=True)


USERS = {
    'mirror': job('blockdev-mirror', 'ready', device='d0', target='t1',
                  sync='full'),
    'backup': job('blockdev-backup', 'pending', device='d0', target='t1',
                  sync='full'),
    'commit': job('block-commit', 'pending', device='d0', top_node='mid'),
    'active commit': job('block-commit', 'ready', device='d0'),
    'stream': job('block-stream', 'pending', device='d0'),
    'stream below': job('block-stream', 'pending', device='mid'),
    'export': export,
}


@unittest.skipUnless(b.HAVE_ORACLE, "needs Debian's qemu-utils")
class NodesInUse(Case):
    def test_same_commands_are_refused(self):
        every = attempts()
        for user, use in USERS.items():
            names = f'{COMMON}, {REFUSED[user]}'.split(', ')

            def scenario(q):
                use(q)
                return [(n, q.cmd(every[n][0], **every[n][1])) for n in names]
            with self.subTest(user):
                seen = self.same(scenario, events=False)
                self.assertEqual(
                    [n for n, said in seen if not isinstance(said, str)], [])

    def test_what_is_seen_of_the_nodes(self):
        """The filters of jobs are seen as they are by QEMU."""
        name = lambda n: '#' if n[0] == '#' else n

        def stats(s):
            # Of a filter of a backup QEMU tells twice what is below.
            below = [] if 'parent' not in s else [stats(s['parent'])]
            if 'backing' in s and name(s['node-name']) != '#':
                below.append(stats(s['backing']))
            return [name(s['node-name']), below]

        for user, use in USERS.items():
            def scenario(q):
                use(q)
                q.cmd('job-pause', id='j')
                listed = q.cmd('query-named-block-nodes')
                return [
                    sorted((name(n['node-name']), n['drv'], n['ro'],
                            n['backing_file_depth'],
                            os.path.basename(n.get('backing_file', '')))
                           for n in listed),
                    [(d['device'], d['inserted']['drv'],
                      name(d['inserted']['node-name']),
                      d['inserted']['backing_file_depth'])
                     for d in q.cmd('query-block') if 'inserted' in d],
                    [stats(s) for s in q.cmd('query-blockstats')
                     if 'node-name' in s],
                    sorted(name(s['node-name']) for s in q.cmd(
                        'query-blockstats', query_nodes=True))]
            with self.subTest(user):
                self.same(scenario, events=False)

    def test_graph(self):
        def scenario(q):
            nodes(q)
            g = q.cmd('x-debug-query-block-graph')
            names = {n['id']: n['type'] + ':' + n['name'].rstrip('0123456789')
                     for n in g['nodes']}
            return sorted(names.values()), sorted(
                (names[e['parent']], names[e['child']], e['name'],
                 sorted(e['perm']), sorted(e['shared-perm']))
                for e in g['edges'])
        self.same(scenario)


COPY = {'device': 'd0', 'sync': 'full', 'target': 't1', 'job_id': 'j'}
KINDS = {
    'mirror': ('blockdev-mirror', COPY),
    'backup': ('blockdev-backup', COPY),
    'commit': ('block-commit', {'device': 'd0', 'top_node': 'mid',
                                'job_id': 'j'}),
    'active commit': ('block-commit', {'device': 'd0', 'job_id': 'j'}),
    'stream': ('block-stream', {'device': 'd0', 'job_id': 'j'}),
}


@unittest.skipUnless(b.HAVE_ORACLE, "needs Debian's qemu-utils")
class JobStates(Case):
    def info(self, q):
        """What does not depend on how far it got."""
        return [[{k: v for k, v in j.items() if k not in (
            'offset', 'len', 'busy', 'paused', 'current-progress',
            'total-progress')} for j in q.cmd(c)]
            for c in ('query-jobs', 'query-block-jobs')]

    def refused(self, q, *verbs):
        said = []
        for verb in verbs:
            said.append(q.cmd('job-' + verb, id='j'))
            who = 'id' if verb in ('dismiss', 'finalize') else 'device'
            said.append(q.cmd('block-job-' + verb, **{who: 'j'}))
        said.append(q.cmd('block-job-set-speed', device='j', speed=-1))
        return said

    def begin(self, q, kind, **args):
        nodes(q)
        command, usual = KINDS[kind]
        assert q.cmd(command, **usual, **args) == {}
        if kind in ('mirror', 'active commit'):
            q.ready('j')

    def state(self, q, status):
        q.wait('JOB_STATUS_CHANGE', id='j', status=status)

    def test_no_job(self):
        self.same(lambda q: [self.refused(
            q, 'pause', 'resume', 'complete', 'finalize', 'dismiss', 'cancel'),
            self.info(q)])

    def test_finalized_and_dismissed_by_whom(self):
        for kind in KINDS:
            for finalize in True, False:
                for dismiss in True, False:
                    def scenario(q):
                        self.begin(q, kind, auto_finalize=finalize,
                                   auto_dismiss=dismiss)
                        seen = []
                        if kind in ('mirror', 'active commit'):
                            seen.append(self.info(q))
                            seen.append(q.cmd('job-complete', id='j'))
                        if not finalize:
                            self.state(q, 'pending')
                            seen.append(self.info(q))
                            seen += self.refused(q, 'dismiss', 'complete',
                                                 'pause', 'resume')
                            seen.append(q.cmd('job-finalize', id='j'))
                        if not dismiss:
                            self.state(q, 'concluded')
                            seen.append(self.info(q))
                            seen += self.refused(q, 'finalize', 'complete',
                                                 'pause', 'resume', 'cancel')
                            seen.append(q.cmd('job-dismiss', id='j'))
                        q.end('j')
                        return seen + self.info(q)
                    with self.subTest(kind=kind, finalize=finalize,
                                      dismiss=dismiss):
                        self.same(scenario)

    def test_pending_job_is_cancelled(self):
        for kind in KINDS:
            def scenario(q):
                self.begin(q, kind, auto_finalize=False, auto_dismiss=False)
                if kind in ('mirror', 'active commit'):
                    q.cmd('job-complete', id='j')
                self.state(q, 'pending')
                seen = [q.cmd('job-cancel', id='j')]
                self.state(q, 'concluded')
                return seen + self.info(q) + [q.cmd('job-dismiss', id='j')]
            with self.subTest(kind):
                self.same(scenario)

    def test_ready_job_stands_by(self):
        for kind in 'mirror', 'active commit':
            def scenario(q):
                self.begin(q, kind)
                seen = [q.cmd('job-pause', id='j')]
                self.state(q, 'standby')
                seen += self.info(q) + self.refused(
                    q, 'pause', 'finalize', 'dismiss')
                seen += [q.cmd('block-job-cancel', device='j'),
                         q.cmd('job-complete', id='j'),
                         q.cmd('job-resume', id='j')]
                q.end('j')
                return seen
            with self.subTest(kind):
                self.same(scenario)


@unittest.skipUnless(b.HAVE_ORACLE, "needs Debian's qemu-utils")
class Media(Case):
    def shown(self, q):
        return [(d['device'], d['removable'], d['locked'], d.get('tray_open'),
                 d.get('inserted') and [d['inserted'][k] for k in (
                     'drv', 'ro', 'file', 'cache', 'backing_file_depth')])
                for d in q.cmd('query-block')]

    def test_trays_of_drives_without_a_device(self):
        def scenario(q):
            seen = []
            for who in 'cd', 'd0', 'nobody':
                for key in 'device', 'id':
                    for command in ('blockdev-open-tray', 'blockdev-close-tray',
                                    'eject', 'eject'):
                        seen.append(q.cmd(command, **{key: who}))
                seen += [q.cmd('blockdev-remove-medium', id=who),
                         q.cmd('blockdev-insert-medium', id=who,
                               node_name='base')]
            return seen + [q.cmd('eject'), q.cmd('blockdev-open-tray'),
                           q.cmd('blockdev-close-tray', id='a', device='cd'),
                           q.cmd('blockdev-change-medium', filename='r'),
                           self.shown(q)]
        self.same(scenario)

    def test_media_change(self):
        def scenario(q):
            seen = []
            for device in 'cd', 'd0':
                for mode in None, 'retain', 'read-only', 'read-write':
                    for form in None, 'qcow2', 'raw', 'zork':
                        for name in 't1', 'base', 'r', 'nofile':
                            args = {'read_only_mode': mode, 'format': form}
                            args = {k: v for k, v in args.items() if v}
                            seen.append([device, args, name, q.cmd(
                                'blockdev-change-medium', device=device,
                                filename=name, **args), self.shown(q)])
            return seen + [q.cmd('eject', device='cd'), self.shown(q),
                           q.hmp('change cd r raw read-only'),
                           self.shown(q), q.hmp('change cd r raw zork'),
                           q.hmp('eject nobody'), q.hmp('eject -f cd'),
                           self.shown(q)]
        self.same(scenario)


if __name__ == '__main__':
    unittest.main()
