"""The control socket of a running service: who may call it, and the one vocabulary it speaks."""
