# SPDX-License-Identifier: GPL-2.0-or-later
"""What NEMU's functional tests stand on: the bed, the probe, a VM, its guest."""
