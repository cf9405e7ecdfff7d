# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages of the distribution, read from the tree: this folder is `sabi`, its packages are below it."""

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py


class BuildModules(build_py):
    """Leaves this file out, which lies in the folder of the package."""

    def find_package_modules(self, package, package_dir):
        return [module for module in super().find_package_modules(package, package_dir) if module[1] != "setup"]


below = find_packages(include=["addon", "addon.*", "backend", "backend.*", "export_onnx", "export_onnx.*"])
setup(packages=["sabi", *(f"sabi.{name}" for name in below)], cmdclass={"build_py": BuildModules})
