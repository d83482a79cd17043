"""Whether a caption is true of a drawing, decided by the facts of both scenes.

In the widest reading: a caption leaves open what it does not say, so "a red circle" is true of a
drawing with a red circle and a blue star on black. Where two captions share no drawing even so,
nobody can take one for the other.
"""

from __future__ import annotations

from mcp_servers.drawings.scenes import BETWEEN_SIZES, PLACES, Place, Relation, Scene, Thing

_SLACK = 0.04  # of the side, beyond the third that a place names


def describes(caption_of: Scene, drawn: Scene) -> bool:
    """Whether the plain caption of one scene is true of the drawing of another."""
    if caption_of.background not in ("white", drawn.background):  # white is not said
        return False
    first = caption_of.things[0]
    fitting = [thing for thing in drawn.things if _fits(first, thing)]
    if caption_of.many:
        return len(fitting) >= len(caption_of.things)
    if caption_of.relation:
        second = caption_of.things[1]
        return any(
            _related(caption_of.relation, one, other)
            for one in fitting
            for other in drawn.things
            if other is not one and _fits(second, other)
        )
    place = caption_of.place
    return any(place is None or _lies(thing, place) for thing in fitting)


def _fits(said: Thing, drawn: Thing) -> bool:
    if (said.shape, said.colour) != (drawn.shape, drawn.colour):
        return False
    return said.size is None or (said.size == "big") == (drawn.radius > BETWEEN_SIZES)


def _lies(thing: Thing, place: Place) -> bool:
    return all(
        third is None or third / 3 - _SLACK <= at <= (third + 1) / 3 + _SLACK
        for third, at in zip(PLACES[place], (thing.x, thing.y), strict=True)
    )


def _related(relation: Relation, first: Thing, second: Thing) -> bool:
    across, down = second.x - first.x, second.y - first.y
    match relation:
        case "left of":
            return across > 0
        case "right of":
            return across < 0
        case "above":
            return down > 0
        case "below":
            return down < 0
        case "and":
            return True
