"""The words of the small parallel set, and the sentences of it that were written by hand."""

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

    `at` names the places (in Korean) where one does it, `lasting` verbs have no progressive.
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
    Subject("Minsu", "민수"),
    Subject("Jiyeon", "지연"),
)

THINGS = {
    "dish": (
        Noun("bread", "빵"),
        Noun("rice", "밥"),
        Noun("a cake", "케이크"),
        Noun("kimchi", "김치"),
        Noun("noodles", "국수"),
    ),
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
    "sound": (Noun("music", "음악"), Noun("a song", "노래"), Noun("the radio", "라디오")),
    "subject": (
        Noun("Korean", "한국어"),
        Noun("English", "영어"),
        Noun("math", "수학"),
        Noun("history", "역사"),
        Noun("science", "과학"),
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
    Verb("eat", "eats", "ate", "eating", "먹", "먹었", ("dish", "produce"), ("집", "식당", "학교")),
    Verb("drink", "drinks", "drank", "drinking", "마시", "마셨", ("drink",), ("집", "식당", "회사")),
    Verb("read", "reads", "read", "reading", "읽", "읽었", ("writing", "print"), ("집", "도서관", "학교")),
    Verb("write", "writes", "wrote", "writing", "쓰", "썼", ("writing",), ("집", "도서관", "회사")),
    Verb("watch", "watches", "watched", "watching", "보", "보았", ("show",), ("집",)),
    Verb(
        "listen to", "listens to", "listened to", "listening to",
        "듣", "들었", ("sound",), ("집", "공원"), ko_to_come="들을",
    ),
    Verb(
        "study", "studies", "studied", "studying",
        "공부하", "공부했", ("subject",), ("집", "도서관", "학교"),
    ),
    Verb(
        "learn", "learns", "learned", "learning", "배우", "배웠", ("subject",), ("학교", "집")
    ),
    Verb("buy", "buys", "bought", "buying", "사", "샀", ("goods", "produce", "print"), ("시장", "백화점")),
    Verb("sell", "sells", "sold", "selling", "팔", "팔았", ("goods", "produce", "print"), ("시장", "백화점")),
    Verb("make", "makes", "made", "making", "만들", "만들었", ("dish",), ("집", "식당")),
    Verb(
        "like", "likes", "liked", "liking", "좋아하", "좋아했",
        ("dish", "produce", "drink", "sound", "subject", "animal"), lasting=True,
    ),
    Verb(
        "love", "loves", "loved", "loving", "사랑하", "사랑했", ("sound", "animal"), lasting=True
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

BY_HAND = (
    ("I love you.", "저는 당신을 사랑합니다."),
    ("I love machine learning.", "저는 머신러닝을 사랑합니다."),
    ("I like machine learning.", "저는 머신러닝을 좋아합니다."),
    ("I study machine learning.", "저는 머신러닝을 공부합니다."),
    ("How are you doing today?", "오늘 어떻게 지내세요?"),
    ("The cat is sleeping on the sofa.", "고양이가 소파 위에서 자고 있습니다."),
    ("The dog is sleeping on the sofa.", "강아지가 소파 위에서 자고 있습니다."),
    (
        "Artificial intelligence is transforming the world.",
        "인공지능이 세상을 변화시키고 있습니다.",
    ),
    ("Please translate this sentence.", "이 문장을 번역해 주세요."),
    ("Please read this sentence.", "이 문장을 읽어 주세요."),
    ("Please read this book.", "이 책을 읽어 주세요."),
    ("I miss you.", "저는 당신이 보고 싶습니다."),
    ("I know you.", "저는 당신을 압니다."),
    ("Do you love me?", "당신은 저를 사랑합니까?"),
    ("He loves her.", "그는 그녀를 사랑합니다."),
    ("She loves him.", "그녀는 그를 사랑합니다."),
    ("Hello.", "안녕하세요."),
    ("Good morning.", "안녕하세요."),
    ("Good night.", "안녕히 주무세요."),
    ("Goodbye.", "안녕히 가세요."),
    ("Thank you.", "감사합니다."),
    ("Thank you very much.", "정말 감사합니다."),
    ("You are welcome.", "천만에요."),
    ("I am sorry.", "죄송합니다."),
    ("Excuse me.", "실례합니다."),
    ("Nice to meet you.", "만나서 반갑습니다."),
    ("See you tomorrow.", "내일 봐요."),
    ("What is your name?", "이름이 무엇입니까?"),
    ("My name is Minsu.", "제 이름은 민수입니다."),
    ("My name is Jiyeon.", "제 이름은 지연입니다."),
    ("Where are you from?", "어디에서 오셨습니까?"),
    ("I am from Korea.", "저는 한국에서 왔습니다."),
    ("How old are you?", "몇 살입니까?"),
    ("What time is it?", "지금 몇 시입니까?"),
    ("It is three o'clock.", "세 시입니다."),
    ("What is this?", "이것은 무엇입니까?"),
    ("What is that?", "저것은 무엇입니까?"),
    ("This is a book.", "이것은 책입니다."),
    ("This is a chair.", "이것은 의자입니다."),
    ("That is a picture.", "저것은 그림입니다."),
    ("How much is it?", "얼마입니까?"),
    ("It is too expensive.", "너무 비쌉니다."),
    ("The weather is good today.", "오늘은 날씨가 좋습니다."),
    ("It is hot today.", "오늘은 덥습니다."),
    ("It is cold today.", "오늘은 춥습니다."),
    ("It is raining.", "비가 오고 있습니다."),
    ("It is snowing.", "눈이 오고 있습니다."),
    ("I am hungry.", "저는 배가 고픕니다."),
    ("I am tired.", "저는 피곤합니다."),
    ("I am happy.", "저는 행복합니다."),
    ("I am sad.", "저는 슬픕니다."),
    ("He is tired.", "그는 피곤합니다."),
    ("She is happy.", "그녀는 행복합니다."),
    ("I do not know.", "저는 모릅니다."),
    ("I understand.", "저는 이해합니다."),
    ("I do not understand.", "저는 이해하지 못합니다."),
    ("Please help me.", "저를 도와주세요."),
    ("Please wait a moment.", "잠시만 기다려 주세요."),
    ("Please speak slowly.", "천천히 말해 주세요."),
    ("Please sit down.", "앉아 주세요."),
    ("Please give me water.", "물을 주세요."),
    ("Please open the window.", "창문을 열어 주세요."),
    ("Please close the door.", "문을 닫아 주세요."),
    ("Can you speak Korean?", "한국어를 할 수 있습니까?"),
    ("I can speak English.", "저는 영어를 할 수 있습니다."),
    ("I live in Seoul.", "저는 서울에 삽니다."),
    ("He lives in Seoul.", "그는 서울에 삽니다."),
    ("Seoul is the capital of Korea.", "서울은 한국의 수도입니다."),
    ("Seoul is a big city.", "서울은 큰 도시입니다."),
    ("I have a dog.", "저는 강아지가 있습니다."),
    ("I have a cat.", "저는 고양이가 있습니다."),
    ("I do not have money.", "저는 돈이 없습니다."),
    ("I do not have time.", "저는 시간이 없습니다."),
    ("The train is late.", "기차가 늦었습니다."),
    ("The door is open.", "문이 열려 있습니다."),
    ("The child is crying.", "아이가 울고 있습니다."),
    ("The child is sleeping.", "아이가 자고 있습니다."),
    ("The bird sings.", "새가 노래합니다."),
    ("I get up at seven.", "저는 일곱 시에 일어납니다."),
    ("I go to bed at eleven.", "저는 열한 시에 잡니다."),
    ("Let us go together.", "같이 갑시다."),
    ("Let us eat together.", "같이 먹읍시다."),
    ("Do not worry.", "걱정하지 마세요."),
    ("Do not run.", "뛰지 마세요."),
    ("Be careful.", "조심하세요."),
    ("Congratulations.", "축하합니다."),
    ("Happy birthday.", "생일 축하합니다."),
    ("Happy new year.", "새해 복 많이 받으세요."),
    ("I think, therefore I am.", "나는 생각한다, 고로 나는 존재한다."),
    ("Time is money.", "시간은 돈입니다."),
    ("Health is important.", "건강이 중요합니다."),
    ("Water is important.", "물이 중요합니다."),
    ("Who are you?", "당신은 누구입니까?"),
    ("When is your birthday?", "생일이 언제입니까?"),
    ("Where do you live?", "어디에 삽니까?"),
    ("Why do you study Korean?", "왜 한국어를 공부합니까?"),
    ("What do you want?", "무엇을 원합니까?"),
    ("What do you like?", "무엇을 좋아합니까?"),
)
