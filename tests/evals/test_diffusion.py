"""What the evaluation of diffusion asks for, and how it judges."""

from __future__ import annotations

import io

from PIL import Image

from evals.diffusion import Case, Judged, cases_of, contact_sheet, judged
from mcp_servers.drawings.painting import paint
from mcp_servers.drawings.scenes import Scene, Thing, is_held_out


def test_captions_are_unseen_in_both_languages_and_of_every_kind() -> None:
    cases = cases_of(200)
    assert cases == cases_of(200)
    assert all(is_held_out(case.scene) for case in cases)
    assert sum(case.language == "ko" for case in cases) == 100
    assert sum(case.scene.relation is not None for case in cases) == 89
    assert sum(case.placed for case in cases) > 80
    assert any(thing.size for case in cases for thing in case.scene.things)


def test_what_was_painted_is_right_and_the_wrong_size_is_not() -> None:
    right = [judged(case, paint(case.scene)) for case in cases_of(60)]
    assert all(each.right for each in right)
    small = Thing("heart", "pink", "small", 0.5, 0.5, 0.12)
    big = Thing("heart", "pink", "big", 0.5, 0.5, 0.22)
    case = Case(Scene((big,)), "ko", "큰 분홍색 하트")
    wrong = judged(case, paint(Scene((small,))))
    assert wrong.verdict.shape and wrong.verdict.colour
    assert wrong.size is False and not wrong.right


def test_the_contact_sheet_marks_what_is_wrong() -> None:
    cases = cases_of(12)
    drawn = [judged(case, paint(case.scene)) for case in cases]
    empty = Image.new("RGB", (64, 64), "white")
    drawn[3] = judged(cases[3], empty)
    assert isinstance(drawn[3], Judged)
    with Image.open(io.BytesIO(contact_sheet(drawn))) as sheet:
        colours = {colour for _, colour in sheet.convert("RGB").getcolors(1 << 20) or []}
        assert (255, 0, 0) in colours
        assert sheet.width > 10 * 64
