"""Text alone: what counts as the same, and what as nearly the same.

Two texts are *equal* when their words are: markup, case, punctuation and white space do not count
(``words``). They are *near-equal* when the Jaccard similarity of their 5-character shingles reaches a
threshold. ``NearDuplicates`` finds the near-equal ones among a million in about 350 MB: MinHash signatures
(Broder 1997), cut into bands, the bands sorted so that equal ones meet; every pair that meets is checked
exactly before it is joined.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SHINGLE = 5
"""Characters in a shingle."""
BANDS, BAND_ROWS = 25, 5
"""Two texts of similarity s meet in some band with probability 1 - (1 - s^5)^25: 0.99 at 0.7, 0.9999 at 0.8."""
WINDOW = 16
"""In a band, each text meets at most this many others on either side, so that long runs stay affordable."""
SLACK = 0.12
"""A pair whose signatures agree on less than threshold - SLACK is not checked: three standard errors away."""
PATIENCE = 16
"""After this many checks in vain, a text is checked only where its signature still promises a match."""
_CHUNK = 65536
_REMEMBERED = 1_000_000

# C0 and C1 controls except newline and tab, and the marks that reorder or hide text.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_WORD = re.compile(r"\w+")
_SPACES = re.compile(r"\s+")


def printable(text: str) -> str:
    """The text without characters that could move a cursor, change a terminal, or reorder or hide other text."""
    return _UNPRINTABLE.sub("", text)


def words(text: str) -> str:
    """The words of ``text`` in lower case, one space between them; texts without a word keep their signs."""
    return " ".join(_WORD.findall(text.casefold())) or _SPACES.sub("", text)


def key(text: str) -> int:
    """A 64-bit digest of ``text``, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def shingles(text: str) -> frozenset[str]:
    """The set of 5-character pieces of ``text``; a shorter text is its own single piece."""
    padded = text.ljust(SHINGLE, "\0")
    return frozenset(padded[i : i + SHINGLE] for i in range(len(padded) - SHINGLE + 1))


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """Shared pieces over all pieces."""
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared)


class Groups:
    """Union-find over 0 … size-1; the root of a group is its smallest member."""

    def __init__(self, size: int) -> None:
        self._parent = array("q", range(size))

    def root(self, i: int) -> int:
        """The smallest member of the group of ``i``."""
        parent = self._parent
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    def join(self, a: int, b: int) -> None:
        """Make one group of two."""
        a, b = self.root(a), self.root(b)
        if a != b:
            self._parent[max(a, b)] = min(a, b)

    def roots(self) -> NDArray[np.int64]:
        """The root of every member, shape (size,)."""
        parent = np.frombuffer(self._parent, dtype=np.int64).copy() if self._parent else np.empty(0, np.int64)
        while (parent[parent] != parent).any():
            parent = parent[parent]
        return parent


class NearDuplicates:
    """Collects the signatures of texts, then groups the near-equal ones.

    Args:
        threshold: the Jaccard similarity from which two texts belong together.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.pairs_checked = 0
        random = np.random.default_rng(
            0x5EED
        )  # not the user's seed, because which prompts are alike must not depend on it
        width = BANDS * BAND_ROWS
        self._a = random.integers(0, 2**32, width, dtype=np.uint32) | np.uint32(1)
        self._b = random.integers(0, 2**32, width, dtype=np.uint32)
        self._position = random.integers(0, 2**63, SHINGLE, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        self._row = random.integers(0, 2**63, BAND_ROWS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        self._keys: list[NDArray[np.uint64]] = []
        self._bytes: list[NDArray[np.uint8]] = []
        self.size = 0

    def add(self, texts: Sequence[str]) -> None:
        """Take in texts (some hundreds at a time is fastest); they are numbered in the order they come."""
        if not texts:
            return
        signature = self.signatures(texts)
        banded = signature.reshape(len(texts), BANDS, BAND_ROWS).astype(np.uint64)
        self._keys.append(_mixed((banded * self._row).sum(axis=2, dtype=np.uint64)))
        # Minima are small numbers; a multiplication brings their lower bits, which differ, to the top.
        self._bytes.append(((signature * np.uint32(0x9E3779B1)) >> np.uint32(24)).astype(np.uint8))
        self.size += len(texts)

    def signatures(self, texts: Sequence[str]) -> NDArray[np.uint32]:
        """MinHash signatures, shape (texts, 125): the share of equal columns estimates the similarity."""
        padded = [t.ljust(SHINGLE, "\0") for t in texts]
        lengths = np.array([len(t) for t in padded])
        codes = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
        pieces = len(codes) - SHINGLE + 1
        hashed = np.zeros(pieces, np.uint64)
        for i in range(SHINGLE):
            hashed += codes[i : i + pieces] * self._position[i]
        # The last four positions of each text would reach into the next one.
        inside = np.ones(len(codes), bool)
        ends = np.cumsum(lengths)
        for i in range(1, SHINGLE):
            inside[ends - i] = False
        values = (_mixed(hashed)[inside[:pieces]] >> np.uint64(32)).astype(np.uint32)
        starts = np.concatenate(([0], np.cumsum(lengths - (SHINGLE - 1))[:-1]))
        out = np.empty((len(texts), len(self._a)), np.uint32)
        permuted = np.empty_like(values)
        for i, (a, b) in enumerate(zip(self._a, self._b, strict=True)):
            np.multiply(values, a, out=permuted)
            permuted += b
            out[:, i] = np.minimum.reduceat(permuted, starts)
        return out

    def groups(self, text_of: Callable[[int], str]) -> NDArray[np.int64]:
        """For every text the number of the first text of its group, shape (texts,).

        Args:
            text_of: gives the text with a number, as it was added.
        """
        groups = Groups(self.size)
        if self.size < 2:
            return groups.roots()
        pieces = lru_cache(maxsize=4096)(lambda i: shingles(text_of(i)))
        signature = np.concatenate(self._bytes)
        in_vain = np.zeros(self.size, np.uint8)
        rejected: set[int] = set()
        following = np.concatenate([block[:, -1] for block in self._keys])
        for band in range(BANDS):
            keys = np.concatenate([block[:, band] for block in self._keys])
            # Within equal keys, sort by the band before: in a run longer than the window, likely pairs stay close.
            order = np.lexsort((following, keys))
            following = keys
            for first, second in self._meetings(keys[order], order, signature, in_vain, groups):
                for a, b in zip(first.tolist(), second.tolist(), strict=True):
                    pair = min(a, b) * self.size + max(a, b)
                    if groups.root(a) == groups.root(b) or pair in rejected:
                        continue
                    self.pairs_checked += 1
                    if jaccard(pieces(a), pieces(b)) >= self.threshold:
                        groups.join(a, b)
                        continue
                    in_vain[a] += in_vain[a] < 255
                    in_vain[b] += in_vain[b] < 255
                    if len(rejected) < _REMEMBERED:
                        rejected.add(pair)
        return groups.roots()

    def _meetings(
        self,
        keys: NDArray[np.uint64],
        order: NDArray[np.int64],
        signature: NDArray[np.uint8],
        in_vain: NDArray[np.uint8],
        groups: Groups,
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """The pairs that share a key, are not yet one group, and whose signatures look alike."""
        for distance in range(1, WINDOW + 1):
            at = np.flatnonzero(keys[:-distance] == keys[distance:])
            if not len(at):
                return
            for i in range(0, len(at), _CHUNK):
                roots = groups.roots()
                a, b = order[at[i : i + _CHUNK]], order[at[i : i + _CHUNK] + distance]
                apart = roots[a] != roots[b]
                a, b = a[apart], b[apart]
                agreement = (signature[a] == signature[b]).mean(axis=1)
                patient = (in_vain[a] < PATIENCE) & (in_vain[b] < PATIENCE)
                hopeful = (in_vain[a] < 4 * PATIENCE) & (in_vain[b] < 4 * PATIENCE)
                alike = (agreement >= self.threshold - SLACK) & patient
                alike |= (agreement >= self.threshold) & hopeful
                yield a[alike], b[alike]


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread every bit over all 64 (the finaliser of SplitMix64)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
