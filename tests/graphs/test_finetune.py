"""The fine-tune operator's conversation: what is asked before training, and how it is followed."""

from __future__ import annotations

import pytest

from graphs.training_settings import changed
from tests.graphs.operating import STATE, Talk, Workshop


@pytest.fixture
def workshop() -> Workshop:
    return Workshop()


async def test_the_user_sees_data_settings_and_estimate_before_anything_starts(
    workshop: Workshop,
) -> None:
    talk = Talk(workshop)
    waiting = await talk.say("train on faq.csv with rank 8 for 2 epochs")
    assert waiting["name"] == "train"
    assert waiting["args"] == {"data": ["faq.csv"], "rank": 8, "epochs": 2.0}
    shown = waiting["preview"]
    for part in ("12 rows", "2 duplicates", "faq.csv:7", "⟦Hello⟧", "rank = 8", "about 1 min"):
        assert part in shown, shown
    assert workshop.called("train") == []
    said = await talk.decide(type="approve")
    assert "faq" in said and "watch" in said
    assert workshop.called("train") == [{"data": ["faq.csv"], "rank": 8, "epochs": 2.0}]
    assert talk.model.asked == []


@pytest.mark.parametrize("words", ["epochs=5, rank 4", "에폭 5로, rank 4로"])
async def test_an_edit_in_words_is_estimated_anew_and_asked_again(
    words: str, workshop: Workshop
) -> None:
    talk = Talk(workshop)
    await talk.say("faq.csv로 학습시켜줘")
    waiting = await talk.decide(type="words", words=words)
    assert waiting["args"] == {"data": ["faq.csv"], "epochs": 5.0, "rank": 4}
    assert "⟦Hello⟧" not in waiting["preview"]  # the data was shown already
    assert "바꾼 것" in waiting["preview"] and "2분 30초" in waiting["preview"]
    await talk.decide(type="approve")
    assert workshop.called("train") == [{"data": ["faq.csv"], "epochs": 5.0, "rank": 4}]
    assert len(workshop.called("inspect_dataset")) == 1  # the data stayed the same
    assert len(workshop.called("estimate")) == 2


async def test_words_that_change_nothing_are_told_and_asked_about_again(workshop: Workshop) -> None:
    talk = Talk(workshop)
    await talk.say("train on faq.csv")
    waiting = await talk.decide(type="words", words="make it nice")
    assert "I found no setting in “make it nice”" in waiting["preview"]
    assert len(workshop.called("estimate")) == 1


async def test_an_edit_that_cannot_be_is_taken_back_with_its_reason(workshop: Workshop) -> None:
    talk = Talk(workshop)
    await talk.say("train on faq.csv")
    waiting = await talk.decide(type="words", words="int8, dora")
    assert "dora works with nf4" in waiting["preview"]
    assert waiting["args"] == {"data": ["faq.csv"]}
    waiting = await talk.decide(type="words", words="gone.csv")
    assert "no file gone.csv" in waiting["preview"]
    assert waiting["args"] == {"data": ["faq.csv"]}


async def test_the_step_names_the_settings_that_were_run(workshop: Workshop) -> None:
    talk = Talk(workshop)
    await talk.say("train on faq.csv, epochs=2")
    await talk.decide(type="words", words="epochs=3")
    await talk.decide(type="approve")
    (step,) = await talk.steps()
    assert step["arguments"] == {"data": ["faq.csv"], "epochs": 3.0}


def test_of_epochs_and_steps_the_later_said_ends_the_run() -> None:
    assert changed({"max_steps": 30, "rank": 4}, {"epochs": 2.0}) == {"rank": 4, "epochs": 2.0}
    assert changed({"epochs": 2.0}, {"max_steps": 5}) == {"max_steps": 5}
    assert changed({"max_steps": 30}, {"rank": 4}) == {"max_steps": 30, "rank": 4}


async def test_an_edit_as_arguments_runs_as_edited(workshop: Workshop) -> None:
    talk = Talk(workshop)
    await talk.say("train on faq.csv")
    edited = {"name": "train", "args": {"data": ["faq.csv"], "rank": 2}}
    waiting = await talk.decide(type="edit", edited_action=edited)
    assert waiting["args"]["rank"] == 2
    await talk.decide(type="approve")
    assert workshop.called("train") == [{"data": ["faq.csv"], "rank": 2}]


async def test_a_no_starts_nothing_and_is_told(workshop: Workshop) -> None:
    talk = Talk(workshop)
    await talk.say("faq.csv로 학습시켜줘")
    said = await talk.decide(type="reject", message="no")
    assert "승인하지 않으셔서" in said
    assert workshop.called("train") == []


async def test_a_policy_of_auto_asks_nothing(workshop: Workshop) -> None:
    assert "has started" in await Talk(workshop, ask_first=False).say("train on faq.csv")


async def test_without_data_it_asks_and_goes_on_with_what_is_named_then(workshop: Workshop) -> None:
    talk = Talk(workshop)
    assert "파일이나 폴더" in await talk.say("LoRA rank 4로 학습시켜줘")
    assert workshop.called("inspect_dataset") == []
    waiting = await talk.say("./faq.csv")
    assert waiting["args"] == {"data": ["./faq.csv"], "method": "lora", "rank": 4}


async def test_data_that_cannot_be_read_is_told_without_asking_a_model(workshop: Workshop) -> None:
    talk = Talk(workshop)
    assert "There is no file gone.csv" in await talk.say("train on gone.csv")
    assert talk.model.asked == []


async def test_watching_shows_each_change_until_the_end(workshop: Workshop) -> None:
    workshop.states = [
        STATE,
        {**STATE, "step": 8},
        {**STATE, "step": 10, "status": "done", "result": {"gguf": "/adapters/faq/adapter.gguf"}},
    ]
    talk = Talk(workshop)
    said = await talk.say("watch")
    first, second = talk.progress
    assert "step 5/10" in first and "1 min 35 s left" in first and "stop watching" in first
    assert "step 8/10" in second
    assert "**faq** training: done" in said and "/adapter faq" in said


async def test_a_run_that_is_to_go_is_named_in_the_question(workshop: Workshop) -> None:
    workshop.started = [STATE]
    talk = Talk(workshop)
    assert 'for example "delete faq"' in await talk.say("delete it")
    assert workshop.called("delete_run") == []
    waiting = await talk.say("faq")
    assert (waiting["name"], waiting["args"]) == ("delete_run", {"run": "faq"})
    assert "Deleted **faq**" in await talk.decide(type="approve")


@pytest.mark.parametrize("request_", ["지워줘", "remove duplicates", "허브에 올려줘 me/faq"])
async def test_what_cannot_be_undone_never_means_a_run_that_nobody_named(
    request_: str, workshop: Workshop
) -> None:
    workshop.started = [STATE]
    talk = Talk(workshop)
    said = await talk.say(request_)
    assert "`faq`" in said, said
    assert {name for name, _ in workshop.calls} == {"runs"}
    assert "50%" in await talk.say("faq는 얼마나 됐어?")  # another question, not the answer
    assert workshop.called("delete_run") == []
    assert talk.model.asked == []


async def test_a_job_on_a_run_is_followed_and_cancelled_itself(workshop: Workshop) -> None:
    workshop.started = [STATE]
    talk = Talk(workshop)
    assert "평가 작업을 시작했습니다" in await talk.say("faq 평가해줘")
    await talk.say("평가 얼마나 됐어?")
    await talk.say("faq 평가 취소해줘")
    assert workshop.called("status") == workshop.called("cancel") == [{"run": "evaluate-2"}]
    assert workshop.called("evaluate") == [{"run": "faq"}]


async def test_with_no_run_there_is_none_to_ask_for(workshop: Workshop) -> None:
    assert "Nothing has been trained yet" in await Talk(workshop).say("delete it")


async def test_to_stop_watching_stops_no_run(workshop: Workshop) -> None:
    workshop.started = [STATE]
    talk = Talk(workshop)
    assert "작업은 계속됩니다" in await talk.say("그만 볼게")
    assert "goes on" in await talk.say("stop watching")
    assert {name for name, _ in workshop.calls} == {"runs"}


@pytest.mark.parametrize("request_", ["얼마나 됐어?", "faq는 얼마나 됐어?"])
async def test_how_far_it_is_comes_from_the_server_alone(request_: str, workshop: Workshop) -> None:
    workshop.started = [STATE]
    talk = Talk(workshop)
    said = await talk.say(request_)
    assert "██████████░░░░░░░░░░ 50% · 5/10 단계 · 손실 1.25 · 검증 손실 1.5" in said
    assert "초당 512토큰 · 1분 35초 남음" in said
    assert talk.model.asked == []
