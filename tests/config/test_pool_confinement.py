"""Identity, sandbox, processors and limits as the file says them, and what in them cannot be."""

from __future__ import annotations

import os
import pwd

import pytest

from host.config.confinement import (
    Confinement,
    Cpu,
    Identity,
    ProgramLimits,
    Sandbox,
    SandboxRule,
    assign_numbers,
    processors_of,
)
from host.config.errors import ConfigErrors
from host.config.store import build_snapshot
from tests.config.server_sample import Server, application


def test_an_identity_that_nobody_wrote_is_none(server: Server) -> None:
    """IIS's default is an identity of the pool's own; here the difference between written and not written counts."""
    server.write("", pools='<add name="P"><processModel identityType="ApplicationPoolIdentity" /></add>')
    snapshot = server.snapshot()
    assert snapshot.pool("Shop").confinement == Confinement()
    identity = snapshot.pool("P").confinement.identity
    assert identity.type == "ApplicationPoolIdentity"
    assert 70000 <= identity.number <= 99999


def test_everything_of_a_pool_arrives(server: Server) -> None:
    """Defaults of applicationPoolDefaults included; a rule's path is made absolute."""
    own = pwd.getpwuid(0).pw_name
    server.write(
        '<system.webServer><cgi processorTimeLimit="1" addressSpaceLimit="2" openFilesLimit="3" processesLimit="4" />'
        "</system.webServer>",
        pools=f"""
        <applicationPoolDefaults>
          <processModel identityType="SpecificUser" userName="{own}" />
          <sandbox mode="Report"><add path="/usr/share" /></sandbox>
        </applicationPoolDefaults>
        <add name="P">
          <processModel noNewPrivileges="false" />
          <sandbox><add path="../www" access="Read, Write" /><add path="/bin" access="Execute" /></sandbox>
          <cpu limit="1500" action="ThrottleUnderLoad" resetInterval="00:02:00" smpAffinitized="true"
               smpProcessorAffinityMask="5" smpProcessorAffinityMask2="2147483649" />
        </add>""",
    )
    snapshot = server.snapshot()
    pool = snapshot.pool("P")
    assert pool.confinement == Confinement(
        identity=Identity(type="SpecificUser", user_name=own),
        no_new_privileges=False,
        sandbox=Sandbox(
            mode="Report",
            rules=(
                SandboxRule(path="/usr/share", access=("Read",)),
                SandboxRule(path=f"{server.root}/www", access=("Read", "Write")),
                SandboxRule(path="/bin", access=("Execute",)),
            ),
        ),
    )
    assert pool.cpu == Cpu(
        limit=1500, action="ThrottleUnderLoad", reset_interval_seconds=120, processors=(0, 2, 32, 63)
    )
    assert snapshot.pool("Shop").cpu == Cpu()
    limits = server.configuration().settings_for(application(snapshot, "/"), "/").cgi.limits
    assert limits == ProgramLimits(processor_seconds=1, address_space_kilobytes=2, open_files=3, processes=4)


def test_numbers_of_pools_depend_on_name_and_range_alone() -> None:
    """Whoever has granted access to a number must find it again, whatever other pools come and go."""
    few, many = (
        assign_numbers(["Shop"], 70000, 99999),
        assign_numbers([f"P{n}" for n in range(50)] + ["Shop"], 70000, 99999),
    )
    assert few["Shop"] == many["Shop"] == assign_numbers(["Shop", "Blog"], 70000, 99999)["Shop"]
    assert len(set(many.values())) == 51
    assert all(70000 <= number <= 99999 for number in many.values())


def test_pools_that_meet_take_neighbours_in_the_alphabets_order() -> None:
    """Also when the range is just large enough; one pool more is an error."""
    names = [f"P{number}" for number in range(8)]
    given = assign_numbers(reversed(names), 10, 17)
    assert sorted(given.values()) == list(range(10, 18))
    assert given == assign_numbers(names, 10, 17)
    with pytest.raises(ValueError, match="too few"):
        assign_numbers(names, 10, 16)
    with pytest.raises(ValueError, match="too few"):
        assign_numbers(["P"], 11, 10)


def test_masks_name_processors() -> None:
    """Bit by bit, 0 to 31 and 32 to 63."""
    assert processors_of(0b1010, 0b1) == (1, 3, 32)
    assert processors_of(4294967295, 4294967295) == tuple(range(64))


WRONG = [
    ('<add name="P"><processModel identityType="SpecificUser" /></add>', ""),
    ('<add name="P"><processModel identityType="SpecificUser" userName="no-such-user-here" /></add>', "no user"),
    ('<add name="P"><processModel identityType="SpecificUser" userName="D\\shop" /></add>', "account of Windows"),
    (
        '<add name="P"><processModel noNewPrivileges="false" /><sandbox mode="Enforce" /></add>',
        "cannot gain privileges",
    ),
    ('<add name="P"><sandbox><add path="/a" access="Fly" /></sandbox></add>', "Fly"),
    ('<add name="P"><sandbox mode="Loose" /></add>', "Loose"),
]


@pytest.mark.parametrize(("pools", "words"), WRONG)
def test_what_cannot_be_is_an_error_with_its_remedy(server: Server, pools: str, words: str) -> None:
    """When the file is judged, not when the pool starts."""
    source = server.write("", pools=pools)
    with pytest.raises(ConfigErrors) as caught:
        build_snapshot(source, 1)
    (error,) = caught.value.errors
    assert words in f"{error.message}; {error.remedy}"
    assert error.remedy or words == "Fly"


def test_masks_without_a_processor_of_this_machine_are_an_error(server: Server) -> None:
    """As long as the machine has fewer than 64; a process that only repeats what was judged does not ask again."""
    pools = (
        '<add name="P"><cpu smpAffinitized="true" smpProcessorAffinityMask="2147483648" '
        'smpProcessorAffinityMask2="2147483648" /></add>'
    )
    source = server.write("", pools=pools)
    if (os.cpu_count() or 1) > 31:
        build_snapshot(source, 1)
        return
    with pytest.raises(ConfigErrors, match="no processor of the masks exists"):
        build_snapshot(source, 1)
    build_snapshot(source, 1, check_files=False)


def test_a_range_that_is_too_small_is_an_error(server: Server) -> None:
    """At the attribute that ends it."""
    source = server.write("", pools="")
    text = source.text.replace(
        b"<applicationPools>", b'<applicationPools identityRangeFirst="9" identityRangeLast="9">'
    )
    with pytest.raises(ConfigErrors, match=r"too few for the pools, [0-9]+ of them") as caught:
        build_snapshot(type(source)(source.path, text), 1)
    assert caught.value.errors[0].attribute == "identityRangeLast"


def test_a_password_and_a_path_that_is_missing_are_warnings(server: Server) -> None:
    """Unix asks nobody for the password of a user that root becomes; a folder may come later."""
    own = pwd.getpwuid(0).pw_name
    server.write(
        "",
        pools=f'<add name="P"><processModel identityType="SpecificUser" userName="{own}" password="x" />'
        '<sandbox><add path="/no/such/folder" /></sandbox></add>',
    )
    warnings = server.snapshot().warnings
    assert [line for line in warnings if "password" in line]
    assert [line for line in warnings if "/no/such/folder does not exist" in line]
