# SPDX-License-Identifier: GPL-2.0-or-later
"""The schema with names resolved and conditions decided."""

from . import cond
from .check import Checker
from .parser import Parser
from .source import SchemaError

# name: (C type, JSON type, QType)
BUILTINS = {
    'str': ('char *', 'string', 'QSTRING'),
    'int': ('int64_t ', 'int', 'QNUM'),
    'number': ('double ', 'number', 'QNUM'),
    'bool': ('bool ', 'boolean', 'QBOOL'),
    'int8': ('int8_t ', 'int', 'QNUM'),
    'int16': ('int16_t ', 'int', 'QNUM'),
    'int32': ('int32_t ', 'int', 'QNUM'),
    'int64': ('int64_t ', 'int', 'QNUM'),
    'uint8': ('uint8_t ', 'int', 'QNUM'),
    'uint16': ('uint16_t ', 'int', 'QNUM'),
    'uint32': ('uint32_t ', 'int', 'QNUM'),
    'uint64': ('uint64_t ', 'int', 'QNUM'),
    'size': ('uint64_t ', 'int', 'QNUM'),
    'any': ('QObject *', 'value', None),
    'null': ('QObject *', 'null', 'QNULL'),
}


class Entity:
    kind = None

    def __init__(self, name, expr, defines):
        self.name = name
        self.module = expr.module if expr else None
        self.where = expr.where if expr else None
        self.doc = expr.doc if expr else None
        self.features = live_features(expr.value, defines) if expr else []
        self.cond = expr.value.get('if') if expr else None


class Builtin(Entity):
    kind = 'builtin'

    def __init__(self, name):
        super().__init__(name, None, None)
        self.ctype, self.json_type, self.qtype = BUILTINS[name]


class Enum(Entity):
    kind = 'enum'
    qtype = 'QSTRING'

    def __init__(self, name, expr, defines):
        super().__init__(name, expr, defines)
        self.prefix = expr.value.get('prefix') if expr else None
        self.values = []
        for v in expr.value['data'] if expr else []:
            if cond.holds(v.get('if'), defines):
                self.values.append(Member(v['name'], None, False,
                                          live_features(v, defines)))


class Array(Entity):
    kind = 'array'
    qtype = 'QLIST'

    def __init__(self, element):
        super().__init__(element.name + 'List', None, None)
        self.element = element
        self.module = element.module


class Object(Entity):
    """A struct, a union, or the unnamed struct of a command's arguments."""
    kind = 'struct'
    qtype = 'QDICT'

    def __init__(self, name, expr, defines):
        super().__init__(name, expr, defines)
        self.base = None
        self.local = []       # members without the base's
        self.tag = None       # of a union: a Member
        self.branches = []    # of a union: (value, Object or None)
        self.implicit = False
        self.checked = 0      # 0 no, 1 under way, 2 done

    @property
    def members(self):
        return (self.base.members if self.base else []) + self.local


class Alternate(Entity):
    kind = 'alternate'
    qtype = None

    def __init__(self, name, expr, defines):
        super().__init__(name, expr, defines)
        self.branches = []  # (name, type)


class Member:
    def __init__(self, name, type_, optional, features):
        self.name = name
        self.type = type_
        self.optional = optional
        self.features = features


class Call(Entity):
    """A command or an event."""

    def __init__(self, kind, name, expr, defines):
        super().__init__(name, expr, defines)
        self.kind = kind
        self.arg = None
        self.ret = None
        v = expr.value
        self.boxed = v.get('boxed', False)
        self.gen = v.get('gen', True)
        self.success_response = v.get('success-response', True)
        self.allow_oob = v.get('allow-oob', False)
        self.allow_preconfig = v.get('allow-preconfig', False)
        self.coroutine = v.get('coroutine', False)


def live_features(value, defines):
    return [f['name'] for f in value.get('features', [])
            if cond.holds(f.get('if'), defines)]


class Schema:
    """@defines: names that hold in conditions."""

    def __init__(self, path, defines=()):
        self.defines = set(defines)
        self.parser = Parser(path)
        self.pragma = self.parser.pragma
        self.modules = self.parser.modules
        self.includes = self.parser.includes
        self.types = {name: Builtin(name) for name in BUILTINS}
        self.types['QType'] = Enum('QType', None, self.defines)
        self.types['QType'].values = [
            Member(n, None, False, []) for n in
            ('none', 'qnull', 'qnum', 'qstring', 'qdict', 'qlist', 'qbool')]
        self.arrays = {}
        self.calls = {}
        self.entities = []  # definitions, in source order
        self.include_dir = 'qapi'
        self.docs = []      # for the manual, in source order
        self.load()

    # Loading ---------------------------------------------------------------

    def load(self):
        checker = Checker(self.pragma)
        names = {}
        work = []
        for expr in self.parser.exprs:
            kind, name = checker.check(expr)
            self.check_doc(expr, kind, name)
            if name in names or name in self.types:
                raise SchemaError(
                    expr.where, f"'{name}' is already defined"
                    + (f' at {names[name]}' if name in names else ''))
            names[name] = expr.where
            if not cond.holds(expr.value.get('if'), self.defines):
                continue
            work.append((expr, self.declare(kind, name, expr)))
        for expr, entity in work:
            self.resolve(expr, entity)
        for _, entity in work:
            if isinstance(entity, Object):
                self.check_object(entity)
            elif isinstance(entity, Call) and entity.arg:
                self.check_object(entity.arg)
            elif isinstance(entity, Alternate):
                self.check_alternate(entity)
        self.check_doc_names()
        live = {id(e.doc) for e in self.entities}
        self.docs = [d for d in self.parser.docs
                     if not d.symbol or id(d) in live]

    def check_doc(self, expr, kind, name):
        if expr.doc is None:
            if self.pragma.doc_required:
                raise SchemaError(
                    expr.where, f"documentation comment required for '{name}'")
        elif expr.doc.symbol != name:
            raise SchemaError(
                expr.doc.where, f"documentation comment is for "
                f"'{expr.doc.symbol}', the definition is of '{name}'")

    def declare(self, kind, name, expr):
        if kind in ('command', 'event'):
            entity = Call(kind, name, expr, self.defines)
            self.calls[name] = entity
        else:
            cls = {'enum': Enum, 'alternate': Alternate}.get(kind, Object)
            entity = cls(name, expr, self.defines)
            if kind == 'union':
                entity.kind = 'union'
            self.types[name] = entity
        self.entities.append(entity)
        return entity

    def lookup(self, ref, where, what):
        if isinstance(ref, list):
            element = self.lookup(ref[0], where, what)
            if element.name not in self.arrays:
                self.arrays[element.name] = Array(element)
            return self.arrays[element.name]
        if ref not in self.types:
            raise SchemaError(where, f"{what} uses unknown type '{ref}'")
        return self.types[ref]

    def make_members(self, data, where, what):
        out = []
        for key, m in data.items():
            if not cond.holds(m.get('if'), self.defines):
                continue
            optional = key.startswith('*')
            name = key.lstrip('*')
            t = self.lookup(m['type'], where, f"{what}: member '{name}'")
            out.append(Member(name, t, optional,
                              live_features(m, self.defines)))
        return out

    def resolve(self, expr, entity):
        v, where = expr.value, expr.where
        what = f"{entity.kind} '{entity.name}'"
        if isinstance(entity, Object):
            self.resolve_object(v, where, what, entity, expr)
        elif isinstance(entity, Alternate):
            for key, m in v['data'].items():
                if cond.holds(m.get('if'), self.defines):
                    entity.branches.append(
                        (key, self.lookup(m['type'], where, what)))
        elif isinstance(entity, Call):
            self.resolve_call(v, where, what, entity, expr)

    def struct_ref(self, ref, where, what, also=()):
        t = self.lookup(ref, where, what)
        if t.kind not in ('struct',) + tuple(also):
            raise SchemaError(where, f"{what} is {t.kind} type '{ref}', must "
                              'be a struct')
        return t

    def resolve_object(self, v, where, what, entity, expr):
        if entity.kind == 'struct':
            entity.local = self.make_members(v['data'], where, what)
            if 'base' in v:
                entity.base = self.struct_ref(v['base'], where,
                                              f"'base' of {what}")
            return
        if isinstance(v['base'], dict):
            entity.local = self.make_members(v['base'], where, what)
        else:
            entity.base = self.struct_ref(v['base'], where,
                                          f"'base' of {what}")
        for key, m in v['data'].items():
            if cond.holds(m.get('if'), self.defines):
                t = self.struct_ref(m['type'], where,
                                    f"{what}: branch '{key}'", ('union',))
                entity.branches.append((key, t))
        entity.discriminator = v['discriminator']

    def resolve_call(self, v, where, what, entity, expr):
        data = v.get('data')
        if isinstance(data, dict):
            arg = Object(f'q_obj_{entity.name}-arg', None, self.defines)
            arg.module, arg.where, arg.implicit = expr.module, where, True
            arg.local = self.make_members(data, where, what)
            entity.arg = arg if arg.local else None
        elif data is not None:
            also = ('union',) if entity.boxed else ()
            entity.arg = self.struct_ref(data, where, f"'data' of {what}",
                                         also)
            if entity.boxed:
                return self.resolve_returns(v, where, what, entity)
        return self.resolve_returns(v, where, what, entity)

    def resolve_returns(self, v, where, what, entity):
        if 'returns' not in v:
            return
        entity.ret = self.lookup(v['returns'], where, f"'returns' of {what}")
        t = entity.ret.element if entity.ret.kind == 'array' else entity.ret
        if (t.kind not in ('struct', 'union') and
                entity.name not in self.pragma.command_returns_exceptions):
            raise SchemaError(where, f"'returns' of {what} must be an object "
                              'or an array of objects')

    # Checks that need resolved names ---------------------------------------

    def check_object(self, obj):
        what = f"{obj.kind} '{obj.name}'"
        if obj.checked == 2:
            return
        if obj.checked == 1:
            raise SchemaError(obj.where, f'{what} contains itself')
        obj.checked = 1
        if obj.base:
            self.check_object(obj.base)
        seen = {}
        for m in obj.members:
            c = m.name.replace('-', '_').lower()
            if c in seen:
                raise SchemaError(obj.where, f"{what}: member '{m.name}' "
                                  f"collides with '{seen[c]}'")
            seen[c] = m.name
        if obj.kind == 'union':
            self.check_union(obj, what, seen)
        obj.checked = 2

    def check_union(self, obj, what, seen):
        tag = next((m for m in obj.members if m.name == obj.discriminator),
                   None)
        if not tag:
            raise SchemaError(obj.where, f"{what}: discriminator "
                              f"'{obj.discriminator}' is not a member of the "
                              'base')
        if tag.type.kind != 'enum':
            raise SchemaError(obj.where, f"{what}: discriminator "
                              f"'{tag.name}' must be of enum type")
        if tag.optional:
            raise SchemaError(obj.where, f"{what}: discriminator "
                              f"'{tag.name}' must not be optional")
        obj.tag = tag
        values = [v.name for v in tag.type.values]
        for value, branch in obj.branches:
            if value not in values:
                raise SchemaError(obj.where, f"{what}: branch '{value}' is "
                                  f"not a value of enum '{tag.type.name}'")
            self.check_object(branch)
            for m in branch.members:
                c = m.name.replace('-', '_').lower()
                if c in seen:
                    raise SchemaError(
                        obj.where, f"{what}: member '{m.name}' of branch "
                        f"'{value}' collides with '{seen[c]}'")

    def check_alternate(self, alt):
        what = f"alternate '{alt.name}'"
        taken = {}
        for name, t in alt.branches:
            if not t.qtype:
                raise SchemaError(alt.where, f"{what}: branch '{name}' cannot "
                                  f"use type '{t.name}'")
            clashes = {t.qtype}
            if t.qtype == 'QSTRING' and t.kind == 'builtin':
                clashes |= {'QNUM', 'QBOOL'}
            elif t.kind == 'enum':
                # As key=value text, these words also read as other types.
                for v in t.values:
                    if v.name in ('on', 'off'):
                        clashes.add('QBOOL')
                    if v.name[:1].isdigit():
                        clashes.add('QNUM')
            for c in clashes:
                if c in taken:
                    raise SchemaError(alt.where, f"{what}: branch '{name}' "
                                      "cannot be told from branch "
                                      f"'{taken[c]}'")
            for c in clashes:
                taken[c] = name

    def check_doc_names(self):
        for e in self.entities:
            if not e.doc:
                continue
            if e.kind == 'enum':
                known = {v['name'] for v in self.source(e)['data']}
            else:
                known = self.doc_members(e)
            for name in e.doc.names('arg'):
                if name not in known:
                    raise SchemaError(e.doc.where, f"documented member "
                                      f"'{name}' does not exist")
            if e.kind in ('command', 'event'):
                continue
            for tag in ('Returns', 'Errors'):
                if e.doc.find(tag):
                    raise SchemaError(
                        e.doc.where, f"'{tag}' is only for commands")

    def source(self, entity):
        return next(x.value for x in self.parser.exprs
                    if x.value.get(entity.kind) == entity.name)

    def doc_members(self, e):
        v = self.source(e)
        names = set()
        for part in (v.get('data'), v.get('base')):
            if isinstance(part, dict):
                names |= {k.lstrip('*') for k in part}
        t = e.arg if isinstance(e, Call) else e
        if isinstance(t, Object):
            names |= {m.name for m in t.members}
        return names
