# SPDX-License-Identifier: GPL-2.0-or-later
"""Figures that need a guest: time to init, and disk throughput by fio."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from nemu_functional import image
from nemu_functional.vm import Vm, oracle_binary, tested_binary

BOOTS = 3
DISK_MIB = 256
FIO_SECONDS = 10
FIO_ROUNDS = 2
FIO = ('/usr/bin/fio --name=r --filename=/dev/vdb --rw=randread --bs=4k --direct=1 '
       '--ioengine=io_uring --iodepth=32 --time_based '
       f'--runtime={FIO_SECONDS} --ramp_time=2 --output-format=json')


def prepare(work):
    """On the host: an image with fio and its libraries for the guest."""
    root = work / 'fio-root'
    fio = shutil.which('fio')
    text = subprocess.run(['ldd', fio], check=True, stdout=subprocess.PIPE,
                          text=True).stdout
    for name in [fio, *re.findall(r'(/\S+) \(0x', text)]:
        to = root / name.lstrip('/')
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(name, to)
    for name in ('dev', 'proc', 'tmp', 'sys'):
        (root / name).mkdir()
    image.create_ext4(work / 'fio.img', 'raw', 160, content=root)
    shutil.rmtree(root)


def time_to_init(binary):
    """Seconds from exec to the first line that /init prints."""
    with Vm(binary=binary, append='quiet agent.mods=button', name='bench') as vm:
        vm.argv.remove('-S')
        start = time.monotonic()
        vm.start()
        vm.console.expect('^INIT\n', 120)
        return time.monotonic() - start


def random_read_iops(binary, work, fmt):
    """IOPS of 4 KiB random reads from an image on a disk file system."""
    with Vm(binary=binary, memory=512, name='bench') as vm:
        disk = vm.path('disk')
        raw = vm.path('content')
        with open(raw, 'wb') as f:
            for _ in range(DISK_MIB):
                f.write(os.urandom(1 << 20))
        image.qemu_img('convert', '-f', 'raw', '-O', fmt, raw, disk)
        vm.argv += [
            '-drive', f'if=none,id=fio,file={work}/fio.img,format=raw,'
                      'snapshot=off,readonly=on',
            '-device', 'virtio-blk-pci,drive=fio,addr=0x10',
            '-drive', f'if=none,id=d0,file={disk},format={fmt},cache=none,'
                      'aio=io_uring',
            '-device', 'virtio-blk-pci,drive=d0,addr=0x11']
        vm.boot()
        vm.sh('mount -o ro -t ext4 /dev/vda /mnt && '
              'mount -t devtmpfs dev /mnt/dev && mount -t proc proc /mnt/proc')
        text = vm.sh(f'cd /tmp && chroot /mnt {FIO}', timeout=FIO_SECONDS * 3 + 120)
        vm.quit()
        job = json.loads(text[text.index('{'):])['jobs'][0]
        return job['read']['iops']


def compare(name, count, function, unit, required, best):
    """A figure: both emulators in turn."""
    samples = {'ours': [], 'theirs': []}
    for _ in range(count):
        for who, binary in (('ours', tested_binary()),
                            ('theirs', oracle_binary())):
            try:
                samples[who].append(function(binary))
            except Exception as err:  # one side must not hide the other
                print(f'# {name}: {binary}: {err}'[:500])
            sys.stdout.flush()
    print(f'# {name}: {samples}', flush=True)
    ours, theirs = (best(samples[w]) if samples[w] else None
                    for w in ('ours', 'theirs'))
    return (name, ours, theirs, unit, required)


def measure(work, what):
    """[(name, ours, theirs, unit, required)]"""
    work = Path(work)
    figures = []
    if what != 'fio':
        figures.append(compare('start to init, q35, direct kernel, 1 vCPU',
                               BOOTS, time_to_init, 's', '0.7 of QEMU',
                               best=min))
    if what != 'boot':
        for fmt in ('raw', 'qcow2'):
            figures.append(compare(
                f'4 KiB random read, {fmt}', FIO_ROUNDS,
                lambda b, fmt=fmt: random_read_iops(b, work, fmt), 'IOPS',
                '1.1 of QEMU', best=max))
    return figures
