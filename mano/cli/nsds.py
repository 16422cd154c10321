"""``mano nsd``: network service descriptors."""

from __future__ import annotations

import click

from mano.cli.onboarding import Catalogue, add_catalogue_commands
from mano.cli.output import Column
from mano.cli.resolve import NSD

COLUMNS = (
    Column("ID", "id"),
    Column("NAME", "nsdName"),
    Column("VERSION", "nsdVersion"),
    Column("STATE", "nsdOnboardingState"),
    Column("ENABLED", lambda row: row.get("nsdOperationalState") == "ENABLED"),
    Column("USED", lambda row: row.get("nsdUsageState") == "IN_USE"),
)
FIELDS = (
    *COLUMNS,
    Column("NSD", "nsdId"),
    Column("DESIGNER", "nsdDesigner"),
    Column("VNF PACKAGES", "vnfPkgIds"),
    Column("PNFDS", "pnfdInfoIds"),
    Column("NESTED NSDS", "nestedNsdInfoIds"),
    Column("FAILURE", "onboardingFailureDetails.detail"),
)


@click.group("nsd")
def nsd() -> None:
    """Network service descriptors."""


add_catalogue_commands(nsd, Catalogue(NSD, "nsd_content", "nsdOnboardingState", "nsdOperationalState", COLUMNS, FIELDS))
