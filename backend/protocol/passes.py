# SPDX-License-Identifier: GPL-3.0-or-later
"""What the add-on calls things in the frames it renders, for the backend to find."""

# A view layer of the same view with a matte material on everything: its diffuse light is E on metals too.
WHITE_LAYER = "Sabi White"
