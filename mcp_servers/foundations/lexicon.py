"""The words of the small parallel set."""

from __future__ import annotations

from typing import NamedTuple

from mcp_servers.foundations.korean_forms import is_formal, to_come


class Subject(NamedTuple):
    """Who acts, in English and Korean, and how English verbs agree."""

    en: str
    ko: str
    be: str = "is"
    plural: bool = False

    @property
    def third(self) -> bool:
        """Whether the present takes -s."""
        return self.be == "is"


class Noun(NamedTuple):
    """A thing as English says it in a sentence, article and all, and in Korean."""

    en: str
    ko: str

    @property
    def bare_name(self) -> str:
        """The English name without its article."""
        first, _, rest = self.en.partition(" ")
        return rest if first in ("a", "an", "the") else self.en


class Place(NamedTuple):
    """A place; `there` is how English says that something is done in it."""

    en: str
    ko: str
    there: str

    @property
    def to(self) -> str:
        """The English way to it: to the park, but home."""
        return self.en if self.en == "home" else f"to {self.en}"


class Verb(NamedTuple):
    """A verb with the kinds of things it takes; Korean is a stem and a past stem.

    `at` names the places (in Korean) where one does it, `lasting` verbs have no
    progressive, no time and no will.
    """

    en: str
    third: str
    past: str
    ing: str
    ko: str
    ko_past: str
    takes: tuple[str, ...]
    at: tuple[str, ...] = ()
    lasting: bool = False
    ko_to_come: str = ""

    @property
    def formal(self) -> str:
        """The formal present: 마십니다."""
        return is_formal(self.ko)

    @property
    def to_come(self) -> str:
        """The form before 것입니다: 마실; 들을 of 듣다 is irregular and given."""
        return self.ko_to_come or to_come(self.ko)


class Quality(NamedTuple):
    """An adjective; Korean is a stem and a past stem."""

    en: str
    ko: str
    past: str
    fits: tuple[str, ...]


SUBJECTS = (
    Subject("I", "저", "am"),
    Subject("he", "그"),
    Subject("she", "그녀"),
    Subject("we", "우리", "are", plural=True),
    Subject("they", "그들", "are", plural=True),
    Subject("the child", "아이"),
    Subject("the student", "학생"),
    Subject("my friend", "제 친구"),
    Subject("my brother", "제 동생"),
    Subject("the man", "그 남자"),
    Subject("the woman", "그 여자"),
    Subject("the doctor", "의사"),
    Subject("the singer", "가수"),
    Subject("the farmer", "농부"),
    Subject("Minsu", "민수"),
    Subject("Jiyeon", "지연"),
)

THINGS = {
    "dish": (
        Noun("bread", "빵"),
        Noun("a cake", "케이크"),
        Noun("kimchi", "김치"),
        Noun("noodles", "국수"),
    ),
    "meal": (Noun("rice", "밥"),),  # which one eats; what one buys is 쌀, and to cook it is 짓다
    "produce": (Noun("an apple", "사과"), Noun("meat", "고기"), Noun("fruit", "과일")),
    "drink": (
        Noun("coffee", "커피"),
        Noun("tea", "차"),
        Noun("water", "물"),
        Noun("milk", "우유"),
        Noun("juice", "주스"),
    ),
    "writing": (Noun("a book", "책"), Noun("a letter", "편지"), Noun("a novel", "소설")),
    "print": (Noun("a newspaper", "신문"), Noun("a magazine", "잡지")),
    "show": (Noun("a movie", "영화"), Noun("a game", "경기"), Noun("a play", "연극")),
    "sound": (Noun("music", "음악"), Noun("a song", "노래")),
    "broadcast": (Noun("the radio", "라디오"),),
    "subject": (
        Noun("Korean", "한국어"),
        Noun("English", "영어"),
        Noun("math", "수학"),
        Noun("history", "역사"),
        Noun("science", "과학"),
    ),
    "person": (
        Noun("you", "당신"),
        Noun("him", "그"),
        Noun("her", "그녀"),
        Noun("them", "그들"),
        Noun("the child", "아이"),
        Noun("Minsu", "민수"),
        Noun("Jiyeon", "지연"),
    ),
    "animal": (Noun("the cat", "고양이"), Noun("the dog", "강아지"), Noun("the bird", "새")),
    "goods": (
        Noun("a bag", "가방"),
        Noun("a car", "자동차"),
        Noun("flowers", "꽃"),
        Noun("a phone", "전화기"),
        Noun("clothes", "옷"),
    ),
}

VERBS = (
    Verb(
        "eat", "eats", "ate", "eating",
        "먹", "먹었", ("dish", "meal", "produce"), ("집", "식당", "학교"),
    ),
    Verb(
        "drink", "drinks", "drank", "drinking",
        "마시", "마셨", ("drink",), ("집", "식당", "회사"),
    ),
    Verb(
        "read", "reads", "read", "reading",
        "읽", "읽었", ("writing", "print"), ("집", "도서관", "학교"),
    ),
    Verb("write", "writes", "wrote", "writing", "쓰", "썼", ("writing",), ("집", "도서관", "회사")),
    Verb("watch", "watches", "watched", "watching", "보", "보았", ("show",), ("집",)),
    Verb(
        "listen to", "listens to", "listened to", "listening to",
        "듣", "들었", ("sound", "broadcast"), ("집", "공원"), ko_to_come="들을",
    ),
    Verb(
        "study", "studies", "studied", "studying",
        "공부하", "공부했", ("subject",), ("집", "도서관", "학교"),
    ),
    Verb(
        "learn", "learns", "learned", "learning", "배우", "배웠", ("subject",), ("학교", "집")
    ),
    Verb(
        "buy", "buys", "bought", "buying",
        "사", "샀", ("goods", "produce", "print"), ("시장", "백화점"),
    ),
    Verb(
        "sell", "sells", "sold", "selling",
        "팔", "팔았", ("goods", "produce", "print"), ("시장", "백화점"),
    ),
    Verb("make", "makes", "made", "making", "만들", "만들었", ("dish",), ("집", "식당")),
    Verb(
        "like", "likes", "liked", "liking", "좋아하", "좋아했",
        ("dish", "produce", "drink", "sound", "subject", "animal"), lasting=True,
    ),
    Verb(
        "love", "loves", "loved", "loving", "사랑하", "사랑했",
        ("person", "sound", "animal"), lasting=True,
    ),
    Verb(
        "meet", "meets", "met", "meeting",
        "만나", "만났", ("person",), ("학교", "공원", "식당", "역"),
    ),
)  # fmt: skip

HABITUAL = (
    ("", ""),
    ("every day", "매일"),
    ("in the morning", "아침에"),
    ("in the evening", "저녁에"),
    ("on weekends", "주말에"),
)
PAST = (("", ""), ("yesterday", "어제"), ("last week", "지난주에"), ("last night", "어젯밤에"))
FUTURE = (
    ("", ""),
    ("tomorrow", "내일"),
    ("next week", "다음 주에"),
    ("this evening", "오늘 저녁에"),
)

PLACES = (
    Place("school", "학교", "at school"),
    Place("home", "집", "at home"),
    Place("the library", "도서관", "at the library"),
    Place("the market", "시장", "at the market"),
    Place("the park", "공원", "in the park"),
    Place("the hospital", "병원", "at the hospital"),
    Place("the restaurant", "식당", "at the restaurant"),
    Place("the office", "회사", "at the office"),
    Place("the bank", "은행", "at the bank"),
    Place("the department store", "백화점", "at the department store"),
    Place("the station", "역", "at the station"),
)

COMPANIONS = (
    Noun("a friend", "친구"),
    Noun("the student", "학생"),
    Noun("the child", "아이"),
    Noun("Minsu", "민수"),
    Noun("Jiyeon", "지연"),
)

OBJECTS = (
    Noun("a book", "책"),
    Noun("a cup", "컵"),
    Noun("a bag", "가방"),
    Noun("a cat", "고양이"),
    Noun("a dog", "강아지"),
    Noun("a chair", "의자"),
    Noun("a picture", "그림"),
    Noun("an umbrella", "우산"),
    Noun("a key", "열쇠"),
)
GIFTS = (
    Noun("a book", "책"),
    Noun("flowers", "꽃"),
    Noun("a letter", "편지"),
    Noun("money", "돈"),
    Noun("a present", "선물"),
    Noun("a picture", "그림"),
    Noun("water", "물"),
)

SPOTS = (
    ("on the desk", "책상 위"),
    ("under the desk", "책상 아래"),
    ("in the room", "방"),
    ("in the kitchen", "부엌"),
    ("next to the door", "문 옆"),
    ("in front of the window", "창문 앞"),
    ("behind the sofa", "소파 뒤"),
    ("in the box", "상자 안"),
)

POINTING = (("this", "이"), ("that", "그"))
DESCRIBED = {
    "food": (
        Noun("bread", "빵"),
        Noun("cake", "케이크"),
        Noun("apple", "사과"),
        Noun("meat", "고기"),
    ),
    "drink": (Noun("coffee", "커피"), Noun("tea", "차"), Noun("water", "물")),
    "work": (
        Noun("book", "책"),
        Noun("movie", "영화"),
        Noun("novel", "소설"),
        Noun("song", "노래"),
    ),
    "goods": (Noun("bag", "가방"), Noun("car", "자동차"), Noun("phone", "전화기")),
    "place": (
        Noun("park", "공원"),
        Noun("library", "도서관"),
        Noun("room", "방"),
        Noun("house", "집"),
    ),
}
QUALITIES = (
    Quality("big", "크", "컸", ("goods", "place")),
    Quality("small", "작", "작았", ("goods", "place")),
    Quality("expensive", "비싸", "비쌌", ("food", "goods")),
    Quality("cheap", "싸", "쌌", ("food", "goods")),
    Quality("good", "좋", "좋았", ("work", "goods", "place")),
    Quality("hot", "뜨겁", "뜨거웠", ("drink",)),
    Quality("cold", "차갑", "차가웠", ("drink",)),
    Quality("delicious", "맛있", "맛있었", ("food", "drink")),
    Quality("interesting", "재미있", "재미있었", ("work",)),
    Quality("boring", "지루하", "지루했", ("work",)),
    Quality("beautiful", "아름답", "아름다웠", ("place",)),
    Quality("quiet", "조용하", "조용했", ("place",)),
    Quality("clean", "깨끗하", "깨끗했", ("place", "goods")),
)

OCCUPATIONS = (
    Noun("a student", "학생"),
    Noun("a teacher", "교사"),
    Noun("a doctor", "의사"),
    Noun("a nurse", "간호사"),
    Noun("a singer", "가수"),
    Noun("a writer", "작가"),
    Noun("a driver", "운전사"),
    Noun("a farmer", "농부"),
    Noun("an engineer", "기술자"),
    Noun("a police officer", "경찰관"),
)
