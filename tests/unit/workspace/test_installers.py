"""Which set-up commands follow their lock files, and which manifests let sources take part."""

from __future__ import annotations

import json
import shlex

import pytest

from ai_orchestrator.workspace.installers import (
    Family,
    Manifest,
    decides,
    family,
    is_manifest,
    takes_sources,
)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("npm ci", "javascript"),
        ("npm --prefix web ci --no-audit", "javascript"),
        ("yarn", "javascript"),
        ("yarn install --immutable", "javascript"),
        ("pnpm -C web i --frozen-lockfile", "javascript"),
        ("bun install", "javascript"),
        ("npm install ./local", None),
        ("npm run build", None),
        ("npm ci build", None),
        ("python3 -m venv .venv", "plain"),
        ("python3.12 -m venv .venv", "plain"),
        ("virtualenv .venv", "plain"),
        ("python3 setup.py build_ext", None),
        ("python3 -m build", None),
        ("python3 -m", None),
        (".venv/bin/pip install -r requirements.txt", "requirements"),
        ("pip3.11 install -rrequirements-dev.txt -U wheel", "requirements"),
        (
            "python3 -m pip install --requirement=requirements/dev.txt 'x[a,b]>=1,<2'",
            "requirements",
        ),
        ("pip install -r requirements.txt -c constraints.txt", "requirements"),
        ("pip install -i https://pypi.example/simple ruff==0.1", "requirements"),
        ("pip install .", None),
        ("pip install -e .", None),
        ("pip install ./package", None),
        ("pip install package.whl", None),
        ("pip install -r deps.txt", None),
        ("pip install -f wheels thing", None),
        ("pip install git+https://example.org/x", None),
        ("pip wheel .", None),
        ("pip install -e.", None),
        ("pip install '-e.[dev]'", None),
        ("pip install -elibs/foo", None),
        ("pip install -fvendor thing", None),
        ("pip install -Uqfvendor thing", None),
        ("pip install --find vendor thing", None),
        ("pip install --no-index thing", None),
        ("pip install -i vendor/simple thing", None),
        ("pip install --extra-index-url file:///work/simple thing", None),
        ("pip install 'package.whl[dev]'", None),
        ("pip install package.WHL", None),
        ("pip install package.tbz", None),
        ("pip install -qU --no-cache-dir -r requirements.txt", "requirements"),
        ("uv pip sync -fvendor requirements.txt", None),
        ("uv pip sync --find-links=vendor requirements.txt", None),
        ("uv pip sync -p .venv -q requirements.txt", "requirements"),
        ("uv sync --no-install-project --find-links vendor", None),
        ("uv venv", "plain"),
        ("uv pip install -r requirements.txt", "requirements"),
        ("uv pip sync requirements.txt", "requirements"),
        ("uv pip sync pylock.toml", None),
        ("uv pip install -e .", None),
        ("uv sync", None),
        ("uv sync --no-install-project", "project"),
        ("poetry install", None),
        ("poetry install --no-root", "project"),
        ("bundle install", "plain"),
        ("composer install", None),
        ("mkdir -p build", "plain"),
        ("make deps", None),
        ("sh -c 'npm ci'", None),
    ],
)
def test_a_command_is_known_or_not(line: str, expected: Family | None) -> None:
    """What is not known may read any file."""
    assert family(shlex.split(line)) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("package-lock.json", True),
        ("web/app/package.json", True),
        ("requirements-dev.txt", True),
        ("dev-requirements.in", True),
        ("requirements/dev.txt", True),
        ("docs/constraints.txt", True),
        (".yarn/plugins/x.cjs", True),
        (".tool-versions", True),
        ("go.sum", True),
        ("requirements/dev/notes.txt", False),
        ("requirements.md", False),
        ("src/package.json.py", False),
        (".yarn", False),
        ("README", False),
    ],
)
def test_a_manifest_is_known_by_its_name(path: str, *, expected: bool) -> None:
    """Anywhere in the tree."""
    assert is_manifest(path) is expected


def package(**keys: object) -> str:
    """The text of a package.json."""
    return json.dumps({"name": "x", **keys})


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("package.json", package(), False),
        ("package.json", package(scripts={"test": "jest", "build": "tsc"}), False),
        ("package.json", package(scripts={"prepare": "husky"}), False),
        ("package.json", package(scripts={"postinstall": "prisma generate"}), True),
        ("package.json", package(scripts={"prepare": "husky && tsc"}), True),
        ("package.json", package(dependencies={"a": "^1", "b": "npm:c@2"}), False),
        ("package.json", package(devDependencies={"a": "file:../a"}), True),
        ("package.json", package(optionalDependencies={"a": "./a"}), True),
        ("package.json", package(dependencies={"a": "workspace:*", "b": "link:../b"}), False),
        ("package.json", package(dependenciesMeta={"a": {"injected": True}}), True),
        *(
            ("package.json", package(dependencies={"a": wanted}), False)
            for wanted in (
                *("", "*", "latest", "1", "v1.2.3", "1.x", "^1.0.0-beta.2+x", ">= 1.2 <2", "=1"),
                *("1.2 - 2.3 || ~3", ">=1,<2", "npm:@s/c@^2", "npm:c", "workspace:^", "link:../a"),
                *("git+https://h/a.git#v1", "git://h/a", "github:a/b", "https://h/a.tgz"),
            )
        ),
        *(
            ("package.json", package(dependencies={"a": wanted}), True)
            for wanted in (
                *("vendor/a.tgz", "a.tgz", "1.tgz", "exec:./g.js", "patch:a@1#./p", "../a", "/a"),
                *("~/a", "npm:a@file:b", "git+file:///work/a", "file:a", "a/b", "C:\\a", ". ."),
            )
        ),
        ("package.json", package(resolutions={"a": "vendor/a.tgz"}), True),
        ("package.json", package(overrides={"a": {"b": "file:b"}, "c": "$c"}), True),
        ("package.json", package(overrides={"a": {"b": "2", ".": "1"}, "c": "$c"}), False),
        ("package.json", package(pnpm={"overrides": {"a": "./a"}}), True),
        ("package.json", package(bundledDependencies=["a"]), False),
        ("package.json", "not JSON", True),
        ("package.json", "[]", True),
        ("package.json", package(scripts=["postinstall"]), False),
        ("requirements.txt", "# -e .\nx==1 --hash=sha256:ab\n-r requirements-base.txt\n", False),
        *(
            ("requirements.txt", f"{line}\n", False)
            for line in (
                *("x", "x[a, b]>=1, <2", "x (>=1)", "x===1.0", "zope.interface ~= 5.0  # why", ""),
                "x==1 ; python_version < '3.12' and sys_platform == 'linux'",
                "x==1 \\\n    --hash=sha256:ab \\\n    --hash=sha256:cd",
                "x==1; python_version<'3' --hash=sha256:ab",
                *("--index-url https://h/simple", "-i https://h/s", "--extra-index-url=http://h/s"),
                *("--pre", "--no-binary :all:", "--trusted-host h:80", "-c constraints.txt"),
            )
        ),
        *(
            ("requirements.txt", f"{line}\n", True)
            for line in (
                *("libs/foo", "vendor/x.whl", "x.whl", "x.WHL[a]", "x==1.zip", "x.tar.gz ; a>'1'"),
                *(
                    "-f vendor",
                    "-fvendor",
                    "--find-links vendor",
                    "--find-links=vendor",
                    "--no-index",
                ),
                *("-elibs/foo", "-e libs/foo", "foo @ libs/x", "foo@libs/x", "foo[a] @ file:x"),
                *("libs/\\\nfoo", "./x", "~/x", "${HERE}/x", "git+file:///work/x", "-i vendor"),
                *(
                    "--index-url file:///work/s",
                    "x --global-option=y",
                    "-r other/list",
                    "x y",
                ),
            )
        ),
        ("requirements.txt", "x==1\n.\n", True),
        ("requirements.txt", "-e .\n", True),
        ("requirements.txt", "--editable=src\n", True),
        ("requirements.txt", "./local\n", True),
        ("requirements.txt", "x @ file:///srv/x\n", True),
        ("requirements/all.txt", "-r dev.txt\n-c ../constraints.txt\n", False),
        ("requirements.txt", "-r other/list\n", True),
        ("pyproject.toml", "[project]\nname = 'x'\n[build-system]\n", False),
        ("pyproject.toml", "[tool.uv.sources]\na = { path = '../a' }\n", True),
        ("pyproject.toml", "[tool.uv.sources]\na = { workspace = true }\n", True),
        ("pyproject.toml", "[tool.uv.sources]\na = { \"path\" = '../a' }\n", True),
        ("pyproject.toml", "[tool.uv]\nfind-links = ['vendor']\n", True),
        ("pyproject.toml", "[[tool.uv.index]]\nurl = 'vendor'\n", True),
        ("pyproject.toml", "[[tool.uv.index]]\nurl = 'https://h/simple'\n", False),
    ],
)
def test_a_manifest_may_let_sources_take_part(path: str, text: str, *, expected: bool) -> None:
    """In doubt it does."""
    assert takes_sources(Manifest(path, text)) is expected


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("requirements.txt", "x" + " " * 50_000 + "!"),
        ("requirements.txt", "x==1" + ",==1" * 20_000 + "?"),
        ("requirements.txt", "x" * 50_000 + "!"),
        ("package.json", json.dumps({"dependencies": {"a": "1 " * 50_000 + "!"}})),
        ("package.json", json.dumps({"dependencies": {"a": "v" * 50_000 + "!"}})),
        ("package.json", json.dumps({"dependencies": {"a": "1" * 50_000 + "!"}})),
    ],
    ids=["spaces", "bounds", "name", "parts", "signs", "digits"],
)
def test_a_hostile_manifest_is_read_to_its_end(path: str, text: str) -> None:
    """No pattern tries each way to divide a long line: the suite's time limit would end this."""
    assert takes_sources(Manifest(path, text))


def test_only_manifests_of_the_commands_decide() -> None:
    """A package.json means nothing to pip."""
    paths = ("a/package.json", "requirements.txt", "pyproject.toml", "README")
    decided = {one: [path for path in paths if decides(path, [one])] for one in FAMILIES}
    assert decided == {
        "javascript": ["a/package.json"],
        "requirements": ["requirements.txt"],
        "project": ["pyproject.toml"],
        "plain": [],
    }


FAMILIES: tuple[Family, ...] = ("javascript", "requirements", "project", "plain")
