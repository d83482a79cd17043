"""What can you do? A fixed text answers, as it does for `/help`: a small model does not know."""

from __future__ import annotations

import re

from graphs.language import language_of
from graphs.specialist import Specialist, answer_message, request_of
from graphs.state import Turn
from prompts import prompt

_GREETING = r"(?:(?:안녕|반가|hi|hello|hey)[^\s,.!?]*(?: there| dure)?[\s,.!~]+)?(?:두레야[\s,!]+)?"
_ADDRESSED = r"(?:(?:너|넌|네가|니가|당신|두레|dure|여기서|지금)[은는]?\s+)?"
_TOLD = r"(?: ?좀)? ?(?:다 ?)?(?:알려|보여|말해|설명해) ?(?:줘|줄래|주세요|주실래요|봐)?요?"
_IS = r"(?:뭐|뭔|무엇)(?:야|지|니|가|냐|예요|에요|죠|인가요|입니까|가요|가 있\S{1,4})?"
_KOREAN = (
    r"(?:뭐|뭘|무엇|무슨 일|어떤 (?:일|것|거|걸|도움))[을를까지]*\s?"
    r"(?:할 수 ?있|(?:해 ?|도와 ?)?(?:줄|주실) 수 ?있|하실 수 ?있|할 줄 ?[아알])[^\s.?!]{0,5}"
    rf"|(?:할 수 있는|할 줄 아는) ?(?:일|것|거|게|건)들?[을이은는]?\s?(?:{_IS}|{_TOLD})"
    rf"|(?:[너네]의? )?(?:도움말|사용법|기능)[을를이은는]?\s?(?:{_IS}|{_TOLD})?"
    r"|(?:뭐가 가능|어떤 기능이 있)[^\s.?!]{1,4}"
)
_ENGLISH = (
    r"what (?:all |else )?(?:can (?:you|dure) (?:do|help)|are you able to do|are you capable of)"
    r"(?: me)?(?: with)?(?: for me)?|what do you do|what are your (?:abilities|capabilities)"
    r"|how can you help(?: me)?|help(?: me)?"
)
ASKED = rf"^(?=.{{1,80}}$)\s*{_GREETING}{_ADDRESSED}(?:{_KOREAN}|{_ENGLISH})[\s?!.~]*$"
"""A request that asks what Dure can do, and nothing else."""

_ASKED = re.compile(ASKED, re.IGNORECASE)


def with_abilities(otherwise: Specialist) -> Specialist:
    """A node that says what Dure can do where that is asked, and else `otherwise`."""

    async def answer(state: Turn) -> Turn:
        request = request_of(state)
        if not _ASKED.search(request):
            return await otherwise(state)
        text = prompt(f"abilities_{language_of(request)}")
        return {"messages": [answer_message(text, [])], "steps": [], "artifacts": []}

    return answer
