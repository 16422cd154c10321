"""The rule that a required test cannot be skipped, run on small test suites of its own."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

SUITE = """
    import pytest

    @pytest.mark.{mark}
    def test_asks_for_a_skip_itself():
        pytest.skip("no switch here")

    @pytest.mark.{mark}
    @pytest.mark.skipif(True, reason="switched off")
    def test_is_switched_off():
        raise AssertionError

    @pytest.mark.{mark}
    @pytest.mark.xfail(reason="known", strict=True)
    def test_is_known_to_fail():
        assert False

    def test_of_no_tier():
        pytest.skip("no reference data here")

    def test_runs():
        assert True
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> pytest.Pytester:
    """An empty test suite in which the machine has everything."""
    monkeypatch.setenv("PYTHONPATH", str(pytestconfig.rootpath))
    pytester.makeconftest(
        """
        from tests.plugins import tiers

        tiers.what_is_missing = lambda capability: None
        pytest_plugins = ["tests.plugins.tiers"]
        """
    )
    pytester.makepyprojecttoml(
        """
        [tool.pytest.ini_options]
        markers = ["dataplane", "postgresql", "browser"]
        """
    )
    monkeypatch.delenv("REQUIRE_TIER", raising=False)
    return pytester


@pytest.mark.parametrize("mark", ["dataplane", "postgresql", "browser"])
def test_a_skip_stays_a_skip_where_no_tier_is_required(suite: pytest.Pytester, mark: str) -> None:
    suite.makepyfile(SUITE.format(mark=mark))
    suite.runpytest_subprocess().assert_outcomes(passed=1, skipped=3, xfailed=1)


@pytest.mark.parametrize("mark", ["dataplane", "postgresql", "browser"])
def test_a_skip_of_a_required_test_fails_with_its_reason(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, mark: str
) -> None:
    monkeypatch.setenv("REQUIRE_TIER", "root")
    suite.makepyfile(SUITE.format(mark=mark))
    result = suite.runpytest_subprocess()
    result.assert_outcomes(passed=1, skipped=1, xfailed=1, failed=1, errors=1)
    result.stdout.fnmatch_lines_random([f"*this {mark} test was skipped: no switch here*", "*switched off*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_module_of_required_tests_cannot_skip_itself(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUIRE_TIER", "root")
    suite.makepyfile(
        """
        import pytest

        pytest.importorskip("a_library_that_is_not_there")
        pytestmark = pytest.mark.dataplane
        """
    )
    result = suite.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*was skipped as a whole*"])


def test_what_the_machine_lacks_is_the_reason_of_the_skip(suite: pytest.Pytester) -> None:
    suite.makeconftest(
        """
        from tests.plugins import tiers

        tiers.what_is_missing = lambda capability: "no ovs-vswitchd"
        pytest_plugins = ["tests.plugins.tiers"]
        """
    )
    suite.makepyfile("import pytest\n\n@pytest.mark.dataplane\ndef test_packets():\n    assert False")
    result = suite.runpytest_subprocess("-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*dataplane: no ovs-vswitchd*"])


def test_the_data_plane_comes_first(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import pytest

        def test_plain():
            assert True

        @pytest.mark.postgresql
        @pytest.mark.dataplane
        def test_both():
            assert True
        """
    )
    result = suite.runpytest_subprocess("-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*test_both*", "*test_plain*"])
