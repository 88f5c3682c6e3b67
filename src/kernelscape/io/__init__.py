"""Image files in and out: pixels as arrays, with the meaning of their axes, and nothing ever half-written.

Importing this folder imports neither Pillow nor tifffile; a format loads what it needs when it is first used.
"""

from .files import check_output, read, write
from .formats import FORMATS
from .image import Image

__all__ = ["FORMATS", "Image", "check_output", "read", "write"]
