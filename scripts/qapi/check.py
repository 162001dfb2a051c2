# SPDX-License-Identifier: GPL-2.0-or-later
"""The form of each definition, before names are looked up."""

import re

from .cond import check_cond
from .source import SchemaError

KINDS = ('enum', 'struct', 'union', 'alternate', 'command', 'event')

KEYS = {
    'enum': ({'data'}, {'if', 'features', 'prefix'}),
    'struct': ({'data'}, {'base', 'if', 'features'}),
    'union': ({'base', 'discriminator', 'data'}, {'if', 'features'}),
    'alternate': ({'data'}, {'if', 'features'}),
    'command': (set(), {'data', 'returns', 'boxed', 'if', 'features', 'gen',
                        'success-response', 'allow-oob', 'allow-preconfig',
                        'coroutine'}),
    'event': (set(), {'data', 'boxed', 'if', 'features'}),
}

DOWNSTREAM = r'(?:__[a-z0-9.-]+_)?'
TYPE_NAME = re.compile(DOWNSTREAM + r'[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*$')
EVENT_NAME = re.compile(r'[A-Z][A-Z0-9_]*$')
LOWER_NAME = re.compile(DOWNSTREAM + r'[a-z][a-z0-9-]*$')
ANY_NAME = re.compile(DOWNSTREAM + r'[A-Za-z0-9][A-Za-z0-9_-]*$')


class Checker:
    def __init__(self, pragma):
        self.pragma = pragma

    def check(self, expr):
        """Returns (kind, name)."""
        value, where = expr.value, expr.where
        kinds = [k for k in KINDS if k in value]
        if len(kinds) != 1:
            raise SchemaError(where, 'expression is missing a kind: one of '
                              + ', '.join(KINDS) if not kinds else
                              'expression has two kinds: ' + ' and '.join(kinds))
        kind = kinds[0]
        name = value[kind]
        if not isinstance(name, str):
            raise SchemaError(where, f"'{kind}' name must be a string")
        self.check_def_name(kind, name, where)
        what = f"{kind} '{name}'"
        self.check_keys(value, what, where, KEYS[kind][0] | {kind},
                        KEYS[kind][1])
        if 'if' in value:
            check_cond(value['if'], where, what)
        self.check_features(value.get('features'), what, where)
        getattr(self, 'check_' + kind)(value, what, where)
        return kind, name

    def check_keys(self, value, what, where, required, optional):
        missing = required - set(value)
        if missing:
            raise SchemaError(where, f'{what} misses '
                              + ', '.join(f"'{m}'" for m in sorted(missing)))
        unknown = set(value) - required - optional
        if unknown:
            raise SchemaError(where, f'{what} has unknown '
                              + ', '.join(f"'{u}'" for u in sorted(unknown)))

    def check_def_name(self, kind, name, where):
        if kind == 'event':
            ok = EVENT_NAME.match(name)
        elif kind == 'command':
            ok = (LOWER_NAME.match(name)
                  or (name in self.pragma.command_name_exceptions
                      and ANY_NAME.match(name)))
        else:
            ok = TYPE_NAME.match(name)
            if name.endswith('List'):
                raise SchemaError(
                    where, f"{kind} name '{name}' must not end in 'List'")
        if not ok or name.startswith('q_'):
            raise SchemaError(where, f"{kind} name '{name}' is not allowed")

    def check_member_name(self, name, what, where, exempt=False, enum=False):
        bare = name[2:] if name.startswith('x-') else name
        ok = (ANY_NAME.match(bare) if exempt else
              (re.match(DOWNSTREAM + r'[a-z0-9][a-z0-9-]*$', bare) if enum
               else LOWER_NAME.match(bare)))
        if not ok:
            raise SchemaError(where, f"{what} uses invalid name '{name}'")
        c = name.lower().replace('-', '_')
        if not enum and (c == 'u' or c.startswith('has_')
                         or c.startswith('q_')):
            raise SchemaError(where, f"{what} uses reserved name '{name}'")

    def check_features(self, features, what, where):
        if features is None:
            return
        if not isinstance(features, list):
            raise SchemaError(where, f"'features' of {what} must be an array")
        seen = set()
        for i, f in enumerate(features):
            if isinstance(f, str):
                f = features[i] = {'name': f}
            if not isinstance(f, dict) or not isinstance(f.get('name'), str):
                raise SchemaError(where, f'feature of {what} must be a string '
                                  'or an object with a name')
            self.check_keys(f, f'feature of {what}', where, {'name'}, {'if'})
            self.check_member_name(f['name'], f'feature of {what}', where)
            if 'if' in f:
                check_cond(f['if'], where, f"feature '{f['name']}' of {what}")
            if f['name'] in seen:
                raise SchemaError(
                    where, f"{what} has feature '{f['name']}' twice")
            seen.add(f['name'])

    def check_type(self, value, what, where, array=True):
        if isinstance(value, list):
            if not array or len(value) != 1 or not isinstance(value[0], str):
                raise SchemaError(
                    where, f'{what}: array type must contain a single type '
                    'name' if array else f'{what} must not be an array')
        elif not isinstance(value, str):
            raise SchemaError(where, f'{what} must be a type name')

    def check_members(self, data, what, where, exempt, optional=True):
        """Normalizes each member to {'type': .., maybe 'if', 'features'}."""
        if not isinstance(data, dict):
            raise SchemaError(where, f"'data' of {what} must be an object or "
                              'a type name')
        for key, member in data.items():
            name = key[1:] if optional and key.startswith('*') else key
            mwhat = f"{what}: member '{name}'"
            self.check_member_name(name, f'{what}: member', where, exempt)
            if not isinstance(member, dict):
                member = data[key] = {'type': member}
            self.check_keys(member, mwhat, where, {'type'},
                            {'if', 'features'})
            self.check_type(member['type'], mwhat, where)
            if 'if' in member:
                check_cond(member['if'], where, mwhat)
            self.check_features(member.get('features'), mwhat, where)

    def exempt(self, name):
        return name in self.pragma.member_name_exceptions

    def check_enum(self, value, what, where):
        data = value['data']
        if not isinstance(data, list):
            raise SchemaError(where, f"'data' of {what} must be an array")
        if not isinstance(value.get('prefix', ''), str):
            raise SchemaError(where, f"'prefix' of {what} must be a string")
        for i, v in enumerate(data):
            if isinstance(v, str):
                v = data[i] = {'name': v}
            if not isinstance(v, dict) or not isinstance(v.get('name'), str):
                raise SchemaError(where, f'{what}: value must be a string or '
                                  'an object with a name')
            mwhat = f"{what}: value '{v['name']}'"
            self.check_keys(v, mwhat, where, {'name'}, {'if', 'features'})
            self.check_member_name(v['name'], f'{what}: value', where,
                                   self.exempt(value['enum']), enum=True)
            if 'if' in v:
                check_cond(v['if'], where, mwhat)
            self.check_features(v.get('features'), mwhat, where)

    def check_struct(self, value, what, where):
        self.check_members(value['data'], what, where,
                           self.exempt(value['struct']))
        if 'base' in value:
            self.check_type(value['base'], f"'base' of {what}", where, False)

    def check_union(self, value, what, where):
        if isinstance(value['base'], dict):
            self.check_members(value['base'], what, where,
                               self.exempt(value['union']))
        else:
            self.check_type(value['base'], f"'base' of {what}", where, False)
        if not isinstance(value['discriminator'], str):
            raise SchemaError(where, f"'discriminator' of {what} must be a "
                              'string')
        self.check_members(value['data'], what, where, True, optional=False)
        for key, m in value['data'].items():
            if isinstance(m['type'], list):
                raise SchemaError(where, f"{what}: branch '{key}' must not be "
                                  'an array')

    def check_alternate(self, value, what, where):
        if not value['data']:
            raise SchemaError(where, f"'data' of {what} must not be empty")
        self.check_members(value['data'], what, where, True, optional=False)

    def check_call(self, value, name, what, where):
        for flag in ('boxed', 'coroutine', 'allow-oob', 'allow-preconfig'):
            if flag in value and value[flag] is not True:
                raise SchemaError(
                    where, f"flag '{flag}' of {what} may only be true")
        for flag in ('gen', 'success-response'):
            if flag in value and value[flag] is not False:
                raise SchemaError(
                    where, f"flag '{flag}' of {what} may only be false")
        data = value.get('data')
        if isinstance(data, dict):
            if value.get('boxed'):
                raise SchemaError(
                    where, f"'boxed' of {what} needs a type name as 'data'")
            self.check_members(data, what, where, self.exempt(name))
        elif data is not None:
            self.check_type(data, f"'data' of {what}", where, False)
        elif value.get('boxed'):
            raise SchemaError(where, f"'boxed' of {what} needs 'data'")

    def check_command(self, value, what, where):
        self.check_call(value, value['command'], what, where)
        if value.get('allow-oob') and value.get('coroutine'):
            raise SchemaError(where, f"{what}: flags 'allow-oob' and "
                              "'coroutine' do not go together")
        if 'returns' in value:
            self.check_type(value['returns'], f"'returns' of {what}", where)

    def check_event(self, value, what, where):
        self.check_call(value, value['event'], what, where)
