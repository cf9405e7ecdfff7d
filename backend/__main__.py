# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m sabi.backend` is the command line, where the `sabi` program is not on the path."""

from .cli import main

if __name__ == "__main__":
    main()
