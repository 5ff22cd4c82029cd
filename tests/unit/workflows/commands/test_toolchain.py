"""Which directories a sandbox shows for the tools of a PATH, and which it never shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_orchestrator.workflows.commands.toolchain import Toolchain, find_toolchain


def make(root: Path, *names: str) -> None:
    """Files, executable; a name that ends in a slash is a directory."""
    for name in names:
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("#!/bin/sh\n")
            path.chmod(0o755)


def shown(path_env: str, root: Path, *programs: str) -> set[str]:
    """What is shown below the root, by relative names."""
    return {str(path.relative_to(root)) for path in find_toolchain(path_env, programs).paths}


@pytest.mark.parametrize("path_env", ["/usr/bin:/bin", "/usr/local/go/bin", "", ".:bin", "/nope"])
def test_system_and_missing_folders_add_nothing(path_env: str) -> None:
    """Every sandbox shows the first; the current directory is the repository's."""
    assert find_toolchain(path_env, ["sh"]) == Toolchain(())


@pytest.mark.parametrize("sign", ["lib/", "lib64/", "libexec/", "pyvenv.cfg"])
def test_installation_is_shown_whole(tmp_path: Path, sign: str) -> None:
    """A program needs the libraries beside it."""
    make(tmp_path, "tool/bin/x", f"tool/{sign}")
    assert shown(f"{tmp_path}/tool/bin", tmp_path) == {"tool"}
    assert shown(f"{tmp_path}/x/..//tool/./bin/", tmp_path) == {"tool"}


@pytest.mark.parametrize("private", [".ssh/", ".netrc", ".bashrc", ".git/", ".env", ".aws/"])
def test_home_or_checkout_shows_its_programs_only(tmp_path: Path, private: str) -> None:
    """`~/bin` does not bring `~` along, nor `project/bin` the project's `.env`."""
    make(tmp_path, "place/bin/x", "place/lib/", f"place/{private}")
    assert shown(f"{tmp_path}/place/bin", tmp_path) == {"place/bin"}


def test_folder_of_programs_without_libraries_is_shown_alone(tmp_path: Path) -> None:
    """There is no sign that what is around it belongs to it."""
    make(tmp_path, "scripts/bin/x", "scripts/secrets.txt", "flat/x")
    path_env = f"{tmp_path}/scripts/bin:{tmp_path}/flat"
    assert shown(path_env, tmp_path) == {"scripts/bin", "flat"}


def test_virtual_environment_brings_its_interpreter(tmp_path: Path) -> None:
    """Over every link, each place as the link says it."""
    make(tmp_path, "real-3.11.7/bin/python3.11", "real-3.11.7/lib/", "venv/pyvenv.cfg", "venv/bin/")
    (tmp_path / "real-3.11").symlink_to("real-3.11.7")
    (tmp_path / "venv/bin/python").symlink_to(tmp_path / "real-3.11/bin/python3.11")
    (tmp_path / "venv/bin/python3").symlink_to("python")
    assert shown(f"{tmp_path}/venv/bin", tmp_path) == {"venv", "real-3.11", "real-3.11.7"}


def test_program_that_is_a_link_brings_its_installation(tmp_path: Path) -> None:
    """A tool that was installed for one person and is linked into its folder."""
    make(tmp_path, ".local/share/pipx/venvs/lint/bin/lint", ".local/share/pipx/venvs/lint/lib/")
    make(tmp_path, ".local/bin/", ".local/share/keyrings/secret")
    (tmp_path / ".local/bin/lint").symlink_to("../share/pipx/venvs/lint/bin/lint")
    path_env = f"{tmp_path}/.local/bin"
    assert shown(path_env, tmp_path, "lint") == {".local/bin", ".local/share/pipx/venvs/lint"}


def test_version_managers_are_told_where_they_are(tmp_path: Path) -> None:
    """HOME is another one in the sandbox; credentials beside the programs stay out."""
    make(tmp_path, ".pyenv/shims/python3", ".pyenv/.git/", ".pyenv/versions/")
    make(tmp_path, ".cargo/bin/cargo", ".cargo/credentials.toml", ".rustup/toolchains/")
    make(tmp_path, ".local/bin/x", ".local/lib/python3.11/", ".local/share/keyrings/")
    folders = [".pyenv/shims", ".cargo/bin", ".local/bin"]
    path_env = ":".join(f"{tmp_path}/{folder}" for folder in folders)
    toolchain = find_toolchain(path_env, [])
    assert {str(path.relative_to(tmp_path)) for path in toolchain.paths} == {
        *(".pyenv", ".cargo/bin", ".rustup", ".local/bin", ".local/lib"),
    }
    assert toolchain.env == {
        "PYENV_ROOT": f"{tmp_path}/.pyenv",
        "RUSTUP_HOME": f"{tmp_path}/.rustup",
        "PYTHONUSERBASE": f"{tmp_path}/.local",
    }


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    """A broken installation is no reason to hang."""
    make(tmp_path, "bin/")
    (tmp_path / "bin/python3").symlink_to("python")
    (tmp_path / "bin/python").symlink_to("python3")
    assert shown(f"{tmp_path}/bin", tmp_path, "python3") == {"bin"}
