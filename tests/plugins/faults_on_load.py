"""Reads where no memory is, in C, while it is imported."""

import ctypes

ctypes.string_at(0)
