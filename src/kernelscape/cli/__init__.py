"""The command ``kernelscape``: it parses, calls the library and prints; there is no science here.

Each sub-command imports what it needs when it runs, so that ``--help`` and mistakes answer at once.
"""

from .command import main

__all__ = ["main"]
