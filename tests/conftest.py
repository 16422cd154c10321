"""What all tests share: tiers and their markers, a private PostgreSQL server, names of labs, Hypothesis' profiles."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.plugins.postgresql", "tests.plugins.tiers", "tests.plugins.labs"]

# The gate runs the same examples each time and asserts no speed; `make fuzz` looks for new ones.
settings.register_profile(
    "gate", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile(
    "fuzz", max_examples=5000, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("gate")
