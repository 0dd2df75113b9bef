"""Calls sys.exit() while it is imported, as scripts do."""

import sys

sys.exit(3)
