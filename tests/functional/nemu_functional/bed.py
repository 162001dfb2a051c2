# SPDX-License-Identifier: GPL-2.0-or-later
"""The nested KVM bed: run a command where /dev/kvm runs stock kernels.

L0 is Debian's QEMU with TCG on this host, L1 a Debian kernel inside it whose
root is this host's own root (read-only, with a tmpfs laid over it), so that
the command finds every program, library and file under the path it has here.
What it writes is gone with L1, except in the share directory; /scratch is an
ext4 disk for images that want O_DIRECT.
"""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from . import assets

L0 = {
    'amd64': ['qemu-system-x86_64', '-cpu', 'max', '-M', 'q35'],
    'arm64': ['qemu-system-aarch64', '-cpu', 'max,pauth-impdef=on',
              '-M', 'virt,virtualization=on,gic-version=3'],
}
L0_APPEND = {
    'amd64': 'mitigations=off tsc=reliable no_timer_check',
    'arm64': '',
}


class BedError(Exception):
    """L1 did not start, or did not end as it should."""


class Wedged(BedError):
    """L1 answers no more; another boot may well do better."""


def l0_argv(boot, share, root, scratch, beat, args):
    """The command line of L0."""
    tty = assets.ARCHES[boot.arch]['tty']
    append = (f'console={tty} panic=-1 quiet {L0_APPEND[boot.arch]} '
              f'bed.share={share} bed.kernel={boot.kernel_dir} '
              f'{"bed.tty" if args.interactive else ""} {args.append}')
    hvc = 'stdio,signal=off' if args.interactive else f'file,path={share}/output'
    return L0[boot.arch] + [
        '-accel', 'tcg,thread=multi', '-m', str(args.memory),
        '-smp', str(args.cpus), '-display', 'none', '-nodefaults', '-no-reboot',
        '-net', 'none', '-kernel', str(boot.kernel), '-initrd', str(boot.initrd),
        '-append', append.strip(),
        '-serial', f'file:{share}/l1-console',
        '-device', 'virtio-serial-pci', '-chardev', f'{hvc},id=job',
        '-device', 'virtconsole,chardev=job',
        '-chardev', f'socket,id=beat,fd={beat}',
        '-device', 'virtserialport,chardev=beat,name=beat',
        '-fsdev', f'local,id=root,path={root},security_model=none,'
                  'readonly=on,multidevs=remap',
        '-device', 'virtio-9p-pci,fsdev=root,mount_tag=root',
        '-fsdev', f'local,id=share,path={share},security_model=none,'
                  'multidevs=remap',
        '-device', 'virtio-9p-pci,fsdev=share,mount_tag=share',
        '-drive', f'if=none,id=scratch,file={scratch},format=raw,cache=unsafe',
        '-device', 'virtio-blk-pci,drive=scratch',
    ] + shlex.split(args.l0_args)


class Heartbeat:
    """A byte to L1, and with it an interrupt, many times a second.

    TCG now and then forgets that an interrupt is pending while it leaves a
    guest of L1's. Was that L1's one-shot timer, nothing would ever interrupt
    L1 again: the next byte's interrupt brings the lost one back.

    L1 sends the bytes back. When none has come for long, it stands still for
    good, which TCG brings about as well, seldom.
    """

    SECONDS = 0.05
    STILL = 180

    def __init__(self):
        self.mine, self.peer = socket.socketpair()
        self.mine.setblocking(False)
        self.ended = threading.Event()
        self.heard = None       # when L1 last answered
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.ended.wait(self.SECONDS):
            try:
                self.mine.send(b'.')
            except BlockingIOError:
                pass                # L1 does not read yet
            except OSError:
                return              # L0 has ended
            try:
                if self.mine.recv(4096):
                    self.heard = time.monotonic()
            except BlockingIOError:
                pass
            except OSError:
                return

    def stopped(self):
        return self.heard and time.monotonic() - self.heard > self.STILL

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        self.mine.close()
        self.peer.close()


def make_scratch(path, gib):
    """A sparse ext4 disk."""
    with open(path, 'wb') as f:
        f.truncate(gib << 30)
    assets.run(['mke2fs', '-q', '-t', 'ext4', '-O', '^has_journal',
                '-E', 'lazy_itable_init=1', '-F', path])


def write_job(share, command, env, cwd):
    """job.sh: the command with its environment and directory."""
    exports = [f'export {k}={shlex.quote(v)}\n' for k, v in sorted(env.items())]
    (share / 'job.sh').write_text(
        '#!/bin/sh\n' + ''.join(exports) +
        'export TMPDIR=/scratch HOME=/root '
        'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n'
        f'cd {shlex.quote(str(cwd))} || exit 125\n{command}\n')


def follow(proc, output, deadline, sink, beat):
    """Copy the job's output as it comes; False when the deadline passed."""
    with open(output, 'rb') as f:
        while True:
            ended = proc.poll() is not None
            data = f.read()
            if data:
                sink.write(data)
                sink.flush()
            elif ended:
                return True
            if time.monotonic() > deadline:
                return False
            if beat.stopped():
                raise Wedged(f'L1 stood still for {beat.STILL} s')
            if not data:
                time.sleep(0.05)


def stop(proc):
    """End L0, which this process started."""
    if proc.poll() is None:
        proc.terminate()
        try:
            proc.wait(5)
        except subprocess.TimeoutExpired:
            proc.kill()
            proc.wait()


def wait(proc, share, args, sink, beat):
    """Until L0 has ended, by itself or because its time is over."""
    try:
        if args.interactive:
            proc.wait()
        elif not follow(proc, share / 'output',
                        time.monotonic() + args.timeout,
                        sink or sys.stdout.buffer, beat):
            raise BedError(f'no end after {args.timeout} s')
    finally:
        stop(proc)


def read_status(share):
    """The job's exit status as L1 wrote it."""
    status = share / 'status'
    text = status.read_text().strip() if status.exists() else ''
    if not text:
        tail = (share / 'l1-console').read_text(errors='replace')[-2000:]
        raise BedError(f'L1 ended without a status; its console:\n{tail}')
    return int(text)


def run_job(command, args, share, env=None, cwd=None, sink=None):
    """Run a shell command in L1; its exit status.

    share: a directory of this host that L1 may write (same path there);
    it receives `output`, `l1-console` and `status`.
    """
    boot = assets.l1(args.arch)
    # So that L0 and the disk go when this process is told to.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    share = Path(share).resolve()
    for name in ('status', 'output'):
        (share / name).unlink(missing_ok=True)
    (share / 'output').touch()
    write_job(share, command, env or {}, cwd or os.getcwd())
    work = Path(tempfile.mkdtemp(prefix='bed-'))
    try:
        make_scratch(work / 'scratch', args.scratch)
        with Heartbeat() as beat:
            argv = l0_argv(boot, share, args.root, work / 'scratch',
                           beat.peer.fileno(), args)
            if args.verbose:
                print('bed:', shlex.join(argv), file=sys.stderr)
            with open(share / 'l0-stderr', 'wb') as err:
                proc = subprocess.Popen(
                    argv, stderr=err, pass_fds=[beat.peer.fileno()],
                    stdin=None if args.interactive else subprocess.DEVNULL)
            wait(proc, share, args, sink, beat)
        if proc.returncode:
            raise BedError(f'L0 ended with {proc.returncode}: ' +
                           (share / 'l0-stderr').read_text(errors='replace'))
        return read_status(share)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def add_arguments(parser):
    """The options that shape L0 and L1."""
    parser.add_argument('--arch', choices=sorted(assets.ARCHES),
                        help="L1's architecture (default: this host's)")
    parser.add_argument('--root', default='/',
                        help="directory that is L1's root (default: /)")
    parser.add_argument('--memory', type=int, default=3072, metavar='MIB',
                        help='memory of L1 (default: %(default)s)')
    # One: with several, each on a thread of its own, TCG now and then wedges
    # the host of a guest with 2 vCPUs (soft lockup), whichever VMM runs it.
    parser.add_argument('--cpus', type=int, default=1, metavar='N',
                        help='CPUs of L1 (default: %(default)s)')
    parser.add_argument('--scratch', type=int, default=8, metavar='GIB',
                        help='size of /scratch in L1 (default: %(default)s)')
    parser.add_argument('--timeout', type=float, default=600, metavar='S',
                        help='give up after so many seconds '
                             '(default: %(default)s)')
    parser.add_argument('--append', default='', metavar='TEXT',
                        help="more for L1's kernel command line")
    parser.add_argument('--l0-args', default='', metavar='TEXT',
                        help="more for L0's command line")
    parser.add_argument('--interactive', '-i', action='store_true',
                        help="give the command this terminal "
                             "(end L1 by ending the command)")
    parser.add_argument('--verbose', '-v', action='store_true',
                        help="show L0's command line")
