#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The human monitor's commands about block jobs and snapshots say and do what
those of QEMU 7.2 do."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import unittest

import blocklib as b
from test_jobs import ORACLE, OURS, Qmp

EVENTS = ('BLOCK_JOB_COMPLETED', 'BLOCK_JOB_CANCELLED')


class Hmp(Qmp):

    def said_by_qemu_io(self):
        """What its commands printed, without how long they took."""
        return [re.sub('; .*', '', line) for line in self.printed]

    def hmp(self, line):
        """What the command printed, without how far jobs are."""
        out = self.cmd('human-monitor-command', command_line=line)
        return re.sub(r'Completed \d+ of', 'Completed N of', out)


@unittest.skipUnless(ORACLE and b.HAVE_ORACLE, "needs Debian's QEMU")
class HmpTest(unittest.TestCase):
    maxDiff = None

    def run_one(self, binary, scenario):
        with tempfile.TemporaryDirectory(prefix='nemu-hmp-') as folder:
            base, top, other = (os.path.join(folder, n)
                                for n in ('base', 'top', 'other'))
            b.create(base, '8M')
            io = b.Io(base, tool=b.ORACLE_IO)
            io.add('write -q -P 1 0 8M')
            io.run()
            b.create(top, '8M', backing='base')
            b.create(other, '8M')
            q = Hmp(binary, folder, '-drive',
                    'if=none,id=d0,file=top,format=qcow2', '-drive',
                    'if=none,id=d1,format=qcow2,file.driver=blkdebug,'
                    'file.image.filename=other')
            try:
                said = scenario(q)
                node = q.cmd('query-block')[0]['inserted']
            finally:
                q.close()
            images = {n: b.content(os.path.join(folder, n))
                      for n in sorted(os.listdir(folder))}
            events = [(name, data['type'], data['device'], data['speed'])
                      for name, data in q.events if name in EVENTS]
            return [said, events, node['file'],
                    node['backing_file_depth']], images

    def same(self, scenario):
        ours, data = self.run_one(OURS, scenario)
        theirs, expected = self.run_one(ORACLE, scenario)
        self.assertEqual(ours, theirs)
        self.assertEqual(data.keys(), expected.keys())
        for name, bytes_there in expected.items():
            self.assertTrue(data[name] == bytes_there, name)

    def test_steering_a_job(self):
        def scenario(q):
            said = [q.hmp('info block-jobs'), q.hmp('block_stream nope'),
                    q.hmp('block_stream d0 64k'), q.hmp('info block-jobs'),
                    q.hmp('block_job_set_speed d0 4k'),
                    q.hmp('block_job_pause d0')]
            q.wait('JOB_STATUS_CHANGE', id='d0', status='paused')
            said += [q.hmp('info block-jobs'), q.hmp('block_job_resume d0'),
                     q.hmp('block_job_complete d0'),
                     q.hmp('block_job_cancel d0')]
            q.end('d0')
            return said + [q.hmp('block_job_cancel -f d0'),
                           q.hmp('info block-jobs')]
        self.same(scenario)

    def test_a_job_that_runs_to_its_end(self):
        def scenario(q):
            said = [q.hmp('block_stream d0')]
            q.end('d0')
            return said
        self.same(scenario)

    def test_snapshots(self):
        def scenario(q):
            return [q.hmp('snapshot_blkdev d0'),
                    q.hmp('snapshot_blkdev nope s1'),
                    q.hmp('snapshot_blkdev d0 s1'),
                    q.hmp('snapshot_blkdev -n d0 nothere qcow2')]
        self.same(scenario)

    def test_nbd_server(self):
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            port = s.getsockname()[1]

        def scenario(q):
            said = [q.hmp(line) for line in (
                'nbd_server_stop', 'nbd_server_start -w 127.0.0.1:1',
                f'nbd_server_start -a -w 127.0.0.1:{port}',
                f'nbd_server_start 127.0.0.1:{port}', 'nbd_server_add d0',
                'nbd_server_add d0 again', 'nbd_server_add nope',
                'nbd_server_remove nope')]
            listed = subprocess.run(
                [shutil.which('qemu-nbd'), '-L', '-b', '127.0.0.1', '-p', str(port)],
                text=True, capture_output=True, timeout=60).stdout
            said += [q.hmp('nbd_server_remove again'),
                     q.hmp('nbd_server_remove -f d0'),
                     q.hmp('nbd_server_stop'), q.hmp('nbd_server_stop')]
            return said + re.findall("export: '(.*)'", listed)
        self.same(scenario)

    def test_qemu_io(self):
        def scenario(q):
            q.cmd('blockdev-add', **{
                'driver': 'blkdebug', 'node_name': 'dbg',
                'image': {'driver': 'file', 'filename': 'base',
                          'node-name': 'base'}})
            said = [q.hmp(f'qemu-io {line}') for line in (
                'd0 "read -P 1 0 64k"', 'd0 "write -P 2 64k 64k"',
                'd0 "read -P 1 64k 64k"', 'd0 "aio_read 0 64k"',
                'd0 aio_flush', 'd0 "truncate 9M"', 'd0 length', 'd0 map',
                'd0 "write -z 0 1M"', 'd0 "discard 1M 1M"', 'd0 "alloc 0 1M"',
                'd0 "write 9M 1k"', 'd0 "open top"', 'd0 close', 'd0 quit',
                'd0 "reopen -r"', 'd0 "write 0 64k"', 'd0 "reopen -w"',
                'd0 "write -P 3 0 64k"', 'base "read -v 0 4"',
                'base "read 1G 1"', 'dbg "break read_aio A"', 'dbg "sleep 1"',
                'nope "read 0 1k"', '-d nope "read 0 1k"', '-d d0 length',
                'd0 length x')]
            return said + q.said_by_qemu_io()
        self.same(scenario)

    def test_qemu_io_holds_a_request(self):
        """It is on its way while the monitor goes on."""
        def scenario(q):
            said = [q.hmp(f'qemu-io d1 "{line}"') for line in (
                'break write_aio A', 'aio_write -P 4 0 64k', 'wait_break A')]
            said += [q.cmd('query-block')[0]['device'],
                     q.hmp('qemu-io d1 "resume A"'),
                     q.hmp('qemu-io d1 aio_flush'),
                     q.hmp('qemu-io d1 "read -P 4 0 64k"')]
            return said + q.said_by_qemu_io()
        self.same(scenario)


if __name__ == '__main__':
    unittest.main()
