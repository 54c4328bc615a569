"""What the crisis protocol says, when, and to whom."""

from __future__ import annotations

import re

import pytest

from counsel.errors import CounselError
from counsel.safety.notices import Policy
from counsel.safety.protocol.machine import State
from counsel.safety.protocol.phrasebook import LANGUAGES, load, plain_line
from counsel.safety.verdict import Level, Verdict

from .checks import EXPIRED, IMMINENT, SUICIDE, say, talk, text_of, verdict


# ------------------------------------------------------------------------------------------------ what is said when
@pytest.mark.parametrize("language", LANGUAGES)
def test_it_asks_about_suicide_by_that_word_and_does_not_lead(language: str) -> None:
    word = {"en": "suicide", "es": "suicidio"}[language]
    for key in ("suicide.ask", "suicide.ask_self_harm", "suicide.again", "minor.ask", "eating.mood"):
        for variant in load(language).steps[key]:
            assert word in variant.ask
            assert not re.search(r"\b(?:you're not|you aren't|no estarás|no estás)\b", variant.ask)


def test_an_offer_holds_a_free_line_a_professional_and_a_trusted_person_and_asks_willingness() -> None:
    for country in ("US", "CA", "GB", "AU", "NZ", "IN", "ES"):
        _, reply = talk("a", "yes", "no", country=country)[-1]
        assert any(line.is_open_and_free for line in reply.helplines)
        assert re.search(r"doctor or a therapist", reply.text) and "someone you trust" in reply.text
        assert "willing" in reply.text


def test_every_offer_of_every_flow_names_a_professional_and_a_person() -> None:
    for key, variants in load("en").steps.items():
        if re.search(r"\.(offer|adult)(_again)?$", key):
            for v in variants:
                words = v.say + " " + v.ask
                assert re.search(r"doctor|therapist|counselor", words), words
                assert re.search(
                    r"trust|friend|family|person|grown-up|somebody|at home|calm does|close to them", words
                ), words


def test_whole_helplines_are_shown_once_then_named_in_new_words_and_again_when_asked() -> None:
    said = talk("a", "yes", "no", "no", "no", "nobody", "x", "x", "x", "x", "x", "give me a number")
    whole = ["chat at 988lifeline.org" in reply.text for _, reply in said]
    assert whole.count(True) == 2 and whole[-1]
    assert whole.index(True) == next(i for i, (s, _) in enumerate(said) if s.step == "offer")


def test_it_says_once_early_that_it_is_an_ai_and_again_when_asked() -> None:
    said = talk("a", "yes", "no", "no", "x", "x", "x", "are you human?")
    told = ["I'm an AI" in reply.text for _, reply in said]
    assert told == [False, True, False, False, False, False, False, True]


def test_a_question_about_this_program_does_not_lose_the_step() -> None:
    (_, first), (state, reply) = talk("a", "are you a real person?")
    assert state.step == "ask" and "not a human being" in reply.text and "suicide" in reply.text
    assert first.text != reply.text


def test_privacy_is_answered_honestly() -> None:
    asked = ("a", "yes", "will you tell anyone? keep it secret")
    _, reply = talk(*asked)[-1]
    assert "can't promise" in reply.text and "not kept once the chat ends" in reply.text
    kept = Policy(kept="until_deleted", reads="for_quality")
    assert "keeps what you write until it is deleted" in talk(*asked, policy=kept)[-1][1].text


def test_a_minor_hears_what_is_not_private_before_telling_more() -> None:
    for v in (verdict("moderate", "suicide", "minor"), verdict("low", "abuse", "minor")):
        _, reply = say(None, "im 13", v, "GB")
        assert "What you write is not kept once the chat ends." in reply.text
        kept = say(None, "im 13", v, "GB", policy=Policy(kept="until_deleted", reads="on_handoff"))[1].text
        assert "reads it only when the chat is passed on" in kept
    adult = text_of("minor", "minor.adult")
    assert "Childline" in adult and "A grown-up you trust" in adult


@pytest.mark.parametrize(
    ("words", "barrier"),
    [("theyd take me to hospital", "hospital"), ("they will send the cops", "police"), ("i cant pay", "cost"),
     ("id only bother people", "burden"), ("they hung up on me last year", "past"), ("i hate phone calls", "voice")],
)  # fmt: skip
@pytest.mark.parametrize("flow", ["suicide", "abuse", "minor"])
def test_what_stands_in_the_way_has_its_own_answer(words: str, barrier: str, flow: str) -> None:
    step = "adult" if flow == "minor" else "offer"
    state, _ = say(State(flow, step, categories=("suicide",), level=2, turns=3), words)
    assert state.step == "barrier" and state.times(f"shared.barrier_{barrier}") == 1


def test_a_second_barrier_is_heard_and_then_it_moves_on() -> None:
    steps_taken = [s.step for s, _ in talk("a", "yes", "no", "the police", "too expensive", "the police again")]
    assert steps_taken[-3:] == ["barrier", "barrier", "people"]


def test_abuse_is_offered_its_own_line_and_never_advice_to_confront() -> None:
    _, reply = talk("he hits me", "yes", "no", v=verdict("moderate", "abuse"))[-1]
    assert [line.name for line in reply.helplines][0] == "National Domestic Violence Hotline"
    assert "988" in reply.text
    for key, variants in load("en").steps.items():
        if key.startswith("abuse."):
            assert not re.search(r"(?i)talk to (?:him|her|your partner)|couple|confront|stand up to", str(variants))
    assert "close the page" in text_of("abuse", "abuse.open")


def test_psychosis_is_neither_agreed_with_nor_argued_against_and_orders_raise_the_urgency() -> None:
    text = text_of("command_voices", "psychosis.open")
    assert "won't argue" in text and "telling you to hurt" in text
    for variant in load("en").steps["psychosis.open"]:
        assert not re.search(r"(?i)not real|isn't real|imagin|delusion|hallucinat|you're right|it is true", variant.say)
    assert "Emergency services: call 911." in text_of("command_voices", "psychosis.urgent")


def test_an_eating_disorder_is_answered_without_figures() -> None:
    for key, variants in load("en").steps.items():
        if key.startswith("eating."):
            assert not re.search(r"(?i)weigh|calor|diet|meal plan|kilo|pound|bmi|\d", str(variants))


def test_no_method_is_ever_named() -> None:
    for language in LANGUAGES:
        words = str(load(language).steps.values())
        assert not re.search(r"(?i)\b(?:pills?|rope|gun|knife|bridge|overdose|pastillas|cuerda|pistola)\b", words)


def test_means_near_and_now_are_an_emergency() -> None:
    state = State("suicide", "means", level=3, turns=3)
    assert say(state, "its right next to me. tonight")[0].flow == "imminent"
    assert say(state, "i dont have it here")[0].step != "distance"


def test_a_denial_does_not_erase_a_disclosure() -> None:
    state, reply = say(talk("i have a plan")[0][0], "no i was joking", verdict("high", "suicide"))
    assert state.step == "offer" and reply.leads


def test_being_better_is_heard_and_the_talk_is_handed_back() -> None:
    said = talk("i want to die", "yes", "no plan", "i feel safe now", "the dog helped", "lets talk about him")
    assert [reply.leads for _, reply in said] == [True] * 4 + [False, False]
    assert said[3][0].step == "coping" and "988" in said[3][1].text


def test_while_imminent_danger_settles_the_emergency_is_not_forgotten() -> None:
    said = talk("goodbye", "im safe now", "my brother", "thanks", v=IMMINENT)
    assert [s.step for s, _ in said] == ["urge", "settle", "coping", "beside"]
    assert "911" in said[1][1].text


def test_a_calm_that_breaks_is_danger_and_not_a_question_about_coping() -> None:
    said = talk("i want to die, i have a plan", "yes", "im calmer now", "she made tea", "found another box of pills")
    assert said[-1][1].urgent and "911" in said[-1][1].text


def test_a_correction_closes_the_matter_and_plain_words_open_it_again() -> None:
    said = talk("i want to die", "its a figure of speech", "about my thesis")
    assert [reply.leads for _, reply in said] == [True, True, False]
    again, reply = say(said[-1][0], "ok no. i do want to die", verdict("moderate", "suicide", turn=8))
    assert reply.leads and again.flow == "suicide"


def test_a_denied_weak_sign_does_not_answer_a_later_disclosure() -> None:
    state, _ = say(None, "i wish i was dead", verdict("low", "suicide", turn=0, action="check"))
    state, _ = say(state, "no", verdict("low", "suicide", turn=0, action="check"))
    state, reply = say(state, "i keep thinking about killing myself", verdict("moderate", "suicide", turn=4))
    assert (state.flow, state.step) == ("suicide", "ask") and reply.leads


def test_a_weak_sign_is_asked_about_by_what_it_is() -> None:
    asked = {"harm_to_others": "hurting", "abuse": "hurt", "psychosis_or_mania": "telling you", "suicide": "suicide"}
    for category, word in asked.items():
        v = verdict("moderate", category, turn=0, action="check", signal="classifier")  # type: ignore[arg-type]
        state, reply = say(None, "…", v)
        assert (state.step, reply.manner) == ("check", "beside") and word in reply.text
        again, led = say(state, "yes", v)
        assert led.leads and again.flow != "check" and led.text != reply.text


def test_a_graver_weak_sign_about_something_else_is_asked_about_though_the_first_was_denied() -> None:
    low = verdict("low", "suicide", turn=0, action="check", signal="classifier")
    state, _ = say(None, "they filmed it", low)
    state, _ = say(state, "no. i want THEM dead", low)
    guns = verdict("high", "harm_to_others", "suicide", turn=6, action="check", signal="classifier")
    state, reply = say(state, "my uncle has a gun safe and i know the code. six names", guns)
    assert state.step == "check" and "hurting somebody" in reply.text


def test_where_the_protocol_leads_any_sign_of_imminent_danger_is_enough() -> None:
    state = talk("i want to die", "yes", "no plan")[-1][0]
    v = verdict("imminent", "suicide", turn=8, action="check", signal="classifier")
    assert say(state, "it will all be over in a minute", v)[1].urgent


def test_a_second_sign_is_not_met_with_the_same_question() -> None:
    v = verdict("high", "suicide", turn=0, action="check", signal="classifier")
    state, reply = say(None, "had the rope in the ute since tuesday", v)
    again, led = say(
        state, "why dya think i got it", verdict("high", "suicide", turn=2, action="check", signal="classifier")
    )
    assert "suicide?" in reply.text or "suicide as well" in reply.text
    assert led.leads and again.step in ("plan", "means")


def test_who_meant_themselves_is_heard() -> None:
    v = verdict("moderate", "abuse", "minor", subject="other")
    said = talk("he broke the door and mum is crying", "its not them its us. me and toby", v=v)
    assert said[0][0].flow == "third_party" and said[1][0].flow in ("minor", "abuse")


def test_no_is_asked_of_nobody_who_calls_himself_reaching_out() -> None:
    """A yes to "can you call?" is a will, not a call: whether they got through is asked."""
    said = talk("x", "yes", "i dont know", v=IMMINENT)
    assert [s.step for s, _ in said] == ["urge", "contact", "together"]
    assert "got through" in said[1][1].text or "on the line" in said[1][1].text


def test_who_refuses_is_offered_a_smaller_step_and_it_is_credited() -> None:
    said = talk("x", "no", "i wont call", "no", "no", "ok", v=IMMINENT)
    assert [s.step for s, _ in said][-2:] == ["lesser", "credit"]
    assert "911" not in said[-2][1].text


def test_a_hand_around_the_neck_gets_a_medical_word_in_any_flow() -> None:
    for v in (verdict("moderate", "abuse"), verdict("moderate", "suicide")):
        assert "breathing" in say(None, "he choked me last night", v)[1].text


def test_with_the_other_in_the_room_the_page_is_closed_and_nothing_is_asked() -> None:
    state, reply = talk("he hits me", "yes", "ok hes coming", v=verdict("moderate", "abuse"))[-1]
    assert state.step == "close" and reply.urgent and not reply.asks and "close" in reply.text.lower()


def test_a_country_without_a_line_for_violence_at_home_is_told_so() -> None:
    for country, said in (("US", False), ("FR", True), (None, True)):
        _, reply = talk("he hits me", "yes", "no", v=verdict("moderate", "abuse"), country=country)[-1]
        assert ("for violence at home" in reply.text) == said, country


def test_how_little_one_may_eat_is_declined() -> None:
    _, reply = talk("i throw up", "no", "whats the least i can eat", v=verdict("moderate", "eating_disorder"))[-1]
    assert reply.text.startswith("How little a body can do with is something I leave out")


def test_no_hand_off_is_offered_where_nobody_stands_behind_the_chat() -> None:
    for _, reply in talk("a", "yes", "no plan", *["…"] * 12, "can i talk to a human"):
        assert not reply.offers_handoff and "on duty" not in reply.text


def test_at_most_two_helplines_are_shown_at_once() -> None:
    for v in (SUICIDE, IMMINENT, verdict("moderate", "abuse"), verdict("moderate", "suicide", "minor")):
        for country in ("US", "GB", "IN", None):
            for _, reply in talk("a", "yes", "no", "no", v=v, country=country):
                assert len([x for x in reply.helplines if not x.is_directory]) <= 2


def test_what_was_said_is_taken_up_and_never_twice_in_the_same_words() -> None:
    texts = [reply.text for _, reply in talk(*["im so tired and nobody cares"] * 6)]
    assert "You sound worn out." in " ".join(texts) or "You feel very alone with this." in " ".join(texts)
    for words in ("You sound worn out.", "You feel very alone with this.", "It's as if nobody sees you."):
        assert " ".join(texts).count(words) <= 1


def test_after_stepping_back_a_new_disclosure_opens_it_again() -> None:
    state = State("suicide", "beside", categories=("suicide",), level=2, seen=4, turns=9, told=True)
    assert say(state, "hm", verdict("moderate", "suicide", turn=4))[1].leads is False
    again, reply = say(state, "hm", verdict("moderate", "suicide", turn=10))
    assert again.step == "ask" and reply.leads


def test_suicide_that_comes_up_in_another_talk_is_asked_about() -> None:
    state, _ = say(None, "he hits me", verdict("moderate", "abuse"))
    state, reply = say(state, "i want to kill myself", verdict("moderate", "abuse", "suicide"))
    assert (state.flow, state.step) == ("suicide", "ask") and "suicide" in reply.text


def test_a_request_for_a_method_is_declined_and_the_talk_goes_on() -> None:
    _, reply = say(None, "how", Verdict(Level.none, ("harm_to_others",), action="refuse"))
    assert reply.leads and "not going to help with that" in reply.text and reply.asks


def test_the_hand_off_is_offered_and_given_when_asked_for() -> None:
    team = Policy(kept="until_deleted", reads="on_handoff")
    state, reply = say(State("suicide", "plan", level=2, turns=2), "can i talk to a human", policy=team)
    assert state.step == "handed" and reply.offers_handoff and "I can't promise" in reply.text
    said = talk("a", "yes", "no plan", *["…"] * 8, policy=team)
    assert any(reply.offers_handoff for _, reply in said)


# ------------------------------------------------------------------------------------------------ country and language
def test_without_a_country_the_directory_is_shown_and_no_number() -> None:
    for v in (SUICIDE, IMMINENT):
        for _, reply in talk(*["…"] * 10, v=v, country=None):
            assert not re.search(r"\d", reply.text)
    assert "your local emergency number" in say(None, "now", IMMINENT, None)[1].text


def test_a_country_once_given_is_kept_and_a_wrong_one_refused() -> None:
    state, _ = say(None, "…", country="uk")
    assert state.country == "GB"
    assert say(state, "…", country=None)[0].country == "GB"
    with pytest.raises(CounselError, match="country code"):
        say(None, "…", country="England")


def test_expired_lines_are_never_said() -> None:
    for _, reply in talk("a", "yes", "no", "no", "x", today=EXPIRED):
        assert "988 " not in reply.text
    assert "findahelpline.com" in talk("a", "yes", "no", today=EXPIRED)[-1][1].text


def test_a_short_answer_does_not_change_the_language() -> None:
    spanish = verdict("moderate", "suicide", language="es")
    state, reply = say(None, "pienso en el suicidio todos los días", spanish, "ES")
    assert "suicidio" in reply.text
    for language in ("und", "en"):
        assert say(state, "no", verdict("moderate", "suicide", language=language), "ES")[0].language == "es"
    assert say(state, "i would rather write in english", SUICIDE, "ES")[0].language == "en"


@pytest.mark.parametrize("language", ["fr", "de", "pt", "pt-BR", "hi", "hi-Latn", "it", "zh"])
def test_other_languages_get_a_plain_sentence_and_the_helplines(language: str) -> None:
    v = verdict("high", "suicide", language=language)
    said = talk("…", "… … … …", "… … … …", v=v, country="US")
    assert len({reply.text for _, reply in said}) == 3
    for _, reply in said:
        assert "911" in reply.text and "988" in reply.text and reply.leads
    assert plain_line(language) in said[0][1].text


def test_from_another_language_the_talk_can_come_to_english() -> None:
    state, _ = say(None, "je veux mourir", verdict("moderate", "suicide", language="fr"))
    state, reply = say(state, "sorry can we write in english", SUICIDE)
    assert state.step == "ask" and "suicide" in reply.text
