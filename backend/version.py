# SPDX-License-Identifier: GPL-3.0-or-later
"""The version of the package this backend belongs to, whatever the package is called here."""

from importlib import import_module

VERSION: str = import_module(__package__.rpartition(".")[0]).__version__
