"""What a Cluster document says of how changes are rolled out: how many at once, when, and what stops it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from resources.cloud import Spec
from resources.specs.shapes import Shape, not_empty

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

EVERY_DAY: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""The days in the order in which calendars count them: Monday is 0."""

_HOUR, _LAST = r"([01]\d|2[0-3]):[0-5]\d", "24:00"
Start = Annotated[str, Shape(_HOUR, "a time of the day such as 01:00")]
End = Annotated[str, Shape(f"{_HOUR}|{_LAST}", "a time of the day such as 05:00, at most 24:00")]


class MaxDeletes(Spec):
    """How much may go at once because no document declares it any more; more is held until `apply --confirm-deletes`."""

    count: int = Field(default=10, ge=0, description="So many things: files, files that lose options, services, resources.")
    percent: int = Field(
        default=20,
        ge=0,
        le=100,
        description="So much of all that is Bivisor's on the hosts, rounded up; the smaller one counts.",
    )


class Window(Spec):
    """A time in which what runs may be interrupted, as the clocks of its time zone show it."""

    days: Annotated[tuple[Day, ...], AfterValidator(not_empty)] = Field(
        default=EVERY_DAY, description="The days on which it opens; one that goes over midnight closes on the day after."
    )
    start: Start = Field(
        description="When it opens. An hour that clocks skip does not exist; one that comes twice counts once."
    )
    end: End = Field(description="When it closes; earlier than the start means the day after. 24:00 is the end of the day.")
    time_zone: Annotated[str, Shape(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*", "a time zone such as Europe/Berlin")] = Field(
        description="Whose clocks: a name of the IANA time zone database, such as Europe/Berlin or UTC."
    )

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.start == self.end:
            raise ValueError(
                f'opens and closes at {self.start}: for the whole day write start: "00:00" and end: "24:00", '
                "and no windows at all for any time"
            )
        return self


class Rollout(Spec):
    """How careful changes are rolled out."""

    max_unavailable: int = Field(default=1, ge=1, description="So many services may be down at once, whatever the reason.")
    failure_budget: int = Field(
        default=1, ge=1, description="When so many services did not come through their restart, no other one is interrupted."
    )
    canary: bool | Annotated[int, Field(ge=0)] = Field(
        default=False,
        description="Of the services that restart alike (the nova-computes of a zone, say) so many go first, and the others "
        "when these are seen to be as declared; true is one.",
    )
    windows: tuple[Window, ...] = Field(
        default=(),
        description="When services that run may be interrupted; without any, always. What is down is repaired anyway.",
    )
    max_deletes: MaxDeletes = Field(
        default_factory=MaxDeletes, description="How much may go at once because no document declares it any more."
    )
