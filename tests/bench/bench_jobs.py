# SPDX-License-Identifier: GPL-2.0-or-later
"""Figures of the storage daemon's jobs: images in the page cache."""

import json
import os
import subprocess
import time

MIB = 1 << 20
SIZE = 1024 * MIB

# What each starts with; the images are base (half full) and top (above it).
JOBS = {
    'blockdev-mirror': {'device': 'over', 'target': 'new', 'sync': 'full'},
    'blockdev-backup': {'device': 'top', 'target': 'new', 'sync': 'full'},
    'block-stream': {'device': 'top'},
    'block-commit': {'device': 'over', 'top-node': 'top',
                     'base-node': 'base'},
}


class Daemon:
    """A storage daemon that does what it is told."""

    def __init__(self, side, work):
        self.proc = subprocess.Popen(
            [side.path('qemu-storage-daemon'), '--chardev', 'stdio,id=c',
             '--monitor', 'c'], cwd=work, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.read()
        self.do('qmp_capabilities', {})

    def read(self):
        line = self.proc.stdout.readline()
        if not line:
            raise RuntimeError('the storage daemon is gone')
        return json.loads(line)

    def do(self, command, arguments):
        self.proc.stdin.write(json.dumps(
            {'execute': command, 'arguments': arguments}) + '\n')
        while True:
            reply = self.read()
            if 'error' in reply:
                raise RuntimeError(f'{command}: {reply["error"]}')
            if 'return' in reply:
                return

    def open(self, name, backing=None, read_only=False):
        self.do('blockdev-add', {
            'driver': 'qcow2', 'node-name': name, 'backing': backing,
            'read-only': read_only, 'file': {'driver': 'file',
                                             'filename': name}})

    def job(self, command, arguments):
        """Seconds until it is ready, or done."""
        start = time.perf_counter()
        self.do(command, {'job-id': 'j', **arguments})
        while True:
            event = self.read()
            if event.get('event') in ('BLOCK_JOB_READY',
                                      'BLOCK_JOB_COMPLETED'):
                if 'error' in event['data']:
                    raise RuntimeError(event['data']['error'])
                return time.perf_counter() - start

    def close(self):
        self.proc.kill()
        self.proc.wait()
        self.proc.stdin.close()
        self.proc.stdout.close()


def run_job(side, work, create, command):
    """Fresh images for each run."""
    full = 'top' if command == 'block-commit' else 'base'
    create(work, 'base', full == 'base')
    create(work, 'top', full == 'top', 'base')
    create(work, 'over', False, 'top')
    create(work, 'new', False)
    os.sync()  # or the host writes them back meanwhile
    daemon = Daemon(side, work)
    try:
        daemon.open('base', read_only=True)
        daemon.open('top', 'base', read_only=command == 'block-commit')
        daemon.open('over', 'top')
        if 'target' in JOBS[command]:
            daemon.open('new')
        return daemon.job(command, JOBS[command])
    finally:
        daemon.close()


def job_figures(ours, theirs, work, alternate, half_full):
    image = theirs.path('qemu-img')
    raw = work / 'jobs.raw'
    half_full(raw, SIZE)

    def create(folder, name, full, backing=None):
        if full:
            above = ['-B', backing, '-F', 'qcow2'] if backing else []
            argv = [image, 'convert', '-f', 'raw', '-O', 'qcow2', *above, raw,
                    name]
        else:
            above = ['-b', backing, '-F', 'qcow2'] if backing else []
            argv = [image, 'create', '-q', '-f', 'qcow2', *above, name,
                    str(SIZE)]
        subprocess.run(argv, cwd=folder, check=True)

    for command in JOBS:
        def run(side, c=command):
            return run_job(side, work, create, c)
        yield (f'{command}, 1 GiB qcow2, half holes',
               *alternate(run, ours, theirs, 3), 's', '1.0 of QEMU')
    for name in ('base', 'top', 'over', 'new', 'jobs.raw'):
        (work / name).unlink()
