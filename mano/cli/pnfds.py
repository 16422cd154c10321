"""``mano pnfd``: descriptors of physical network functions."""

from __future__ import annotations

import click

from mano.cli.onboarding import Catalogue, add_catalogue_commands
from mano.cli.output import Column
from mano.cli.resolve import PNFD

COLUMNS = (
    Column("ID", "id"),
    Column("NAME", "pnfdName"),
    Column("VERSION", "pnfdVersion"),
    Column("STATE", "pnfdOnboardingState"),
    Column("USED", lambda row: row.get("pnfdUsageState") == "IN_USE"),
)
FIELDS = (
    *COLUMNS,
    Column("PNFD", "pnfdId"),
    Column("PROVIDER", "pnfdProvider"),
    Column("FAILURE", "onboardingFailureDetails.detail"),
)


@click.group("pnfd")
def pnfd() -> None:
    """Descriptors of physical network functions."""


add_catalogue_commands(pnfd, Catalogue(PNFD, "pnfd_content", "pnfdOnboardingState", "", COLUMNS, FIELDS))
