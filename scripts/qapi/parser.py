# SPDX-License-Identifier: GPL-2.0-or-later
"""Schema text to Python values.

The syntax is JSON with comments, single-quoted strings, no numbers and no
null, as QEMU's manual "How to use the QAPI code generator" describes it.
"""

import os
import re

from .doc import parse_doc
from .source import SchemaError, Where

TOKEN = re.compile(r"""
    (?P<space>[ \t\r]+)
  | (?P<newline>\n)
  | (?P<comment>\#[^\n]*)
  | (?P<punct>[{}\[\]:,])
  | '(?P<string>[^'\n]*)'
  | (?P<word>[A-Za-z]+)
""", re.VERBOSE)


class Expr:
    """One top-level expression and the doc comment before it."""

    def __init__(self, value, where, doc, module):
        self.value = value
        self.where = where
        self.doc = doc
        self.module = module


class Pragma:
    """Switches that a schema sets for its own checking."""

    def __init__(self):
        self.doc_required = False
        self.command_name_exceptions = []
        self.command_returns_exceptions = []
        self.member_name_exceptions = []
        self.documentation_exceptions = []


class SourceFile:
    """Tokens of one file."""

    def __init__(self, path, included_from=None):
        self.where = Where(path, 1, included_from)
        with open(path, encoding='utf-8') as f:
            self.text = f.read()
        self.pos = 0
        self.line = 1
        self.tok = None
        self.tok_line = 1

    def here(self):
        return self.where.at(self.tok_line)

    def error(self, text):
        return SchemaError(self.here(), text)

    def advance(self):
        """Set self.tok to a (kind, text) pair; ('end', '') at the end."""
        while True:
            self.tok_line = self.line
            if self.pos == len(self.text):
                self.tok = ('end', '')
                return
            m = TOKEN.match(self.text, self.pos)
            if not m:
                if self.text[self.pos] == "'":
                    raise self.error("missing terminating \"'\"")
                raise self.error(f'stray {self.text[self.pos]!r}')
            kind = m.lastgroup
            if kind == 'comment' and m.group() == '##':
                self.read_doc()
                return
            self.pos = m.end()
            if kind == 'newline':
                self.line += 1
            elif kind not in ('space', 'comment'):
                self.check(kind, m.group(kind))
                self.tok = (kind, m.group(kind))
                return

    def check(self, kind, text):
        if kind == 'string':
            for c in text:
                if not ' ' <= c <= '~':
                    raise self.error(f'funny character {c!r} in string')
                if c == '\\':
                    raise self.error('strings have no escapes')
        elif kind == 'word' and text not in ('true', 'false'):
            raise self.error(f"'{text}' is no value; strings need quotes")

    def read_doc(self):
        """A block from "##" to "##"; every line between starts with "#"."""
        lines = []
        start = self.line
        while True:
            end = self.text.find('\n', self.pos)
            line = self.text[self.pos:] if end < 0 else self.text[self.pos:end]
            self.tok_line = self.line
            if not line.startswith('#'):
                raise self.error("documentation comment must end with '##'")
            self.pos = len(self.text) if end < 0 else end + 1
            self.line += 1
            if line.rstrip() == '##' and lines:
                lines.append(line)
                break
            if line.startswith('##') and lines:
                raise self.error("junk after '##'")
            lines.append(line)
            if end < 0:
                raise self.error("documentation comment must end with '##'")
        self.tok_line = start
        self.tok = ('doc', lines[1:-1])

    def value(self):
        kind, text = self.tok
        if kind == 'string':
            self.advance()
            return text
        if kind == 'word':
            self.advance()
            return text == 'true'
        if kind == 'punct' and text == '{':
            return self.members()
        if kind == 'punct' and text == '[':
            return self.elements()
        raise self.error("expected '{', '[', string, or boolean")

    def members(self):
        out = {}
        self.advance()
        if self.tok == ('punct', '}'):
            self.advance()
            return out
        while True:
            kind, key = self.tok
            if kind != 'string':
                raise self.error("expected string or '}'" if not out
                                 else 'expected string')
            if key in out:
                raise self.error(f"duplicate key '{key}'")
            self.advance()
            if self.tok != ('punct', ':'):
                raise self.error("expected ':'")
            self.advance()
            out[key] = self.value()
            if self.tok == ('punct', '}'):
                self.advance()
                return out
            if self.tok != ('punct', ','):
                raise self.error("expected ',' or '}'")
            self.advance()

    def elements(self):
        out = []
        self.advance()
        if self.tok == ('punct', ']'):
            self.advance()
            return out
        while True:
            out.append(self.value())
            if self.tok == ('punct', ']'):
                self.advance()
                return out
            if self.tok != ('punct', ','):
                raise self.error("expected ',' or ']'")
            self.advance()


class Parser:
    """A schema file with all it includes."""

    def __init__(self, path):
        self.exprs = []
        self.docs = []  # everything for the manual, in order
        self.pragma = Pragma()
        self.modules = []
        self.includes = {}  # module -> modules it includes
        self.seen = set()
        self.root = os.path.dirname(path)
        self.parse_file(path, None)

    def module_of(self, path):
        return os.path.splitext(os.path.relpath(path, self.root))[0]

    def parse_file(self, path, included_from):
        self.seen.add(os.path.abspath(path))
        module = self.module_of(path)
        self.includes[module] = []
        src = SourceFile(path, included_from)
        src.advance()
        doc = None
        while src.tok[0] != 'end':
            if src.tok[0] == 'doc':
                self.flush_doc(doc)
                doc = parse_doc(src.tok[1], src.here())
                src.advance()
                continue
            where = src.here()
            value = src.value() if src.tok == ('punct', '{') else None
            if value is None:
                raise src.error("expected '{' at top level")
            doc = self.top_level(value, where, doc, module)
        self.flush_doc(doc)
        self.modules.append(module)

    def flush_doc(self, doc):
        if doc is None:
            return
        if doc.symbol:
            raise SchemaError(doc.where,
                              f"documentation of '{doc.symbol}' is not "
                              'followed by its definition')
        self.docs.append(doc)

    def top_level(self, value, where, doc, module):
        if 'include' in value or 'pragma' in value:
            self.flush_doc(doc)
            word = 'include' if 'include' in value else 'pragma'
            if len(value) != 1:
                raise SchemaError(where, f"invalid '{word}' directive")
            if word == 'include':
                self.include(value['include'], where, module)
            else:
                self.set_pragma(value['pragma'], where)
            return None
        if doc is not None and not doc.symbol:
            self.flush_doc(doc)
            doc = None
        if doc is not None:
            self.docs.append(doc)
        self.exprs.append(Expr(value, where, doc, module))
        return None

    def include(self, name, where, module):
        if not isinstance(name, str):
            raise SchemaError(where, "value of 'include' must be a string")
        path = os.path.join(os.path.dirname(where.path), name)
        origin = where
        while origin:
            if os.path.abspath(origin.path) == os.path.abspath(path):
                raise SchemaError(where, f"inclusion loop for '{name}'")
            origin = origin.included_from
        if not os.path.exists(path):
            raise SchemaError(where, f"cannot open include file '{name}'")
        self.includes[module].append(self.module_of(path))
        if os.path.abspath(path) not in self.seen:
            self.parse_file(path, where)

    def set_pragma(self, value, where):
        if not isinstance(value, dict):
            raise SchemaError(where, "value of 'pragma' must be an object")
        for key, setting in value.items():
            attr = key.replace('-', '_')
            if not hasattr(self.pragma, attr):
                raise SchemaError(where, f"unknown pragma '{key}'")
            if key == 'doc-required':
                if not isinstance(setting, bool):
                    raise SchemaError(
                        where, f"pragma '{key}' must be a boolean")
                self.pragma.doc_required = setting
                continue
            if (not isinstance(setting, list)
                    or not all(isinstance(s, str) for s in setting)):
                raise SchemaError(
                    where, f"pragma '{key}' must be a list of strings")
            getattr(self.pragma, attr).extend(setting)
