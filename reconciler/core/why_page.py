"""Why something is as it is, as a page: what stands against it above, then each field with the words that decide it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from reconciler.core.drift import Drift
from reconciler.core.plan import Verb, named
from reconciler.core.report import SIGNS
from reconciler.core.shown import Line, Paper, Span, Tone, ascii_only, masked_urls, printable, written
from reconciler.core.why import ResourceWhy, UnitWhy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from reconciler.core.places import Place, Written
    from reconciler.core.plan import Step
    from reconciler.core.why import FieldWhy, Link, Past
    from resources.contract import Address, TargetId

SHORT = 10
"""As many characters of a commit's hash are shown."""

MOST_LISTED = 8
"""As many units are listed that need it, unless the page is to be full."""

_LABEL = 12
_LABEL_MOST = 44
_BARE = Paper()

_DRIFT = {
    Drift.DECLARED: "declared: the documents say otherwise than what was last written",
    Drift.CORRECTIVE: "corrective: something else changed it after Bivisor last wrote it",
    Drift.FOREIGN: "foreign: it was found so, and Bivisor never wrote it",
}


def why_lines(why: UnitWhy | ResourceWhy, paper: Paper = _BARE) -> tuple[Line, ...]:
    """Return the page."""
    lines = _unit_lines(why, paper) if isinstance(why, UnitWhy) else _resource_lines(why, paper)
    if paper.unicode:
        return tuple(lines)
    return tuple(tuple(Span(ascii_only(span.text), span.tone) for span in line) for line in lines)


def _resource_lines(why: ResourceWhy, paper: Paper) -> Iterator[Line]:
    yield (Span(str(why.document.key), Tone.TITLE),)
    yield from _row("declared", _where(why.document), Tone.PLAIN, paper)
    yield from _author_lines(why.document.by, paper)
    if not why.units:
        yield from _row("units", "none of its own", Tone.DIM, paper)
    elif not why.looked:
        yield from _row("units", f"{len(why.units)}; nobody was asked how they stand", Tone.DIM, paper)
    else:
        ready = sum(verb == Verb.NOTHING for _, verb in why.units)
        tone = Tone.GOOD if ready == len(why.units) else Tone.BAD
        yield from _row("units", f"{ready} of {len(why.units)} as declared, looked at {why.looked}", tone, paper)
    shown = [each for each in why.units if paper.full or each[1] != Verb.NOTHING]
    yield from (_unit_line(address, verb) for address, verb in shown)
    yield from _past_lines(why.past, paper, of_many=True)
    if why.worst is not None:
        yield ()
        yield (Span("Most is wrong with", Tone.TITLE),)
        yield from _unit_lines(why.worst, paper)


def _unit_lines(why: UnitWhy, paper: Paper) -> Iterator[Line]:
    about = f"  {printable(why.about)}" if why.about else ""
    yield (Span(f"{printable(str(why.address))}{about}", Tone.TITLE),)
    yield from _state_lines(why, paper)
    yield from _declared_lines(why, paper)
    if why.ours:
        yield from _row("ours", why.ours, Tone.PLAIN, paper)
    yield from _field_lines(why, paper)
    yield from _need_lines(why, paper)
    yield from _needed_lines(why.needed_by, paper)
    yield from _past_lines(why.past, paper)


def _state_lines(why: UnitWhy, paper: Paper) -> Iterator[Line]:
    """Yield how it stands, why it differs, what that interrupts, and when something will be done."""
    step = why.step
    if step is None:
        yield from _row("state", "nobody was asked", Tone.DIM, paper)
        return
    tone = Tone.GOOD if step.verb is Verb.NOTHING else Tone(step.verb)
    verb = "as declared" if step.verb is Verb.NOTHING else _intended(step)
    yield from _row("state", f"{verb}: {why.seen} (looked at {why.looked})", tone, paper)
    if step.drift:
        since = f" ({step.since})" if step.since else ""
        told = (
            _DRIFT[Drift(step.drift)] if since or step.drift != Drift.DECLARED else "declared: Bivisor has not written it yet"
        )
        yield from _row("drift", f"{told}{since}", Tone.REASON, paper)
    for reason in step.reasons if not step.drift else step.reasons[step.drift == Drift.CORRECTIVE :]:
        yield from _row("because", reason, Tone.REASON, paper)
    if step.disruption is not None:
        yield from _row("interrupts", step.disruption.service, Tone.RESTART, paper)
    for remark in step.remarks:
        yield from _row("note", remark, Tone.REASON, paper)
    yield from _row("next", why.next, Tone.GOOD if step.verb is Verb.NOTHING else Tone.REASON, paper)


def _intended(step: Step) -> str:
    return f"held, would {step.intended}" if step.held and step.intended is not Verb.NOTHING else str(step.verb)


def _declared_lines(why: UnitWhy, paper: Paper) -> Iterator[Line]:
    for document in why.documents:
        yield from _row("declared", f"by {document.key}  {_where(document)}", Tone.PLAIN, paper)
        yield from _author_lines(document.by, paper, said="last changed ")
    if why.formerly:
        by = f", formerly by {named(map(str, why.formerly))}"
        yield from _row("declared", f"by no document any more{by}", Tone.BAD, paper)
    if why.ignored is not None:
        yield from _row("left", f"to others, by bivisor/ignore of {why.ignored.key}  {_where(why.ignored)}", Tone.PLAIN, paper)
    for place in () if why.about else why.because:
        yield from _row("there for", f"{_word(place)}  {_where(place)}", Tone.DIM, paper)
    for kind in why.more:
        yield from _row(
            "", f"and words of more documents of kind {kind}: ask for one field to see all of them", Tone.DIM, paper
        )


def _field_lines(why: UnitWhy, paper: Paper) -> Iterator[Line]:
    """Yield the fields: those that differ, and one that was asked for, with their authors; the others in a line each."""
    if why.fields:
        yield ()
        yield (Span("Fields", Tone.TITLE),)
    widest = min(max((len(each.name) for each in why.fields), default=0), _LABEL_MOST)
    differing = [each for each in why.fields if each.differs]
    # where something differs, all else can be taken for granted
    shown = differing if differing and not paper.full else why.fields
    for each in shown:
        label = f"  {printable(each.name):<{widest}}  "
        if each.differs or why.about or paper.full:
            yield from _whole_field(each, label, why, paper)
        else:
            places = [_where(place) + (" (default)" if place.default else "") for place in each.sources]
            tail = f"  {named(dict.fromkeys(places))}" if places else "  (built in)"
            room = paper.width - len(label) - len(tail)
            yield (Span(label), Span(paper.cut(written(each.declared), room)), Span(tail, Tone.DIM))
    if len(shown) < len(why.fields):
        yield (Span(f"  and {len(why.fields) - len(shown)} as declared (--full shows them)", Tone.DIM),)


def _whole_field(each: FieldWhy, label: str, why: UnitWhy, paper: Paper) -> Iterator[Line]:
    room = paper.width - len(label) - 2
    declared = Span(paper.cut(written(each.declared), room), Tone.AFTER if each.differs else Tone.PLAIN)
    if each.differs:
        yield (Span(label), Span("- ", Tone.DIM), Span(paper.cut(written(each.found), room), Tone.BEFORE))
        yield (Span(" " * len(label)), Span("+ ", Tone.DIM), declared)
    else:
        yield (Span(label), declared)
    owners = each.owners or tuple(document.key for document in why.documents)
    if len(why.documents) > 1 and owners:
        yield from _sentence(f"said by {named(map(str, owners))}", 6, Tone.DIM, paper)
    if each.goes:
        yield from _sentence("no document declares it any more, and it is Bivisor's: it is taken away", 6, Tone.REASON, paper)
    elif not each.sources and owners:
        kinds = named(dict.fromkeys(owner.kind for owner in owners))
        yield from _sentence(f"built in: {kinds} says so, whatever the documents say", 6, Tone.REASON, paper)
    for place in each.sources:
        yield from _sentence(f"{_word(place)}  {_where(place)}", 6, Tone.PLAIN, paper)
        yield from _author_lines(place.by, paper, 10)


def _need_lines(why: UnitWhy, paper: Paper) -> Iterator[Line]:
    """Yield the chain of what is not as declared, each with what it needs below it; the rest is counted."""
    asked = why.step is not None
    direct = [link for link in why.needs if not link.depth][:MOST_LISTED]
    shown = why.needs if paper.full else [link for link in why.needs if link.verb != Verb.NOTHING] if asked else direct
    if not why.needs:
        return
    yield ()
    yield (Span("Needs", Tone.TITLE),)
    alike: dict[tuple[TargetId, str], list[Link]] = {}
    for link in shown:
        alike.setdefault(_silence(link), []).append(link)
    for link in shown:
        same = alike[_silence(link)]
        if paper.full or not link.said or link is same[0]:
            yield from _link_lines(link, 0 if paper.full or not link.said else len(same) - 1, paper)
    rest = len(why.needs) - len(shown)
    if rest and asked:
        yield (Span(f"  {'and ' if shown else ''}{rest} {'unit' if rest == 1 else 'units'} as declared", Tone.DIM),)
    elif rest:
        yield (Span(f"  and {rest} more, with what these need (--full shows them)", Tone.DIM),)


def _silence(link: Link) -> tuple[TargetId, str]:
    """Return what is equal for needs about which nobody knows for one and the same reason: they are told once."""
    return link.needs.target, link.said if link.verb == Verb.UNKNOWN else f"{link.verb} {link.needs}"


def _link_lines(link: Link, alike: int, paper: Paper) -> Iterator[Line]:
    indent = 2 + 2 * min(link.depth, 8)
    sign = (Span(f"{SIGNS[Verb(link.verb)]} {link.verb:<8} ", Tone(link.verb)),) if link.verb not in ("", Verb.NOTHING) else ()
    yield (Span(" " * indent), *sign, Span(printable(str(link.needs))), Span(f"  ({printable(link.reason)})", Tone.DIM))
    if link.said:
        yield from _sentence(link.said, indent + 4, Tone.REASON, paper)
    if alike:
        units = "1 unit" if alike == 1 else f"{alike} units"
        yield from _sentence(f"and {units} more of {link.needs.target}, for the same reason", indent + 4, Tone.DIM, paper)


def _needed_lines(needed_by: Sequence[Address], paper: Paper) -> Iterator[Line]:
    if needed_by:
        yield ()
        yield (Span("Needed by", Tone.TITLE),)
        kept = needed_by if paper.full else needed_by[:MOST_LISTED]
        yield from ((Span(f"  {printable(str(address))}"),) for address in kept)
        if len(kept) < len(needed_by):
            yield (Span(f"  {paper.ellipsis} {len(needed_by) - len(kept)} more", Tone.DIM),)


def _past_lines(past: Sequence[Past], paper: Paper, *, of_many: bool = False) -> Iterator[Line]:
    """Yield the last changes; what was done to `of_many` units is told without each of its fields."""
    if past:
        yield ()
        yield (Span("Last changes", Tone.TITLE),)
    for each in past:
        dirty = " with uncommitted changes" if each.dirty else ""
        of = f"  commit {each.commit[:SHORT]}{dirty}" if each.commit else ""
        unit = f"  {each.step.address}" if of_many else ""
        head = f"pass {each.number}  {each.began}  {each.step.verb} {each.step.outcome}{unit}  by {each.user}{of}"
        yield from _sentence(head, 2, Tone.PLAIN, paper)
        for change in () if of_many and not paper.full else each.step.changes:
            before, after = change.before or "absent", change.after or "absent"
            text = f"{change.field}: {before} {paper.arrow} {after}"
            yield (Span(f"      {paper.cut(printable(text), paper.width - 6)}", Tone.DIM),)
        if each.step.message:
            yield from _sentence(each.step.message, 6, Tone.REASON, paper)


def _unit_line(address: Address, verb: str) -> Line:
    told = f"{SIGNS[Verb(verb)]} {verb:<8} " if verb else ""
    return (Span("  "), Span(told, Tone(verb) if verb not in ("", Verb.NOTHING) else Tone.PLAIN), Span(printable(str(address))))


def _author_lines(by: Written | None, paper: Paper, indent: int = _LABEL + 6, said: str = "") -> Iterable[Line]:
    if by is None:
        return ()
    told = f"{said}{by.commit[:SHORT]}  {by.date[:10]}  {by.author}: {by.summary}" if by.commit else "not committed yet"
    return _sentence(told, indent, Tone.DIM, paper)


def _word(place: Place) -> str:
    return f"{place.key} {place.path}" + (" (not written: its default)" if place.default else "")


def _where(place: Place) -> str:
    return f"{place.file}:{place.line}"


def _row(label: str, text: str, tone: Tone, paper: Paper) -> Iterator[Line]:
    """Yield a text beside its label, wrapped."""
    for number, line in enumerate(_wrapped(text, paper.width - _LABEL - 2)):
        yield (Span(f"  {label if number == 0 else '':<{_LABEL}}", Tone.DIM), Span(line, tone))


def _sentence(text: str, indent: int, tone: Tone, paper: Paper) -> Iterator[Line]:
    for line in _wrapped(text, paper.width - indent):
        yield (Span(" " * indent), Span(line, tone))


def _wrapped(text: str, room: int) -> list[str]:
    plain = printable(masked_urls(text.replace("\n", " ")))
    return textwrap.wrap(plain, max(room, 24), break_long_words=False, break_on_hyphens=False)
