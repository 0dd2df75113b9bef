"""A request as CGI meta-variables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from host.api import ApplicationInfo, Connection, HttpError
from host.api.request import ORIGINAL_TARGET
from host.gateway.environment import meta_variables
from host.gateway.inherited import DEFAULT_PATH, inherited_variables
from tests.gateway.sample_request import CONNECTION, sample_request
from tests.kept_memory import kept_bytes


def variables_of(
    fields: list[tuple[str, str]] | None = None,
    *,
    content_length: int | None = None,
    pass_authorization: bool = False,
    **changes: Any,
) -> dict[bytes, bytes]:
    return meta_variables(
        sample_request(fields or [], **changes),
        content_length=content_length,
        pass_authorization=pass_authorization,
    )


def test_get_without_body_has_every_required_variable_and_no_content_length() -> None:
    """The full set of RFC 3875 for a plain GET; QUERY_STRING is there and empty, CONTENT_LENGTH is not."""
    assert variables_of() == {
        b"GATEWAY_INTERFACE": b"CGI/1.1",
        b"REQUEST_METHOD": b"GET",
        b"REQUEST_URI": b"/cgi-bin/show.cgi",
        b"SCRIPT_URL": b"/cgi-bin/show.cgi",
        b"SCRIPT_URI": b"http://www.example.com:8080/cgi-bin/show.cgi",
        b"QUERY_STRING": b"",
        b"SCRIPT_NAME": b"/cgi-bin/show.cgi",
        b"SCRIPT_FILENAME": b"/srv/www/cgi-bin/show.cgi",
        b"DOCUMENT_ROOT": b"/srv/www",
        b"SERVER_PROTOCOL": b"HTTP/1.1",
        b"SERVER_SOFTWARE": b"isapy",
        b"SERVER_NAME": b"www.example.com",
        b"SERVER_PORT": b"8080",
        b"SERVER_PORT_SECURE": b"0",
        b"SERVER_ADDR": b"127.0.0.1",
        b"LOCAL_ADDR": b"127.0.0.1",
        b"REMOTE_ADDR": b"192.0.2.7",
        b"REMOTE_HOST": b"192.0.2.7",
        b"REMOTE_PORT": b"40123",
        b"REQUEST_SCHEME": b"http",
        b"HTTPS": b"off",
        b"UNIQUE_ID": b"8000000a-0001",
        b"REDIRECT_STATUS": b"200",
        b"INSTANCE_ID": b"1",
        b"INSTANCE_META_PATH": b"/LM/W3SVC/1",
        b"APPL_MD_PATH": b"/LM/W3SVC/1/ROOT",
        b"APPL_PHYSICAL_PATH": b"/srv/www/",
        b"HTTP_HOST": b"www.example.com:8080",
    }


def test_body_gives_content_length_and_type_without_http_prefix() -> None:
    """CONTENT_LENGTH is the size on standard input, whatever the field said; neither is duplicated as HTTP_."""
    found = variables_of([("Content-Type", "text/x"), ("Content-Length", "99")], content_length=12, method="POST")
    assert (found[b"CONTENT_LENGTH"], found[b"CONTENT_TYPE"]) == (b"12", b"text/x")
    assert not [name for name in found if name.startswith(b"HTTP_CONTENT")]


def test_path_info_is_translated_as_url_path_of_the_application() -> None:
    """PATH_TRANSLATED is the folder of the application plus PATH_INFO, not the script's path."""
    found = variables_of(path_info="/a b/ü")
    assert found[b"PATH_INFO"] == "/a b/ü".encode()
    assert found[b"PATH_TRANSLATED"] == "/srv/www/a b/ü".encode()


def test_without_a_path_behind_the_script_there_is_no_path_info() -> None:
    """Programs ask whether it is there (qdbm's uploader takes an empty one for the name of a file that it is to send).
    An application that answers for a folder has it in any case: it is the path that it is asked for."""
    assert b"PATH_INFO" not in variables_of()
    mounted = meta_variables(
        sample_request(), content_length=None, pass_authorization=False, mount_length=len(sample_request().path)
    )
    assert mounted[b"PATH_INFO"] == b""


def test_path_info_that_climbs_is_not_translated() -> None:
    """A `..` segment, however it was encoded, gives no physical path outside the application."""
    assert b"PATH_TRANSLATED" not in variables_of(path_info="/../../etc/passwd")


@pytest.mark.parametrize("text", ["/a\0b", "/a\r\nSet-Cookie: x", "/a\nb"])
def test_control_characters_in_the_path_refuse_the_request(text: str) -> None:
    """A decoded NUL cannot be an environment value, a line end splits what the program prints: 400."""
    with pytest.raises(HttpError, match="PATH_INFO") as refused:
        variables_of(path_info=text)
    assert (refused.value.status, refused.value.substatus) == (400, 0)


def test_text_that_is_no_bytes_refuses_the_request() -> None:
    """A lone surrogate that stands for no byte is refused, not an internal error."""
    with pytest.raises(HttpError, match=r"400\.0"):
        variables_of(path_info="/\ud800")


def test_undecodable_bytes_of_the_path_come_back_as_they_were() -> None:
    """A path that is not UTF-8 reaches the program byte for byte."""
    assert variables_of(path_info="/\udcff")[b"PATH_INFO"] == b"/\xff"


def test_field_that_a_filter_wrote_in_another_alphabet_is_utf_8() -> None:
    """What no single byte stands for is encoded as paths are."""
    request = sample_request()
    request.headers._fields.append(("X-Name", "\u20ac"))
    assert meta_variables(request, content_length=None)[b"HTTP_X_NAME"] == "\u20ac".encode()


def test_query_stays_encoded() -> None:
    """QUERY_STRING is the undecoded text after the question mark."""
    found = variables_of(raw_query="a=%20b&c+d", raw_target="/cgi-bin/show.cgi?a=%20b&c+d")
    assert found[b"QUERY_STRING"] == b"a=%20b&c+d"
    assert found[b"REQUEST_URI"] == b"/cgi-bin/show.cgi?a=%20b&c+d"


def test_request_fields_become_upper_case_variables() -> None:
    """Dashes become underscores; bytes above 0x7F are passed as they came."""
    assert variables_of([("x-My-Field", "caf\xe9")])[b"HTTP_X_MY_FIELD"] == b"caf\xe9"


def test_underscored_name_cannot_pose_as_a_dashed_one() -> None:
    """X_Forwarded_For is dropped, X-Forwarded-For stays, in either order."""
    for pair in ([("X-Forwarded-For", "good"), ("X_Forwarded_For", "bad")], [("X_Forwarded-For", "bad")]):
        assert variables_of(pair).get(b"HTTP_X_FORWARDED_FOR", b"good") == b"good"


@pytest.mark.parametrize("name", ["X.Dot", "X!", "X~Y", "X$", "HTTP_HOST", "Host_"])
def test_names_with_other_characters_are_dropped(name: str) -> None:
    """Only letters, digits and dashes make a variable."""
    found = variables_of([(name, "smuggled")])
    assert b"smuggled" not in found.values()


def test_proxy_field_never_becomes_http_proxy() -> None:
    """httpoxy: HTTP_PROXY would redirect the program's own requests."""
    assert b"HTTP_PROXY" not in variables_of([("Proxy", "http://evil.example:1")])
    assert b"HTTP_PROXY" not in variables_of([("pROXY", "http://evil.example:1")])


def test_credentials_are_hidden_unless_the_configuration_passes_them() -> None:
    """Authorization and Proxy-Authorization only with passAuthorization."""
    fields = [("Authorization", "Basic eDp5"), ("Proxy-Authorization", "Basic eDp5")]
    hidden = variables_of(fields)
    assert b"HTTP_AUTHORIZATION" not in hidden
    assert b"HTTP_PROXY_AUTHORIZATION" not in hidden
    shown = variables_of(fields, pass_authorization=True)
    assert shown[b"HTTP_AUTHORIZATION"] == shown[b"HTTP_PROXY_AUTHORIZATION"] == b"Basic eDp5"


def test_repeated_fields_are_merged_in_order() -> None:
    """With a comma; cookies with a semicolon, which is their own separator."""
    found = variables_of([("Accept", "a"), ("Cookie", "x=1"), ("accept", "b"), ("Cookie", "y=2")])
    assert found[b"HTTP_ACCEPT"] == b"a, b"
    assert found[b"HTTP_COOKIE"] == b"x=1; y=2"


@pytest.mark.parametrize("name", ["Connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade"])
def test_hop_by_hop_fields_are_dropped(name: str) -> None:
    """They speak of the client's connection, which the program does not have."""
    assert f"HTTP_{name.upper().replace('-', '_')}".encode() not in variables_of([(name, "x")])


def test_connection_field_cannot_strip_another_field() -> None:
    """`Connection: X-Real-IP` must not hide what a trusted proxy added."""
    assert variables_of([("Connection", "X-Real-IP"), ("X-Real-IP", "198.51.100.1")])[b"HTTP_X_REAL_IP"]


def test_secure_connection_on_ipv6() -> None:
    """HTTPS on, scheme https, the server's name in brackets."""
    connection = Connection("2001:db8::7", 5, "2001:db8::1", 443, 2, is_secure=True)
    found = variables_of(connection=connection, server_name="2001:db8::1")
    assert (found[b"HTTPS"], found[b"REQUEST_SCHEME"], found[b"SERVER_PORT_SECURE"]) == (b"on", b"https", b"1")
    assert (found[b"SERVER_NAME"], found[b"REMOTE_ADDR"]) == (b"[2001:db8::1]", b"2001:db8::7")
    assert variables_of(connection=connection, server_name="[2001:db8::1]")[b"SERVER_NAME"] == b"[2001:db8::1]"


def test_request_without_host_is_named_by_its_address() -> None:
    """HTTP/1.0 without Host: SERVER_NAME is the address the client reached."""
    found = variables_of(server_name="", http_version="1.0")
    assert (found[b"SERVER_NAME"], found[b"SERVER_PROTOCOL"]) == (b"127.0.0.1", b"HTTP/1.0")


def test_authenticated_user() -> None:
    """AUTH_TYPE and the three names under which IIS and the RFC give the user."""
    found = variables_of(user="ann", auth_type="Basic")
    assert [found[name] for name in (b"AUTH_TYPE", b"REMOTE_USER", b"AUTH_USER", b"LOGON_USER")] == [
        b"Basic",
        b"ann",
        b"ann",
        b"ann",
    ]
    assert b"REMOTE_USER" not in variables_of()


def test_application_below_the_site_root() -> None:
    """APPL_MD_PATH and APPL_PHYSICAL_PATH name the application the request landed in."""
    application = ApplicationInfo(3, "Shop", "/shop", "/srv/shop", "Shop")
    found = variables_of(application=application)
    assert (found[b"INSTANCE_ID"], found[b"APPL_MD_PATH"]) == (b"3", b"/LM/W3SVC/3/ROOT/shop")
    assert found[b"APPL_PHYSICAL_PATH"] == b"/srv/shop/"


def test_variables_of_a_local_redirect_keep_their_prefix() -> None:
    """REDIRECT_URL and the others of the request that led here."""
    found = variables_of(redirect_variables={"REDIRECT_URL": "/old", "QUERY_STRING": "a=1"})
    assert (found[b"REDIRECT_URL"], found[b"REDIRECT_QUERY_STRING"]) == (b"/old", b"a=1")


def test_urls_are_what_the_client_asked_for_wherever_that_led() -> None:
    """REQUEST_URI as it came, SCRIPT_URL decoded, SCRIPT_URI with its origin; SCRIPT_NAME is the script's."""
    context = {ORIGINAL_TARGET: "/old%20page?a=b"}
    found = variables_of(redirect_count=1, context=context, connection=replace(CONNECTION, local_port=80))
    assert (found[b"REQUEST_URI"], found[b"SCRIPT_URL"]) == (b"/old%20page?a=b", b"/old page")
    assert found[b"SCRIPT_URI"] == b"http://www.example.com/old page"
    assert found[b"SCRIPT_NAME"] == b"/cgi-bin/show.cgi"
    secure = replace(CONNECTION, local_port=443, is_secure=True)
    assert variables_of(connection=secure)[b"SCRIPT_URI"] == b"https://www.example.com/cgi-bin/show.cgi"


def test_long_names_of_fields_are_not_kept() -> None:
    """A client may invent them."""
    assert kept_bytes(lambda text: variables_of([(text, "1")])) < 500_000


def test_only_a_few_variables_of_the_server_are_inherited() -> None:
    """No secret of the worker leaks; PATH has a default."""
    server = {b"SECRET": b"x", b"TZ": b"UTC", b"PATH": b"/opt/bin", b"PYTHONPATH": b"/x", b"LANG": b""}
    assert inherited_variables(server) == {b"TZ": b"UTC", b"PATH": b"/opt/bin"}
    assert inherited_variables({}) == {b"PATH": DEFAULT_PATH}


def test_a_warm_up_request_says_so() -> None:
    """WARMUP_REQUEST, as IIS tells its modules; no client can set it."""
    request = sample_request([("Warmup-Request", "1")])
    assert b"WARMUP_REQUEST" not in meta_variables(request, content_length=None)
    request.context["warm_up"] = True
    assert meta_variables(request, content_length=None)[b"WARMUP_REQUEST"] == b"1"


def test_the_same_fields_give_the_same_variables_and_none_are_shared() -> None:
    """What one request's variables are changed to is not in the next one's; credentials depend on the setting."""
    fields = [("X-Same", "1"), ("Authorization", "Basic eDp5")]
    first = meta_variables(sample_request(fields), content_length=None)
    first[b"HTTP_X_SAME"] = b"changed"
    second = meta_variables(sample_request(fields), content_length=None)
    assert (second[b"HTTP_X_SAME"], b"HTTP_AUTHORIZATION" in second) == (b"1", False)
    passed = meta_variables(sample_request(fields), content_length=None, pass_authorization=True)
    assert passed[b"HTTP_AUTHORIZATION"] == b"Basic eDp5"


def test_fields_that_a_filter_has_changed_are_told_as_they_are_now() -> None:
    """Not as they came."""
    request = sample_request([("X-Same", "1")])
    request.headers.set("X-Same", "2")
    assert meta_variables(request, content_length=None)[b"HTTP_X_SAME"] == b"2"


def test_each_request_of_a_proxys_connection_has_its_own_client() -> None:
    """A believed proxy brings another client with each request, over the same connection: nothing of the one before is
    told, neither its address nor that it spoke TLS."""
    first = sample_request().connection
    seen = []
    for address, port, is_secure in (("192.0.2.7", 1, False), ("192.0.2.8", 1, False), ("192.0.2.8", 2, True)):
        connection = replace(first, remote_address=address, remote_port=port, is_secure=is_secure, state=first.state)
        variables = meta_variables(sample_request(connection=connection), content_length=None)
        seen.append([variables[name] for name in (b"REMOTE_ADDR", b"REMOTE_HOST", b"REMOTE_PORT", b"HTTPS")])
    assert seen == [
        [b"192.0.2.7", b"192.0.2.7", b"1", b"off"],
        [b"192.0.2.8", b"192.0.2.8", b"1", b"off"],
        [b"192.0.2.8", b"192.0.2.8", b"2", b"on"],
    ]
