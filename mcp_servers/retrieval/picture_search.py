"""Pictures found by the words around them and by their looks, fused by rank.

A stage ranks only what it has evidence for: words that hold some of the question, or mean nearly
the same. Otherwise the noise of one stage would outvote the finding of the other.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mcp_servers.errors import EngineError
from mcp_servers.retrieval import ranking
from mcp_servers.retrieval.embedding import Embedder
from mcp_servers.retrieval.filtering import Where, chosen_documents
from mcp_servers.retrieval.fusing import vote
from mcp_servers.retrieval.lexical import LexicalIndex
from mcp_servers.retrieval.picture_store import PictureStore, Place, key_of
from mcp_servers.retrieval.results import FoundPicture, PictureScores, Shown
from mcp_servers.retrieval.store import DocumentRow, Store

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Rows = NDArray[np.int64]

_CANDIDATES = 100  # from BM25 and from cosines
_SAID = 0.87  # a cosine of e5 from which words mean nearly what the question asks for
# What every picture is, and so says nothing of the one that is sought; "Figure 2" does.
_ANY_PICTURE = re.compile(
    r"(?:\s*(?:이|가|을|를)?\s*(?:있는|나오는|나온|그려진|보이는))?\s*"
    r"(?<![가-힣])(?:그림|사진|이미지|삽화)(?!\s*\d)(?:을|를|이|가|은|는|의|들)?(?![가-힣])"
    r"|\b(?:an? |the )?(?:pictures?|images?|photos?|figures?|drawings?)\b(?!\s*\d)"
    r"(?: (?:of|with|showing|that shows?)\b)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Held:
    """The places that show pictures at one moment, and their words made ready."""

    stamps: tuple[str, str]
    places: list[Place]
    owners: dict[str, DocumentRow]
    lexical: LexicalIndex
    vectors: Floats
    looks: dict[str, Floats]


@dataclass
class _Evidence:
    """What the stages say of one picture, and where it is shown, the best place first."""

    places: list[Place] = field(default_factory=list)
    score: float = 0.0
    scores: PictureScores = field(
        default_factory=lambda: PictureScores(
            words_rank=None,
            lexical=None,
            dense=None,
            words=None,
            coverage=None,
            looks_rank=None,
            looks=None,
        )
    )


class PictureSearcher:
    """What a process keeps of one index's pictures between searches."""

    def __init__(self, store: Store, embedder: Embedder) -> None:
        self._store, self._embedder = store, embedder
        self._pictures = PictureStore(store)
        self._lock = threading.Lock()
        self._held: _Held | None = None

    def there_are(self) -> bool:
        """Whether the index may hold pictures."""
        return self._pictures.exists()

    def search(
        self, query: str, k: int, source: str | None, where: Where
    ) -> tuple[list[FoundPicture], str | None]:
        """The best pictures, equal ones once, and why they were not searched by looks, or None.

        Fewer than k where no more fit.
        """
        import numpy as np

        held = self._followed()
        query = sought(query)
        rows = np.flatnonzero(self._allowed(held, source, where))
        if not len(rows):
            return [], None
        evidence: dict[str, _Evidence] = {}
        self._by_words(held, rows, query, evidence)
        note = self._by_looks(held, rows, query, evidence)
        for row in rows:
            place = held.places[row]
            if (found := evidence.get(place.picture)) and place not in found.places:
                found.places.append(place)
        best = sorted(evidence.items(), key=lambda item: -item[1].score)[:k]
        return [self._result(held, picture, found) for picture, found in best], note

    def _followed(self) -> _Held:
        import numpy as np

        with self._lock:
            stamps = self._store.meta("stamp"), self._pictures.stamp()
            if self._held is None or self._held.stamps != stamps:
                owners: dict[str, DocumentRow] = {}
                for row in self._store.documents():
                    owners.setdefault(key_of(row["sha256"], row["source"]), row)
                vectors = self._pictures.vectors()
                places = [
                    place
                    for place in self._pictures.places()
                    if place.document in owners and place.id in vectors
                ]
                terms = self._pictures.terms()
                held = [np.frombuffer(vectors[place.id], np.float32) for place in places]
                self._held = _Held(
                    stamps,
                    places,
                    owners,
                    LexicalIndex.build(terms[place.id] for place in places),
                    np.stack(held) if held else np.zeros((0, 1), np.float32),
                    {
                        picture: np.frombuffer(vector, np.float32)
                        for picture, vector in self._pictures.looks().items()
                    },
                )
            return self._held

    def _allowed(self, held: _Held, source: str | None, where: Where) -> list[bool]:
        """Which places the conditions let through."""
        chosen = chosen_documents(self._store, source, where)
        keys = None
        if chosen is not None:
            keys = {key_of(row["sha256"], row["source"]) for row in chosen}
        first, last = where.get("first_page"), where.get("last_page")

        def meets(place: Place) -> bool:
            if keys is not None and place.document not in keys:
                return False
            if first is None and last is None:
                return True
            return place.page is not None and (first or 0) <= place.page <= (last or place.page)

        return [meets(place) for place in held.places]

    def _by_words(
        self, held: _Held, rows: Rows, query: str, evidence: dict[str, _Evidence]
    ) -> None:
        """Rank pictures by what is said around them, as passages are ranked."""
        import numpy as np

        lexical, attainable = held.lexical.scores(query)
        dense = held.vectors @ self._embedder.query_vector(query)
        best = [rows[np.argsort(-scores[rows])[:_CANDIDATES]] for scores in (lexical, dense)]
        rows = np.unique(np.concatenate(best))
        rows = rows[(lexical[rows] > 0) | (dense[rows] >= _SAID)]
        if not len(rows):
            return
        texts = [held.places[row].words for row in rows]
        matched, near = ranking.first_ranking(lexical[rows], attainable, dense[rows])
        fused = ranking.rank(query, held.lexical, rows, texts, matched, near).fused
        for at in np.argsort(-fused, kind="stable"):
            place = held.places[rows[at]]
            if place.picture in evidence:
                continue
            rank = len(evidence) + 1
            found = evidence[place.picture] = _Evidence([place], vote(rank))
            found.scores["words_rank"] = rank
            found.scores["lexical"] = round(float(lexical[rows[at]]), 4)
            found.scores["dense"] = round(float(dense[rows[at]]), 4)
            found.scores["words"] = round(float(fused[at]), 4)
            found.scores["coverage"] = round(held.lexical.coverage(query, texts[at]), 4)

    def _by_looks(
        self, held: _Held, rows: Rows, query: str, evidence: dict[str, _Evidence]
    ) -> str | None:
        """Rank pictures by CLIP's cosines with the question; why that cannot be, or None."""
        shown = {held.places[row].picture: held.places[row] for row in reversed(rows)}
        vectors = {name: held.looks[name] for name in shown if name in held.looks}
        if not vectors:
            return None
        from mcp_servers.retrieval import looks

        try:
            cosines = looks.cosines(self._pictures, vectors, query)
        except EngineError as error:
            return f"Pictures were searched by the words around them alone. {error}"
        best = sorted(cosines.items(), key=lambda item: -item[1])[:_CANDIDATES]
        for rank, (picture, cosine) in enumerate(best, 1):
            found = evidence.setdefault(picture, _Evidence([shown[picture]]))
            found.score += vote(rank)
            found.scores["looks_rank"] = rank
            found.scores["looks"] = round(cosine, 4)
        return None

    def _result(self, held: _Held, picture: str, found: _Evidence) -> FoundPicture:
        first, *others = found.places
        shown = _shown(held, first)
        return {
            "id": picture,
            "picture": str(self._pictures.path_of(picture)),
            "caption": first.caption,
            **shown,
            "also": [_shown(held, place) for place in others],
            "score": round(found.score, 5),
            "scores": found.scores,
        }


def sought(query: str) -> str:
    """What a picture is to show, without the words that say that it is a picture."""
    left = " ".join(_ANY_PICTURE.sub(" ", query).split())
    return left if any(character.isalnum() for character in left) else query


def _shown(held: _Held, place: Place) -> Shown:
    owner = held.owners[place.document]
    return {"source": owner["source"], "title": owner["title"], "page": place.page}
