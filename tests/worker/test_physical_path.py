"""From the URL to the file, attack paths included."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from host.api import HttpError
from host.config.model import Application, VirtualDirectory
from host.worker.physical_path import (
    decode_path,
    is_at_or_below,
    is_really_below,
    look_at,
    map_path,
    owning_application,
    split_target,
)
from tests.worker.front import run
from tests.worker.site import Site


@pytest.mark.parametrize(
    ("raw_path", "path"),
    [
        ("/", "/"),
        ("/a/b.html", "/a/b.html"),
        ("/a/b/", "/a/b/"),
        ("/a%20b", "/a b"),
        ("/%C3%A4.txt", "/ä.txt"),
        ("/\xc3\xa4.txt", "/ä.txt"),  # sent without escapes
        ("/a//b///c", "/a/b/c"),
        ("/a/./b/.", "/a/b/"),
        ("/a/b/../c", "/a/c"),
        ("/a/..", "/"),
        ("/a/b/..", "/a/"),
        ("/a/%2e%2E/b", "/b"),
        ("/a\\b", "/a/b"),
        ("/a%5Cb", "/a/b"),
        ("/a/..%5c..%2fb".replace("..%2f", ""), "/b"),
        ("/a%2Fb", "/a/b"),
        ("/%252e%252e/x", "/%2e%2e/x"),  # decoded once: the rest is a name
        ("/a%2525", "/a%25"),
        ("/...", "/..."),
        ("/.hidden/x", "/.hidden/x"),
        ("/a+b", "/a+b"),
    ],
)
def test_paths_are_decoded_once_and_normalised(raw_path: str, path: str) -> None:
    """Escapes, dot segments, separators of both kinds."""
    assert decode_path(raw_path) == path


@pytest.mark.parametrize(
    "raw_path",
    [
        "/..",
        "/../etc/passwd",
        "/a/../../etc/passwd",
        "/%2e%2e/etc/passwd",
        "/a/%2e%2e%2f%2e%2e/etc",
        "/..\\..\\etc",
        "/%5c..%5c..%5cetc",
        "/a%00.txt",
        "/a%0d%0aSet-Cookie:x",
        "/a%7f",
        "/a%C2%85",
        "/%c0%ae%c0%ae/etc",  # overlong UTF-8 for a dot
        "/%ff",
        "/%",
        "/%2",
        "/%zz",
        "/%u002e",
    ],
)
def test_paths_that_are_attacks_or_nonsense_are_refused(raw_path: str) -> None:
    """400: climbing above the root, control characters, overlong or broken UTF-8, escapes that are none."""
    with pytest.raises(HttpError) as refused:
        decode_path(raw_path)
    assert refused.value.status == 400


def test_every_form_of_a_request_target_is_split() -> None:
    """Origin form, absolute form, asterisk form."""
    assert split_target("/a?b?c") == ("/a", "b?c")
    assert split_target("http://host:80/a?b") == ("/a", "b")
    assert split_target("http://host") == ("/", "")
    assert split_target("*") == ("/", "")
    with pytest.raises(HttpError):
        split_target("example.org:443")


def application(path: str, *folders: tuple[str, str]) -> Application:
    return Application(
        site_id=1,
        site_name="Site",
        path=path,
        pool_name="Pool",
        virtual_directories=tuple(VirtualDirectory(path=url, physical_path=folder) for url, folder in folders),
    )


def test_the_longest_virtual_directory_decides_where_a_path_lies() -> None:
    """Whole segments, without regard to case, relative to the application."""
    shop = application("/shop", ("/", "/srv/shop/"), ("/images", "/srv/pictures"), ("/images/big", "/srv/big"))
    assert map_path(shop, "/shop") == ("/srv/shop", "/srv/shop/", False, "/")
    assert map_path(shop, "/shop/") == ("/srv/shop", "/srv/shop/", False, "/")
    assert map_path(shop, "/shop/a/b.txt") == ("/srv/shop", "/srv/shop/a/b.txt", False, "/")
    assert map_path(shop, "/shop/images/x.png") == ("/srv/pictures", "/srv/pictures/x.png", False, "/images")
    assert map_path(shop, "/SHOP/Images/x.png") == ("/srv/pictures", "/srv/pictures/x.png", False, "/images")
    assert map_path(shop, "/shop/imagesX/x.png") == ("/srv/shop", "/srv/shop/imagesX/x.png", False, "/")
    assert map_path(shop, "/shop/images/big/") == ("/srv/big", "/srv/big/", False, "/images/big")
    assert map_path(application("/", ("/", "/")), "/etc") == ("/", "/etc", False, "/")
    with pytest.raises(HttpError):
        map_path(application("/only", ("/sub", "/srv")), "/only/other")


def test_the_longest_application_owns_a_path() -> None:
    """Segments decide, not letters: /shopping is not in /shop."""
    root, shop, cart = application("/"), application("/shop"), application("/shop/cart")
    everything = [root, cart, shop]
    assert owning_application(everything, "/shop/cart/x") is cart
    assert owning_application(everything, "/Shop") is shop
    assert owning_application(everything, "/shopping") is root
    assert owning_application([shop], "/other") is None
    assert is_at_or_below("/a", "/a")
    assert not is_at_or_below("/ab", "/a")


def test_what_lies_at_a_path_is_looked_at_once(tmp_path: Path) -> None:
    """File, folder, nothing; a socket, a loop of links and a name too long are nothing."""
    (tmp_path / "file").write_text("x")
    os.symlink("loop", tmp_path / "loop")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        assert not look_at(str(tmp_path / "socket")).exists
    assert look_at(str(tmp_path / "file")).is_file
    assert look_at(str(tmp_path)).is_directory
    assert not look_at(str(tmp_path / "file") + "/").exists
    assert not look_at(str(tmp_path / "loop")).exists
    assert not look_at(str(tmp_path / ("x" * 300))).exists


def test_links_are_followed_before_a_path_counts_as_below_a_root(tmp_path: Path) -> None:
    """The root itself may be a link; a link out of it is out of it."""
    real, outside = tmp_path / "real", tmp_path / "outside"
    real.mkdir()
    outside.mkdir()
    (outside / "secret").write_text("x")
    os.symlink(real, tmp_path / "www")
    os.symlink(outside, real / "out")
    (real / "page").write_text("x")
    root = str(tmp_path / "www")
    assert is_really_below(root + "/page", root)
    assert not is_really_below(root + "/out/secret", root)


def test_a_link_out_of_the_root_is_refused_unless_it_is_allowed(site: Site) -> None:
    """404.0 for files and scripts, also after the link was changed; followSymbolicLinksOutsideRoot lifts it."""
    secret = site.folder / "secret.txt"
    secret.write_text("secret")
    site.write("page.txt", "page")
    link = site.root / "link.txt"
    link.symlink_to(site.root / "page.txt")
    site.extension(
        "show",
        "import pathlib\n@hookimpl\n"
        "async def handle(request): return Response.text(pathlib.Path(request.physical_path).read_text())",
    )
    site.handlers = '<add name="Show" path="*.txt" verb="GET" modules="show" resourceType="File" />' + site.handlers
    allowed = '<staticContent followSymbolicLinksOutsideRoot="true" />'

    async def main() -> None:
        front = await site.serve()
        assert (await front.ask("/link.txt")).text == "page"
        link.unlink()
        link.symlink_to(secret)
        refused = await front.ask("/link.txt")
        assert (refused.status, refused.substatus) == (404, 0)
        assert "leads out of" in refused.text
        assert (await front.ask("/page.txt")).text == "page"
        site.further = allowed
        assert (await (await site.serve()).ask("/link.txt")).text == "secret"

    run(main())
