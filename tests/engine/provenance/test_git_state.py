"""What git says of a project; that it is missing, slow or elsewhere is said, and raises nothing."""

import os
import subprocess
from pathlib import Path

import pytest

from hstore.engine.provenance import git_state
from hstore.engine.provenance.git_state import GitState


def git(folder: Path, *words: str) -> str:
    environment = os.environ | {
        "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b",
    }  # fmt: skip
    return subprocess.run(
        ["git", *words], cwd=folder, env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "train.py").write_text("RATE = 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "begin")
    return tmp_path


def test_commit_branch_remote_and_whether_a_file_was_changed(repository: Path) -> None:
    git(repository, "remote", "add", "origin", "https://me:secret@host/lab.git")
    clean = GitState(repository).answer()
    commit = git(repository, "rev-parse", "HEAD")
    assert clean == {"commit": commit, "branch": "main", "dirty": False, "remote": "https://***@host/lab.git"}
    (repository / "new.py").write_text("")  # git does not track it
    assert GitState(repository).answer() == clean
    (repository / "train.py").write_text("RATE = 2\n")
    state = GitState(repository)
    assert state.answer() == {**clean, "dirty": True}
    assert "+RATE = 2" in (state.diff() or "")
    git(repository, "checkout", "-q", "--detach")
    assert "branch" not in GitState(repository).answer()


def test_no_repository_no_commit_and_no_git_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert GitState(tmp_path).answer() == {"unknown": "not in a git repository"}
    git(tmp_path, "init", "-q", "-b", "main")
    assert GitState(tmp_path).answer()["unknown"] == "nothing was committed yet"
    assert "unknown" in GitState(tmp_path / "gone").answer()
    monkeypatch.setenv("PATH", "")
    assert GitState(tmp_path).answer() == {"unknown": "git is not installed"}
    assert GitState(tmp_path).diff() is None


def test_a_slow_status_is_given_up_and_the_commit_is_known_all_the_same(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_state, "STATUS_SECONDS", 0.05)
    monkeypatch.setattr(git_state, "QUICK_SECONDS", 60.0)
    programs = repository / "programs"
    programs.mkdir()
    (programs / "git").write_text(
        '#!/bin/sh\nPATH="${PATH#*:}"\ncase "$*" in *porcelain*) exec sleep 600;; esac\nexec git "$@"\n'
    )
    (programs / "git").chmod(0o755)
    commit = git(repository, "rev-parse", "HEAD")
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    found = GitState(repository).answer()
    assert found == {"commit": commit, "branch": "main", "unknown": "git status took longer than 0.05 s"}
