# SPDX-License-Identifier: GPL-2.0-or-later
"""The QMP reference manual, in HTML and as a man page."""

import html as html_escape
import re

from .schema import Call, Object

TITLE = 'QEMU QMP Reference Manual'

STYLE = '''
body { max-width: 56em; margin: 2em auto; padding: 0 1em;
       font-family: sans-serif; line-height: 1.45 }
code, pre { font-family: monospace }
pre { background: #f4f4f4; padding: .6em }
dt { margin-top: .3em }
h3 { border-top: 1px solid #ccc; padding-top: .7em }
.kind { color: #666; font-weight: normal }
'''


def type_text(t):
    return f'array of {t.element.name}' if t.kind == 'array' else t.name


class Item:
    """A row of a definition list."""

    def __init__(self, name, type_, notes, text):
        self.name = name
        self.type = type_
        self.notes = notes
        self.text = text


class Entry:
    """What the manual says about one definition."""

    def __init__(self, entity):
        self.entity = entity
        self.doc = entity.doc
        self.kind = {'struct': 'object', 'union': 'object'}.get(
            entity.kind, entity.kind).capitalize()
        self.texts = {s.name: s.text for s in self.doc.find('arg')}
        self.lists = []  # (heading, [Item])
        if entity.kind == 'enum':
            self.add('Values', [self.member(v) for v in entity.values])
        elif entity.kind == 'alternate':
            self.add('Members', [
                Item(n, t, '', self.texts.get(n, ''))
                for n, t in entity.branches])
        elif isinstance(entity, Call):
            self.arguments(entity)
        elif isinstance(entity, Object):
            self.object_members(entity)
        self.add('Features', [
            Item(f, None, '', self.feature_text(f)) for f in entity.features])

    def add(self, heading, items):
        if items:
            self.lists.append((heading, items))

    def feature_text(self, name):
        return next((s.text for s in self.doc.find('feature')
                     if s.name == name), '')

    def member(self, m):
        notes = ['optional'] if m.optional else []
        return Item(m.name, m.type, ', '.join(notes + m.features),
                    self.texts.get(m.name, ''))

    def arguments(self, call):
        heading = 'Data' if call.kind == 'event' else 'Arguments'
        if call.arg and (call.boxed or not call.arg.implicit):
            self.add(heading, [Item('', call.arg, '', 'the members of')])
        elif call.arg:
            self.add(heading, [self.member(m) for m in call.arg.members])
        if call.ret:
            text = self.doc.find('Returns')
            self.add('Returns', [
                Item('', call.ret, '', text[0].text if text else '')])

    def object_members(self, obj):
        items = [self.member(m) for m in obj.local]
        if obj.base:
            items.append(Item('', obj.base, '', 'the members of'))
        for value, branch in obj.branches:
            items.append(Item('', branch, '',
                              f'if "{obj.tag.name}" is "{value}", '
                              'the members of'))
        self.add('Members', items)

    def paragraphs(self):
        """(heading or None, text) of what is not in a list."""
        for s in self.doc.sections:
            if s.tag in ('arg', 'feature', 'Returns') or not s.text:
                continue
            yield s.tag, s.text


def entries(schema):
    by_doc = {id(e.doc): e for e in schema.entities if e.doc}
    for doc in schema.docs:
        yield doc, by_doc.get(id(doc))


def blocks(text):
    """Split free text at empty lines; headings are marked '= ' or '== '."""
    for block in re.split(r'\n\s*\n', text):
        block = block.strip('\n')
        if block:
            m = re.match(r'(=+) (.*)$', block)
            yield (len(m.group(1)), m.group(2)) if m else (0, block)


# HTML -----------------------------------------------------------------------

class Html:
    def __init__(self, schema):
        self.known = ({e.name for e in schema.entities if e.doc})
        self.out = []
        self.toc = []
        self.sections = 0
        for doc, entity in entries(schema):
            if entity:
                self.entry(Entry(entity))
            else:
                self.free(doc.sections[0].text)

    def inline(self, text):
        text = html_escape.escape(text)

        def reference(m):
            name = m.group(1)
            if name in self.known:
                return f'<a href="#{name}">{name}</a>'
            return f'<code>{name}</code>'

        return re.sub(r'@([A-Za-z][\w-]*\w)', reference, text)

    def type_link(self, t):
        element = t.element if t.kind == 'array' else t
        text = html_escape.escape(element.name)
        if element.name in self.known:
            text = f'<a href="#{element.name}">{text}</a>'
        return ('array of ' if t.kind == 'array' else '') + text

    def free(self, text):
        for level, block in blocks(text):
            if level:
                self.sections += 1
                anchor = f'section-{self.sections}'
                h = level + 1 if level < 3 else 4
                self.out.append(f'<h{h} id="{anchor}">'
                                f'{self.inline(block)}</h{h}>')
                if level == 1:
                    self.toc.append((anchor, block))
            else:
                self.out.append(f'<p>{self.inline(block)}</p>')

    def item(self, item):
        t = item.type
        head = f'<code>{html_escape.escape(item.name)}</code>' \
            if item.name else ''
        text = self.inline(item.text)
        if t is not None and not item.name:
            text += ' ' + self.type_link(t)
        elif t is not None:
            head += ': ' + self.type_link(t)
        if item.notes:
            head += f' ({item.notes})'
        return (f'<dt>{head}</dt>' if head else '') + f'<dd>{text}</dd>'

    def entry(self, e):
        name = e.entity.name
        self.out.append(f'<h3 id="{name}">{name} '
                        f'<span class="kind">{e.kind}</span></h3>')
        late = []
        for tag, text in e.paragraphs():
            target = self.out if tag is None else late
            if tag in ('Example', 'Examples'):
                target.append(f'<p>{tag}:</p><pre>'
                              f'{html_escape.escape(text)}</pre>')
                continue
            for _, block in blocks(text):
                prefix = f'{tag}: ' if tag else ''
                target.append(f'<p>{prefix}{self.inline(block)}</p>')
        for heading, items in e.lists:
            self.out.append(f'<h4>{heading}</h4><dl>'
                            + ''.join(self.item(i) for i in items) + '</dl>')
        self.out += late

    def text(self):
        toc = ''.join(f'<li><a href="#{a}">{html_escape.escape(t)}</a></li>'
                      for a, t in self.toc)
        return ('<!DOCTYPE html>\n<html lang="en"><head>'
                f'<meta charset="utf-8"><title>{TITLE}</title>'
                f'<style>{STYLE}</style></head><body>\n<h1>{TITLE}</h1>\n'
                f'<ul>{toc}</ul>\n' + '\n'.join(self.out)
                + '\n</body></html>\n')


def html(schema):
    return Html(schema).text()


# man(7) ---------------------------------------------------------------------

def roff(text):
    """Text lines that troff takes literally."""
    text = text.replace('\\', '\\e').replace('-', '\\-')
    text = re.sub(r'@([A-Za-z](?:[\w]|\\-)*)', r'\\fI\1\\fP', text)
    return '\n'.join('\\&' + line if line[:1] in (".", "'") else line
                     for line in text.split('\n'))


def roff_quoted(text):
    return '"' + text.replace('\\', '\\e').replace('"', '\\(dq') + '"'


class Man:
    def __init__(self, schema):
        self.out = ['.\\" Generated from the QAPI schema.',
                    f'.TH QEMU-QMP-REF 7 "" "" {roff_quoted(TITLE)}']
        for doc, entity in entries(schema):
            if entity:
                self.entry(Entry(entity))
            else:
                for level, block in blocks(doc.sections[0].text):
                    self.out.append(
                        f'.SH {roff_quoted(block)}' if level else
                        '.PP\n' + roff(block))

    def item(self, item):
        head = f'\\fB{roff(item.name)}\\fP' if item.name else ''
        text = roff(item.text)
        if item.type is not None and item.name:
            head += ': ' + roff(type_text(item.type))
        elif item.type is not None:
            text += (' ' if text else '') + roff(type_text(item.type))
        if item.notes:
            head += f' ({roff(item.notes)})'
        self.out.append(f'.TP\n{head}' if head else '.IP')
        self.out.append(text or '\\&')

    def entry(self, e):
        self.out.append(f'.SS {roff_quoted(e.entity.name)} ({e.kind})')
        late = []
        for tag, text in e.paragraphs():
            target = self.out if tag is None else late
            if tag in ('Example', 'Examples'):
                target.append(f'.PP\n{tag}:\n.PP\n.nf\n{roff(text)}\n.fi')
                continue
            for _, block in blocks(text):
                prefix = f'{tag}: ' if tag else ''
                target.append('.PP\n' + roff(prefix + block))
        for heading, items in e.lists:
            self.out.append(f'.PP\n\\fB{heading}\\fP')
            for item in items:
                self.item(item)
        self.out += late

    def text(self):
        return '\n'.join(self.out) + '\n'


def man(schema):
    return Man(schema).text()
