# SPDX-License-Identifier: GPL-2.0-or-later
"""The QAPI code generator; see docs/devel/qapi.md."""
