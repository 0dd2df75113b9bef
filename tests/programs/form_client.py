"""What a browser is to a script: a client that keeps cookies, follows redirects, fills in forms and sends files."""

from __future__ import annotations

import http.cookiejar
import urllib.parse
import urllib.request
import uuid
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final

from tests.running_service import WAIT_SECONDS

MULTIPART: Final = "multipart/form-data"


@dataclass(slots=True)
class Form:
    """A form of a page: where it goes, and what its fields hold."""

    action: str
    enctype: str
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """What the client has been given in the end, and the address it came from."""

    url: str
    status: int
    text: str

    def form_with(self, name: str) -> Form:
        """The form that has a field of that name."""
        parser = _Forms()
        parser.feed(self.text)
        found = [form for form in parser.forms if name in form.fields]
        assert found, f"no form with {name} at {self.url}: {self.text[:2000]}"
        return found[0]


class FormClient:
    """One user of a site: cookies are kept from page to page."""

    def __init__(self, port: int) -> None:
        self.cookies = http.cookiejar.CookieJar()
        self._base = f"http://127.0.0.1:{port}"
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.cookies)
        )

    def open(self, path: str) -> Page:
        """The page at that path of the site."""
        return self._ask(urllib.request.Request(urllib.parse.urljoin(self._base, path)))

    def send(self, page: Page, form: Form, files: dict[str, tuple[str, bytes]] | None = None) -> Page:
        """Submit the form of that page by POST; `files` are names and contents by field."""
        where = urllib.parse.urljoin(page.url, form.action)
        if form.enctype.startswith(MULTIPART):
            body, content_type = multipart(form.fields, files or {})
        else:
            body, content_type = urllib.parse.urlencode(form.fields).encode(), form.enctype
        return self._ask(urllib.request.Request(where, data=body, headers={"Content-Type": content_type}))

    def _ask(self, request: urllib.request.Request) -> Page:
        with self._opener.open(request, timeout=WAIT_SECONDS) as answer:
            return Page(answer.url, answer.status, answer.read().decode())


def multipart(fields: dict[str, str], files: dict[str, tuple[str, bytes]]) -> tuple[bytes, str]:
    """A form's body as a browser sends it with files, and its content type."""
    boundary = uuid.uuid4().hex
    disposition = f"--{boundary}\r\nContent-Disposition: form-data; name="
    parts = [f'{disposition}"{name}"\r\n\r\n{value}\r\n'.encode() for name, value in fields.items()]
    for name, (file_name, content) in files.items():
        head = f'{disposition}"{name}"; filename="{file_name}"\r\nContent-Type: application/octet-stream\r\n\r\n'
        parts.append(head.encode() + content + b"\r\n")
    return b"".join(parts) + f"--{boundary}--\r\n".encode(), f"{MULTIPART}; boundary={boundary}"


class _Forms(HTMLParser):
    """Collects forms; buttons and what is not checked are no fields until somebody presses or checks them."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._text_area = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        of = {name: value or "" for name, value in attributes}
        if tag == "form":
            self.forms.append(Form(of.get("action", ""), of.get("enctype", "application/x-www-form-urlencoded")))
        if not self.forms or not of.get("name"):
            return
        fields = self.forms[-1].fields
        kind = of.get("type", "text")
        if tag == "textarea":
            self._text_area = of["name"]
            fields[self._text_area] = ""
        elif tag == "input" and (kind in ("hidden", "text", "password") or "checked" in of):
            fields[of["name"]] = of.get("value", "")

    def handle_data(self, data: str) -> None:
        if self._text_area:
            self.forms[-1].fields[self._text_area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._text_area = ""
