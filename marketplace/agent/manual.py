"""A driver without a scheduler: people hand cards over and take them back, and the agent records when.

One small file a delivery says what was asked for and what was handed over. `cardhour-agent handed-over`
and `taken-back` write into it.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from marketplace.agent.driver import Acceptance, Wanted
from marketplace.agent.errors import SiteProblem
from marketplace.agent.usage import Holding, Span, card_seconds


@dataclass(slots=True)
class Handover:
    """``holdings`` are the cards that the buyer had, one after the other; the last may still last."""

    delivery: int
    buyer: int
    cards: int
    model: str
    holdings: list[Holding] = field(default_factory=list)

    @property
    def held(self) -> int:
        """Cards that the buyer has now."""
        last = self.holdings[-1] if self.holdings else None
        return last.cards if last is not None and last.until is None else 0

    def end(self, at: int) -> None:
        if self.held:
            last = self.holdings.pop()
            self.holdings.append(Holding(last.cards, last.since, at))


@dataclass(frozen=True, slots=True)
class ManualDriver:
    """``memory_gb`` of each model is what the site's people say it is."""

    folder: Path
    memory_gb: Callable[[str], str]

    def present(self) -> frozenset[int]:
        """Of its own files: a copy that somebody keeps beside them is no delivery."""
        names = (path.stem for path in self.folder.glob("*.json"))
        return frozenset(int(name) for name in names if name.isascii() and name.isdecimal())

    def provide(self, wanted: Wanted) -> None:
        with self._alone():
            known = self._read(wanted.delivery)
            if known is None:
                known = Handover(wanted.delivery, wanted.buyer, wanted.cards, wanted.model)
            elif known.cards == wanted.cards:
                return
            known.cards = wanted.cards
            self._write(known)

    def accept(self, wanted: Wanted) -> Acceptance:
        known = self._read(wanted.delivery)
        held = 0 if known is None else known.held
        if held < wanted.cards:
            raise SiteProblem(
                f"Hand {wanted.cards} {wanted.model} to organisation {wanted.buyer}, test them, and say "
                f"`cardhour-agent handed-over {wanted.delivery} {wanted.cards}`. It has {held}."
            )
        evidence = {"driver": "ssh-manual", "by": "people of the site"}
        return Acceptance(held, wanted.model, self.memory_gb(wanted.model), passed=True, evidence=evidence)

    def visible(self, wanted: Wanted) -> int:
        known = self._read(wanted.delivery)
        return 0 if known is None else min(known.held, wanted.cards)

    def access(self, wanted: Wanted) -> Mapping[str, str]:
        """What people put beside the record, in a file that only they can read."""
        try:
            text = (self.folder / f"{wanted.delivery}.access").read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        return {"access": text}

    def stop(self, delivery: int) -> bool:
        known = self._read(delivery)
        if known is not None and known.held:
            raise SiteProblem(
                f"D{delivery} is over: take its {known.held} {known.model} back from organisation "
                f"{known.buyer} and say `cardhour-agent taken-back {delivery}`."
            )
        return True

    def remove(self, delivery: int) -> None:
        self._path(delivery).unlink(missing_ok=True)
        (self.folder / f"{delivery}.access").unlink(missing_ok=True)

    def watch(self) -> None: ...

    def card_seconds(self, wanted: Wanted, span: Span) -> int:
        known = self._read(wanted.delivery)
        held = card_seconds([] if known is None else known.holdings, span)
        return min(held, wanted.cards * span.seconds)

    def hand_over(self, delivery: int, cards: int, *, at: int) -> None:
        """The buyer has so many cards from a moment on."""
        if cards < 1:
            raise SiteProblem(f"{cards} cards cannot be handed over. Say `taken-back` where none is left.")
        with self._alone():
            known = self._asked(delivery)
            known.end(at)
            known.holdings.append(Holding(cards, at, None))
            self._write(known)

    def take_back(self, delivery: int, *, at: int) -> None:
        with self._alone():
            known = self._asked(delivery)
            known.end(at)
            self._write(known)

    def _asked(self, delivery: int) -> Handover:
        known = self._read(delivery)
        if known is None:
            raise SiteProblem(f"Nobody asked for D{delivery} here.")
        return known

    def _path(self, delivery: int) -> Path:
        return self.folder / f"{delivery}.json"

    def _read(self, delivery: int) -> Handover | None:
        path = self._path(delivery)
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise SiteProblem(
                f"{path} cannot be read ({error}). Put it right; nothing is guessed."
            ) from error
        return Handover(**kept | {"holdings": [Holding(**one) for one in kept["holdings"]]})

    def _write(self, handover: Handover) -> None:
        """All of it or nothing, and on disk."""
        new = self.folder / f"{handover.delivery}.new"
        try:
            with new.open("w", encoding="utf-8") as file:
                json.dump(asdict(handover), file)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path(handover.delivery))
        except OSError as error:
            raise SiteProblem(f"{new} cannot be written ({error.strerror}): nothing was noted.") from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """The agent and the command that people use change the same file: one after the other."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.folder.parent / f"{self.folder.name}.lock", os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise SiteProblem(f"{self.folder} cannot be written ({error.strerror}).") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)
