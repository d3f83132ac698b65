"""What `make test-all` refuses: a test that is skipped though its tools were installed."""

import conftest
import pytest


@pytest.mark.parametrize(
    ("reason", "asked", "outcome"),
    [
        ("no slurmctld: apt-get install slurmctld", "fail", "failed"),
        ("could not import 'distributed'", "fail", "failed"),
        ("no slurmctld: apt-get install slurmctld", "", "skipped"),
        ("needs a Blender: not found", "fail", "skipped"),
    ],
)
def test_skip_is_a_failure_but_for_what_isnt_installed(
    reason: str, asked: str, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCDENOISE_SKIPS", asked)
    report = pytest.CollectReport(
        "tests/test_farm.py", "skipped", ("test_farm.py", 1, f"Skipped: {reason}"), []
    )
    assert conftest._without_skip(report).outcome == outcome
    assert outcome == "skipped" or reason in str(report.longrepr)
