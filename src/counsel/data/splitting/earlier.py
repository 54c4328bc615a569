"""What an earlier preparation decided: which group each of its prompts is in, and in which part each group is."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from counsel.conversation import Conversation
from counsel.data.canaries import is_canary
from counsel.data.prepared import Prepared
from counsel.data.splitting.parts import Keys, Numbers, Part, Parts
from counsel.data.splitting.spool import Spool, letters_key
from counsel.errors import CounselError
from counsel.text import words

_UNCHANGED = "give --like a directory that `counsel prepare` made and that nobody has changed"


@dataclass(frozen=True)
class Earlier:
    """The groups of an earlier preparation; they are numbered by their names' order."""

    directory: str
    digest: str
    """The SHA-256 of its files together."""
    names: Keys
    """The name of each group, ascending, shape (groups,)."""
    parts: Parts
    """Where each group is, shape (groups,)."""
    group: Numbers
    """The group of each prompt that the spool keeps of it, shape (prompts,)."""
    wholes: Keys
    """The keys of its whole conversations by their letters alone, shape (conversations,)."""
    group_of_whole: Numbers
    """The group of each of them."""

    def joins(self, prompt: Numbers, wholes: Keys) -> Iterator[tuple[int, int]]:
        """Pairs of prompts that belong together because a whole conversation came again, whatever its prompt is by now.

        A line break mended or a word cut in two can make another prompt of a short one.

        Args:
            prompt: the number of each row's prompt, earlier prompts first, shape (rows,).
            wholes: the letters' key of each row, shape (rows,).
        """
        first = np.full(len(self.names), -1, np.int64)  # a prompt of each group; -1 if other groups have them all
        first[self.group[::-1]] = np.arange(len(self.group))[::-1]
        order = np.argsort(self.wholes, kind="stable")
        again = np.flatnonzero(np.isin(wholes, self.wholes))
        at = order[np.searchsorted(self.wholes, wholes[again], sorter=order)]
        home = first[self.group_of_whole[at]]
        return zip(prompt[again][home >= 0].tolist(), home[home >= 0].tolist(), strict=True)


def read_earlier(directory: Path, similarity: float, reclean: Callable[[str], str], spool: Spool) -> Earlier:
    """Read the groups of an earlier preparation, and keep its prompts in the spool before any row comes.

    Args:
        directory: that an earlier ``counsel prepare`` made.
        similarity: from which prompts are near-equal now.
        reclean: cleans a prompt by today's rules and list of words to mask, which may have grown.
        spool: takes the prompts.

    Raises:
        CounselError: when the directory is not prepared data, or its groups were not made as groups are made now.
    """
    prepared = Prepared.open(directory)
    _refuse_others(prepared, similarity)
    parts: dict[int, Part] = {}
    owner, recleaned = array("Q"), []
    wholes, group_of_whole = array("Q"), array("Q")
    for part in (Part.EVAL, Part.VALID, Part.TRAIN):  # a prompt that old code put into two parts counts as held out
        for conversation in prepared.conversations(part.file):
            if is_canary(conversation):
                continue
            name = _name(conversation, prepared.path / part.file)
            if parts.setdefault(name, part) is not part:
                raise CounselError(
                    f"the group {conversation.group} is in both {parts[name].file} and {part.file}",
                    where=prepared.path,
                    fix=_UNCHANGED,
                )
            wholes.append(letters_key("".join(words(m.content) for m in conversation.turns)))
            group_of_whole.append(name)
            if spool.keep_earlier(words(conversation.prompt)):
                owner.append(name)
                now = reclean(conversation.prompt)
                if now and now != conversation.prompt:
                    recleaned.append((words(now), name))
    for prompt, name in recleaned:
        if spool.keep_earlier(prompt):
            owner.append(name)
    names = np.array(sorted(parts), np.uint64)
    return Earlier(
        str(directory),
        prepared.digest,
        names,
        np.array([parts[int(name)] for name in names], np.int8),
        np.searchsorted(names, np.array(owner, np.uint64)),
        np.array(wholes, np.uint64),
        np.searchsorted(names, np.array(group_of_whole, np.uint64)),
    )


def _refuse_others(prepared: Prepared, similarity: float) -> None:
    asked = prepared.audit.get("settings")
    made = asked if isinstance(asked, dict) else {}
    if made.get("split") == "row":
        raise CounselError(
            "this data was split by row, so it has no groups whose places could be kept",
            where=prepared.path,
            fix="give --like a directory that was prepared with --split group",
        )
    if made.get("split") != "group" or not isinstance(made.get("similarity"), int | float):
        raise CounselError(
            "the audit does not say how this data was split",
            where=prepared.path / "audit.json",
            fix=_UNCHANGED,
        )
    if made["similarity"] != similarity:
        raise CounselError(
            f"this data was grouped with --similarity {made['similarity']}, but you now ask for {similarity}",
            where=prepared.path,
            fix=f"use --similarity {made['similarity']}, or leave --like out",
        )


def _name(conversation: Conversation, where: Path) -> int:
    if not re.fullmatch("[0-9a-f]{16}", conversation.group):
        raise CounselError(f"{conversation.group!r} is not the name of a group", where=where, fix=_UNCHANGED)
    return int(conversation.group, 16)
