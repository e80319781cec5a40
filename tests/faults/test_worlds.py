"""The worlds of searches: a released version beside this one, a disk that does not finish what it writes."""

from pathlib import Path

import pytest
from faults import released, rounds
from faults.broken import WAYS


def test_the_released_version_comes_from_the_history(tmp_path: Path) -> None:
    if why := released.why_not():
        pytest.skip(why)
    source = released.unpack(tmp_path)
    assert "[Unreleased]" in (source / "CHANGELOG.md").read_text()
    assert (source / "src" / "hstore" / "store" / "mongo.py").exists()


def test_where_there_is_no_history_faults_of_mixed_versions_are_skipped_with_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(released, "COMMIT", "0" * 40)
    assert "version 0.1.0" in (rounds.why_not("mixed-versions") or "")
    assert rounds.why_not("rewind") is None


def test_every_kind_of_loss_has_a_program_that_does_not_notice_it() -> None:
    controlled = {way.kind for way in WAYS.values()}
    assert controlled >= {"rewind", "emptied", "lost-document", "lost-chunk", "slow-disk", "mixed-versions"}
    assert {*controlled} <= {*rounds.KINDS}
