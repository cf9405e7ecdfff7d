# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages of the distribution, read from the tree: this folder is `sabi`, its packages are below it."""

from setuptools import find_packages, setup

below = find_packages(include=["addon", "addon.*", "backend", "backend.*", "export_onnx", "export_onnx.*"])
setup(packages=["sabi", *(f"sabi.{name}" for name in below)])
