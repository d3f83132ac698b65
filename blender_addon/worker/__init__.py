# SPDX-License-Identifier: GPL-3.0-or-later
"""What denoises, in a process of its own: knows EXR files and networks, and nothing of Blender."""
