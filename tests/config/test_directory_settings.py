"""web.config files of a serving process: taken up at once, broken ones survived, and free on the hot path."""

from __future__ import annotations

import os
import timeit

import pytest

from host.config.errors import ConfigErrors
from host.config.model import PathSettings
from host.config.store import ServerConfiguration
from tests.config.server_sample import Server, application, lines_of

BROWSE = '<directoryBrowse enabled="true" />'
NO_BROWSE = '<directoryBrowse enabled="false" />'


class Reader:
    """Asks one configuration for paths of the first site."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.configuration: ServerConfiguration = server.configuration()

    def __call__(self, path: str) -> PathSettings:
        at = "/shop" if (path + "/").startswith("/shop/") else "/"
        return self.configuration.settings_for(application(self.configuration.snapshot, at), path)

    def browses(self, path: str) -> bool:
        return self(path).directory_browse_enabled

    def later(self) -> Reader:
        self.server.clock.pass_a_while()
        return self


@pytest.fixture
def read(server: Server) -> Reader:
    """A server without any web.config yet."""
    server.write("")
    return Reader(server)


def test_a_web_config_is_taken_up_changed_and_dropped(server: Server, read: Reader) -> None:
    """Each within the quarter of a second after which files are looked at again, not before."""
    assert not read.browses("/images/a.png")
    server.web_config("www", BROWSE)
    assert not read.browses("/images/a.png")
    assert read.later().browses("/images/a.png")
    server.web_config("www/images", NO_BROWSE)
    assert not read.later().browses("/images/a.png")
    assert read.browses("/a.png")
    for name, is_browsed in (("www/images", True), ("www", False)):
        os.remove(server.root / name / "web.config")
        os.utime(server.root / name, (1000000000, 1000000000))  # a while ago
        assert read.later().browses("/images/a.png") == is_browsed
    assert server.problems == []


def test_settings_stay_the_same_object_while_nothing_changes(server: Server, read: Reader) -> None:
    """Workers keep what they compile by it; another file's change elsewhere does not matter."""
    server.web_config("www/images", BROWSE)
    images, root, shop = read("/images/a"), read("/"), read("/shop")
    server.web_config("shop/cart", BROWSE)
    read.later()
    assert read("/images/a") is read("/images/deep/b") is images
    assert read("/x/y/z") is read("/index.html") is root
    assert read("/shop/x") is shop
    assert read("/shop/cart/x") is not shop


def test_what_is_prepared_is_what_the_servers_file_alone_says(server: Server, read: Reader) -> None:
    """The same object where there is no web.config; one that was there before, or is broken, counts and is reported as
    without preparing, and is no change."""
    changes: list[list[str]] = []
    server.web_config("shop", BROWSE)
    server.web_config("www/images", "<nonsense />")
    read.configuration.report_changes_to(changes.append)
    plain = server.configuration()
    for at in ("/", "/shop"):
        read.configuration.prepare(application(read.configuration.snapshot, at))
    assert read("/a.png") is read("/other/b.png")
    assert read("/a.png") == plain.settings_for(application(plain.snapshot, "/"), "/a.png")
    assert (
        read.browses("/shop/a.png")
        == plain.settings_for(application(plain.snapshot, "/shop"), "/shop/a.png").directory_browse_enabled
    )
    with pytest.raises(ConfigErrors):
        read("/images/a.png")
    assert len(server.problems) == 1
    assert changes == []


def test_the_hot_path_touches_no_file_and_is_cheap(server: Server, read: Reader) -> None:
    """One dictionary lookup and one look at the clock; the folders may even be gone."""
    one = application(read.configuration.snapshot, "/")
    settings = read("/images/a.png")
    os.rename(server.root / "www", server.root / "moved")
    assert read("/images/a.png") is settings
    seconds = min(timeit.repeat(lambda: read.configuration.settings_for(one, "/images/a.png"), number=2000, repeat=5))
    assert seconds / 2000 < 5e-6


def test_a_url_that_names_a_folder_or_a_program_belongs_to_it(server: Server, read: Reader) -> None:
    """/images is the folder's, also without slash; what follows a file is PATH_INFO and changes nothing."""
    server.web_config("www/images", BROWSE)
    (server.root / "www/images/x.cgi").write_text("")
    for path in ("/images", "/images/", "/images/x.cgi", "/images/x.cgi/more/web.config/x", "//images//y"):
        assert read.browses(path), path
    for path in ("/image", "/images.txt", "/imagesTest/x"):
        assert not read.browses(path), path


def test_a_folder_that_is_made_later_is_seen(server: Server, read: Reader) -> None:
    """Paths below it were asked for before."""
    assert not read.browses("/new/sub/x")
    (server.root / "www/new/sub").mkdir(parents=True)
    server.web_config("www/new/sub", BROWSE)
    assert read.later().browses("/new/sub/x")


def test_a_virtual_directory_below_a_folder_that_does_not_exist(server: Server) -> None:
    """Its own folder counts, not the gap above it."""
    source = server.write("").text.decode().replace('path="/media"', 'path="/gap/media"')
    server.file.write_text(source)
    server.web_config("media", BROWSE)
    assert Reader(server).browses("/gap/media/x")


def test_two_paths_on_one_folder_share_its_web_config(server: Server) -> None:
    """Each with its own place in the inheritance."""
    location = (
        '<location path="Default Web Site/media"><system.webServer>'
        '<handlers accessPolicy="Write" /></system.webServer></location>'
    )
    text = server.write(location).text.decode().replace("%ISAPY_ROOT%/media", "%ISAPY_ROOT%/shop")
    server.file.write_text(text)
    server.web_config("shop", BROWSE)
    read = Reader(server)
    assert read.browses("/media")
    assert read.browses("/shop")
    assert read("/media").access_policy is not read("/shop").access_policy


def test_a_pool_may_ignore_every_web_config(server: Server) -> None:
    """enableConfigurationOverride=false: not even a broken one is noticed."""
    text = server.write("").text.decode().replace('name="Shop"', 'name="Shop" enableConfigurationOverride="false"')
    server.file.write_text(text)
    server.web_config("www", BROWSE)
    server.raw_web_config("shop", "<broken")
    read = Reader(server)
    assert not read.browses("/shop/x")
    assert read.browses("/x")
    assert server.problems == []


def test_a_broken_web_config_without_a_good_one_before_is_an_error(server: Server, read: Reader) -> None:
    """For its folder and below, each time, reported once; repaired it serves."""
    file = server.raw_web_config("www/images", "<configuration>\n<system.webServer>\n<nonsense/></system.webServer>\n")
    for path in ("/images/a", "/images/deep/b", "/images/a"):
        with pytest.raises(ConfigErrors) as caught:
            read(path)
        assert lines_of(caught.value, server.root)[0].startswith(f"ROOT/www/images/{file.name}:4: not well-formed XML")
    assert not read.browses("/a")
    assert len(server.problems) == 1
    with pytest.raises(ConfigErrors):
        read.later()("/images/a")
    assert len(server.problems) == 1
    server.web_config("www/images", BROWSE)
    assert read.later().browses("/images/a")


def test_a_web_config_that_breaks_keeps_the_last_good_settings(server: Server, read: Reader) -> None:
    """Also for paths never asked for before; each broken state is reported once."""
    server.web_config("www", BROWSE)
    good = read("/a")
    server.web_config("www", '<directoryBrowse enabled="perhaps" />')
    assert read.later()("/a") is good
    assert read("/never/asked") is good
    assert [lines_of(problem, server.root) for problem in server.problems] == [
        ['ROOT/www/web.config:2: directoryBrowse/@enabled: "perhaps" is not a bool; write true or false']
    ]
    read.later()("/a")
    assert len(server.problems) == 1
    server.raw_web_config("www", "")
    assert read.later()("/a") is good
    assert len(server.problems) == 2
    server.web_config("www", NO_BROWSE)
    assert not read.later().browses("/a")
    assert len(server.problems) == 2


def test_what_a_web_config_says_in_vain_is_told_once(server: Server, read: Reader) -> None:
    """Whoever relies on it has to hear of it from the running server, too; a file that says the same is no news."""
    told: list[str] = []
    read.configuration.report_warnings_to(lambda warnings: told.extend(warning.message for warning in warnings))
    server.web_config("www", BROWSE + "<security><ipSecurity /></security>")
    assert read.browses("/")
    assert [("restricts NOTHING" in message) for message in told] == [True]
    server.web_config("www", NO_BROWSE + "<security><ipSecurity /></security>")
    assert not read.later().browses("/")
    assert len(told) == 1
    server.web_config("www", NO_BROWSE + "<rewrite /><security><ipSecurity /></security>")
    assert not read.later().browses("/")
    assert len(told) == 3


def test_a_configuration_that_follows_another_keeps_its_last_good_files(server: Server, read: Reader) -> None:
    """Files at the roots of virtual directories are looked at without a request; what was told is not told again."""
    server.web_config("www", BROWSE)
    first = read.configuration
    first.look_at_files(application(first.snapshot, "/"))
    server.raw_web_config("www", "<configuration")
    server.clock.pass_a_while()
    first.look_at_files(application(first.snapshot, "/"))
    read.configuration = server.configuration()
    read.configuration.keep_good_files_of(first)
    assert read.browses("/a")
    assert len(server.problems) == 1
    server.web_config("www", NO_BROWSE)
    assert not read.later().browses("/a")


def test_a_conflict_between_two_files_keeps_the_last_good_settings(server: Server, read: Reader) -> None:
    """The upper file is sound by itself; together with the lower one it adds a header twice."""
    header = '<httpProtocol><customHeaders><add name="X-A" value="1" /></customHeaders></httpProtocol>'
    server.web_config("www", BROWSE)
    server.web_config("www/images", header)
    good = read("/images/a")
    server.web_config("www", header)
    assert read.later()("/images/a") is good
    assert read("/images/b") is good
    assert read("/a").custom_headers == (("X-A", "1"),)
    assert len(server.problems) == 1
    assert "is there already (ROOT/www/web.config:2)" in lines_of(server.problems[0], server.root)[0]
    server.web_config("www/images", BROWSE)
    assert read.later()("/images/a").custom_headers == (("X-A", "1"),)


def test_a_section_that_is_locked_raises_for_its_path_only(server: Server, read: Reader) -> None:
    """The rest of the site serves on."""
    server.web_config("www/images", '<cgi timeout="00:00:01" />')
    with pytest.raises(ConfigErrors, match="this section is locked by"):
        read("/images/a")
    assert read("/a").cgi.timeout_seconds == 900
    assert len(server.problems) == 1


@pytest.mark.parametrize("kind", ["fifo", "folder", "dangling link"])
def test_a_web_config_that_is_no_file(server: Server, read: Reader, kind: str) -> None:
    """Neither blocks the worker; a link to nothing is no file."""
    path = server.root / "www/images/web.config"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("nothing")
        assert not read.browses("/images/a")
        return
    for _ in range(2):
        with pytest.raises(ConfigErrors, match="it cannot be read"):
            read.later()("/images/a")
    assert len(server.problems) == 1
    path.rmdir() if kind == "folder" else path.unlink()
    assert not read.later().browses("/images/a")
    server.web_config("www/images", BROWSE)
    assert read.later().browses("/images/a")


@pytest.mark.parametrize("path", ["/images/../secret", "/a\0b/c", "/./x", "/" + "y" * 5000, "/" + "d/" * 300, ""])
def test_strange_paths_get_settings_without_a_look_outside(server: Server, read: Reader, path: str) -> None:
    """Such requests are refused elsewhere; here they must not raise, nor read files outside the site."""
    server.web_config("www", BROWSE)
    (server.root / "secret").mkdir()
    server.web_config("secret", NO_BROWSE)
    assert read.browses(path)


def test_invented_urls_do_not_fill_the_memory(server: Server, read: Reader) -> None:
    """What is remembered has a limit, and the answers stay right."""
    server.web_config("www/images", BROWSE)
    for number in range(9000):
        assert not read.browses(f"/{number}")
    directories = read.configuration._directories
    assert len(directories._paths) <= 8192
    assert len(directories._folders) < 10
    assert read.browses("/images/a")


class Told:
    """Which changes of web.config files were told, each time a list."""

    def __init__(self, read: Reader) -> None:
        self.files: list[list[str]] = []
        self.root = read.server.root
        read.configuration.report_changes_to(self._take_in)

    def _take_in(self, files: list[str]) -> None:
        self.files.append([os.path.relpath(file, self.root) for file in files])

    def take(self) -> list[list[str]]:
        told, self.files = self.files, []
        return told


def test_a_changed_web_config_is_told_once_at_any_folder(server: Server, read: Reader) -> None:
    """Made, changed, removed; and not when it is looked at for the first time."""
    server.web_config("www/images", BROWSE)
    told = Told(read)
    read("/images/a.png")
    read.later()("/images/a.png")
    assert told.take() == []
    server.web_config("www/images", NO_BROWSE)
    assert not read.later().browses("/images/a.png")
    read.later()("/images/b.png")
    assert told.take() == [["www/images/web.config"]]
    server.web_config("www", BROWSE)
    read.later()("/other.png")
    assert told.take() == [["www/web.config"]]
    os.remove(server.root / "www/images/web.config")
    read.later()("/images/a.png")
    read.later()("/images/a.png")  # it might have come again
    assert told.take() == [["www/images/web.config"]]


def test_a_file_that_says_the_same_has_not_changed(server: Server, read: Reader) -> None:
    """Saved again, or with other blanks and a comment."""
    server.web_config("www", BROWSE)
    told = Told(read)
    read("/")
    os.utime(server.root / "www/web.config", (1, 1))
    read.later()("/")
    server.web_config("www", f"<!-- a note -->\n\n   {BROWSE}")
    read.later()("/")
    assert told.take() == []


def test_a_broken_web_config_is_not_told_until_it_is_repaired(server: Server, read: Reader) -> None:
    """Repaired to what it said before it is no change at all."""
    server.web_config("www", BROWSE)
    told = Told(read)
    read("/")
    server.web_config("www", "<directoryBrowze />")
    assert read.later().browses("/")
    server.web_config("www", BROWSE)
    read.later()("/")
    assert told.take() == []
    server.web_config("www", "<directoryBrowze />")
    read.later()("/")
    server.web_config("www", NO_BROWSE)
    assert not read.later().browses("/")
    assert told.take() == [["www/web.config"]]


def test_a_change_that_breaks_another_path_is_not_told(server: Server, read: Reader) -> None:
    """Whoever starts anew would have no good settings for that path; here they stay in force."""
    server.web_config("www", NO_BROWSE)
    server.web_config("www/images", BROWSE)
    told = Told(read)
    assert read.browses("/images/a.png")
    read("/")
    locked = '<directoryBrowse enabled="true" lockAttributes="enabled" />'
    server.web_config("www", locked)
    read.later()("/")
    assert told.take() == []
    assert read.browses("/images/a.png")
    server.web_config("www/images", "")
    read.later()("/images/a.png")
    assert [sorted(files) for files in told.take()] == [["www/images/web.config", "www/web.config"]]


def test_a_change_beside_a_broken_file_waits_for_it(server: Server, read: Reader) -> None:
    """The broken one's last good settings would be lost."""
    server.web_config("www/images", BROWSE)
    told = Told(read)
    read("/images/a.png")
    server.web_config("www/images", "<directoryBrowze />")
    server.web_config("www", BROWSE)
    read.later()("/images/a.png")
    assert told.take() == []
    server.web_config("www/images", BROWSE)
    read.later()("/images/a.png")
    assert told.take() == [["www/web.config"]]
