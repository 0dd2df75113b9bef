"""A drop-in extension with the ISAPI contract whose proc a test writes."""

from __future__ import annotations

from textwrap import dedent, indent

from tests.worker.site import Site

HEAD = """
import os, threading, time
from host.api.isapi import *
from host.api.isapi import IsapiError

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Proc", path="*.proc"{mapping})]

"""


def write_proc(site: Site, body: str, *, mapping: str = "", further: str = "") -> None:
    """`body` is what http_extension_proc(ecb) does; `mapping` more of its mapping, `further` more of the module."""
    text = HEAD.format(mapping=f", {mapping}" if mapping else "") + dedent(further)
    text += "\n@hookimpl\ndef http_extension_proc(ecb):\n" + indent(dedent(body), "    ")
    site.extension("proc", text)
