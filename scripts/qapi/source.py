# SPDX-License-Identifier: GPL-2.0-or-later
"""Source positions and the errors that name them."""


class Where:
    """A line of a schema file, and how that file came to be included."""

    def __init__(self, path, line, included_from=None):
        self.path = path
        self.line = line
        self.included_from = included_from

    def at(self, line):
        return Where(self.path, line, self.included_from)

    def __str__(self):
        return f'{self.path}:{self.line}'


class SchemaError(Exception):
    """Something wrong in a schema, with the place to look at."""

    def __init__(self, where, text):
        super().__init__(text)
        self.where = where
        self.text = text

    def __str__(self):
        lines = []
        origin = self.where.included_from
        while origin:
            lines.insert(0, f'In file included from {origin}:')
            origin = origin.included_from
        lines.append(f'{self.where}: {self.text}')
        return '\n'.join(lines)
