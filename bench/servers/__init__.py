"""One file per server: the configuration it is started with, and what its processes are called."""
