"""Requests about pictures are read by code, and lead to the right calls."""

from __future__ import annotations

from typing import Any

import pytest

from graphs.drawing_words import caption_in, drawing_settings
from graphs.picture_changes import change_in, changed_caption, filled_in
from graphs.picture_places import folders_in, model_in, pictures_in
from graphs.picture_questions import default_labels, labels_in, query_in, wanted_number
from tests.graphs.drawing import JOB, TOOLS, Talk


@pytest.mark.parametrize(
    ("request_", "caption", "settings"),
    [
        ("draw a red circle left of a blue square", "a red circle left of a blue square", {}),
        ("빨간 원 왼쪽에 파란 사각형을 그려줘", "빨간 원 왼쪽에 파란 사각형", {}),
        (
            "please draw me a picture of a red circle with seed 7 and 30 steps",
            "a red circle",
            {"seed": 7, "steps": 30},
        ),
        ("시드 7, 30단계로 빨간 별을 그려줘", "빨간 별", {"seed": 7, "steps": 30}),
        (
            "can you paint two green stars on a black background, seed 3, 64x96?",
            "two green stars on a black background",
            {"seed": 3, "width": 64, "height": 96},
        ),
        ("generate 4 images of a yellow heart", "a yellow heart", {"count": 4}),
        ("주황색 세모 그림 네 장 만들어줘, 시드는 11", "주황색 세모", {"count": 4, "seed": 11}),
        (
            "64x64 크기로 파란 십자가 3장 그려줘",
            "파란 십자가",
            {"width": 64, "height": 64, "count": 3},
        ),
        ("초록색 별 세 개 그려줘", "초록색 별 세 개", {}),
        ("검은 배경에 노란 하트가 있는 그림 그려줘", "검은 배경에 노란 하트", {}),
        ("빨간 원이 파란 네모 왼쪽에 있는 그림을 그려줘", "빨간 원이 파란 네모 왼쪽에 있다", {}),
        ("빨간 원을 파란 사각형 왼쪽에 그려줘", "파란 사각형 왼쪽에 있는 빨간 원", {}),
        ("노란 하트를 검은 배경에 그려줘", "검은 배경에 노란 하트", {}),
        ("가을 그려줘", "가을", {}),
        ('draw "a red circle" with 10 steps', "a red circle", {"steps": 10}),
        (
            "draw a red circle with the euler scheduler and guidance 5",
            "a red circle",
            {"scheduler": "euler", "guidance_scale": 5.0},
        ),
        (
            "draw a red star, negative prompt: blue",
            "a red star",
            {"negative_prompt": "blue"},
        ),
        (
            "runwayml/stable-diffusion-v1-5 모델로 고양이를 그려줘",
            "고양이",
            {"model": "runwayml/stable-diffusion-v1-5"},
        ),
        ("draw a red circle with step previews", "a red circle", {"preview_every": 5}),
        ("again with seed 5", None, {"seed": 5}),
        ("하나 더 그려줘", None, {}),
        ("one more", None, {}),
    ],
)
def test_captions_and_settings(
    request_: str, caption: str | None, settings: dict[str, Any]
) -> None:
    rest, found = drawing_settings(request_)
    assert (caption_in(rest), found) == (caption, settings)


@pytest.mark.parametrize(
    ("request_", "pictures", "folders", "model"),
    [
        ("find red triangles in ~/photos", [], ["~/photos"], None),
        ("~/photos에서 빨간 삼각형 찾아줘", [], ["~/photos"], None),
        ("~/내 사진 말고 ~/사진 폴더에서 찾아줘", [], ["~/내", "~/사진"], None),
        ("photos 폴더를 색인해줘", [], ["photos"], None),
        ("~/a.png에 뭐가 있어?", ["~/a.png"], [], None),
        ('what is this? "/tmp/my pics/a b.png"', ["/tmp/my pics/a b.png"], [], None),
        ("is it a cat/dog?", [], [], None),
        ("is ~/a.png a cat? use the model mine", ["~/a.png"], [], "mine"),
        ("mine 모델로 ~/a.png가 뭔지 봐줘", ["~/a.png"], [], "mine"),
        ("find stars in pics/a with ViT-B-32/laion2b", [], ["pics/a"], "ViT-B-32/laion2b"),
    ],
)
def test_places(request_: str, pictures: list[str], folders: list[str], model: str | None) -> None:
    assert (pictures_in(request_), folders_in(request_), model_in(request_)) == (
        *(pictures, folders, model),
    )


@pytest.mark.parametrize(
    ("request_", "labels"),
    [
        ("is this a cat or a dog?", ["cat", "dog"]),
        (
            "is ~/a.png a red circle, a blue square or a star?",
            ["red circle", "blue square", "star"],
        ),
        ("classify ~/a.png as cat, dog or bird", ["cat", "dog", "bird"]),
        ("이건 고양이야 개야?", ["고양이", "개"]),
        ("이 그림은 빨간 원이야 파란 사각형이야?", ["빨간 원", "파란 사각형"]),
        ("고양이, 개, 새 중에 뭐야?", ["고양이", "개", "새"]),
        ("고양이와 개 중 어느 쪽?", ["고양이", "개"]),
        ("a.png가 원인지 별인지 알려줘", ["원", "별"]),
        ("이 사진이 '고양이'야 '개'야?", ["고양이", "개"]),
        ("이게 별이야?", ["별"]),
        ("what is in ~/a.png?", []),
        ("is ~/a.png a star or a cross? use the model mine", ["star", "cross"]),
        ("이건 뭐야?", []),
        ('what is this? "/tmp/my pics/a b.png"', []),
    ],
)
def test_labels(request_: str, labels: list[str]) -> None:
    assert labels_in(request_) == labels


@pytest.mark.parametrize(
    ("request_", "query", "number"),
    [
        ("find pictures of red triangles in ~/photos", "red triangles", None),
        ("~/photos에서 빨간 삼각형 사진 찾아줘", "빨간 삼각형", None),
        ("show me pictures with two circles in ~/p, top 3", "two circles", 3),
        ("내 사진에서 노란 별 세 장만 찾아줘", "노란 별", 3),
        ("which pictures show a green heart?", "a green heart", None),
        ("~/p에 하트 그림 있어?", "하트", None),
        ("분홍색 하트가 있는 사진 5장 찾아줘", "분홍색 하트", 5),
    ],
)
def test_what_is_looked_for(request_: str, query: str, number: int | None) -> None:
    assert (query_in(request_), wanted_number(request_)) == (query, number)


@pytest.mark.parametrize(
    ("request_", "before", "after"),
    [
        ("make this one more blue", "a red circle", "a blue circle"),
        ("이 그림을 더 파랗게 해줘", "빨간 원", "파란 원"),
        ("make it orange", "a red circle", "an orange circle"),
        ("turn the red circle blue", "a red circle left of a yellow star", "a blue circle left of"),
        ("빨간 원을 초록색으로 바꿔줘", "빨간 원과 파란 별", "초록색 원과 파란 별"),
        ("make it a star", "a red circle on a black background", "a red star on a black"),
        ("별로 바꿔줘", "빨간 원", "빨간 별"),
        ("turn this into a blue star", "a red circle", "a blue star"),
        ("이 그림을 파란 별로 바꿔줘", "빨간 원", "파란 별"),
        ("redraw this as a sketch", "a cat", "a sketch"),
    ],
)
def test_a_change_gives_a_caption(request_: str, before: str, after: str) -> None:
    assert changed_caption(before, change_in(request_)).startswith(after)


def test_a_part_to_fill_is_a_box_and_a_caption() -> None:
    assert filled_in("fill the box 10,10,40,40 with a red star") == ("a red star", "10,10,40,40")
    assert filled_in("10, 10, 40, 40을 빨간 별로 채워줘") == ("빨간 별", "10,10,40,40")


async def test_one_more_keeps_the_settings_and_takes_the_next_seed() -> None:
    talk = Talk()
    first = await talk.say("draw 2 pictures of a red circle, seed 7, 30 steps")
    assert first["artifacts"] == ["/home/p/0.png", "/home/p/1.png"]
    asked = {"prompt": "a red circle", "steps": 30, "count": 2}
    assert await talk.calls_of("one more") == [("generate", {**asked, "seed": 9})]
    assert await talk.calls_of("again with seed 3") == [("generate", {**asked, "seed": 3})]
    assert await talk.calls_of("하나 더 그려줘") == [("generate", {**asked, "seed": 5})]
    assert await talk.calls_of("seed 3, again") == [("generate", {**asked, "seed": 3})]
    assert await talk.calls_of("50단계로 똑같이 다시 그려줘") == [
        ("generate", {**asked, "steps": 50, "seed": 3})
    ]


async def test_this_one_is_the_picture_last_made() -> None:
    talk = Talk()
    await talk.say("draw 2 pictures of a red circle")
    assert await talk.calls_of("make the second one more blue") == [
        ("image_to_image", {"picture": "/home/p/1.png", "prompt": "a blue circle"})
    ]
    (looked,) = await talk.calls_of("이건 원이야 별이야?")
    assert looked == ("classify", {"pictures": ["/home/p/2.png"], "labels": ["원", "별"]})
    assert (await talk.calls_of("what settings made this picture?"))[0][1] == {
        "picture": "/home/p/2.png"
    }


async def test_a_strange_picture_is_recognised_before_it_is_changed() -> None:
    talk = Talk()
    named, looked, changed = await talk.calls_of("~/a.png를 더 파랗게 해줘, 강도 0.6")
    assert (named[0], looked[0]) == ("settings_of", "classify")
    assert changed == (
        *("image_to_image", {"picture": "~/a.png", "prompt": "파란 원", "strength": 0.6}),
    )


async def test_a_folder_is_indexed_and_then_searched() -> None:
    talk = Talk()
    turn = await talk.say("find pictures of red triangles in ~/photos, top 3")
    assert [step["tool"] for step in turn["steps"]] == ["index_pictures", "watch", "search"]
    assert talk.calls[0] == ("index_pictures", {"folder": "~/photos", "index": "photos"})
    assert talk.calls[-1] == (
        *("search", {"query_text": "red triangles", "index": "photos", "k": 3}),
    )
    assert await talk.calls_of("find pictures like this one") == [
        ("search", {"picture": "/photos/1.png", "index": "photos"})
    ]
    assert (await talk.calls_of("~/photos에 중복된 사진 있어?"))[-1] == (
        *("duplicates", {"index": "photos"}),
    )


async def test_a_failure_is_told_and_ends_the_errand() -> None:
    talk = Talk()
    talk.failing = "index_pictures"
    turn = await talk.say("~/gone에서 별 그림 찾아줘")
    assert [step["tool"] for step in turn["steps"]] == ["index_pictures"]
    assert "It cannot be done. Do another thing." in turn["messages"][-1].text


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ("그림 그려줘", "무엇을 그릴까요"),
        ("draw something", "Draw what?"),
        ("이 그림을 더 파랗게 해줘", "어느 그림을 고칠까요"),
        ("is this a cat or a dog?", "Which picture?"),
        ("inpaint ~/a.png with a star", "Redraw which part?"),
        ("사진 찾아줘", "어떤 그림을 찾을까요"),
        ("how far is it?", "No work on pictures"),
    ],
)
async def test_what_is_missing_is_asked_for(request_: str, said: str) -> None:
    talk = Talk()
    turn = await talk.say(request_)
    assert said in turn["messages"][-1].text
    assert talk.calls == [] and turn["steps"] == []


async def test_a_job_is_followed_on_its_own_server() -> None:
    talk = Talk()
    await talk.say("index the pictures in ~/photos")
    turn = await talk.say(f"how far is {JOB}?")
    assert (turn["steps"][0]["server"], turn["steps"][0]["tool"]) == ("clip", "job")


@pytest.mark.parametrize(
    ("request_", "tool", "arguments"),
    [
        (
            "train a VAE named shapes on ~/p, 300 steps, beta 0.5, 32x32",
            "train_vae",
            {"folder": "~/p", "name": "shapes", "steps": 300, "beta": 0.5, "side": 32},
        ),
        ("~/p 그림들로 VAE를 학습시켜줘, 16차원", "train_vae", {"folder": "~/p", "latent_dim": 16}),
        ("sample 8 pictures from the vae digits", "vae_sample", {"vae": "digits", "count": 8}),
        ("VAE로 새 그림 4장 뽑아줘, 시드 3", "vae_sample", {"count": 4, "seed": 3}),
        (
            "VAE로 ~/a.png와 ~/b.png 사이를 보간해줘",
            "vae_interpolate",
            {"first": "~/a.png", "last": "~/b.png"},
        ),
        ("~/p에 이상한 사진이 섞여 있는지 봐줘", "vae_outliers", {"pictures": ["~/p"]}),
        ("reconstruct ~/a.png", "vae_reconstruct", {"pictures": ["~/a.png"]}),
        ("~/a.png의 노이즈를 없애줘", "vae_denoise", {"picture": "~/a.png"}),
        (
            "plot the latent space with t-SNE and 4 clusters",
            "vae_plot",
            {"method": "tsne", "clusters": 4},
        ),
        ("which VAEs are there?", "vaes", {}),
    ],
)
async def test_autoencoders(request_: str, tool: str, arguments: dict[str, Any]) -> None:
    (call,) = await Talk().calls_of(request_)
    spoken = {"language": "ko" if "가" <= max(request_) <= "힣" else "en"}
    takes = TOOLS["diffusion"][tool]
    assert call == (tool, arguments | (spoken if "language" in takes else {}))


async def test_clip_learns_from_a_file_of_pairs() -> None:
    talk = Talk()
    assert await talk.calls_of("fine-tune CLIP on ~/pairs.csv for 3 epochs") == [
        ("finetune", {"data": "~/pairs.csv", "name": "pairs", "epochs": 3})
    ]
    assert await talk.calls_of("./내그림.jsonl로 CLIP을 미세조정해줘, 이름은 shapes") == [
        ("finetune", {"data": "./내그림.jsonl", "name": "shapes"})
    ]
    assert "Learn from which" in (await talk.say("fine-tune CLIP"))["messages"][-1].text


async def test_the_autoencoder_just_trained_is_the_one_that_is_meant() -> None:
    talk = Talk()
    await talk.say("train a VAE named shapes on ~/p")
    assert await talk.calls_of("VAE로 새 그림을 뽑아줘") == [("vae_sample", {"vae": "shapes"})]


async def test_what_asks_first_is_never_called_by_code() -> None:
    talk = Talk(ask_first=frozenset({"remove_index", "generate"}))
    assert (await talk.say("photos 색인을 지워줘"))["args"] == {"index": "photos"}
    talk = Talk(ask_first=frozenset({"remove_index", "generate"}))
    waiting = await talk.say("draw a red star with seed 5")
    assert (waiting["name"], waiting["args"]["prompt"], waiting["args"]["seed"]) == (
        *("generate", "a red star", 5),
    )
    assert talk.calls == []


def test_without_labels_a_drawing_is_compared_with_every_drawing() -> None:
    assert "빨간 원" in default_labels("ko", drawn=True)
    assert len(default_labels("en", drawn=True)) == 48
    assert "a cat" in default_labels("en", drawn=False)
