"""Who leads a turn is decided once, here: written words, the model, or the model with written words after its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from counsel.safety.notices import Policy
from counsel.safety.protocol.machine import respond
from counsel.safety.protocol.state import Reply, State
from counsel.safety.verdict import Action, Verdict


@dataclass(frozen=True, slots=True)
class Lead:
    """What happens in this turn.

    Attributes:
        verdict: the screen's; its ``action`` says what is done: ``protocol`` and ``refuse`` where ``reply`` stands in
            place of the model's words, ``check`` and ``support`` where the model talks and help is asked about or on
            offer, ``pass`` where it just talks.
        state: the protocol's, once it has spoken or watches; None before.
        reply: written words to show; None where there are none.
    """

    verdict: Verdict
    state: State | None = None
    reply: Reply | None = None

    @property
    def in_place(self) -> bool:
        """Whether the written words stand in place of the model's."""
        return self.reply is not None and self.reply.leads


def lead(
    state: State | None,
    verdict: Verdict,
    text: str,
    *,
    country: str | None,
    today: date,
    policy: Policy | None = None,
) -> Lead:
    """Decide who leads.

    Args:
        state: the protocol's, as the last turn left it.
        verdict: the screen's, on the whole conversation.
        text: the person's last message.
        country: as the person or a setting gave it, never guessed.
        today: the day, for helplines that have expired.
        policy: what is kept and who reads; a hand-off is offered only where a team reads.

    Raises:
        CounselError: when ``country`` is not a country code.
    """
    if state is None and verdict.action == "pass":
        return Lead(verdict)
    now, reply = respond(state, verdict, text, country=country, today=today, policy=policy)
    done = replace(verdict, action=_done(reply, verdict))
    return Lead(done, now, None if reply.manner == "silent" else reply)


def _done(reply: Reply, verdict: Verdict) -> Action:
    if reply.leads:
        return "refuse" if reply.declines else "protocol"
    if reply.manner == "beside" and reply.asks:
        return "check"
    return "support" if verdict.level else "pass"
