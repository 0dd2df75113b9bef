"""Which callable a scriptProcessor names."""

from __future__ import annotations

import pytest

from host.python_apps.callable_name import CallableName, parse_callable_name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shop", CallableName("shop", ("application",))),
        ("shop.wsgi:app", CallableName("shop.wsgi", ("app",))),
        (" shop : site.app ", CallableName("shop", ("site", "app"))),
        ("shop:make()", CallableName("shop", ("make",), True)),
        ("shop:make('a', 1, debug=True)", CallableName("shop", ("make",), True, ("a", 1), (("debug", True),))),
    ],
)
def test_names_objects_and_factories(text: str, expected: CallableName) -> None:
    """gunicorn's and uvicorn's notation."""
    assert parse_callable_name(text) == expected
    assert parse_callable_name(text).attribute_text == ".".join(expected.attributes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no module"),
        ("not a name:app", "names no module"),
        ("shop.:app", "names no module"),
        ("shop:", "no name and no call"),
        ("shop:1", "a name or the call of one"),
        ("shop:a + b", "a name or the call of one"),
        ("shop:make(name)", "are literals"),
        ("shop:make(*[1])", "no * or **"),
        ("shop:make(**{})", "no * or **"),
        ("shop:make()()", "a name or the call of one"),
    ],
)
def test_what_is_no_name_says_why(text: str, words: str) -> None:
    """No code but the factory's is ever run."""
    with pytest.raises(ValueError) as raised:
        parse_callable_name(text)
    assert words in str(raised.value)
