"""The hot modules as machine code: mypyc compiles the sources as they are, and they work the same without it.

`modules.py` lists them, `build.py` compiles them, `finder.py` lets imports find the result, `hatch_hook.py` builds it
into what pip installs.
"""
