# SPDX-License-Identifier: GPL-2.0-or-later
"""The names that a DSDT defines: devices, and plain data in them.

Methods and fields are stepped over; ACPI 6.4, chapter 20.
"""

ZERO, ONE, ONES, EXT = 0x00, 0x01, 0xff, 0x5b
NAME, STRING, SCOPE, BUFFER, PACKAGE, METHOD = 0x08, 0x0d, 0x10, 0x11, 0x12, 0x14
EXTERNAL, IF, ELSE = 0x15, 0xa0, 0xa1
MUTEX, REGION, FIELD, DEVICE, PROCESSOR, INDEX_FIELD = (
    0x01, 0x80, 0x81, 0x82, 0x83, 0x86)
INTEGERS = {0x0a: 1, 0x0b: 2, 0x0c: 4, 0x0e: 8}


class Namespace:
    """.devices: {path: {name: data}}; .names: the same outside of devices."""

    def __init__(self, dsdt):
        self.d = dsdt
        self.at = 36
        self.devices = {}
        self.names = {}
        self._terms(len(dsdt), '\\', self.names)

    def _byte(self):
        self.at += 1
        return self.d[self.at - 1]

    def _integer(self, size):
        self.at += size
        return int.from_bytes(self.d[self.at - size:self.at], 'little')

    def _end(self):
        """Where the package that starts here ends."""
        start, lead = self.at, self._byte()
        if lead < 0x40:
            return start + lead
        return start + (lead & 15 | self._integer(lead >> 6) << 4)

    def _path(self, scope):
        """An absolute path from a name string."""
        parts = [] if scope == '\\' else scope[1:].split('.')
        while self.d[self.at] in b'\\^':
            parts = [] if self._byte() == ord('\\') else parts[:-1]
        lead = self.d[self.at]
        if lead in (0x00, 0x2e, 0x2f):
            self.at += 1
        count = {0x00: 0, 0x2e: 2}.get(lead, 1)
        if lead == 0x2f:
            count = self._byte()
        for _ in range(count):
            parts.append(self.d[self.at:self.at + 4].decode('ascii'))
            self.at += 4
        return '\\' + '.'.join(parts)

    def _data(self, scope):
        op = self._byte()
        if op in (ZERO, ONE):
            return op
        if op == ONES:
            return -1
        if op in INTEGERS:
            return self._integer(INTEGERS[op])
        if op == STRING:
            end = self.d.index(0, self.at)
            text, self.at = self.d[self.at:end].decode(), end + 1
            return text
        if op == BUFFER:
            end = self._end()
            self._data(scope)
            content, self.at = self.d[self.at:end], end
            return content
        if op == PACKAGE:
            end = self._end()
            self.at += 1
            items = []
            while self.at < end:
                items.append(self._data(scope))
            return items
        self.at -= 1
        return self._path(scope)

    def _inside(self, scope, found, skip=0):
        end = self._end()
        path = self._path(scope)
        self.at += skip
        if found is None:
            found = self.devices.setdefault(path, {})
        self._terms(end, path, found)

    def _extended(self, scope):
        op = self._byte()
        if op == DEVICE:
            self._inside(scope, None)
        elif op == PROCESSOR:
            self._inside(scope, None, skip=6)
        elif op in (FIELD, INDEX_FIELD):
            self.at = self._end()
        elif op == REGION:
            self._path(scope)
            self.at += 1
            self._data(scope)
            self._data(scope)
        elif op == MUTEX:
            self._path(scope)
            self.at += 1
        else:
            raise ValueError(f'opcode 5b {op:02x} at {self.at:#x}')

    def _terms(self, end, scope, found):
        while self.at < end:
            op = self._byte()
            if op == EXT:
                self._extended(scope)
            elif op == NAME:
                path = self._path(scope)
                found[path.rsplit('.', 1)[-1].lstrip('\\')] = self._data(scope)
            elif op == SCOPE:
                start = self.at
                self._end()
                path = self._path(scope)
                self.at = start
                self._inside(scope, self.devices.get(path, self.names))
            elif op in (METHOD, IF, ELSE):
                self.at = self._end()
            elif op == EXTERNAL:
                self._path(scope)
                self.at += 2
            else:
                raise ValueError(f'opcode {op:02x} at {self.at:#x}')


def eisa_id(value):
    """"PNP0A08" of the packed number; strings as they are."""
    if not isinstance(value, int):
        return value
    v = int.from_bytes(value.to_bytes(4, 'little'), 'big')
    letters = ''.join(chr(0x40 + (v >> s & 31)) for s in (26, 21, 16))
    return f'{letters}{v & 0xffff:04X}'
