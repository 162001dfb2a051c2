# SPDX-License-Identifier: GPL-2.0-or-later
"""A TAP interface of the host, kernel documentation networking/tuntap."""

import errno
import fcntl
import os
import struct
import subprocess
import time

TUNSETIFF = 0x400454ca
TUNSETPERSIST = 0x400454cb
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000
IFF_VNET_HDR = 0x4000


class Tap:
    """Made with an address, removed by close(). Needs CAP_NET_ADMIN."""

    def __init__(self, name, address):
        self.name = name
        if not os.path.exists('/dev/net/tun'):
            subprocess.run(['modprobe', 'tun'], check=True)
        self._set_persistent(1)
        subprocess.run(['ip', 'addr', 'add', address, 'dev', name], check=True)
        subprocess.run(['ip', 'link', 'set', name, 'up'], check=True)

    def _set_persistent(self, on):
        fd = os.open('/dev/net/tun', os.O_RDWR)
        try:
            request = struct.pack('16sH22x', self.name.encode(),
                                  IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)
            fcntl.ioctl(fd, TUNSETIFF, request)
            fcntl.ioctl(fd, TUNSETPERSIST, on)
        finally:
            os.close(fd)

    def close(self):
        """The kernel lets go of the interface a moment after its user ended."""
        end = time.monotonic() + 60
        while True:
            try:
                return self._set_persistent(0)
            except OSError as err:
                if err.errno != errno.EBUSY or time.monotonic() > end:
                    raise
            time.sleep(0.1)
