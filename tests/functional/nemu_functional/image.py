# SPDX-License-Identifier: GPL-2.0-or-later
"""Disk images, made and judged by Debian's tools, never by the tested ones."""

import contextlib
import json
import os
import subprocess
import tempfile
from pathlib import Path


def qemu_img(*args, ok=(0,)):
    """Run Debian's qemu-img; its output."""
    program = os.environ.get('NEMU_ORACLE_IMG', '/usr/bin/qemu-img')
    done = subprocess.run([program, *map(str, args)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    text = done.stdout.decode(errors='replace')
    if done.returncode not in ok:
        raise AssertionError(
            f"qemu-img {' '.join(map(str, args))}: {done.returncode}: {text}")
    return text


def create(path, fmt, size, **options):
    """An empty image."""
    opts = ','.join(f'{k}={v}' for k, v in options.items())
    qemu_img('create', '-q', '-f', fmt, *(['-o', opts] if opts else []),
             path, size)
    return path


def create_ext4(path, fmt, mib, content=None, **options):
    """An image with an ext4 file system, filled from a directory."""
    with tempfile.TemporaryDirectory() as tmp:
        raw = Path(tmp) / 'raw'
        with open(raw, 'wb') as f:
            f.truncate(mib << 20)
        subprocess.run(['mke2fs', '-q', '-t', 'ext4', '-F',
                        *(['-d', str(content)] if content else []), str(raw)],
                       check=True)
        opts = ','.join(f'{k}={v}' for k, v in options.items())
        qemu_img('convert', '-f', 'raw', '-O', fmt,
                 *(['-o', opts] if opts else []), raw, path)
    return path


def check(path, fmt, leaks_ok=False):
    """qemu-img check finds nothing (or, where allowed, only leaks)."""
    if fmt == 'raw':
        return
    qemu_img('check', '-f', fmt, path, ok=(0, 3) if leaks_ok else (0,))


def info(path, fmt):
    """What qemu-img info says of an image."""
    return json.loads(qemu_img('info', '--output=json', '-f', fmt, path))


@contextlib.contextmanager
def as_raw(path, fmt):
    """A raw copy of an image, for tools that know no other format."""
    with tempfile.TemporaryDirectory() as tmp:
        raw = Path(tmp) / 'raw'
        qemu_img('convert', '-f', fmt, '-O', 'raw', path, raw)
        yield raw


def fsck(path, fmt):
    """The ext4 file system inside an image is clean; e2fsck's text."""
    with as_raw(path, fmt) as raw:
        done = subprocess.run(['e2fsck', '-f', '-n', str(raw)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    text = done.stdout.decode(errors='replace')
    if done.returncode:
        raise AssertionError(f'e2fsck: {done.returncode}: {text}')
    return text


def read_file(path, fmt, name):
    """The text of a file in the ext4 file system inside an image."""
    with as_raw(path, fmt) as raw:
        return subprocess.run(['debugfs', '-R', f'cat {name}', str(raw)],
                              check=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True).stdout


def compare(a, a_fmt, b, b_fmt):
    """Two images have the same content."""
    qemu_img('compare', '-q', '-f', a_fmt, '-F', b_fmt, a, b)
