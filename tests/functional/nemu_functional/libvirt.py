# SPDX-License-Identifier: GPL-2.0-or-later
"""A libvirtd of our own, with its state in a directory that goes away.

libvirtd and virtlogd run in a mount namespace where /etc/libvirt,
/run/libvirt, /var/lib/libvirt and the like are ours, so that a daemon and
domains of this machine are neither seen nor touched. Needs root.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from nemu_functional.vm import tested_tools

QEMU_CONF = '''
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = []
cgroup_controllers = []
'''
PRIVATE = ['/etc/libvirt', '/run/libvirt', '/var/lib/libvirt',
           '/var/cache/libvirt', '/var/log/libvirt']
TOOLS = ('qemu-img', 'qemu-io', 'qemu-nbd', 'qemu-storage-daemon')


class VirshError(Exception):
    """virsh failed; carries what it printed."""


class Libvirt:
    """with Libvirt(emulator) as lv: lv.virsh('capabilities')"""

    def __init__(self, emulator, log_dir=None):
        self.emulator = Path(emulator)
        self.dir = Path(tempfile.mkdtemp(prefix='nemu-lv-', dir='/tmp'))
        self.log_dir = Path(log_dir or os.environ.get('NEMU_LOGS') or self.dir)
        self.daemons = []
        self.uri = f'qemu+unix:///system?socket={self.dir}/run_libvirt/' \
                   'libvirt-sock'

    def __enter__(self):
        self._make_path()
        for path in PRIVATE:
            (self.dir / path.strip('/').replace('/', '_')).mkdir()
        conf = self.dir / 'etc_libvirt'
        (conf / 'qemu.conf').write_text(QEMU_CONF)
        (conf / 'libvirtd.conf').write_text(
            'auth_unix_rw = "none"\nauth_unix_ro = "none"\n'
            'log_filters = "1:qemu_monitor_json 1:qemu_process 3:util 4:object"\n'
            f'log_outputs = "1:file:{self.log_dir}/libvirtd.log"\n')
        (conf / 'virtlogd.conf').write_text('')
        try:
            self._start('virtlogd')
            self._start('libvirtd')
            self._wait_answer(60)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc):
        self.close()

    def _make_path(self):
        """A PATH in which the tested emulator is the only one, with the tools
        that were built with it."""
        bindir = self.dir / 'bin'
        bindir.mkdir()
        for folder in ('/usr/sbin', '/usr/bin'):
            for entry in os.scandir(folder):
                if not entry.name.startswith('qemu-system-') and \
                        not (bindir / entry.name).is_symlink():
                    (bindir / entry.name).symlink_to(entry.path)
        (bindir / self.emulator.name).symlink_to(self.emulator)
        for tool in TOOLS:
            (bindir / tool).unlink(missing_ok=True)
            (bindir / tool).symlink_to(tested_tools() / tool)

    def _start(self, daemon):
        """Run a daemon where PRIVATE paths are below our directory."""
        script = ''
        for path in PRIVATE:
            ours = self.dir / path.strip('/').replace('/', '_')
            script += f'mkdir -p {path} && mount --bind {ours} {path} && '
        script += f'exec /usr/sbin/{daemon}'
        with open(self.log_dir / f'{daemon}.log', 'ab') as log:
            self.daemons.append(subprocess.Popen(
                ['unshare', '--mount', '--propagation', 'private', 'sh', '-c',
                 script], env={'PATH': str(self.dir / 'bin'),
                               'HOME': '/root', 'LC_ALL': 'C'},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def _wait_answer(self, timeout):
        end = time.monotonic() + timeout
        while True:
            try:
                return self.virsh('uri')
            except VirshError:
                if time.monotonic() > end or self.daemons[-1].poll() is not None:
                    raise
                time.sleep(0.2)

    def virsh(self, *args, timeout=180):
        """Run virsh; its output."""
        done = subprocess.run(self.argv(*args), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=timeout,
                              stdin=subprocess.DEVNULL)
        text = done.stdout.decode(errors='replace')
        if done.returncode:
            raise VirshError(f'virsh {" ".join(map(str, args))}: '
                             f'{text.strip()}')
        return text

    def argv(self, *args):
        """The command line of a virsh."""
        return ['virsh', '-q', '-c', self.uri, *map(str, args)]

    def define(self, xml):
        """Define a domain from text."""
        return self.with_xml(xml, 'define')

    def with_xml(self, xml, *args):
        """Run a virsh command that takes a file, with this text in it."""
        path = self.dir / 'input.xml'
        path.write_text(xml)
        return self.virsh(*args, path)

    def wait_state(self, domain, state, timeout=120):
        """Wait until virsh domstate says so."""
        end = time.monotonic() + timeout
        while (now := self.virsh('domstate', domain).strip()) != state:
            if time.monotonic() > end:
                raise VirshError(f'{domain} is {now}, not {state}')
            time.sleep(0.3)

    def close(self):
        """Destroy what runs, end the daemons, remove the directory."""
        try:
            for name in self.virsh('list', '--name').split():
                self.virsh('destroy', name)
        except VirshError:
            pass
        for daemon in reversed(self.daemons):
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        for log in (self.dir / 'var_log_libvirt/qemu').glob('*.log'):
            shutil.copy(log, self.log_dir / f'libvirt-{log.name}')
        shutil.rmtree(self.dir, ignore_errors=True)
