"""What holds for every test."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "steady",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
"""The same examples each time, however slow the machine: a run fails because of the code and of nothing else."""

settings.register_profile("search", settings.get_profile("steady"), derandomize=False)
"""HYPOTHESIS_PROFILE=search: other examples each time, for whoever goes looking for new ones."""

settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))
