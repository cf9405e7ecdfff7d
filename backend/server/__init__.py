# SPDX-License-Identifier: GPL-3.0-or-later
"""The service. serve is the process, app the calls.

A request passes http_protocol and guard; upload writes its body to the spool; jobs run one after another and leave results.
"""
