"""Which hashes are taken, and whose password they are."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.authentication.password_hashes import LONGEST_PASSWORD, is_password, objection
from tests.authentication.hashes import HASHES, PASSWORD

RAW = PASSWORD.encode()


@pytest.mark.parametrize("kind", HASHES)
def test_a_password_is_known_by_its_hash_alone(kind: str) -> None:
    """Whatever made it; another password, a part of it and more than it are not right."""
    stored = HASHES[kind]
    assert objection(stored) == ""
    assert is_password(RAW, stored)
    assert not any(is_password(wrong, stored) for wrong in (b"", RAW[:-1], RAW + b"x", RAW.upper()))


@pytest.mark.parametrize("kind", HASHES)
def test_a_hash_that_was_cut_is_refused(kind: str) -> None:
    """With the remedy, and nobody's password fits it."""
    stored = HASHES[kind][:-6]
    if "SSHA" in kind:  # of any length
        stored = HASHES[kind][:4]
    assert "htpasswd -B" in objection(stored)
    assert not is_password(RAW, stored)


@pytest.mark.parametrize(
    ("stored", "why"),
    [
        ("xxkjwJp/A2uBQ", "DES"),
        ("swordfish", "plain text"),
        ("", "no hash"),
        ("$9$what$ever", "does not know"),
        ("{PLAIN}swordfish", "does not know"),
        ("{SHA}====", "cut"),
        ("$2y$05$" + "é" * 53, "does not know"),
    ],
)
def test_what_is_no_good_hash_is_refused_with_a_reason(stored: str, why: str) -> None:
    """DES and plain text by name."""
    assert why in objection(stored)
    assert not is_password(stored.encode(), stored)


@pytest.mark.parametrize("stored", ["!", "*", "!$apr1$abcdefgh$GYJUifQJ6DSdnch2iN4Jd0"])
def test_a_locked_user_has_no_password_and_no_complaint(stored: str) -> None:
    """As in /etc/shadow."""
    assert objection(stored) == ""
    assert not is_password(RAW, stored)


def test_nul_and_endless_passwords_are_nobodys() -> None:
    """crypt(3) would read up to the NUL."""
    stored = HASHES["htpasswd -B"]
    assert not is_password(RAW + b"\0", stored)
    assert not is_password(b"a" * (LONGEST_PASSWORD + 1), HASHES["htpasswd -s"])


@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 31, 32, 33, 64])
def test_apr1_is_what_openssl_makes_of_passwords_of_any_length(length: int) -> None:
    """Its rounds are ours: no library of Python's own has them."""
    password = "aé"[: length % 3] + "x" * length
    made = subprocess.run(["openssl", "passwd", "-apr1", "-stdin"], input=password, capture_output=True, text=True)
    assert is_password(password.encode(), made.stdout.strip())
    assert not is_password(password.encode() + b"y", made.stdout.strip())


@given(password=st.binary(max_size=80), stored=st.text(max_size=60))
def test_any_bytes_and_texts_give_an_answer(password: bytes, stored: str) -> None:
    """And never an exception; what is objected to is nobody's password."""
    if objection(stored):
        assert not is_password(password, stored)
