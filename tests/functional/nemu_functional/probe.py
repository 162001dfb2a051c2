# SPDX-License-Identifier: GPL-2.0-or-later
"""Where functional tests can run: on this host's KVM, or only in the bed.

/dev/kvm may exist and open, and still not run a stock kernel (some software
KVMs interpret guest kernel code and give up at instructions they lack). So a
stock kernel is booted, by Debian's QEMU: the tested binary must not be able
to talk its way out of its own tests.
"""

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from . import assets

PROBE_SECONDS = 45
ORACLES = {'amd64': 'qemu-system-x86_64', 'arm64': 'qemu-system-aarch64'}
MACHINES = {'amd64': 'q35', 'arm64': 'virt,gic-version=host'}


def boot_stock_kernel(oracle, boot):
    """(True, time taken) or (False, reason)."""
    argv = [oracle, '-accel', 'kvm', '-cpu', 'host', '-machine',
            MACHINES[boot.arch], '-m', '256', '-nodefaults',
            '-no-user-config', '-display', 'none', '-no-reboot',
            '-serial', 'stdio', '-kernel', str(boot.kernel),
            '-initrd', str(boot.initrd), '-append',
            f'console={assets.ARCHES[boot.arch]["tty"]} panic=-1 quiet']
    start = time.monotonic()
    with tempfile.TemporaryFile('w+b') as out:
        try:
            proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                                    stdout=out, stderr=subprocess.STDOUT)
        except OSError as err:
            return False, f'{oracle}: {err.strerror}'
        try:
            while time.monotonic() - start < PROBE_SECONDS:
                ended = proc.poll() is not None
                out.seek(0)
                text = out.read().decode(errors='replace').strip()
                if 'AGENT READY' in text:
                    return True, f'{time.monotonic() - start:.1f} s'
                if ended or 'internal error' in text:
                    last = text.splitlines()[-1] if text else 'no output'
                    return False, f'a stock kernel does not run: {last}'
                time.sleep(0.1)
            return False, ('a stock kernel did not reach init in '
                           f'{PROBE_SECONDS} s')
        finally:
            proc.kill()
            proc.wait()


def examine(oracle=None):
    """(way, why): way is 'host' or 'bed'."""
    arch = assets.host_arch()
    if not os.path.exists('/dev/kvm'):
        return 'bed', 'there is no /dev/kvm'
    try:
        os.close(os.open('/dev/kvm', os.O_RDWR | os.O_CLOEXEC))
    except OSError as err:
        return 'bed', f'/dev/kvm: {err.strerror}'
    good, text = boot_stock_kernel(oracle or ORACLES[arch], assets.l2(arch))
    if good:
        return 'host', f"a stock kernel reached init on this host's KVM in {text}"
    return 'bed', text


def decide(oracle=None, fresh=False):
    """examine(), remembered until the next boot; $NEMU_KVM overrules it."""
    forced = os.environ.get('NEMU_KVM')
    if forced in ('host', 'bed'):
        return forced, f'NEMU_KVM={forced} is set'
    boot_id = Path('/proc/sys/kernel/random/boot_id').read_text().strip()
    stat = os.stat('/dev/kvm') if os.path.exists('/dev/kvm') else None
    key = f'{boot_id} {stat and (stat.st_rdev, stat.st_mode, stat.st_ino)} ' \
          f'{os.getuid()}'
    memory = assets.cache_dir() / 'probe.json'
    if not fresh and memory.exists():
        known = json.loads(memory.read_text())
        if known['key'] == key:
            return known['way'], known['why']
    way, why = examine(oracle)
    memory.write_text(json.dumps({'key': key, 'way': way, 'why': why}))
    return way, why
