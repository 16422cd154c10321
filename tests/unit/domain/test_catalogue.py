"""When a package takes content, makes instances and may go."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mano.domain.catalogue import (
    DescriptorKind,
    OnboardingState,
    OperationalState,
    Package,
    UsageState,
    begin_upload,
    require_deletable,
    require_usable,
)
from mano.errors import InUse, WrongState

PACKAGE = Package(id="p", tenant_id="t", kind=DescriptorKind.VNF, created_at=datetime(2026, 3, 1, tzinfo=UTC))


@pytest.mark.parametrize("state", OnboardingState)
def test_content_is_taken_once_and_again_after_an_error(state) -> None:
    package = replace(PACKAGE, onboarding_state=state, failure={"detail": "bad"})
    if state in (OnboardingState.CREATED, OnboardingState.ERROR):
        uploading = begin_upload(package)
        assert (uploading.onboarding_state, uploading.failure) == (OnboardingState.UPLOADING, None)
    else:
        with pytest.raises(WrongState, match=state.value):
            begin_upload(package)


@pytest.mark.parametrize("state", OnboardingState)
@pytest.mark.parametrize("operational", OperationalState)
def test_only_an_onboarded_and_enabled_package_makes_instances(state, operational) -> None:
    package = replace(PACKAGE, onboarding_state=state, operational_state=operational)
    if (state, operational) == (OnboardingState.ONBOARDED, OperationalState.ENABLED):
        require_usable(package)
    else:
        with pytest.raises(WrongState):
            require_usable(package)


@pytest.mark.parametrize("operational", OperationalState)
@pytest.mark.parametrize("usage", UsageState)
def test_an_onboarded_package_goes_when_it_is_disabled_and_unused(operational, usage) -> None:
    package = replace(
        PACKAGE, onboarding_state=OnboardingState.ONBOARDED, operational_state=operational, usage_state=usage
    )
    if usage is UsageState.IN_USE:
        with pytest.raises(InUse):
            require_deletable(package)
    elif operational is OperationalState.ENABLED:
        with pytest.raises(WrongState):
            require_deletable(package)
    else:
        require_deletable(package)


def test_a_package_that_never_onboarded_may_go_at_any_time() -> None:
    require_deletable(replace(PACKAGE, onboarding_state=OnboardingState.ERROR, usage_state=UsageState.IN_USE))
