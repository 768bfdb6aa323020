"""Arrays of which the operating system tells whether they were written to.

An array has no method through which all changes go: views, buffers and code in C write into its memory. Looking at all
of 50 MB takes 6 ms, at every commit. But its memory can be a private mapping of an anonymous file: then the first write
to a page gives the process a copy of it, and `/proc/self/pagemap` says, for 50 MB in 0.6 ms, which pages are still the
file's (bit 61; Documentation/admin-guide/mm/pagemap.rst of Linux). Where that is not to be had, arrays are compared.
"""

# pyright: basic
# (an array is whatever numpy makes)

from __future__ import annotations

import mmap
import os
import sys
from functools import cache
from typing import Any

MAPPED_BYTES_MIN = 1024 * 1024
"""Smaller arrays are compared: that takes less than 0.2 ms."""

_IN_MEMORY = 0b11 << 62  # present, or swapped out
_OF_THE_FILE = 1 << 61


class Pages:
    """The memory of an array, as a private mapping of its content.

    Raises:
        OSError: there is no room for it, or it is not to be had here.
    """

    __slots__ = ("_address", "_length", "memory")

    def __init__(self, content: memoryview) -> None:
        import ctypes  # noqa: PLC0415 - only large arrays need it

        file = os.memfd_create("holdfast")
        try:
            _write(file, content)
            self._length = content.nbytes
            self.memory = mmap.mmap(file, self._length, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        finally:
            os.close(file)
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))

    def are_written(self) -> bool:
        """Tell whether any page was written to since this was made."""
        import numpy  # noqa: PLC0415 - whoever has an array has it loaded

        pages = -(-self._length // mmap.PAGESIZE)
        try:
            with open("/proc/self/pagemap", "rb", buffering=0) as pagemap:  # noqa: PTH123 - unbuffered, and at a place
                pagemap.seek(self._address // mmap.PAGESIZE * 8)
                found = pagemap.read(pages * 8)
        except OSError:
            return True
        entries = numpy.frombuffer(found, dtype=numpy.uint64)
        own = (entries & numpy.uint64(_IN_MEMORY)) != 0
        own &= (entries & numpy.uint64(_OF_THE_FILE)) == 0
        return len(entries) < pages or bool(own.any())


def _write(file: int, content: memoryview) -> None:
    at = 0
    while at < content.nbytes:
        at += os.pwrite(file, content[at:], at)


@cache
def _can_tell() -> bool:
    """Find out whether writes can be told from reads here."""
    if sys.platform != "linux" or not hasattr(os, "memfd_create"):
        return False
    try:
        pages = Pages(memoryview(bytes(2 * mmap.PAGESIZE)))
        _ = pages.memory[0], pages.memory[mmap.PAGESIZE]
        if pages.are_written():
            return False
        pages.memory[mmap.PAGESIZE] = 1
        return pages.are_written()
    except (OSError, ValueError):
        return False


def mapped(value: Any) -> tuple[Any, Pages] | None:  # noqa: ANN401
    """Return a copy of an array whose pages tell whether they were written to; None of what is no such array."""
    kind: Any = type(value)
    if kind.__name__ != "ndarray" or kind.__module__ != "numpy" or value.nbytes < MAPPED_BYTES_MIN:
        return None
    if value.base is not None or not value.flags.owndata:  # others may write to this memory
        return None
    order = "C" if value.flags.c_contiguous else "F" if value.flags.f_contiguous else None
    if order is None or value.dtype.hasobject or not _can_tell():
        return None
    flat = value.reshape(-1, order=order)
    try:
        pages = Pages(memoryview(flat.view("u1")))
    except OSError:
        return None
    return kind(value.shape, dtype=value.dtype, buffer=pages.memory, order=order), pages
