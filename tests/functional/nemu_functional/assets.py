# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels and initramfs images of the bed, made from Debian's packages.

Every asset lives in a directory of the cache whose name carries a hash of
what it is made from; a directory that exists is complete (it is built under
another name and renamed), so a filled cache needs no network.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
CHECKOUT = HERE.parent.parent

# Debian's name of the host's architecture, and what differs between the two.
ARCHES = {
    'amd64': {
        'machine': 'x86_64',
        'kvm_modules': ['irqbypass', 'kvm', 'kvm-amd', 'kvm-intel'],
        'tty': 'ttyS0',
    },
    'arm64': {
        'machine': 'aarch64',
        'kvm_modules': [],
        'tty': 'ttyAMA0',
    },
}

# L1 reads its root over 9p and runs KVM; the generic kernel has both.
L1_KERNEL = 'linux-image-{arch}'
L1_MODULES = ['virtio_pci', 'virtio_blk', 'virtio_console', '9pnet_virtio',
              '9p', 'overlay', 'crc32c_generic', 'crc32c_intel', 'ext4']
# L2 is the stock guest: the kernel that Debian ships for clouds.
L2_KERNEL = 'linux-image-cloud-{arch}'
L2_MODULES = ['virtio_pci', 'virtio_mmio', 'virtio_blk', 'virtio_net',
              'virtio_console', 'virtio-rng', 'virtio_scsi', 'sd_mod', 'sr_mod',
              'nvme', 'ahci', 'ext4', 'crc32c_generic', 'crc32c_intel', 'button', 'vfat', 'i6300esb',
              'virtio_balloon', 'vmw_vsock_virtio_transport', 'virtiofs',
              'qemu_fw_cfg', 'evdev', 'i8042', 'atkbd', 'rtc-cmos', 'msr',
              'overlay']


class AssetError(Exception):
    """An asset cannot be made; the text says what is missing."""


def host_arch():
    """Debian's name of this machine's architecture."""
    for name, arch in ARCHES.items():
        if arch['machine'] == platform.machine():
            return name
    raise AssetError(f'no bed for {platform.machine()}')


def cache_dir():
    """The cache: $NEMU_BED_CACHE, else .bed/ of the checkout."""
    path = Path(os.environ.get('NEMU_BED_CACHE') or CHECKOUT / '.bed')
    path.mkdir(parents=True, exist_ok=True)
    return path.resolve()


def run(argv, **kwargs):
    """subprocess.run that turns a failure into an AssetError with its text."""
    try:
        return subprocess.run(argv, check=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, **kwargs).stdout
    except FileNotFoundError as err:
        raise AssetError(f'{argv[0]} is not installed') from err
    except subprocess.CalledProcessError as err:
        text = err.stderr.decode(errors='replace').strip()
        raise AssetError(f"{' '.join(map(str, argv))}: {text}") from err


def build_once(name, make):
    """The cache directory NAME, filled by make(dir) if it is not there."""
    path = cache_dir() / name
    if not path.is_dir():
        tmp = Path(tempfile.mkdtemp(prefix='.new-', dir=cache_dir()))
        try:
            tmp.chmod(0o755)
            make(tmp)
            try:
                tmp.rename(path)
            except OSError:
                if not path.is_dir():  # else another run was quicker
                    raise
        finally:
            shutil.rmtree(tmp, ignore_errors=True)
    os.utime(path)  # prune() goes by it
    return path


def digest(*parts):
    """Short hash of strings and of the contents of files."""
    h = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else part.encode()
        h.update(len(data).to_bytes(8, 'little') + data)
    return h.hexdigest()[:12]


def download(package, into):
    """apt-get download PACKAGE into a directory; the path of the .deb."""
    try:
        run(['apt-get', 'download', package], cwd=into)
    except AssetError as err:
        raise AssetError(
            f'{err}\n(the first run needs the network and fresh package '
            'lists: apt-get update)') from err
    return next(into.glob(package.split(':')[0] + '_*.deb'))


def qualified(package, arch):
    """PACKAGE, with its architecture where that is not the host's."""
    return package if arch == host_arch() else f'{package}:{arch}'


def kernel(package, arch):
    """Directory with `vmlinuz` and `lib/modules/VERSION` of a Debian kernel."""
    def make(out):
        text = run(['apt-cache', 'depends', qualified(package, arch)]).decode()
        found = re.search(r'Depends: (linux-image-[0-9][^\s:]*)', text)
        if not found:
            raise AssetError(f'{package} names no kernel: apt-get update?')
        deb = download(qualified(found[1], arch), out)
        run(['dpkg', '-x', deb, out])
        deb.unlink()
        image = next((out / 'boot').glob('vmlinuz-*'))
        image.rename(out / 'vmlinuz')
        for extra in ('boot', 'usr'):
            shutil.rmtree(out / extra, ignore_errors=True)
        run(['depmod', '-b', out, image.name[len('vmlinuz-'):]])
    return build_once(f'{package.format(arch=arch)}-{arch}-1', make)


def kernel_version(path):
    """The version directory's name below lib/modules."""
    return next((path / 'lib/modules').iterdir()).name


def busybox(arch):
    """Path of a static busybox."""
    def make(out):
        deb = download(qualified('busybox-static', arch), out)
        run(['dpkg', '-x', deb, out / 'x'])
        (out / 'x/bin/busybox').rename(out / 'busybox')
        shutil.rmtree(out / 'x')
        deb.unlink()
    return build_once(f'busybox-{arch}-1', make) / 'busybox'


def module_closure(kernel_dir, names):
    """Paths (relative to lib/modules/VERSION) of modules and what they need."""
    base = kernel_dir / 'lib/modules' / kernel_version(kernel_dir)
    deps, by_name = {}, {}
    for line in (base / 'modules.dep').read_text().splitlines():
        path, _, rest = line.partition(':')
        deps[path] = rest.split()
        by_name[re.sub(r'\.ko.*', '', Path(path).name).replace('-', '_')] = path
    wanted = []
    for name in names:
        path = by_name.get(name.replace('-', '_'))
        if path:  # else built in, or not in this flavour
            wanted += deps[path] + [path]
    return sorted(set(wanted))


def initramfs(name, arch, kernel_dir, modules, init):
    """Directory with `initrd.gz`: busybox, some modules, and a script as /init."""
    box = busybox(arch)
    version = kernel_version(kernel_dir)
    key = digest(init, ' '.join(modules), version, box)

    def make(out):
        root = out / 'root'
        for sub in ('bin', 'dev', 'proc', 'sys', 'mnt', 'etc', 'run', 'tmp'):
            (root / sub).mkdir(parents=True)
        (root / 'sbin').symlink_to('bin')
        shutil.copy(box, root / 'bin/busybox')
        (root / 'bin/sh').symlink_to('busybox')
        shutil.copy(init, root / 'init')
        (root / 'init').chmod(0o755)
        base = kernel_dir / 'lib/modules' / version
        for path in module_closure(kernel_dir, modules):
            to = root / 'lib/modules' / version / path
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(base / path, to)
        (root / 'lib/modules' / version).mkdir(parents=True, exist_ok=True)
        for index in ('modules.order', 'modules.builtin'):
            shutil.copy(base / index, root / 'lib/modules' / version)
        run(['depmod', '-b', root, version])
        names = '\0'.join(sorted(str(p.relative_to(root))
                                 for p in root.rglob('*')))
        cpio = run(['cpio', '-o', '-0', '-H', 'newc', '-R', '0:0'], cwd=root,
                   input=names.encode())
        # Bigger levels cost more time than they save under emulation.
        with open(out / 'initrd.gz', 'wb') as gz:
            subprocess.run(['gzip', '-1n'], input=cpio, stdout=gz, check=True)
        shutil.rmtree(root)
    return build_once(f'{name}-{arch}-{key}', make)


class Boot:
    """A kernel with its initramfs, ready for -kernel and -initrd."""

    def __init__(self, arch, kernel_dir, initrd_dir):
        self.arch = arch
        self.kernel_dir = kernel_dir
        self.kernel = kernel_dir / 'vmlinuz'
        self.initrd = initrd_dir / 'initrd.gz'
        self.version = kernel_version(kernel_dir)


def l1(arch=None):
    """The Debian kernel and initramfs that offer /dev/kvm inside the bed."""
    arch = arch or host_arch()
    kdir = kernel(L1_KERNEL.format(arch=arch), arch)
    modules = L1_MODULES + ARCHES[arch]['kvm_modules']
    return Boot(arch, kdir, initramfs('l1', arch, kdir, modules,
                                      HERE / 'guest/l1-init'))


def l2(arch=None, package=L2_KERNEL):
    """The stock Debian kernel and the agent initramfs of the guest under test.

    L1_KERNEL as the package is the generic flavour, for what clouds lack.
    """
    arch = arch or host_arch()
    kdir = kernel(package.format(arch=arch), arch)
    return Boot(arch, kdir, initramfs('l2', arch, kdir, L2_MODULES,
                                      HERE / 'guest/l2-init'))
