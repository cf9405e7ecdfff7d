# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist sees and a script calls: panels, operators, what is wrong and what mends it, in two languages."""
