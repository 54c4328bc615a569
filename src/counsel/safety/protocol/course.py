"""Where a talk goes: from one message and the state that it finds to the next place.

Danger comes before everything else. Then comes a disclosure in plain words, then what the person wants from this talk,
then what stands in the way of help, and last what is left on the agenda of the flow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from counsel.safety.notices import Policy
from counsel.safety.protocol import agenda
from counsel.safety.protocol.agenda import Place
from counsel.safety.protocol.heard import Heard
from counsel.safety.protocol.state import State
from counsel.safety.verdict import VIOLENCE, Level, Verdict

_FLOW_OF = {
    "suicide": "suicide", "self_harm": "suicide", "harm_to_others": "harm", "abuse": "abuse",
    "sexual_violence": "abuse", "eating_disorder": "eating", "psychosis_or_mania": "psychosis",
}  # fmt: skip
_SUICIDAL = frozenset({"suicide", "self_harm"})
_DANGER = {"substance_emergency": "substance", "medical_emergency": "medical"}
_ATTACK = {"abuse": "abuse", "sexual_violence": "abuse", "harm_to_others": "harm"}
_CHECKED = {
    "harm_to_others": "harm", "abuse": "abuse", "sexual_violence": "abuse", "psychosis_or_mania": "mind",
    "medical_emergency": "body", "substance_emergency": "body",
}  # fmt: skip
"""What the gentle question is about, by category; elsewhere it is about suicide."""
_LEADS_TO = {
    "harm": ("harm", ""),
    "abuse": ("abuse", ""),
    "mind": ("psychosis", "urgent"),
    "body": ("imminent", "urge"),
}
"""Where a yes to it leads; elsewhere into the flow about suicide."""
_CALM = frozenset({"beside", "coping", "goodbye", "corrected", "ease"})
"""Steps after which a new disclosure begins a flow again."""
_FIXED = frozenset({"imminent", "check", "support", "third_party", "minor"})
"""Flows whose first step depends on the verdict."""
_UNDONE = frozenset({"plan", "near", "apart", "today", "willing", "smaller", "better"})
"""What is asked once more after the danger has risen again."""
_MOST_BARRIERS = 2
"""How often a refusal is answered in one flow; after that it is left alone."""
_AFTER = {"abuse": "abuse", "harm": "harm", "substance": "suicide", "medical": "support"}
"""The flow with which a talk goes on after imminent danger, by what it was about; otherwise ``suicide``."""


def opening(verdict: Verdict, young: bool) -> Place:
    """The flow that a first message calls for, and its first step where that is fixed."""
    if verdict.action == "check":
        return "check", "check"
    if verdict.action == "support":
        return "support", "open"
    categories = set(verdict.categories)
    if verdict.subject == "other" and verdict.level > Level.none:
        return "third_party", "urgent" if verdict.level == Level.imminent else "open"
    if verdict.level == Level.imminent or _DANGER.keys() & categories:
        return "imminent", "urge"
    first = next((c for c in verdict.categories if c in _FLOW_OF), None)
    flow = "suicide" if "suicide" in categories else _FLOW_OF.get(first or "", "support")
    if young and verdict.level > Level.none and flow in ("suicide", "abuse", "support"):
        return "minor", "home" if flow == "abuse" else "ask"
    return flow, agenda.AGENDA[flow][0].step


def about_of(flow: str, verdict: Verdict) -> str:
    """Which special wording the flow takes, if it has one."""
    categories = verdict.categories
    if flow == "check":
        named = next((c for c in categories if c not in ("minor", "dependence")), "")
        return _CHECKED.get(named, "")
    if flow == "imminent":
        danger = next((name for key, name in _DANGER.items() if key in categories), None)
        return danger or (_ATTACK.get(categories[0], "") if categories else "")
    if flow == "suicide" and "substance_emergency" in categories:
        return "substance"
    if flow == "suicide":
        return "self_harm" if "self_harm" in categories and "suicide" not in categories else ""
    if flow in ("third_party", "minor"):
        return "abuse" if VIOLENCE & set(categories) and not _SUICIDAL & set(categories) else ""
    return "sexual_violence" if flow == "abuse" and "sexual_violence" in categories else ""


def asks_thoughts(state: State) -> bool:
    """Whether the one question before another subject is the one about suicide."""
    return state.flow in ("suicide", "minor") and "thoughts" not in dict(state.known)


@dataclass
class Course:
    """One message and the state that it finds: where the talk goes."""

    before: State
    state: State
    """With what the message answers."""
    verdict: Verdict
    heard: Heard
    policy: Policy
    first: bool

    @property
    def team(self) -> bool:
        """Whether people behind this chat can take over."""
        return self.policy.reads != "never"

    def next_place(self) -> Place:
        """Flow and step. An empty step means the next one on the agenda of the flow."""
        return self._danger() or self._opens() or self._wish() or self._help() or self._imminent() or self._onward()

    # ---------------------------------------------------------------------------------- danger, before anything else
    def _danger(self) -> Place | None:
        s, cues = self.state, self.heard.cues
        if self.first:
            return None
        other = self.verdict.subject == "other"
        if self._rises:
            if other and s.flow == "third_party" and s.step in ("urgent", "with_them"):
                return None
            return ("third_party", "urgent") if other else self._to_imminent()
        if "coming" in cues and (s.flow == "abuse" or s.about == "abuse" or VIOLENCE & set(self.verdict.categories)):
            return s.flow, "close"
        if s.flow == "imminent" and s.step != "settle" and s.step != "coping":
            return None
        near = "means" in cues or self._answered("near", "yes")
        if s.flow == "harm" and ("at_place" in cues or (near and "now" in cues)):
            return self._to_imminent("harm")
        if s.flow in ("suicide", "minor") or (self._known("thoughts") == "yes" and s.flow != "third_party"):
            if near and ("now" in cues or self._known("time") == "yes"):
                return self._to_imminent()
            if "means" in cues and s.step in _CALM | {"settle"}:  # it was calmer, and now the danger rises again
                return self._to_imminent() if self._known("plan") == "yes" else self._again("suicide", "distance")
        suicidal = (
            "suicide" in set(self.verdict.categories) - set(s.categories) and self.verdict.level >= Level.moderate
        )
        if self._leads and suicidal and not other and s.flow not in ("suicide", "imminent", "minor"):
            return ("minor" if s.young else "suicide"), "ask"
        return None

    @property
    def _leads(self) -> bool:
        return self.verdict.action in ("protocol", "refuse")

    @property
    def _plain(self) -> bool:
        """Whether something new was said in plain words."""
        return self.verdict.last_plain_turn > self.state.seen

    @property
    def _fresh(self) -> bool:
        return self.verdict.last_turn > self.state.seen

    @property
    def _rises(self) -> bool:
        """Whether it has become imminent: in plain words, or in any where the protocol has led already."""
        s = self.state
        if self.verdict.level != Level.imminent or not (s.level < self.verdict.level or self._fresh):
            return False
        if not self._leads and s.flow in agenda.WATCHING:
            return False
        return s.flow != "imminent" or s.step in ("settle", "coping", "beside")

    def _known(self, subject: str) -> str:
        return dict(self.state.known).get(subject, "")

    def _answered(self, subject: str, answer: str) -> bool:
        return agenda.asks(self.state.flow, self.state.step) == subject and self.heard.answer == answer

    def _to_imminent(self, about: str = "") -> Place:
        self.state = replace(self.state, flow="imminent", about=about or about_of("imminent", self.verdict), done=())
        return "imminent", "urge"

    def _again(self, flow: str, step: str) -> Place:
        """Take up a flow once more. What may have changed is asked again; what was shown is not shown again."""
        s = self.state
        kept = {k: v for k, v in s.known if k not in _UNDONE or (step == "distance" and k == "near")}
        if kept.get("thoughts") == "no":
            kept.pop("thoughts")
        known = tuple(kept.items())
        self.state = replace(s, known=known, done=tuple(d for d in s.done if d in ("ask", "again", "open", "handoff")))
        return flow, step

    # ---------------------------------------------------------------------------------- a flow begins, or begins again
    def _opens(self) -> Place | None:
        s = self.state
        if self.first:
            return self._opened()
        if s.step == "check":
            return self._checked()
        if s.flow in agenda.WATCHING:
            return self._opened() if self._worse else self._watched()
        if s.step in _CALM and self._worse:
            return self._again("suicide" if s.flow == "imminent" else s.flow, "")
        return self._watched() if s.step == "beside" else None

    @property
    def _worse(self) -> bool:
        """Whether something new was said in plain words that calls for the protocol."""
        new = self._plain or self.verdict.level > self.state.level
        return self._leads and self.verdict.level >= Level.moderate and new or self._refuses

    @property
    def _refuses(self) -> bool:
        return self.verdict.action == "refuse" and self._fresh

    def _opened(self) -> Place:
        """The flow that the words call for; earlier denials do not count."""
        self.state = replace(
            self.state, known=tuple((k, v) for k, v in self.state.known if (k, v) != ("thoughts", "no"))
        )
        flow, step = opening(self.verdict, self.state.young)
        return flow, step if flow in _FIXED else ""

    def _checked(self) -> Place | None:
        """What the answer to the gentle question brings."""
        if self._worse and self.heard.answer != "yes":
            return self._opened()
        if self.heard.answer in ("yes", "unsure") or (self.heard.answer != "no" and self._second):
            return self._asked_enough(self.before.about)
        return self.state.flow, "beside"

    def _asked_enough(self, about: str) -> Place:
        """Into the flow that a weak sign was about, without its question over again: it was not denied."""
        flow, step = _LEADS_TO.get(about, ("suicide", ""))
        known = dict(self.state.known)
        known.setdefault({"harm": "intent", "mind": "orders"}.get(about, "thoughts"), "unsure")
        self.state = replace(self.state, known=tuple(known.items()))
        return ("minor", "") if flow == "suicide" and self.state.young else (flow, step)

    def _watched(self) -> Place:
        """While the model talks: weak signs are asked about, and a second one soon after brings the protocol."""
        s = self.state
        if self._fresh and self.verdict.action == "check":
            about = about_of("check", self.verdict)
            graver = self.verdict.level >= Level.high and self.verdict.level > s.level
            if not self._lately or graver or (about != s.about and s.flow == "check"):
                return "check", "check"
            if self._second and not s.denied:
                return self._asked_enough(about)
        return s.flow, "beside"

    @property
    def _lately(self) -> bool:
        return self.state.asked >= 0 and self.state.turns - self.state.asked < agenda.PAUSE

    @property
    def _second(self) -> bool:
        return self._fresh and self.verdict.level >= Level.moderate

    # ---------------------------------------------------------------------------------- what they want of this talk
    def _wish(self) -> Place | None:
        s, cues = self.state, self.heard.cues
        if self.first or s.step == "check":
            return None
        if "corrected" in cues and not {"means", "now", "plan"} & cues:
            return "support", "corrected"
        if "human" in cues and s.flow not in agenda.WATCHING:
            return s.flow, "handed"
        if "numbers" in cues and s.flow not in agenda.WATCHING:
            return s.flow, "contact"
        if {"about_ai", "about_privacy"} & cues and not cues - {"about_ai", "about_privacy", "no", "unsure"}:
            return s.flow, s.step
        if s.flow == "imminent" and s.step not in ("settle", "coping"):
            return None
        if s.flow == "third_party" and "meant_self" in cues:
            mine = replace(self.verdict, subject="self", action="protocol")
            return opening(mine, s.young)[0], ""
        if "goodbye" in cues:
            return s.flow, "goodbye"
        if "angry" in cues and s.step != "repair":
            return s.flow, "repair"
        if "elsewhere" in cues:
            talked = s.offered or s.level < Level.moderate or s.step == "first"
            return s.flow, "beside" if talked else "first"
        if s.step in ("repair", "goodbye", "corrected") or (s.step == "first" and self._is_safe):
            return s.flow, "beside"
        return None

    @property
    def _is_safe(self) -> bool:
        """Whether the one question before another subject got a reassuring answer."""
        if asks_thoughts(self.before):
            return self._known("thoughts") == "no"
        return self._answered("safe_today", "yes")

    # ---------------------------------------------------------------------------------- help, and what is in its way
    def _help(self) -> Place | None:
        s, cues = self.state, self.heard.cues
        if self.first or s.flow in agenda.WATCHING or s.step == "beside":
            return None
        if "safe" in cues and "means" not in cues and not self._plain and s.step not in ("settle", "coping"):
            calmer = {"imminent": "settle", "third_party": "how"}
            return s.flow, calmer.get(s.flow, "coping")
        refused = agenda.asks(s.flow, s.step) in ("willing", "asked_person") and self.heard.answer in ("no", "unsure")
        met = sum(n for key, n in s.used if ".barrier_" in key)
        new = any(not s.times(f"{self._owner}.barrier_{b}") for b in self.heard.barriers)
        return (s.flow, "barrier") if (new or refused) and met < _MOST_BARRIERS else None

    @property
    def _owner(self) -> str:
        return self.state.flow if self.state.flow in ("imminent", "third_party") else "shared"

    # ---------------------------------------------------------------------------------- imminent danger
    def _imminent(self) -> Place | None:
        s, cues, answer = self.state, self.heard.cues, self.heard.answer
        if s.flow != "imminent":
            return None
        if s.step == "settle":
            flow = _AFTER.get(s.about, "suicide")
            step = {"substance": "", "medical": "beside"}.get(s.about, "coping")
            return flow, step
        if "apart" in cues and not s.times("imminent.credit"):
            return "imminent", "credit"
        somebody = "coming" in cues and s.about != "abuse"
        if somebody or "connected" in cues or s.step == "waiting" or (s.step == "contact" and answer == "yes"):
            return "imminent", "waiting"
        if self.heard.person and not s.times("imminent.together_person"):
            return "imminent", "together"
        if "calling" in cues or (agenda.asks("imminent", s.step) == "will_call" and answer == "yes"):
            return "imminent", "contact" if s.step != "contact" else "hold"
        order = ("distance", "together") if s.about == "harm" else ("together", "distance")
        for step in order:
            if step not in s.done and not (step == "distance" and "apart" in cues) and "angry" not in cues:
                return "imminent", step
        if answer == "yes" and (agenda.asks("imminent", s.step) == "smaller" or s.step == "together"):
            return "imminent", "credit"
        refused = answer == "no" or cues & {"angry", "refuses"}
        return "imminent", "lesser" if refused and s.step != "lesser" else "hold"

    def _onward(self) -> Place:
        return self.state.flow, "beside" if self.state.step in ("coping", "ease", "care", "beside") else ""
