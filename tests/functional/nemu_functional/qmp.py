# SPDX-License-Identifier: GPL-2.0-or-later
"""A QMP client (QEMU Machine Protocol Specification), one thread, no magic."""

import json
import socket
import time


class QmpError(Exception):
    """The server's error reply."""

    def __init__(self, error):
        super().__init__(f"{error['class']}: {error['desc']}")
        self.error_class = error['class']
        self.desc = error['desc']


class QmpTimeout(Exception):
    """No reply or event in time."""


class Qmp:
    """One QMP session over a connected socket."""

    def __init__(self, sock, negotiate=True):
        self.sock = sock
        self.buffer = b''
        self.events = []
        self.greeting = self.receive(30)
        if self.greeting is None:
            raise ConnectionError('QMP closed before its greeting')
        if negotiate:
            self.cmd('qmp_capabilities')

    @classmethod
    def connect(cls, path, timeout=10, alive=lambda: True, **kwargs):
        """Connect to a UNIX socket as soon as somebody listens there."""
        end = time.monotonic() + timeout
        while True:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.connect(str(path))
                return cls(sock, **kwargs)
            except (FileNotFoundError, ConnectionRefusedError):
                sock.close()
                if time.monotonic() > end or not alive():
                    raise
                time.sleep(0.01)

    def receive(self, timeout):
        """The next message; None at end of file."""
        end = time.monotonic() + timeout
        while b'\n' not in self.buffer:
            left = end - time.monotonic()
            if left <= 0:
                raise QmpTimeout(f'nothing from QMP in {timeout} s')
            self.sock.settimeout(left)
            try:
                data = self.sock.recv(1 << 16)
            except socket.timeout:
                continue
            except ConnectionResetError:
                data = b''
            if not data:
                return None
            self.buffer += data
        line, self.buffer = self.buffer.split(b'\n', 1)
        return json.loads(line)

    def raw(self, data, timeout=60):
        """Send bytes as they are; the reply message (events are kept)."""
        self.sock.sendall(data)
        while True:
            message = self.receive(timeout)
            if message is None or 'event' not in message:
                return message
            self.events.append(message)

    def cmd(self, name, arguments=None, timeout=60, **kwargs):
        """Run a command; what it returns. Argument names may use _ for -."""
        args = dict(arguments or {})
        args.update({k.replace('_', '-'): v for k, v in kwargs.items()})
        request = {'execute': name}
        if args:
            request['arguments'] = args
        reply = self.raw(json.dumps(request).encode() + b'\r\n', timeout)
        if reply is None:
            raise ConnectionError(f'QMP closed while {name} ran')
        if 'error' in reply:
            raise QmpError(reply['error'])
        return reply['return']

    def hmp(self, line):
        """Run a human monitor command; its text."""
        return self.cmd('human-monitor-command', {'command-line': line})

    def wait_event(self, name, timeout=60):
        """The first event of that name not yet taken; others stay queued."""
        end = time.monotonic() + timeout
        while True:
            for i, event in enumerate(self.events):
                if event['event'] == name:
                    return self.events.pop(i)
            message = self.receive(max(0, end - time.monotonic()))
            if message is None:
                raise ConnectionError(f'QMP closed before {name}')
            if 'event' in message:
                self.events.append(message)

    def drain_events(self, seconds=0.2):
        """All events not yet taken, including those of the next moment."""
        try:
            while True:
                message = self.receive(seconds)
                if message is None:
                    break
                self.events.append(message)
        except QmpTimeout:
            pass
        events, self.events = self.events, []
        return events

    def close(self):
        self.sock.close()
