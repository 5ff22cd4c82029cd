"""When two findings are the same one: by fingerprint, or re-worded.

A reviewer that finds different words for an old complaint must not make it look new, else a loop
that goes in circles looks like progress. The ledger asks here.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import lru_cache

from ai_orchestrator.base.sandbox import WORK_DIR
from ai_orchestrator.model.review import Finding

FINGERPRINT_CHARS = 12
"""48 bits: with the at most few thousand findings of a task no two collide by chance."""
SAME_CLAIM = 0.5
"""Two claims on one file with this Dice similarity or more are one. Chosen on the pairs in the
tests; matching is one to one, so a wrong match costs a label (recurring for new), no finding."""

_LINE_SUFFIX = re.compile(r":\d+(?:[:-]\d+)*$")
_QUOTES = re.compile(r"[`'\"\u2018\u2019\u201c\u201d\u00ab\u00bb]")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NO_WORD = re.compile(r"[^\w#]+")
_ENDING = re.compile(r"(?:ings?|ed|es|s|e|ly)$")
_FILLERS = frozenset(
    re.findall(
        r"\w+",
        """a an and any are as at be been but by can could do does for from had has have if in into
        is it its may might of on or should so such than that the their then there these this those
        to was were when which while will with would""",
    )
)


def fingerprint(finding: Finding) -> str:
    """The same for the same file and claim, whatever case, spacing, numbers, quotes and line."""
    text = f"{normal_file(finding.file)}\0{normal_claim(finding.claim)}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:FINGERPRINT_CHARS]


def similarity(left: Finding, right: Finding) -> float:
    """From 0 for nothing in common, or different files, to 1 for the same claim; symmetric."""
    if normal_file(left.file) != normal_file(right.file):
        return 0.0
    one, two = normal_claim(left.claim), normal_claim(right.claim)
    if one == two:
        return 1.0
    a, b = _words(one), _words(two)
    return 2 * len(a & b) / (len(a) + len(b)) if a and b else 0.0


@lru_cache(maxsize=4096)
def normal_file(path: str | None) -> str:
    """A path as git names it: no `./`, no line suffix, no prefix of the tree in the sandbox."""
    if path is None:
        return ""
    name = _LINE_SUFFIX.sub("", path.strip().replace("\\", "/"))
    name = re.sub(r"/{2,}", "/", name).removeprefix(f"{WORK_DIR}/")
    while name.startswith("./"):
        name = name[2:]
    return name


@lru_cache(maxsize=4096)
def normal_claim(claim: str) -> str:
    """A claim without what changes from one telling to the next."""
    text = unicodedata.normalize("NFKC", claim).casefold()
    text = _NUMBER.sub("#", _QUOTES.sub("", text))
    return _NO_WORD.sub(" ", text).strip()


@lru_cache(maxsize=4096)
def _words(claim: str) -> frozenset[str]:
    """The words that carry the meaning, cut to their stems; all of them where none does."""
    words = frozenset(claim.split())
    return frozenset(map(_stem, words - _FILLERS)) or words


def _stem(word: str) -> str:
    stem = _ENDING.sub("", word)
    return stem if len(stem) >= 3 else word
