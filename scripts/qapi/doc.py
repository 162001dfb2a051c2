# SPDX-License-Identifier: GPL-2.0-or-later
"""Documentation comments of a schema, taken apart into sections."""

import re

from .source import SchemaError

TAGS = ('Returns', 'Since', 'Note', 'Notes', 'Example', 'Examples', 'TODO',
        'Errors')


class Section:
    def __init__(self, tag, name=None):
        self.tag = tag    # None, 'arg', 'feature' or one of TAGS
        self.name = name  # of the member or feature
        self.lines = []

    @property
    def text(self):
        return '\n'.join(self.lines).strip('\n')


class Doc:
    """symbol is None for free-form text."""

    def __init__(self, where):
        self.where = where
        self.symbol = None
        self.sections = []

    def find(self, tag):
        return [s for s in self.sections if s.tag == tag]

    def names(self, tag):
        return [s.name for s in self.find(tag)]


def strip_hash(line, where):
    if line == '#':
        return ''
    if not line.startswith('# '):
        raise SchemaError(where, "missing space after '#'")
    return line[2:].rstrip()


def parse_doc(raw, where):
    """@raw: the lines between the two '##'."""
    doc = Doc(where)
    current = Section(None)
    doc.sections.append(current)
    in_features = False
    for i, raw_line in enumerate(raw):
        here = where.at(where.line + 1 + i)
        line = strip_hash(raw_line, here)
        m = re.match(r'@([^:\s]*):(?:\s+(.*))?$', line)
        if doc.symbol is None and i == 0 and line.startswith('@'):
            if not m or m.group(2):
                raise SchemaError(here, "expected '@NAME:' alone on the line")
            if not m.group(1):
                raise SchemaError(here, 'documentation comment names nothing')
            doc.symbol = m.group(1)
            continue
        if doc.symbol is None:
            current.lines.append(line)
            continue
        if m:
            current = start_member(doc, m.group(1), in_features, here)
            line = m.group(2) or ''
        elif line == 'Features:':
            in_features = True
            continue
        else:
            m = re.match(r'(%s):(?:\s+(.*))?$' % '|'.join(TAGS), line)
            if m:
                current = start_tag(doc, m.group(1), here)
                line = m.group(2) or ''
            elif (line and not line.startswith(' ') and current.tag
                  and not current.tag.startswith('Example')):
                # Unindented text after an empty line ends a section, but
                # for examples.
                if not current.lines or current.lines[-1] == '':
                    current = Section(None)
                    doc.sections.append(current)
        current.lines.append(line.strip() if current.tag in ('arg', 'feature')
                             else line)
    return doc


def start_member(doc, name, in_features, where):
    tag = 'feature' if in_features else 'arg'
    if not name:
        raise SchemaError(where, 'invalid parameter name')
    if name in doc.names(tag):
        raise SchemaError(where, f"'{name}' is documented twice")
    section = Section(tag, name)
    doc.sections.append(section)
    return section


def start_tag(doc, tag, where):
    if tag in ('Returns', 'Since') and doc.find(tag):
        raise SchemaError(where, f"duplicated '{tag}' section")
    section = Section(tag)
    doc.sections.append(section)
    return section
