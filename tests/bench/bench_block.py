# SPDX-License-Identifier: GPL-2.0-or-later
"""Figures of the block layer's tools: images in the page cache, no guest.

Every figure is the median of several runs, ours and QEMU's in turn. A tool
that is not there leaves its figure out.
"""

import array
import json
import os
import random
import re
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bench_jobs

TOP = Path(__file__).resolve().parents[2]
RUNS = 5
STARTS = 200
MIB = 1 << 20
GIB = 1 << 30
CLUSTER = 65536
FIO_SECONDS = 3


class Tools:
    """The programs of one side."""

    def __init__(self, where):
        self.where = Path(where)

    def path(self, name):
        """A program's path; RuntimeError if this side has none."""
        path = self.where / name
        if not path.exists():
            raise RuntimeError(f'no {path}')
        return str(path)

    def timed(self, name, *argv):
        """Seconds that a tool's run takes."""
        argv = [self.path(name), *(str(a) for a in argv)]
        start = time.perf_counter()
        done = subprocess.run(argv, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, check=False)
        took = time.perf_counter() - start
        if done.returncode:
            raise RuntimeError(f'{" ".join(argv)}: {done.stderr!r}')
        return took


def alternate(function, ours, theirs, runs=RUNS):
    """Medians of function(tools), both sides in turn; None where it fails."""
    samples = {ours: [], theirs: []}
    for _ in range(runs):
        for side, values in samples.items():
            if values is None:
                continue
            try:
                values.append(function(side))
            except (OSError, RuntimeError, KeyError, ValueError) as err:
                print(f'bench: {err}', file=sys.stderr)
                samples[side] = None
    return [v and statistics.median(v) for v in samples.values()]


# Images

def half_full(path, size):
    """A raw image of data and holes by turns, a MiB each. The data is text of
    a kind: half of each 64 bytes is random."""
    rng = random.Random(1)
    block = b''.join(rng.randbytes(32) + bytes(32) for _ in range(MIB // 64))
    with open(path, 'wb') as f:
        for offset in range(0, size, 2 * MIB):
            f.seek(offset)
            f.write(block)
        f.truncate(size)


def fragmented(path, size):
    """A qcow2 image with every cluster allocated, in random order.

    Spec: the qcow2 format, version 3, 64 KiB clusters, 16-bit refcounts."""
    clusters = size // CLUSTER
    l2_tables = -(-clusters // (CLUSTER // 8))
    l1_clusters = -(-l2_tables * 8 // CLUSTER)
    per_block = CLUSTER // 2
    fixed = 1 + l1_clusters + l2_tables
    blocks = table = 1
    while True:  # refcounts count the clusters they lie in
        total = fixed + clusters + blocks + table
        need = -(-total // per_block), -(-(-(-total // per_block) * 8)
                                         // CLUSTER)
        if need == (blocks, table):
            break
        blocks, table = need
    table_at = 1
    blocks_at = table_at + table
    l1_at = blocks_at + blocks
    l2_at = l1_at + l1_clusters
    data_at = l2_at + l2_tables

    def entries(values):
        words = array.array('Q', values)
        words.byteswap()  # big-endian
        return words.tobytes()

    places = list(range(data_at, data_at + clusters))
    random.Random(2).shuffle(places)
    copied = 1 << 63
    with open(path, 'wb') as f:
        f.write(struct.pack('>IIQIIQIIQQIIQQQQII', 0x514649fb, 3, 0, 0, 16,
                            size, 0, l2_tables, l1_at * CLUSTER,
                            table_at * CLUSTER, table, 0, 0, 0, 0, 0, 4, 104))
        f.write(bytes(8))
        f.seek(table_at * CLUSTER)
        f.write(entries((blocks_at + i) * CLUSTER for i in range(blocks)))
        f.seek(blocks_at * CLUSTER)
        f.write(b'\0\1' * total)
        f.seek(l1_at * CLUSTER)
        f.write(entries(copied | (l2_at + i) * CLUSTER
                        for i in range(l2_tables)))
        f.seek(l2_at * CLUSTER)
        f.write(entries(copied | p * CLUSTER for p in places))
        f.truncate(total * CLUSTER)


# qemu-img

def page_in(path, size):
    """Have the host give us the memory for a file that is written next: where
    it takes freed pages back, that alone can take ten times as long."""
    piece = bytes(MIB)
    with open(path, 'wb', 0) as f:
        for _ in range(0, size, MIB):
            f.write(piece)
    path.unlink()


def convert_figures(ours, theirs, work):
    raw, qcow2, out = work / 'raw', work / 'qcow2', work / 'out'
    half_full(raw, 2 * GIB)
    subprocess.run([theirs.path('qemu-img'), 'convert', '-O', 'qcow2', raw,
                    qcow2], check=True)

    def convert(*argv):
        def run(side):
            out.unlink(missing_ok=True)
            page_in(out, GIB)
            return side.timed('qemu-img', 'convert', *argv, out)
        return run

    wanted = [
        ('convert raw to qcow2, 2 GiB half holes', '0.9 of QEMU',
         ('-f', 'raw', '-O', 'qcow2', raw)),
        ('convert qcow2 to raw, 2 GiB half holes', '0.9 of QEMU',
         ('-f', 'qcow2', '-O', 'raw', qcow2)),
        ('convert -c, zlib', '0.33 of QEMU',
         ('-c', '-f', 'raw', '-O', 'qcow2', raw)),
        ('convert -c, zstd', '0.7 of QEMU',
         ('-c', '-f', 'raw', '-O', 'qcow2', '-o', 'compression_type=zstd',
          raw)),
    ]
    for name, required, argv in wanted:
        runs = 1 if '-c' in argv else RUNS
        yield (name, *alternate(convert(*argv), ours, theirs, runs), 's',
               required)
    out.unlink(missing_ok=True)
    raw.unlink()
    qcow2.unlink()


def metadata_figures(ours, theirs, work):
    image = work / 'fragmented'
    fragmented(image, 100 * GIB)
    for command, argv in (('check', ()), ('map', ('--output=json',))):
        a, b = alternate(lambda side, c=command, v=argv: side.timed(
            'qemu-img', c, *v, image), ours, theirs, 3)
        yield (f'{command} of a fragmented 100 GiB qcow2', a, b, 's',
               '0.5 of QEMU')
    image.unlink()


def start_figures(ours, theirs, work):
    """Starts of qemu-img, each time with a target that is not there yet; what
    any program's start takes is measured beside them."""
    image, new = work / 'small', work / 'new'
    subprocess.run([theirs.path('qemu-img'), 'create', '-q', '-f', 'qcow2',
                    image, '64M'], check=True)
    commands = {
        'info': ('info', image), 'check': ('check', image),
        'create': ('create', '-q', '-f', 'qcow2', new, '64M'),
        'convert': ('convert', '-O', 'qcow2', image, new),
    }
    samples = {(c, side): [] for c in commands for side in (ours, theirs)}
    echo = []
    for _ in range(STARTS):
        echo.append(1e3 * Tools('/bin').timed('echo'))
        for (command, side), values in samples.items():
            new.unlink(missing_ok=True)
            values.append(1e3 * side.timed('qemu-img', *commands[command]))
    yield ("a start's own share (/bin/echo)",
           *[statistics.median(echo)] * 2, 'ms', '')
    for command in commands:
        yield (f'qemu-img {command} of an empty image',
               *(statistics.median(samples[command, side])
                 for side in (ours, theirs)), 'ms', '3 ms')


def allocating_writes(ours, theirs, work):
    image = work / 'alloc'

    def run(side):
        subprocess.run([theirs.path('qemu-img'), 'create', '-q', '-f',
                        'qcow2', image, '2G'], check=True)
        return 16384 / side.timed('qemu-img', 'bench', '-w', '-f', 'qcow2',
                                  '-c', '16384', '-s', '64k', '-d', '16',
                                  image) * CLUSTER / 1e6

    yield ('allocating 64 KiB sequential writes to qcow2',
           *alternate(run, ours, theirs), 'MB/s', '1.3 of QEMU')
    image.unlink()


# qemu-storage-daemon

class Daemon:
    """qemu-storage-daemon with one image as an NBD export on a socket, or as
    a vhost-user-blk export; @under runs it (valgrind)."""

    def __init__(self, tools, work, image, fmt, writable=True, aio='io_uring',
                 vhost=False, under=()):
        self.socket = work / 'nbd.sock'
        self.socket.unlink(missing_ok=True)
        on = 'on' if writable else 'off'
        export = [
            '--nbd-server', f'addr.type=unix,addr.path={self.socket}',
            '--export', f'type=nbd,id=e,node-name=n,name=,writable={on}']
        if vhost:
            export = ['--export', 'type=vhost-user-blk,id=e,node-name=n,'
                      f'writable={on},addr.type=unix,addr.path={self.socket}']
        self.proc = subprocess.Popen(
            [*under, tools.path('qemu-storage-daemon'),
             '--blockdev', f'driver={fmt},node-name=n,file.driver=file,'
             f'file.filename={image},file.aio={aio}', *export],
            # Valgrind takes io_uring_enter() for a call that does not wait.
            env=dict(os.environ, NEMU_LOOP='epoll') if under else None,
            stderr=subprocess.PIPE)
        for _ in range(6000 if under else 200):
            if self.socket.exists():
                return
            if self.proc.poll() is not None:
                raise RuntimeError(f'{self.proc.args}: '
                                   f'{self.proc.stderr.read()!r}')
            time.sleep(0.01)
        self.close()
        raise RuntimeError(f'{self.proc.args}: no socket')

    def memory(self):
        """Private and shared dirty memory, resident, in MB."""
        with open(f'/proc/{self.proc.pid}/smaps_rollup') as f:
            fields = dict(line.split(':', 1) for line in f if ':' in line)
        return int(fields['Rss'].split()[0]) / 1000

    def close(self):
        self.proc.send_signal(signal.SIGTERM)
        self.proc.wait()
        self.proc.stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def fio(socket, how, jobs, seconds=FIO_SECONDS):
    """IOPS of random 4 KiB requests over NBD, depth 32 in each connection."""
    done = subprocess.run(
        ['fio', '--name=j', '--ioengine=nbd', f'--uri=nbd+unix:///?socket={socket}',
         f'--rw=rand{how}', '--bs=4k', '--iodepth=32', '--time_based',
         f'--runtime={seconds}', f'--numjobs={jobs}', '--group_reporting',
         '--size=1G', '--output-format=json', '--thread'],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        raise RuntimeError(f'fio: {done.stderr!r}')
    text = done.stdout.decode()
    return json.loads(text[text.index('{'):])['jobs'][0][how]['iops']


def nbd_figures(ours, theirs, work):
    for fmt in ('raw', 'qcow2'):
        image = work / f'nbd.{fmt}'
        subprocess.run([theirs.path('qemu-img'), 'create', '-q', '-f', fmt,
                        '-o', 'preallocation=full', image, '1G'], check=True)
        for how in ('read', 'write'):
            for jobs in (1, 4):
                def run(side, f=fmt, p=image, h=how, j=jobs):
                    with Daemon(side, work, p, f) as daemon:
                        return fio(daemon.socket, h, j)
                yield (f'NBD, 4 KiB random {how}, {fmt}, {jobs} '
                       f'connection{"s" if jobs > 1 else ""}',
                       *alternate(run, ours, theirs, 3), 'IOPS', '1.5 of QEMU')
        image.unlink()


def job_figures(ours, theirs, work):
    return bench_jobs.job_figures(ours, theirs, work, alternate, half_full)


def vhost_figures(ours, theirs, work):
    tool, image = work / 'vhost-blk', work / 'vhost.raw'
    glib = subprocess.run(['pkg-config', '--cflags', 'glib-2.0'], check=True,
                          stdout=subprocess.PIPE, text=True).stdout.split()
    subprocess.run(['cc', '-O2', '-D_GNU_SOURCE', '-I', TOP, '-I',
                    TOP / 'include', '-I', ours.where, *glib, '-o', tool,
                    TOP / 'tests/bench/vhost-blk.c'], check=True)
    subprocess.run([theirs.path('qemu-img'), 'create', '-q', '-f', 'raw', '-o',
                    'preallocation=full', image, '1G'], check=True)
    for how in ('read', 'write'):
        for aio in ('io_uring', 'threads'):
            def run(side, h=how, a=aio):
                with Daemon(side, work, image, 'raw', aio=a,
                            vhost=True) as daemon:
                    time.sleep(0.2)  # it is there before it listens
                    return float(subprocess.run(
                        [tool, daemon.socket, h, str(FIO_SECONDS), str(GIB)],
                        stdout=subprocess.PIPE, check=True).stdout)
            yield (f'vhost-user-blk, 4 KiB random {how}, aio={aio}',
                   *alternate(run, ours, theirs, 3), 'IOPS', '1.2 of QEMU')
    image.unlink()


def daemon_instructions(ours, theirs, work):
    """Of the daemon's own code, for a request over NBD, by callgrind: the
    difference between many requests and few."""
    if not shutil.which('valgrind'):
        print('bench: no valgrind', file=sys.stderr)
        return
    image = work / 'instructions.raw'
    subprocess.run([theirs.path('qemu-img'), 'create', '-q', '-f', 'raw', '-o',
                    'preallocation=full', image, '256M'], check=True)

    def collected(side, how, requests):
        daemon = Daemon(side, work, image, 'raw', aio='threads',
                        under=('valgrind', '--tool=callgrind',
                               '--callgrind-out-file=/dev/null'))
        time.sleep(1)
        subprocess.run(
            ['fio', '--name=j', '--ioengine=nbd',
             f'--uri=nbd+unix:///?socket={daemon.socket}', f'--rw=rand{how}',
             '--bs=4k', '--iodepth=32', f'--number_ios={requests}',
             '--size=256M', '--thread'],
            stdout=subprocess.DEVNULL, check=True)
        daemon.proc.send_signal(signal.SIGTERM)
        text = daemon.proc.communicate()[1].decode()
        return int(re.search(r'Collected : (\d+)', text)[1])

    for how in ('read', 'write'):
        def run(side, h=how):
            return (collected(side, h, 12000) - collected(side, h, 2000)) / 1e4

        yield (f'instructions for a 4 KiB {how} over NBD',
               *alternate(run, ours, theirs, 1), 'instructions', '0.6 of QEMU')
    image.unlink()


def daemon_memory(ours, theirs, work):
    image = work / 'huge'
    subprocess.run([theirs.path('qemu-img'), 'create', '-q', '-f', 'qcow2',
                    image, '1T'], check=True)

    def run(side):
        with Daemon(side, work, image, 'qcow2') as daemon:
            fio(daemon.socket, 'read', 1)
            return daemon.memory()

    yield ('resident memory of the daemon serving 1 TiB',
           *alternate(run, ours, theirs, 1), 'MB', '0.5 of QEMU')
    image.unlink()


def measure(ours, theirs):
    """[(name, ours, theirs, unit, required)]; two folders of programs."""
    ours, theirs = Tools(ours), Tools(theirs)
    figures = []
    work = Path(tempfile.mkdtemp(prefix='nemu-bench-'))
    try:
        for part in (start_figures, convert_figures, metadata_figures,
                     allocating_writes, nbd_figures, vhost_figures,
                     daemon_instructions, job_figures, daemon_memory):
            for figure in part(ours, theirs, work):
                print(f'# {figure}', file=sys.stderr, flush=True)
                if figure[1] is not None:
                    figures.append(figure)
    finally:
        shutil.rmtree(work)
    return figures
