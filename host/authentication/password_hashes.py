"""The kinds of hashes that a file of users may hold, and whether a password is the one that was hashed.

| begins with | kind | made by |
| --- | --- | --- |
| $2y$, $2b$, $2a$ | bcrypt | htpasswd -B |
| $5$, $6$ | SHA-crypt | openssl passwd -5 and -6, htpasswd -2 and -5 |
| $y$, $gy$, $7$ | yescrypt, scrypt | mkpasswd |
| $apr1$ | MD5 a thousand times, Apache's | htpasswd, openssl passwd -apr1 |
| $1$ | the same, of Unix | openssl passwd -1 |
| {SHA}, {SSHA} | SHA-1 once, without and with salt | htpasswd -s, nginx |

A DES hash (13 characters) counts eight characters of a password and is found in a day; plain text is none at all: both
are refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from typing import Final

from host.authentication.libcrypt import HashUnavailableError, hashed, is_known

LONGEST_PASSWORD: Final = 512
"""Bytes; libxcrypt's limit."""

_OF_LIBCRYPT: Final = re.compile(
    r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}"
    r"|\$1\$[^$:]{0,8}\$[./A-Za-z0-9]{22}"
    r"|\$5\$(?:rounds=\d+\$)?[^$:]{0,16}\$[./A-Za-z0-9]{43}"
    r"|\$6\$(?:rounds=\d+\$)?[^$:]{0,16}\$[./A-Za-z0-9]{86}"
    r"|\$(?:y|gy|7)\$[./A-Za-z0-9$]+\$[./A-Za-z0-9]{43}"
)
_APR1: Final = re.compile(r"\$apr1\$([^$:]{0,8})\$([./A-Za-z0-9]{22})")
_SHA1: Final = re.compile(r"\{(SHA|SSHA)\}([A-Za-z0-9+/=]+)")
_SHA1_BYTES: Final = 20
_DES: Final = re.compile(r"_?[./A-Za-z0-9]{13,19}")
_LOCKED: Final = ("!", "*")  # as in /etc/shadow: nobody's
_DIGITS: Final = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_REMEDY: Final = "make it anew: htpasswd -B, or openssl passwd -6"


def objection(stored: str) -> str:
    """Why no password can be compared with that hash, and what to do; empty when there is nothing against it."""
    if stored.startswith(_LOCKED) or _APR1.fullmatch(stored):
        return ""
    if (found := _SHA1.fullmatch(stored)) is not None:
        return "" if _sha1_parts(found) else f"its {{{found[1]}}} hash is cut; {_REMEDY}"
    if _OF_LIBCRYPT.fullmatch(stored):
        try:
            return "" if is_known(stored) else f"crypt(3) of this system does not know its hash; {_REMEDY}"
        except HashUnavailableError as error:
            return f"{error}; install it, or use htpasswd -m"
    if not stored:
        return f"it has no hash; {_REMEDY}"
    if stored.startswith(("$", "{")):
        return f"its hash is cut, or of a kind that isapy does not know; {_REMEDY}"
    what = "looks like a DES hash" if _DES.fullmatch(stored) else "is no hash (plain text is refused)"
    return f"what stands behind its colon {what}; {_REMEDY}"


def is_password(password: bytes, stored: str) -> bool:
    """Whether that password was hashed. It may take long: not for the event loop. Raises HashUnavailableError."""
    if b"\0" in password or len(password) > LONGEST_PASSWORD:
        return False
    if (found := _APR1.fullmatch(stored)) is not None:
        return hmac.compare_digest(_apr1(password, found[1].encode("utf-8", "surrogateescape")), found[2])
    if (found := _SHA1.fullmatch(stored)) is not None:
        digest, salt = _sha1_parts(found) or (b"", b"")
        return hmac.compare_digest(hashlib.sha1(password + salt).digest(), digest)
    if _OF_LIBCRYPT.fullmatch(stored):
        return hmac.compare_digest(hashed(password, stored).encode(), stored.encode())
    return False


def _sha1_parts(found: re.Match[str]) -> tuple[bytes, bytes] | None:
    try:
        raw = base64.b64decode(found[2], validate=True)
    except (binascii.Error, ValueError):
        return None
    is_whole = len(raw) == _SHA1_BYTES if found[1] == "SHA" else len(raw) > _SHA1_BYTES
    return (raw[:_SHA1_BYTES], raw[_SHA1_BYTES:]) if is_whole else None


def _apr1(password: bytes, salt: bytes) -> str:
    """Poul-Henning Kamp's MD5 crypt with Apache's magic word: what stands behind the salt."""
    inner = hashlib.md5(password + salt + password).digest()
    first = password + b"$apr1$" + salt
    first += (inner * (len(password) // 16 + 1))[: len(password)]
    count = len(password)
    while count:
        first += b"\0" if count & 1 else password[:1]
        count >>= 1
    final = hashlib.md5(first).digest()
    for turn in range(1000):
        mixed = password if turn & 1 else final
        mixed += salt if turn % 3 else b""
        mixed += password if turn % 7 else b""
        mixed += final if turn & 1 else password
        final = hashlib.md5(mixed).digest()
    groups = ((0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 5))
    text = "".join(_digits(final[a] << 16 | final[b] << 8 | final[c], 4) for a, b, c in groups)
    return text + _digits(final[11], 2)


def _digits(number: int, count: int) -> str:
    """The lowest six bits first."""
    return "".join(_DIGITS[number >> 6 * place & 0x3F] for place in range(count))
