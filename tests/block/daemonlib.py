# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes that serve many tests: qemu-storage-daemon and qemu-io."""

import json
import os
import select
import shutil
import subprocess
import time

import blocklib as b
from nbdlib import FLUSH, READ, TRIM, WRITE, ZEROES, Client

OUR_DAEMON = os.path.join(b.BUILD, 'qemu-storage-daemon')
ORACLE_DAEMON = shutil.which('qemu-storage-daemon')
LIMIT = 60  # seconds that anything may take


class Lines:
    """What a process says, with a limit on the wait for it."""

    def __init__(self, pipe):
        self.fd = pipe.fileno()
        self.data = b''

    def until(self, mark):
        """Up to and with @mark."""
        end = time.monotonic() + LIMIT
        while mark not in self.data:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise AssertionError(f'silent for a minute: {self.data!r}')
            part = os.read(self.fd, 1 << 16)
            if not part:
                raise EOFError(f'gone: {self.data!r}')
            self.data += part
        n = self.data.index(mark) + len(mark)
        text, self.data = self.data[:n], self.data[n:]
        return text.decode()


class IoServer:
    """One qemu-io for many images."""
    PROMPT = b'qemu-io> '

    def __init__(self, tool):
        self.proc = subprocess.Popen([tool], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT)
        self.out = Lines(self.proc.stdout)

        self.out.until(self.PROMPT)

    def run(self, lines):
        """What the commands say: one at a time, QEMU's wants it so."""
        said = []
        for line in lines:
            self.proc.stdin.write(line.encode() + b'\n')
            self.proc.stdin.flush()
            said.append(self.out.until(self.PROMPT).removesuffix('qemu-io> '))
        return ''.join(said)

    def differs(self, path, data):
        """What is said when the image @path does not hold @data."""
        lines = [f'open -r -o driver=qcow2,file.filename={path}']
        start = 0
        while start < len(data):
            run = data[start:start + 1]
            end = start + 1
            while end < len(data) and data[end:end + 4096] == \
                    run * min(4096, len(data) - end):
                end += 4096
            end = min(end, len(data))
            while end < len(data) and data[end:end + 1] == run:
                end += 1
            lines.append(f'read -q -P {run[0]} {start} {end - start}')
            start = end
        return self.run([*lines, 'close'])

    def close(self):
        self.proc.stdin.close()
        self.proc.wait(LIMIT)
        self.proc.stdout.close()


class Storage:
    """A qemu-storage-daemon in @folder, spoken to over its standard streams."""

    def __init__(self, folder, program=OUR_DAEMON, args=(), env=None):
        self.folder = folder
        self.sock = os.path.join(folder, 'nbd')
        self.proc = subprocess.Popen(
            [program, '--chardev', 'stdio,id=c', '--monitor', 'c', *args],
            cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env=env)
        self.out = Lines(self.proc.stdout)
        self.events = []
        self.out.until(b'\n')
        self.cmd('qmp_capabilities')

    def take(self):
        line = self.out.until(b'\n')
        while line.startswith('Formatting '):  # 7.2 does, on this stream
            line = self.out.until(b'\n')
        reply = json.loads(line)
        if 'event' in reply:
            self.events.append((reply['event'], reply.get('data', {})))
        return reply

    def send(self, name, /, **args):
        args = {k.replace('_', '-'): v for k, v in args.items()}
        text = json.dumps({'execute': name, 'arguments': args}) + '\n'
        self.proc.stdin.write(text.encode())
        self.proc.stdin.flush()

    def cmd(self, name, /, **args):
        """The value returned, or the error's text."""
        self.send(name, **args)
        while True:
            reply = self.take()
            if 'error' in reply:
                return reply['error']['desc']
            if 'return' in reply:
                return reply['return']

    def do(self, name, /, **args):
        """It must work."""
        got = self.cmd(name, **args)
        assert not isinstance(got, str), f'{name} {args}: {got}'
        return got

    def wait(self, event, **match):
        """Until an event that fits has come, from now on or before."""
        seen = 0
        while True:
            for name, data in self.events[seen:]:
                seen += 1
                if name == event and match.items() <= data.items():
                    return data
            self.take()

    def create(self, **options):
        """What refuses blockdev-create; or how the job went, to its error."""
        self.events.clear()
        got = self.cmd('blockdev-create', job_id='c', options={
            k.replace('_', '-'): v for k, v in options.items()})
        if isinstance(got, str):
            return got
        self.wait('JOB_STATUS_CHANGE', id='c', status='concluded')
        job, = self.do('query-jobs')
        self.do('job-dismiss', id='c')
        return [d.get('status') for _, d in self.events], job

    def end(self, job):
        """The error with which it ends, or None."""
        self.wait('JOB_STATUS_CHANGE', id=job, status='null')
        for name, data in self.events:
            if name == 'BLOCK_JOB_COMPLETED' and data['device'] == job:
                return data.get('error')
        return None

    def file(self, node, name, **opts):
        self.do('blockdev-add', **{
            'driver': 'qcow2', 'node-name': node, 'discard': 'unmap',
            'file': {'driver': 'file', 'filename': name,
                     'cache': {'no-flush': True}, 'discard': 'unmap'},
            **opts})

    def serve(self):
        self.do('nbd-server-start', addr={
            'type': 'unix', 'data': {'path': self.sock}})

    def export(self, node, name='e', writable=True):
        self.do('block-export-add', type='nbd', id=name, node_name=node,
                name=name, writable=writable)
        return Disk(self.sock, name)

    def unexport(self, disk):
        disk.client.sock.close()
        self.events.clear()
        self.cmd('block-export-del', id=disk.name, mode='hard')
        self.wait('BLOCK_EXPORT_DELETED', id=disk.name)

    def kill(self):
        self.proc.kill()
        self.proc.wait(LIMIT)
        self.proc.stdin.close()
        self.proc.stdout.close()

    def close(self):
        """The exit status."""
        if self.proc.poll() is None:
            self.send('quit')
            while self.proc.poll() is None:
                try:
                    self.take()
                except EOFError:
                    break
        status = self.proc.wait(LIMIT)
        self.proc.stdin.close()
        self.proc.stdout.close()
        return status


class Disk:
    """What an NBD export shows."""

    def __init__(self, sock, name):
        self.name = name
        self.client = Client(sock)
        self.client.go(name.encode())

    def write(self, offset, data):
        return self.client.do(WRITE, offset, len(data), data=data)

    def zero(self, offset, length):
        return self.client.do(ZEROES, offset, length)

    def trim(self, offset, length):
        return self.client.do(TRIM, offset, length)

    def flush(self):
        return self.client.do(FLUSH)

    def read(self, offset, length):
        self.client.request(READ, offset, length)
        return self.client.simple(length)
