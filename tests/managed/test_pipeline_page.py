"""docs/pipeline.md: its samples run in both process models and both pipeline modes, and its tables are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from host.api.managed import EVENTS
from host.api.managed.events import ANY_TIME
from tests.running_service import running

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "pipeline.md").read_text()
SAMPLE = re.compile(r"```\w+\n(?:# |<!-- )([\w./]+)(?: -->)?\n(.*?)```", re.DOTALL)
CONFIG = """<configuration><system.applicationHost><isolation mode="{mode}" /><applicationPools>
  <add name="DefaultAppPool" managedPipelineMode="{pipeline}" /></applicationPools>
  <sites><site name="Default Web Site" id="1">
  <application path="/" applicationPool="DefaultAppPool" isolation="{place}">
  <virtualDirectory path="/" physicalPath="../wwwroot" /></application>
  <bindings><binding protocol="http" bindingInformation="127.0.0.1:8080:" /></bindings></site></sites>
</system.applicationHost></configuration>"""


def write_sample(folder: Path, mode: str, pipeline: str, place: str) -> Path:
    """The page's files, and a server for them; gives the configuration."""
    for name, text in SAMPLE.findall(PAGE):
        path = folder / "wwwroot" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "wwwroot" / "a.txt").write_text("a file")
    config = folder / "conf" / "applicationHost.config"
    config.parent.mkdir()
    config.write_text(CONFIG.format(mode=mode, pipeline=pipeline, place=place))
    return config


@pytest.mark.parametrize(
    ("mode", "pipeline", "place"),
    [
        ("WorkerProcess", "Integrated", "Medium"),
        ("WorkerProcess", "Classic", "Medium"),
        ("IIS5", "Integrated", "High"),
        ("IIS5", "Integrated", "Low"),
    ],
)
def test_the_samples_run(tmp_path: Path, mode: str, pipeline: str, place: str) -> None:
    """Handler, asynchronous handler, module, global.asax; in integrated mode the module sees files, too."""
    with running(tmp_path, write_sample(tmp_path, mode, pipeline, place)) as service:
        order = service.get("/x.order?n=2", {"X-Who": "ada"})
        assert (order.status, order.text, order.headers["x-served-by"]) == (200, "6 for ada", "shop")
        assert service.get("/a.tick").text == "tick tock"
        closed = service.get("/closed.order")
        assert (closed.status, closed.text) == (403, "closed")
        failed = service.get("/x.order?n=many")
        assert failed.status == 500
        assert failed.text.startswith("sorry: invalid literal")
        is_integrated = mode == "WorkerProcess" and pipeline == "Integrated"
        assert ("x-served-by" in service.get("/a.txt").headers) is is_integrated
        if is_integrated:
            (tmp_path / "wwwroot" / "App_Code" / "pricing.py").write_text("def total(count):\n    return 'more'\n")
            service.wait_until_answered("/a.txt", lambda: service.get("/x.order?n=2").text == "more for nobody")


def test_the_table_has_every_event_in_order() -> None:
    """Stages in the table, the others in the text."""
    table = PAGE.partition("| # |")[2].partition("\n\n")[0]
    stages = [name for name in re.findall(r"`(\w+)`", table) if name != "post_begin_request"]
    assert stages == [name for name in EVENTS if name not in ANY_TIME]
    assert all(f"`{name}`" in PAGE for name in ANY_TIME)
