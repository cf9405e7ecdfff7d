# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks and what runs them. Only session.py imports onnxruntime."""

import os

# onnxruntime reads this when it is imported; otherwise it reports to its makers and keeps a database in the home folder.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
