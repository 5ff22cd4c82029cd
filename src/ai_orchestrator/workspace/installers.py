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
_ARCHIVE = re.compile(r"\.(?:whl|zip|tar|t[gbxl]z|tar\.[a-z0-9]+)(?=$|[\s;\[])", re.IGNORECASE)
"""Where a file of such a name exists, pip takes it, also in the place of a package's name."""
_FILE_OPTION = re.compile(r"(?:-r|-c|--requirement=|--constraint=)(?P<path>.+)")
_FLAGS = re.compile(r"-[qvUI]+")
"""Options of one letter for pip that take no value; behind others the rest of the word is one."""

_BOUND = r"(?:===?|~=|!=|<=|>=|<|>) ?[A-Za-z0-9.*+!_-]+"
_REQUIREMENT = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]*"
    r" ?(?:\[[A-Za-z0-9 ._,-]*\])?"
    rf" ?(?:{_BOUND}(?: ?, ?{_BOUND})*,?|\( ?{_BOUND}(?: ?, ?{_BOUND})* ?\))?"
    r" ?(?:;(?:[^#@/-]|-(?!-))*)?"
    r"(?: --hash[= ][a-z0-9]+:[0-9a-f]+)*"
)
"""A package of an index by PEP 508: its name, extras, versions, a marker; then pip's hashes."""
_COMMENT = re.compile(r"(?:^|\s)#.*")
_CONTINUED = re.compile(r"\\\r?\n")
_OTHER_FILE = re.compile(r"(?:-r|-c|--requirement|--constraint)[\s=]*(?P<path>\S+)")
_INDEX_OPTION = re.compile(
    r"(?:-i|--index-url|--extra-index-url)[ =]https?://\S+"
    r"|--(?:pre|prefer-binary|require-hashes)"
    r"|--(?:no-binary|only-binary|trusted-host)[ =][A-Za-z0-9.,:_-]+"
)
"""Lines of a requirements file that say where packages come from, and of what kind."""

_VERSION = re.compile(r"(?:[\^~=v]|[<>]=?)*(?:[0-9*xX][0-9A-Za-z.*+-]*)?|-")
"""A part of a version or range of npm; without any part it means every version."""
_TAG = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(?:\.[0-9]+)*|\$[@A-Za-z0-9_./-]+")
"""The name of a version, such as `latest`; or by `$`, in overrides, a dependency's own one."""
_NPM_ALIAS = re.compile(r"npm:(?:@[\w.-]+/)?[\w.-]+(?:@(?P<wanted>[^/:]+))?")
_LINK = re.compile(r"workspace:[^/:]*|(?:link|portal):.+")
"""Of this repository by a link, so that changed sources are seen."""
_ADDRESS = re.compile(
    r"(?:git(?:\+(?:https?|ssh))?|ssh|https?)://\S+|(?:github|gitlab|bitbucket|gist):\S+"
)
_PATH_SOURCE = re.compile(
    r"\b(?:path|workspace|find-links)[\"']?\s*=|\bfile:"
    r"|\burl[\"']?\s*=\s*[\"'](?!(?:https?|ssh|git(?:\+https?|\+ssh)?)://)"
)

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
_INDEX_OPTIONS = frozenset({"-i", "--index-url", "--extra-index-url"})
_LONG_FLAGS = frozenset(
    {
        *("--upgrade", "--quiet", "--verbose", "--no-cache-dir", "--no-cache", "--no-deps"),
        *("--user", "--pre", "--no-input", "--disable-pip-version-check", "--require-hashes"),
        *("--no-warn-script-location", "--prefer-binary", "--break-system-packages", "--system"),
        *("--no-color", "--force-reinstall", "--ignore-installed", "--require-virtualenv"),
        *("--no-compile", "--compile", "--compile-bytecode", "--isolated"),
        *("--no-build-isolation", "--no-progress"),
    }
)
"""Options for pip and uv that take no value; pip takes beginnings of others for the whole."""
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
    return all(
        bool(_PACKAGE.fullmatch(word)) and not _ARCHIVE.search(word) if fits is None else fits
        for word, fits in _judged(words)
    )


def _names_files(words: Sequence[str]) -> bool:
    """Requirements files only."""
    return all(is_requirements(word) if fits is None else fits for word, fits in _judged(words))


def _judged(words: Sequence[str]) -> list[tuple[str, bool | None]]:
    """Each word, and whether the option or value that it is changes nothing; None for others."""
    pairs = zip(("", *words), words, strict=False)
    return [(word, _is_harmless(before, word)) for before, word in pairs]


def _is_harmless(before: str, word: str) -> bool | None:
    """An option that is not known is not: it may name a folder, in its own word or the next."""
    if before in _INDEX_OPTIONS:
        return word.startswith(("https://", "http://"))
    if before in _FILE_OPTIONS:
        return is_requirements(word)
    if before in _VALUE_OPTIONS or word in _FILE_OPTIONS | _VALUE_OPTIONS:
        return True
    file = _FILE_OPTION.fullmatch(word)
    if file is not None:
        return is_requirements(file["path"])
    if word.startswith("-"):
        return word in _LONG_FLAGS or _FLAGS.fullmatch(word) is not None
    return None


def _uv(words: tuple[str, ...]) -> Family | None:
    if words[:2] == ("pip", "install"):
        return _pip(words[1:])
    if words[:2] == ("pip", "sync"):
        return "requirements" if _names_files(words[2:]) else None
    if words[:1] == ("venv",):
        return "plain"
    is_known = words[:1] == ("sync",) and "--no-install-project" in words
    return "project" if is_known and not any(map(_is_local_option, words)) else None


def _is_local_option(word: str) -> bool:
    return word.startswith(("-f", "--find-l"))


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
    lines = _CONTINUED.sub("", manifest.text).splitlines()
    return not all(map(_is_of_an_index, lines))


def _is_of_an_index(line: str) -> bool:
    """A requirement that no file of the repository fulfils, or nothing to install at all."""
    said = " ".join(_COMMENT.sub("", line).split())
    other = _OTHER_FILE.fullmatch(said)
    if other is not None:
        name = PurePosixPath(other["path"]).name
        return is_requirements(name) or is_requirements(f"requirements/{name}")
    if not said or _INDEX_OPTION.fullmatch(said):
        return True
    return _REQUIREMENT.fullmatch(said) is not None and not _ARCHIVE.search(said)


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
    needed = [value for key, value in package.items() if key.lower().endswith("dependencies")]
    turned = [package.get("overrides"), package.get("resolutions"), package.get("pnpm")]
    versions = [one for value in (*needed, *turned) for one in _texts_of(value)]
    return "dependenciesMeta" in package or not all(map(_is_version, versions))


def _texts_of(value: object) -> list[str]:
    """The values of a map and of the maps in it; names in a list are no versions."""
    found, waiting = list[str](), list(_map(value).values())
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, str):
            found.append(one)
    return found


def _map(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _is_version(wanted: str) -> bool:
    """It can mean no folder, archive or program of the repository that is copied or run."""
    alias = _NPM_ALIAS.fullmatch(wanted)
    if alias is not None:
        return alias["wanted"] is None or _is_version(alias["wanted"])
    if any(form.fullmatch(wanted) for form in (_TAG, _LINK, _ADDRESS)):
        return True
    parts = wanted.replace("||", " ").replace(",", " ").split()
    return all(_VERSION.fullmatch(part) for part in parts) and not _ARCHIVE.search(wanted)
