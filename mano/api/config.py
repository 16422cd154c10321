"""What the HTTP interfaces are configured with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mano.domain.access import Credentials
from mano.settings import AuthMode, Limits


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """``dashboard_dir`` holds the built dashboard. Without credentials nobody but ``AuthMode.NONE`` gets in."""

    auth: AuthMode = AuthMode.OAUTH2
    credentials: Credentials | None = None
    lenient_version: bool = False
    limits: Limits = field(default_factory=Limits)
    dashboard_dir: Path | None = None

    def __post_init__(self) -> None:
        if self.auth is AuthMode.OAUTH2 and self.credentials is None:
            raise ValueError("bearer-token authentication needs credentials")
