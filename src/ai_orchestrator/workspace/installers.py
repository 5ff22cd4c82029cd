"""Which set-up commands install what lock files say and nothing else. Pure; used by `setup_key`.

A command that is not known here may read any file of the repository: `pip install .` copies the
sources into the environment, and with what was kept of the base the verifiers would test the
base's sources, whatever the head says. So only what is known to follow its manifests is let go by
them alone, and only where no manifest says that sources take part.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

Family = Literal["javascript", "requirements", "project", "plain"]
"""By what a command goes: package.json, requirements files, pyproject.toml, or no file at all."""

MANIFESTS = frozenset(
    {
        *("package.json", "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "bun.lock"),
        *("pnpm-lock.yaml", "pnpm-workspace.yaml", ".pnpmfile.cjs", "bun.lockb", "bunfig.toml"),
        *(".npmrc", ".yarnrc", ".yarnrc.yml", ".nvmrc", ".node-version"),
        *("pyproject.toml", "poetry.lock", "poetry.toml", "uv.lock", "uv.toml", "Pipfile"),
        *("Pipfile.lock", "setup.py", "setup.cfg", ".python-version"),
        *("Cargo.toml", "Cargo.lock", "rust-toolchain", "rust-toolchain.toml"),
        *("go.mod", "go.sum", "go.work", "go.work.sum", "composer.json", "composer.lock"),
        *("Gemfile", "Gemfile.lock", ".ruby-version", ".tool-versions", "mise.toml"),
    }
)
"""Names of lock files and manifests, and of the files that turn an installer elsewhere."""

_REQUIREMENTS = re.compile(
    r"(?:.*/)?(?:[^/]*(?:requirements|constraints)[^/]*|requirements/[^/]+)\.(?:txt|in)"
)
_PACKAGE = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9._,-]*\])?((==|~=|!=|<=|>=|<|>)[A-Za-z0-9.*+!,<>=~-]+)?"
)
_ARCHIVE = re.compile(r".*\.(whl|zip|tar|tgz|tar\.[a-z0-9]+)")
_FILE_OPTION = re.compile(r"(?:-r|-c|--requirement=|--constraint=)(?P<path>.+)")
_FROM_HERE = re.compile(r"\s*(?:[./~]|-e\b|--editable|.*\bfile:|.*@\s*[./])")
_OTHER_FILE = re.compile(r"\s*(?:-r|-c|--requirement|--constraint)[\s=]*(?P<path>\S+)")
_PATH_SOURCE = re.compile(r"\bpath\s*=|\bfile:|\bworkspace\s*=")

_SCRIPTS = frozenset(
    {"preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare"}
    | {"pnpm:devPreinstall", "dependencies"}
)
"""Those that npm, pnpm, yarn or bun runs when packages are installed."""
_HARMLESS_SCRIPTS = frozenset(
    {"husky", "husky install", "husky || true", "husky install || true", "lefthook install"}
)
"""Hooks for git, of which a tree that is being set up has none."""
_FOLDER_OPTIONS = frozenset({"--prefix", "--cwd", "-C", "--dir"})
_VALUE_OPTIONS = frozenset({"-i", "--index-url", "--extra-index-url", "-p", "--python"})
_LOCAL_OPTIONS = frozenset({"-e", "--editable", "-f", "--find-links"})
_FILE_OPTIONS = frozenset({"-r", "--requirement", "-c", "--constraint"})


def is_manifest(path: str) -> bool:
    """It says which packages are installed, or how."""
    place = PurePosixPath(path)
    return place.name in MANIFESTS or is_requirements(path) or ".yarn" in place.parts[:-1]


def is_requirements(path: str) -> bool:
    """A file for `pip install -r`, by its name."""
    return _REQUIREMENTS.fullmatch(path) is not None


def family(argv: Sequence[str]) -> Family | None:
    """By what the command goes; None when that is not known."""
    program = PurePosixPath(argv[0]).name
    if program.startswith("python") and len(argv) > 2 and argv[1] == "-m":
        return family(argv[2:]) if argv[2] in {"pip", "venv", "virtualenv"} else None
    reader = _READERS.get(re.sub(r"^pip[0-9.]+$", "pip", program))
    return None if reader is None else reader(tuple(argv[1:]))


def _javascript(*forms: tuple[str, ...]) -> Callable[[tuple[str, ...]], Family | None]:
    return lambda words: "javascript" if _plain_words(words) in forms else None


def _plain_words(words: Sequence[str]) -> tuple[str, ...]:
    """The words that are no options, and no folder of one."""
    pairs = zip(("", *words), words, strict=False)
    return tuple(
        word for before, word in pairs if word[:1] != "-" and before not in _FOLDER_OPTIONS
    )


def _pip(words: tuple[str, ...]) -> Family | None:
    is_known = words[:1] == ("install",) and _names_packages(words[1:])
    return "requirements" if is_known else None


def _names_packages(words: Sequence[str]) -> bool:
    """Packages of an index and requirements files only: no folder, no archive, no address."""
    pairs = zip(("", *words), words, strict=False)
    return all(_names_package(before, word) for before, word in pairs)


def _names_package(before: str, word: str) -> bool:
    """The word after another one is such a package or file, or an option that changes neither."""
    if before in _VALUE_OPTIONS:
        return True
    if before in _FILE_OPTIONS:
        return is_requirements(word)
    if word in _FILE_OPTIONS | _VALUE_OPTIONS:
        return True
    file = _FILE_OPTION.fullmatch(word)
    if file is not None:
        return is_requirements(file["path"])
    if word.startswith("-"):
        return word not in _LOCAL_OPTIONS and "=" not in word
    return bool(_PACKAGE.fullmatch(word)) and not _ARCHIVE.fullmatch(word)


def _uv(words: tuple[str, ...]) -> Family | None:
    if words[:2] == ("pip", "install"):
        return _pip(words[1:])
    if words[:2] == ("pip", "sync"):
        files = _plain_words(words[2:])
        return "requirements" if all(map(is_requirements, files)) else None
    if words[:1] == ("venv",):
        return "plain"
    is_known = words[:1] == ("sync",) and "--no-install-project" in words
    return "project" if is_known else None


def _poetry(words: tuple[str, ...]) -> Family | None:
    return "project" if words[:1] == ("install",) and "--no-root" in words else None


def _plain(words: tuple[str, ...]) -> Family | None:
    del words
    return "plain"


_READERS: Mapping[str, Callable[[tuple[str, ...]], Family | None]] = {
    "npm": _javascript(("ci",), ("clean-install",), ("install",), ("i",)),
    "pnpm": _javascript(("install",), ("i",)),
    "yarn": _javascript((), ("install",)),
    "bun": _javascript(("install",), ("i",)),
    "pip": _pip,
    "uv": _uv,
    "poetry": _poetry,
    "venv": _plain,
    "virtualenv": _plain,
    "bundle": lambda words: "plain" if _plain_words(words) == ("install",) else None,
    "mkdir": _plain,
}


@dataclass(frozen=True, slots=True)
class Manifest:
    """A file that says whether sources take part in an installation."""

    path: str
    text: str


def decides(path: str, families: Iterable[Family]) -> bool:
    """The file's text has to be looked at before the commands are taken to follow their locks."""
    name = PurePosixPath(path).name
    wanted = {
        "javascript": name == "package.json",
        "requirements": is_requirements(path),
        "project": name == "pyproject.toml",
        "plain": False,
    }
    return any(wanted[one] for one in families)


def takes_sources(manifest: Manifest) -> bool:
    """By this manifest an installation runs or copies what else lies in the repository."""
    name = PurePosixPath(manifest.path).name
    if name == "package.json":
        return _package_takes_sources(manifest.text)
    if name == "pyproject.toml":
        return _PATH_SOURCE.search(manifest.text) is not None
    return any(_requirement_takes_sources(line) for line in manifest.text.splitlines())


def _requirement_takes_sources(line: str) -> bool:
    if line.lstrip().startswith("#"):
        return False
    other = _OTHER_FILE.match(line)
    if other is not None:
        name = PurePosixPath(other["path"]).name
        return not (is_requirements(name) or is_requirements(f"requirements/{name}"))
    return _FROM_HERE.match(line) is not None


def _package_takes_sources(text: str) -> bool:
    """Scripts of the repository run, or packages of the repository are copied."""
    try:
        package = json.loads(text)
    except ValueError:
        return True
    if not isinstance(package, dict):
        return True
    scripts = _map(package.get("scripts"))
    run = {name: body for name, body in scripts.items() if name in _SCRIPTS}
    if any(str(body).strip() not in _HARMLESS_SCRIPTS for body in run.values()):
        return True
    needed = [_map(package.get(key)) for key in package if key.lower().endswith("dependencies")]
    places = [str(place) for one in needed for place in one.values()]
    return "dependenciesMeta" in package or any(map(_is_place, places))


def _map(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _is_place(wanted: str) -> bool:
    """A folder or archive of the repository in the place of a version."""
    return wanted.startswith(("file:", ".", "/", "~/"))
