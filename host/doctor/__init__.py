"""Looks at a folder of old scripts without running them, and says of each whether it will run and why not."""
