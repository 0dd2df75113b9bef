"""Which processes each model keeps, and where a handler runs."""

from __future__ import annotations

import pytest

from host.config.model import Application, ApplicationIsolation, IsolationMode, Pool, Site, Snapshot, VirtualDirectory
from host.isolation.placement import SlotRole
from host.isolation.selection import model_for


def application(path: str, pool: str, isolation: ApplicationIsolation) -> Application:
    return Application(
        site_id=1,
        site_name="Default",
        path=path,
        pool_name=pool,
        isolation=isolation,
        virtual_directories=(VirtualDirectory(path="/", physical_path="/srv"),),
    )


LOW = application("/", "A", ApplicationIsolation.LOW)
MEDIUM = application("/m", "A", ApplicationIsolation.MEDIUM)
HIGH = application("/h", "B", ApplicationIsolation.HIGH)
SNAPSHOT = Snapshot(
    version=1,
    path="/conf/applicationHost.config",
    sites=(Site(name="Default", id=1, applications=(HIGH, MEDIUM, LOW)),),
    pools=(Pool(name="A"), Pool(name="B"), Pool(name="Unused")),
)


def test_worker_process_isolation_keeps_a_listener_and_a_parent_for_each_pool_in_use() -> None:
    """A pool that no application names costs no process."""
    slots = model_for(IsolationMode.WORKER_PROCESS).slots(SNAPSHOT)
    assert [(slot.role, slot.name) for slot in slots] == [
        (SlotRole.LISTENER, "listener"),
        (SlotRole.POOL, "A"),
        (SlotRole.POOL, "B"),
    ]
    assert set(slots[1].applications) == {"1:/", "1:/m"}


def test_iis5_isolation_keeps_inetinfo_one_pooled_dllhost_and_one_for_each_high_application() -> None:
    """inetinfo knows every application: it runs the filters and the in-process handlers of all of them."""
    slots = model_for(IsolationMode.IIS5).slots(SNAPSHOT)
    assert [(slot.role, slot.title) for slot in slots] == [
        (SlotRole.INETINFO, "inetinfo"),
        (SlotRole.DLLHOST, "dllhost /LM/W3SVC/1/ROOT/h"),
        (SlotRole.DLLHOST, "dllhost pooled"),
    ]
    assert set(slots[0].applications) == {"1:/", "1:/m", "1:/h"}
    assert all(slot.is_started_on_demand for slot in slots[1:])


@pytest.mark.parametrize("mode", list(IsolationMode))
def test_every_application_has_a_queue_and_a_slot_that_exists(mode: IsolationMode) -> None:
    """Both models answer for every application; the front's queue exists in IIS 5 mode, a pool's in the other."""
    model = model_for(mode)
    names = {slot.name for slot in model.slots(SNAPSHOT)}
    for each in (LOW, MEDIUM, HIGH):
        for in_process_only in (False, True):
            placement = model.place(each, in_process_only=in_process_only)
            assert placement.queue in names
            assert placement.handler_slot in names


def test_in_process_only_handlers_stay_in_inetinfo() -> None:
    """As IIS does with static files, CGI and server-side includes."""
    model = model_for(IsolationMode.IIS5)
    assert model.place(HIGH).handler_slot == "dllhost /LM/W3SVC/1/ROOT/h"
    assert model.place(HIGH, in_process_only=True).handler_slot == "inetinfo"
    assert model.place(LOW).handler_slot == "inetinfo"


def test_the_switch_is_read_once() -> None:
    """Policies and raw-data filters follow the model."""
    worker, iis5 = model_for(IsolationMode.WORKER_PROCESS), model_for(IsolationMode.IIS5)
    assert (worker.has_pool_policies, worker.allows_raw_data_filters, worker.front_runs_plugins) == (True, False, False)
    assert (iis5.has_pool_policies, iis5.allows_raw_data_filters, iis5.front_runs_plugins) == (False, True, True)
