# SPDX-License-Identifier: GPL-2.0-or-later
"""Read fw_cfg through its ports."""


class FwCfg:

    def __init__(self, emulator):
        self.emulator = emulator
        self.found = {}

    def _bytes(self, count):
        return bytes(self.emulator.port_read(0x511, 'b') for _ in range(count))

    def item(self, key, size):
        self.emulator.port_write(0x510, key, 'w')
        return self._bytes(size)

    def files(self):
        """{name: (key, size)} of the directory; read once."""
        if self.found:
            return self.found
        self.emulator.port_write(0x510, 0x19, 'w')
        for _ in range(int.from_bytes(self._bytes(4), 'big')):
            entry = self._bytes(64)
            name = entry[8:].split(b'\0')[0].decode()
            self.found[name] = (int.from_bytes(entry[4:6], 'big'),
                                int.from_bytes(entry[:4], 'big'))
        return self.found

    def read(self, name):
        return self.item(*self.files()[name])
