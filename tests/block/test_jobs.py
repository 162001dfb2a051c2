#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Block jobs and snapshots end as they do with QEMU 7.2: the same events, the
same errors, the same chains of images and the same bytes."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest

import blocklib as b

ORACLE = shutil.which('qemu-system-x86_64')
OURS = os.path.join(b.BUILD, 'qemu-system-x86_64')
MiB = 1 << 20


class Qmp:
    """An emulator without a machine, spoken to over its standard streams."""

    def __init__(self, binary, folder, *args):
        self.proc = subprocess.Popen(
            [binary, '-machine', 'none', '-nodefaults', '-display', 'none',
             '-qmp', 'stdio', *args], cwd=folder, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        self.events = []
        self.printed = []   # between the monitor's lines
        self.folder = folder
        self.read()
        self.cmd('qmp_capabilities')

    def read(self):
        while True:
            line = self.proc.stdout.readline()
            if line.startswith('{'):
                return json.loads(line)
            if not line:
                raise AssertionError('the emulator is gone')
            self.printed.append(line)

    def take(self):
        r = self.read()
        if 'event' in r:
            self.events.append((r['event'], r.get('data', {})))
        return r

    def cmd(self, name, /, **args):
        """The value returned, or the error's class."""
        args = {k.replace('_', '-'): v for k, v in args.items()}
        return self.raw({'execute': name, 'arguments': args})

    def hmp(self, line):
        return self.cmd('human-monitor-command', command_line=line)

    def raw(self, command):
        json.dump(command, self.proc.stdin)
        self.proc.stdin.write('\n')
        self.proc.stdin.flush()
        while True:
            r = self.take()
            if 'error' in r:
                return r['error']['class']
            if 'return' in r:
                return r['return']

    def wait(self, event, **match):
        """Until an event that fits has come, from now on or before."""
        seen = 0
        while True:
            for name, data in self.events[seen:]:
                seen += 1
                if name == event and match.items() <= data.items():
                    return
            self.take()

    def end(self, job):
        self.wait('JOB_STATUS_CHANGE', id=job, status='null')

    def ready(self, job):
        self.wait('BLOCK_JOB_READY', device=job)

    def file(self, node, name, **opts):
        opts = {k.replace('_', '-'): v for k, v in opts.items()}
        return self.cmd('blockdev-add', **{
            'driver': 'qcow2', 'node-name': node,
            'file': {'driver': 'file', 'filename': name}, **opts})

    def chain(self, backing=True):
        """The named nodes, whether they are read-only, what they are on."""
        return sorted(
            (n['node-name'], n['drv'], n['ro'],
             backing and os.path.basename(n.get('backing_file', '')))
            for n in self.cmd('query-named-block-nodes')
            if n['node-name'][0] != '#')

    def close(self):
        if self.proc.poll() is None:
            self.cmd('quit')
            self.proc.wait(60)
        self.proc.stdin.close()
        self.proc.stdout.close()


def without_rests(events):
    """Without the short rests of QEMU's jobs while a node is drained. Those
    that end in "ready" are asked for by the tests."""
    kept = []
    for event in events:
        if event[1].get('status') == 'running' and kept and \
                kept[-1][1].get('status') == 'paused' and \
                kept[-1][1]['id'] == event[1]['id']:
            kept.pop()
        else:
            kept.append(event)
    return kept


@unittest.skipUnless(b.HAVE_ORACLE, "needs Debian's qemu-utils")
class JobTest(unittest.TestCase):
    maxDiff = None

    def images(self):
        tmp = tempfile.TemporaryDirectory(prefix='nemu-jobs-')
        self.addCleanup(tmp.cleanup)
        path = lambda name: os.path.join(tmp.name, name)
        for name, below, fills in (
                ('base', None, ['write -q -P 1 0 2M', 'write -q -P 1 7M 1M']),
                ('mid', 'base', ['write -q -P 2 1M 2M',
                                 'write -q -z 7M 64k']),
                ('top', 'mid', ['write -q -P 3 4M 1M',
                                'write -q -P 3 100k 5k']),
                ('t1', None, []), ('t2', None, [])):
            b.create(path(name), '8M', backing=below)
            if fills:
                io = b.Io(path(name), tool=b.ORACLE_IO)
                for line in fills:
                    io.add(line)
                io.run()
        return tmp.name

    def run_one(self, binary, scenario):
        folder = self.images()
        q = Qmp(binary, folder, '-blockdev',
                'node-name=base,driver=qcow2,read-only=on,'
                'file.driver=file,file.filename=base', '-blockdev',
                'node-name=mid,driver=qcow2,read-only=on,backing=base,'
                'file.driver=file,file.filename=mid', '-drive',
                'if=none,id=d0,node-name=top,file=top,format=qcow2,'
                'backing=mid')
        try:
            result = scenario(q)
            result = [result, q.chain()]
        finally:
            q.close()
        names = [n for n in ('base', 'mid', 'top', 't1', 't2', 'm2', 'b2')
                 if os.path.exists(os.path.join(folder, n))]
        backing = {n: json.loads(b.run(
            b.ORACLE_IMG, 'info', '--output=json',
            os.path.join(folder, n)).stdout).get('backing-filename')
            for n in names}
        for name in names:
            b.check(os.path.join(folder, name))
        data = {n: b.content(os.path.join(folder, n)) for n in names}
        events = [(e, {k: v for k, v in d.items()
                       if k not in ('offset', 'len')})
                  for e, d in q.events if 'JOB' in e]
        return [result, backing, events], data

    def same(self, scenario, events=True):
        ours, data = self.run_one(OURS, scenario)
        if ORACLE:
            theirs, expected = self.run_one(ORACLE, scenario)
            if not events:
                theirs[2] = ours[2]
            theirs[2] = without_rests(theirs[2])
            ours[2] = without_rests(ours[2])
            self.assertEqual(ours, theirs)
            for name in expected:
                self.assertEqual(data[name] == expected[name], True, name)
        return ours, data

    def test_mirror_completes(self):
        def scenario(q):
            q.file('t1', 't1')
            q.cmd('blockdev-mirror', job_id='j', device='d0', target='t1',
                  sync='full')
            q.ready('j')
            errors = [
                q.cmd('blockdev-mirror', job_id='j', device='top',
                      target='t1', sync='full'),
                q.cmd('blockdev-del', node_name='t1'),
                q.cmd('job-finalize', id='j'), q.cmd('job-dismiss', id='j'),
                q.cmd('job-resume', id='j'), q.cmd('job-pause', id='nope'),
                q.cmd('block-job-cancel', device='nope'),
                q.cmd('job-pause', id='j')]
            q.wait('JOB_STATUS_CHANGE', status='standby')
            errors += [q.cmd('job-pause', id='j'),
                       q.cmd('block-job-cancel', device='j'),
                       q.cmd('query-block-jobs')[0],
                       q.cmd('job-resume', id='j'),
                       q.cmd('block-job-set-speed', device='j', speed=-1)]
            q.wait('JOB_STATUS_CHANGE', status='ready')
            q.cmd('job-complete', id='j')
            q.end('j')
            return errors
        _, data = self.same(scenario)
        self.assertEqual(data['t1'], data['top'])

    def test_mirror_of_the_top_only(self):
        def scenario(q):
            q.file('t1', 't1', backing='mid')
            q.cmd('blockdev-mirror', job_id='j', device='d0', target='t1',
                  sync='top')
            q.ready('j')
            q.cmd('block-job-complete', device='j')
            q.end('j')
        self.same(scenario)

    def test_cancelled_when_ready_and_by_force(self):
        def scenario(q):
            q.file('t1', 't1')
            q.file('t2', 't2')
            q.cmd('blockdev-mirror', job_id='j', device='d0', target='t1',
                  sync='full', copy_mode='write-blocking')
            q.ready('j')
            q.cmd('block-job-cancel', device='j')
            q.end('j')
            q.cmd('blockdev-mirror', job_id='k', device='d0', target='t2',
                  sync='full')
            q.ready('k')
            q.cmd('job-cancel', id='k')
            q.end('k')
        _, data = self.same(scenario)
        self.assertEqual(data['t1'], data['top'])

    def test_waits_to_be_finalized_and_dismissed(self):
        def scenario(q):
            q.file('t1', 't1')
            q.cmd('blockdev-mirror', job_id='j', device='d0', target='t1',
                  sync='full', auto_finalize=False, auto_dismiss=False)
            q.ready('j')
            q.cmd('job-complete', id='j')
            q.wait('BLOCK_JOB_PENDING')
            seen = [q.cmd('query-jobs')[0]['status'],
                    q.cmd('job-complete', id='j'),
                    q.cmd('job-pause', id='j'), q.cmd('job-dismiss', id='j'),
                    q.cmd('job-finalize', id='j')]
            q.wait('JOB_STATUS_CHANGE', status='concluded')
            return seen + [q.cmd('query-jobs')[0]['status'],
                           q.cmd('job-cancel', id='j'),
                           q.cmd('job-dismiss', id='j'), q.cmd('query-jobs')]
        self.same(scenario)

    def test_slow_job_is_cancelled(self):
        def scenario(q):
            q.file('t1', 't1')
            q.cmd('blockdev-mirror', job_id='j', device='d0', target='t1',
                  sync='full', speed=1)
            seen = [q.cmd('job-complete', id='j'), q.cmd('job-cancel', id='j')]
            q.end('j')
            return seen
        ours, _ = self.run_one(OURS, scenario)
        self.assertIn(('BLOCK_JOB_CANCELLED',
                       {'type': 'mirror', 'device': 'j', 'speed': 1}), ours[2])

    def test_commit_of_the_active_image(self):
        def scenario(q):
            q.cmd('block-commit', job_id='c', device='d0')
            q.ready('c')
            q.cmd('job-complete', id='c')
            q.end('c')
        before, data = self.same(scenario)
        self.assertEqual(data['base'][4 * MiB:5 * MiB], b'\3' * MiB)

    def test_commit_in_the_middle(self):
        def scenario(q):
            q.cmd('block-commit', job_id='c', device='d0', top_node='mid',
                  base_node='base')
            q.end('c')
        self.same(scenario)

    def test_stream_everything_and_down_to_a_base(self):
        def all_of_it(q):
            q.cmd('block-stream', job_id='s', device='d0')
            q.end('s')
        ours, _ = self.same(all_of_it)
        self.assertEqual(ours[1]['top'], None)

        def down_to_base(q):
            q.cmd('block-stream', job_id='s', device='d0', base_node='base')
            q.end('s')
        ours, _ = self.same(down_to_base)
        self.assertEqual(ours[1]['top'], 'base')

    def test_snapshots_stack_up_and_commit_again(self):
        def scenario(q):
            q.file('t1', 't1', backing=None)
            q.file('t2', 't2', backing=None)
            seen = [q.cmd('blockdev-snapshot', node='top', overlay='t1'),
                    q.chain(),
                    q.cmd('blockdev-snapshot', node='top', overlay='t2'),
                    q.cmd('blockdev-snapshot', node='t1', overlay='t2'),
                    q.cmd('blockdev-snapshot', node='t1', overlay='nope'),
                    q.chain(backing=False)]
            q.cmd('block-commit', job_id='c', device='d0', top_node='t1',
                  base_node='top')
            q.end('c')
            seen.append(q.chain())
            q.cmd('block-commit', job_id='d', device='d0', base_node='top')
            q.ready('d')
            q.cmd('job-complete', id='d')
            q.end('d')
            return seen
        self.same(scenario)

    def test_what_a_job_writes_to_gets_a_backing_file(self):
        def scenario(q):
            q.file('t1', 't1', backing=None)
            q.file('t2', 't2')
            q.cmd('blockdev-mirror', job_id='j', device='d0', target='t1',
                  sync='full')
            q.ready('j')
            seen = [q.cmd('blockdev-snapshot', node='t2', overlay='t1'),
                    q.chain()]
            q.cmd('job-complete', id='j')
            q.end('j')
            return seen
        # A drained job of 7.2 stands by for a moment.
        ours, _ = self.same(scenario, events=False)
        self.assertEqual(ours[0][0][0], {})

    def test_backups(self):
        def scenario(q):
            q.file('t1', 't1')
            q.file('t2', 't2')
            run = lambda job, **args: q.cmd('blockdev-backup', job_id=job,
                                            device='d0', **args)
            seen = [q.cmd('block-dirty-bitmap-add', node='d0', name='b0'),
                    run('x', target='t1', sync='incremental'),
                    run('x', target='t1', sync='incremental', bitmap='zz'),
                    run('x', target='t1', sync='bitmap', bitmap='b0'),
                    run('x', target='t1', sync='full', bitmap_mode='never'),
                    run('x', target='top', sync='full'),
                    run('x', target='nope', sync='full'),
                    run('a', target='t1', sync='full')]
            q.end('a')
            seen.append(run('b', target='t2', sync='incremental', bitmap='b0'))
            q.end('b')
            seen.append(run('c', target='t2', sync='top'))
            q.end('c')
            seen += [run('d', target='t2', sync='none'),
                     q.cmd('blockdev-del', node_name='t2'),
                     q.cmd('job-complete', id='d'),
                     q.cmd('block-job-cancel', device='d')]
            q.end('d')
            both = [{'type': 'block-dirty-bitmap-add',
                     'data': {'node': 'd0', 'name': 'b1'}},
                    {'type': 'blockdev-backup', 'data': {
                        'device': 'd0', 'target': 't1', 'sync': 'full',
                        'job-id': 'e'}}]
            seen.append(q.cmd('transaction', actions=both))
            q.end('e')
            seen.append(q.cmd('transaction', actions=[
                {'type': 'abort', 'data': {}}, both[1]]))
            return seen + [self.bitmaps(q)]
        _, data = self.same(scenario)
        self.assertEqual(data['t1'], data['top'])

    def test_snapshot_into_a_new_image(self):
        def scenario(q):
            return [
                q.cmd('blockdev-snapshot-sync', device='d0',
                      snapshot_file='s1', snapshot_node_name='s1'),
                q.chain(),
                q.cmd('blockdev-snapshot-sync', node_name='s1',
                      snapshot_file='s2'),
                q.cmd('blockdev-snapshot-sync', node_name='s1',
                      snapshot_file='s2', snapshot_node_name='top'),
                q.cmd('blockdev-snapshot-sync', node_name='top',
                      snapshot_file='s2', snapshot_node_name='s2'),
                q.cmd('blockdev-snapshot-sync', node_name='s1',
                      snapshot_file='t1', snapshot_node_name='t1',
                      mode='existing'),
                q.chain(backing=False)]
        self.same(scenario)

    def bitmaps(self, q):
        for b in q.cmd('query-block'):
            return sorted(b['inserted'].get('dirty-bitmaps', []),
                          key=lambda m: m['name'])

    def test_bitmaps(self):
        def scenario(q):
            name = lambda n: {'node': 'd0', 'name': n}
            add = 'block-dirty-bitmap-add'
            seen = [q.cmd(add, **name('b0')), q.cmd(add, **name('b0')),
                    q.cmd(add, node='nope', name='x'),
                    q.cmd(add, **name('')), q.cmd(add, **name('x' * 1024)),
                    q.cmd(add, granularity=1000, **name('b1')),
                    q.cmd(add, granularity=256, **name('b1')),
                    q.cmd(add, granularity=512, disabled=True, **name('b1')),
                    q.cmd('block-dirty-bitmap-enable', **name('b1')),
                    q.cmd('block-dirty-bitmap-disable', **name('b0')),
                    self.bitmaps(q)]
            for b in 'b0', 'b1':
                seen.append(q.cmd('x-debug-block-dirty-bitmap-sha256',
                                  **name(b)))
            for sources in (['b0'], ['zz'], [name('b0')],
                            [{'node': 'base', 'name': 'b0'}]):
                seen.append(q.cmd('block-dirty-bitmap-merge', node='d0',
                                  target='b1', bitmaps=sources))
            return seen + [q.cmd('block-dirty-bitmap-clear', **name('b0')),
                           q.cmd('block-dirty-bitmap-clear', **name('zz')),
                           q.cmd('block-dirty-bitmap-remove', **name('b0')),
                           q.cmd('block-dirty-bitmap-remove', **name('b0')),
                           self.bitmaps(q)]
        self.same(scenario)

    def test_transactions_are_all_or_nothing(self):
        def act(kind, **data):
            return {'type': kind, 'data': {
                k.replace('_', '-'): v for k, v in data.items()}}

        def scenario(q):
            add = act('block-dirty-bitmap-add', node='top', name='b5')
            off = act('block-dirty-bitmap-disable', node='top', name='b5')
            gone = act('block-dirty-bitmap-remove', node='top', name='b5')
            snap = act('blockdev-snapshot', node='top', overlay='t1')
            sync = act('blockdev-snapshot-sync', node_name='top',
                       snapshot_file='s1', snapshot_node_name='s1')
            bad = act('abort')
            q.file('t1', 't1', backing=None)
            seen = []
            for actions in ([], [bad], [add, bad], [off], [snap, bad],
                            [sync, bad], [add, off], [gone, add, bad],
                            [gone, off], [snap, sync], [add, snap],
                            [gone, add, snap]):
                seen += [q.cmd('transaction', actions=actions),
                         q.chain(backing=False), self.bitmaps(q)]
            return seen
        self.same(scenario)

    def test_drive_mirrors(self):
        def scenario(q):
            run = lambda **a: q.cmd('drive-mirror', device='d0', **a)
            seen = [run(target='m', sync='full', node_name='top'),
                    run(target='nope', sync='full', mode='existing'),
                    run(target='m', sync='full', format='nope'),
                    run(target='m', sync='full', replaces='mid'),
                    run(target='m', sync='incremental'),
                    run(target='nbd:unix:nope', sync='full', format='raw',
                        mode='existing'),
                    run(target='m1', sync='none', node_name='m1')]
            q.ready('d0')
            q.cmd('job-cancel', id='d0')
            q.end('d0')
            seen.append(run(target='t1', sync='full', mode='existing',
                            job_id='j', node_name='t1', unmap=False))
            q.ready('j')
            q.cmd('job-cancel', id='j')
            q.end('j')
            seen += [q.chain(), run(target='m2', sync='top', job_id='k',
                                    node_name='m2')]
            q.ready('k')
            q.cmd('job-complete', id='k')
            q.end('k')
            return seen
        # QEMU tells of the creation of one that it then refuses.
        _, data = self.same(scenario, events=False)
        self.assertEqual(data['t1'], data['m2'])

    def test_drive_backups(self):
        def scenario(q):
            run = lambda **a: q.cmd('drive-backup', device='d0', **a)
            seen = [run(target='x', sync='full', format='raw', compress=True),
                    run(target='x', sync='full', x_perf={'max-workers': 0}),
                    run(target='x', sync='full', x_perf={'max-chunk': 4096}),
                    run(target='nope', sync='full', mode='existing'),
                    run(target='t1', sync='full', mode='existing',
                        compress=True, x_perf={'max-chunk': 65536,
                                               'max-workers': 3})]
            q.end('d0')
            seen.append(run(target='b2', sync='top', job_id='k',
                            x_perf={'use-copy-range': True}))
            q.end('k')
            seen.append(run(target='raw', sync='full', format='raw',
                            job_id='r', x_perf={'use-copy-range': True}))
            q.end('r')
            seen.append(b.run(b.ORACLE_IMG, 'compare', '-U', '-f', 'raw',
                              '-F', 'qcow2', 'raw', 't1',
                              cwd=q.folder).returncode)
            seen.append(run(target='t2', sync='full', mode='existing',
                            format='qcow2', auto_dismiss=False, job_id='a'))
            q.wait('JOB_STATUS_CHANGE', id='a', status='concluded')
            return seen + [q.cmd('job-dismiss', id='a')]
        _, data = self.same(scenario)
        self.assertEqual(data['t1'], data['top'])

    def test_jobs_of_a_group_end_together(self):
        both = lambda **opts: [
            {'type': 'drive-backup', 'data': {
                'device': 'd0', 'target': 'x1', 'sync': 'full',
                'job-id': 'j1', **opts}},
            {'type': 'blockdev-backup', 'data': {
                'device': 'base', 'target': 't1', 'sync': 'full',
                'job-id': 'j2', 'auto-finalize': False}}]
        group = {'completion-mode': 'grouped'}

        def scenario(q):
            q.file('t1', 't1')
            run = lambda a, p=group: q.cmd('transaction', actions=a,
                                           properties=p)
            snap = {'type': 'blockdev-snapshot-sync', 'data': {
                'device': 'd0', 'snapshot-file': 's'}}
            seen = [run([snap])]
            q.events.clear()
            seen.append(run(both()))
            q.wait('BLOCK_JOB_PENDING', id='j2')
            seen.append(q.cmd('job-finalize', id='j2'))
            q.end('j2')
            q.end('j1')
            q.events.clear()
            seen.append(run(both(speed=1)))
            q.wait('JOB_STATUS_CHANGE', id='j2', status='waiting')
            seen.append(q.cmd('job-cancel', id='j1'))
            q.end('j1')
            return seen
        self.same(scenario, events=False)
        ours, _ = self.run_one(OURS, scenario)
        ends = [(e, d['device']) for e, d in ours[2]
                if e == 'BLOCK_JOB_CANCELLED']
        self.assertEqual(ends, [('BLOCK_JOB_CANCELLED', 'j2'),
                                ('BLOCK_JOB_CANCELLED', 'j1')])

    def test_snapshots_inside_of_images(self):
        add = 'blockdev-snapshot-internal-sync'
        gone = 'blockdev-snapshot-delete-internal-sync'

        def names(q):
            return sorted((n['node-name'], s['id'], s['name'])
                          for n in q.cmd('query-named-block-nodes')
                          for s in n['image'].get('snapshots', []))

        def scenario(q):
            act = lambda n: {'type': add, 'data': {'device': 'd0', 'name': n}}
            bad = {'type': 'abort', 'data': {}}
            seen = [q.cmd(add, device='d0', name=''),
                    q.cmd(add, device='d0', name='a'),
                    q.cmd(add, device='d0', name='a'),
                    q.cmd(add, device='nope', name='b'),
                    q.cmd(add, device='base', name='b'),
                    q.cmd('transaction', actions=[act('b'), act('c'), bad]),
                    names(q), q.cmd('transaction', actions=[act('d')]),
                    q.cmd(gone, device='d0'), q.cmd(gone, device='d0', id='9'),
                    q.cmd(gone, device='d0', id='1', name='d'),
                    sorted(q.cmd(gone, device='d0', id='1', name='a'))]
            return seen + [names(q)]
        self.same(scenario)

    def test_backing_files_get_other_names(self):
        def scenario(q):
            run = lambda n, f, d='d0': q.cmd(
                'change-backing-file', device=d, image_node_name=n,
                backing_file=f)
            q.file('t1', 't1')
            return [run('top', 'x', 'nope'), run('nope', 'x'),
                    run('t1', 'x'), run('base', 'x'),
                    run('mid', './base'), run('mid', 'base')]
        self.same(scenario)

    def test_bases_by_file_and_filters_by_name(self):
        def scenario(q):
            stream = lambda **a: q.cmd('block-stream', device='d0', **a)
            commit = lambda **a: q.cmd('block-commit', device='d0', **a)
            seen = [stream(base='mid', base_node='mid'),
                    stream(base='mid', bottom='mid'), stream(base='nope'),
                    stream(bottom='nope'), stream(filter_node_name='mid'),
                    commit(base='base', base_node='base'),
                    commit(top='mid', top_node='mid'), commit(base='nope'),
                    stream(speed=1, filter_node_name='f'),
                    stream(job_id='x'), commit(job_id='x'),
                    q.cmd('block-stream', device='mid', job_id='x'),
                    q.cmd('block_resize', device='d0', size=16 * MiB),
                    q.cmd('blockdev-snapshot-sync', device='d0',
                          snapshot_file='s'),
                    q.cmd('blockdev-reopen', options=[{
                        'driver': 'qcow2', 'node-name': 'top', 'file': {
                            'driver': 'file', 'filename': 'top'},
                        'backing': None}]), q.chain()]
            q.events.clear()
            seen.append(q.cmd('job-cancel', id='d0'))
            q.end('d0')
            seen.append(commit(base='base', top='mid', job_id='c'))
            q.end('c')
            seen += [q.chain(), stream(bottom='base', job_id='s',
                                       filter_node_name='f')]
            q.end('s')
            return seen
        # QEMU tells of the creation of some that it then refuses.
        self.same(scenario, events=False)

    def test_images_are_made(self):
        def scenario(q):
            def make(**opts):
                """What the job says at its end."""
                q.events.clear()
                got = [q.cmd('blockdev-create', job_id='c', options={
                    k.replace('_', '-'): v for k, v in opts.items()})]
                if got == [{}]:
                    q.wait('JOB_STATUS_CHANGE', id='c', status='concluded')
                    got += [q.cmd('query-jobs')[0].get('error', 'done')[:20],
                            q.cmd('query-block-jobs'),
                            q.cmd('job-dismiss', id='c')]
                seen.append(got)

            seen = []
            new = {'driver': 'qcow2', 'file': 't1'}
            make(driver='file', filename='m2', size=MiB)
            make(driver='file', filename='nope/m2', size=MiB)
            q.cmd('blockdev-add', **{'driver': 'file', 'node-name': 't1',
                                     'filename': 't1'})
            make(size=4 * MiB, cluster_size=3000, **new)
            make(size=5001, **new)
            make(size=4 * MiB, version='v2', refcount_bits=8, **new)
            make(size=4 * MiB, **{**new, 'file': 'nope'})
            make(driver='nbd')
            make(size=4 * MiB, cluster_size=4096, refcount_bits=8,
                 lazy_refcounts=True, **new)
            make(size=8 * MiB, driver='qcow2', backing_file='mid',
                 backing_fmt='qcow2', file={'driver': 'file',
                                            'filename': 't2'})
            q.cmd('blockdev-del', node_name='t1')
            os.unlink(os.path.join(q.folder, 'm2'))
            return seen
        ours, _ = self.same(scenario)
        self.assertEqual(ours[1]['t2'], 'mid')

    def test_starts_that_are_refused(self):
        def scenario(q):
            q.file('t1', 't1')
            mirror = {'device': 'd0', 'target': 't1', 'sync': 'full'}
            return [
                q.cmd('block-stream', job_id='x', device='nope'),
                q.cmd('block-stream', device='mid'),
                q.cmd('block-commit', job_id='x', device='nope'),
                q.cmd('block-commit', job_id='x', device='d0', base_node='t1'),
                q.cmd('block-commit', job_id='x', device='d0',
                      base_node='top', top_node='mid'),
                q.cmd('blockdev-mirror', job_id='1', **mirror),
                q.cmd('blockdev-mirror', job_id='x', granularity=100,
                      **mirror),
                q.cmd('blockdev-mirror', job_id='x', granularity=1000,
                      **mirror),
                q.cmd('blockdev-mirror', job_id='x', buf_size=-1, **mirror),
                q.cmd('blockdev-mirror', job_id='x', speed=-1, **mirror),
                q.cmd('blockdev-mirror', job_id='x', device='top',
                      target='top', sync='full'),
                q.cmd('query-jobs')]
        # QEMU tells of the creation of one that it then refuses.
        ours, _ = self.same(scenario, events=False)
        self.assertFalse([e for e in ours[2] if e[0] != 'JOB_STATUS_CHANGE'])


if __name__ == '__main__':
    unittest.main()
