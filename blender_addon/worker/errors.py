# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user can cause and mend."""


class WorkError(Exception):
    """`str()` reads *where: what is wrong; what to do*."""
