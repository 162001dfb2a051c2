#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""blockdev-create and x-blockdev-amend make of images what QEMU 7.2 makes."""

import os
import tempfile
import unittest

import blocklib as b
from daemonlib import ORACLE_DAEMON, OUR_DAEMON, Storage
from test_jobs import OURS, ORACLE, MiB, Qmp

SECRETS = [a for i in range(3) for a in (
    '-object', f'secret,id=s{i},data=password{i}')]
LUKS = {'key-secret': 's0', 'iter-time': 10}
FORMAT = {'format': 'luks', **LUKS}
QCOW2 = [
    {}, {'preallocation': 'falloc'}, {'preallocation': 'full'},
    {'preallocation': 'metadata'}, {'extended-l2': True},
    {'extended-l2': True, 'preallocation': 'full', 'cluster-size': 16384},
    {'version': 'v2', 'extended-l2': True}, {'version': 'v2'},
    {'data-file': 'd'}, {'data-file': 'd', 'data-file-raw': True},
    {'data-file': 'd', 'preallocation': 'falloc'},
    {'data-file': 'd', 'preallocation': 'full'},
    {'data-file-raw': True}, {'data-file': 'nope'},
    {'data-file': 'd', 'version': 'v2'},
    {'data-file': 'd', 'data-file-raw': True, 'backing-file': 'x'},
    {'backing-file': 'x', 'backing-fmt': 'raw'}, {'backing-fmt': 'raw'},
    {'backing-file': 'x', 'preallocation': 'full', 'backing-fmt': 'raw'},
    {'refcount-bits': 3}, {'refcount-bits': 1}, {'cluster-size': 512},
    {'compression-type': 'zstd'}, {'lazy-refcounts': True},
    {'encrypt': FORMAT}, {'encrypt': {**FORMAT, 'key-secret': 'nope'}},
    {'encrypt': {'format': 'luks'}},
    {'encrypt': {'format': 'qcow', 'key-secret': 's0'}},
]
VOLUMES = [
    LUKS, {}, {'key-secret': 'nope'}, {**LUKS, 'preallocation': 'full'},
    {**LUKS, 'cipher-mode': 'ctr'},
]
FILES = [
    {'size': MiB}, {'size': MiB + 1}, {'size': 0}, {}, {'size': '1M'},
    {'size': -1}, {'size': 1 << 62}, {'size': (1 << 64) - 1},
    {'size': MiB, 'preallocation': 'off'},
    {'size': MiB, 'preallocation': 'falloc'},
    {'size': MiB, 'preallocation': 'full'},
    {'size': MiB, 'preallocation': 'metadata'},
    {'size': MiB, 'nocow': True}, {'size': MiB, 'nocow': 'on'},
    {'size': MiB, 'extent_size_hint': 0},
    {'size': MiB, 'extent_size_hint': 1 << 32},
    {'size': MiB, 'extent_size_hint': -5}, {'size': MiB, 'zork': 1},
    {'size': MiB, 'filename': 'nbd:y'}, {'size': MiB, 'filename': 'json:{}'},
    {'size': MiB, 'filename': 'file:y'}, {'size': MiB, 'filename': '/dev/null'},
    {'size': MiB, 'filename': '.'}, {'size': MiB, 'filename': ''},
    {'size': MiB, 'filename': 'nope/y'},
]
NO_CREATION = ('raw', 'host_device', 'host_cdrom', 'nbd', 'null-co', 'iscsi',
               'http', 'throttle', 'blkdebug', 'quorum', 'copy-on-read',
               'preallocate', 'snapshot-access', 'blkverify', 'blklogwrites')
ADD = {'state': 'active', 'new-secret': 's1', 'iter-time': 10}
ERASE = {'state': 'inactive'}
# QEMU measures for a second how fast it is before it adds a password.
AMENDMENTS = [
    ('luks', {**ADD, 'keyslot': 1}, False),
    ('luks', {**ADD, 'keyslot': 1}, False),
    ('luks', {**ADD, 'new-secret': 'nope'}, False),
    ('luks', {'state': 'active'}, False), ('qcow2', ADD, None),
    ('luks', {**ADD, 'old-secret': 's0'}, False), ('qcow2', ERASE, False),
    ('luks', {**ERASE, 'keyslot': 9}, False), ('luks', ERASE, False),
    ('luks', {**ERASE, 'old-secret': 's2'}, False),
    ('luks', {**ERASE, 'keyslot': 5}, False),
    ('qcow2', {**ERASE, 'new-secret': 's0'}, False),
    ('qcow2', {'state': 'zork'}, False),
    ('luks', {**ADD, 'secret': 's2'}, False),
    ('qcow2', {**ERASE, 'keyslot': 1}, False),
    ('qcow2', {**ERASE, 'keyslot': 0}, False),
    ('qcow2', {**ERASE, 'keyslot': 0}, True),
    ('luks', {**ERASE, 'old-secret': 's0'}, False),
]


@unittest.skipUnless(b.HAVE_ORACLE, "needs Debian's qemu-utils")
class ImageJobs(unittest.TestCase):
    maxDiff = None

    def same(self, scenario):
        """The scenario's outcome, which is the same for both."""
        outcomes = []
        for binary in filter(None, (OURS, ORACLE)):
            with tempfile.TemporaryDirectory(prefix='nemu-create-') as folder:
                q = Qmp(binary, folder, *SECRETS)
                try:
                    outcomes.append(scenario(q))
                finally:
                    q.close()
        self.assertEqual(outcomes[0], outcomes[-1])
        return outcomes[0]

    def new_file(self, q, node):
        q.cmd('blockdev-del', node_name=node)
        with open(os.path.join(q.folder, node), 'wb'):
            pass
        q.cmd('blockdev-add', driver='file', node_name=node, filename=node)

    def job(self, q, command, **args):
        """Did it start, did it end well, and its events."""
        q.events.clear()
        got = q.cmd(command, job_id='j', **args)
        if got != {}:
            return got
        q.wait('JOB_STATUS_CHANGE', id='j', status='concluded')
        job, = q.cmd('query-jobs')
        return [job['type'], 'error' in job, q.cmd('query-block-jobs'),
                q.cmd('job-dismiss', id='j'), q.events[:]]

    def size(self, q, name):
        """Of the file, and is there space for the data?"""
        st = os.stat(os.path.join(q.folder, name))
        return st.st_size, st.st_blocks * 512 >= 4 * MiB

    def test_qcow2_images_are_made(self):
        def scenario(q):
            seen = []
            for options in QCOW2:
                self.new_file(q, 'i')
                self.new_file(q, 'd')
                made = self.job(q, 'blockdev-create', options={
                    'driver': 'qcow2', 'file': 'i', 'size': 4 * MiB, **options})
                seen.append([options, made])
                if isinstance(made, str) or made[1]:
                    continue
                told = b.run(b.ORACLE_IMG, 'info', '-U', '-f', 'qcow2', 'i',
                             cwd=q.folder).stdout.split('\n')
                seen.append([t for t in told if not any(
                    w in t for w in ('disk size', 'uuid', 'iters', ' offset'))])
                seen.append(self.size(q, 'd'))
                if 'preallocation' in options:
                    seen.append(self.size(q, 'i')[1])
                if not {'encrypt', 'backing-file'} & set(options):
                    seen.append(b.run(b.ORACLE_IMG, 'check', '-U', 'i',
                                      cwd=q.folder).returncode)
            return seen
        self.same(scenario)

    def test_plain_files_are_made(self):
        def scenario(q):
            seen = []
            for options in FILES:
                how = q.create(**{'driver': 'file', 'filename': 'x', **options})
                names = sorted(set(os.listdir(q.folder)) - {'made'})
                stats = [os.stat(os.path.join(q.folder, n)) for n in names]
                seen.append([options, how, [
                    (n, s.st_size, s.st_blocks * 512 >= MiB)
                    for n, s in zip(names, stats)
                    # QEMU empties, or leaves, what it cannot make.
                    if not isinstance(how, str) and 'error' not in how[1]]])
                for name in names:
                    os.unlink(os.path.join(q.folder, name))
            for driver in NO_CREATION:
                seen.append(q.create(driver=driver, size=MiB))
                seen.append(q.create(driver=driver))
            for job in ('', '9', 'a b', '#x'):
                seen.append(q.cmd('blockdev-create', job_id=job, options={
                    'driver': 'file', 'filename': 'x', 'size': 1}))
            return seen
        outcomes = []
        for binary in OUR_DAEMON, ORACLE_DAEMON or OUR_DAEMON:
            with tempfile.TemporaryDirectory(prefix='nemu-create-') as folder:
                q = Storage(folder, binary)
                self.addCleanup(q.close)
                outcomes.append(scenario(q))
        self.assertEqual(outcomes[0], outcomes[1])

    def test_luks_volumes_are_made(self):
        def scenario(q):
            seen = []
            for options in VOLUMES:
                self.new_file(q, 'i')
                seen.append([options, self.job(
                    q, 'blockdev-create', options={
                        'driver': 'luks', 'file': 'i', 'size': MiB,
                        **options}), self.size(q, 'i')[0]])
                seen.append(q.cmd('blockdev-add', driver='luks', node_name='l',
                                  file='i', key_secret='s0'))
                q.cmd('blockdev-del', node_name='l')
            return seen
        self.same(scenario)

    def test_image_in_a_luks_volume(self):
        """What is not written there is not zero."""
        def scenario(q):
            self.new_file(q, 'i')
            seen = [self.job(q, 'blockdev-create', options={
                'driver': 'luks', 'file': 'i', 'size': 0, **LUKS}),
                q.cmd('blockdev-add', driver='luks', node_name='l', file='i',
                      key_secret='s0'),
                self.job(q, 'blockdev-create', options={
                    'driver': 'qcow2', 'file': 'l', 'size': 4 * MiB}),
                q.cmd('blockdev-del', node_name='l'),
                q.cmd('blockdev-del', node_name='i')]
            check = b.run(b.ORACLE_IMG, 'check', '--object', SECRETS[1], '--image-opts',
                          'driver=qcow2,file.driver=luks,file.key-secret=s0,'
                          'file.file.filename=i', cwd=q.folder)
            return seen + [check.returncode, check.stdout]
        self.assertIn('No errors were found', self.same(scenario)[-1])

    def test_passwords_are_amended(self):
        def scenario(q):
            seen = []
            self.new_file(q, 'v')
            self.new_file(q, 'i')
            self.job(q, 'blockdev-create', options={
                'driver': 'luks', 'file': 'v', 'size': MiB, **LUKS})
            self.job(q, 'blockdev-create', options={
                'driver': 'qcow2', 'file': 'i', 'size': MiB,
                'encrypt': FORMAT})
            q.cmd('blockdev-add', driver='luks', node_name='luks', file='v',
                  key_secret='s0')
            q.cmd('blockdev-add', driver='qcow2', node_name='qcow2', file='i',
                  encrypt={'format': 'luks', 'key-secret': 's0'})
            for driver, options, force in AMENDMENTS:
                args = {} if force is None else {'force': force}
                what = options if driver == 'luks' else {
                    'encrypt': {'format': 'luks', **options}}
                seen.append([driver, options, self.job(
                    q, 'x-blockdev-amend', node_name=driver,
                    options={'driver': driver, **what}, **args)])
            for n in q.cmd('query-named-block-nodes'):
                data = n['image'].get('format-specific', {}).get('data', {})
                keys = data.get('encrypt', data).get('slots', [])
                seen.append([n['node-name'], [k['active'] for k in keys]])
            for node, driver in (('qcow2', 'qcow2'), ('qcow2', 'luks'),
                                 ('i', 'file'), ('nope', 'raw')):
                seen.append(self.job(
                    q, 'x-blockdev-amend', node_name=node, options={
                        'driver': driver,
                        **(ERASE if driver == 'luks' else {})}))
            return seen + [self.job(
                q, 'x-blockdev-amend', node_name='qcow2', options={
                    'driver': 'qcow2', 'encrypt': {'format': 'qcow'}})]
        self.same(scenario)


if __name__ == '__main__':
    unittest.main()
