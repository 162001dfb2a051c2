# SPDX-License-Identifier: GPL-2.0-or-later
"""The QMP reference manual from the doc comments."""


def html(schema):
    raise NotImplementedError


def man(schema):
    raise NotImplementedError
