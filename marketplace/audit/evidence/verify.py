"""Checks this pack of evidence. It needs Python 3.8 or newer and nothing else: no network, no database.

    python3 verify.py            checks the folder that this file lies in
    python3 verify.py PACK.zip   checks a pack as it was downloaded, without unpacking it

It says what it proved and what it cannot prove, and exits with 0. At the first thing that is wrong it names
it and exits with 1.

Whoever made a pack could have changed this file as well. Its SHA-256 stands on the exchange's page of the
pack, as do those of the manifest and of the whole zip: compare them with what is printed here, or read the
file, which is short for that reason.
"""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any, Callable, Dict, Iterable  # noqa: UP035 older Pythons have no others

Row = Dict[str, Any]  # noqa: UP006
Files = Dict[str, bytes]  # noqa: UP006

MANIFEST = "manifest.json"
FORMAT = "cardhour-evidence/1"
PLACES = 12  # of an amount; a price and a rate have 6
MINOR = {"CNY": 2, "USD": 2, "EUR": 2}


class Wrong(Exception):
    """The pack is not what it says it is. The message names the place."""


def check(holds: bool, problem: str) -> None:
    if not holds:
        raise Wrong(problem)


def sha256(data: bytes | str) -> str:
    return hashlib.sha256(data if isinstance(data, bytes) else data.encode()).hexdigest()


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def read(data: bytes, where: str) -> Any:
    """JSON that is written in the one way in which this pack writes it."""
    try:
        text = data.decode()
        value = json.loads(text)
    except ValueError as error:
        raise Wrong(f"{where} is not JSON: {error}") from None
    check(canonical(value) == text, f"{where} is not written canonically")
    return value


def units(text: str, places: int) -> int:
    """A decimal string as a whole number of its last place; there are no floats here."""
    sign = -1 if text.startswith("-") else 1
    whole, _, part = text.lstrip("-").partition(".")
    check(whole.isdigit() and (part or "0").isdigit(), f"{text!r} is not a decimal number")
    check(not part[places:].strip("0"), f"{text} has more than {places} places")
    return sign * int(whole + part[:places].ljust(places, "0"))


def half_even(numerator: int, denominator: int) -> int:
    quotient, rest = divmod(numerator, denominator)
    return quotient + (2 * rest > denominator or (2 * rest == denominator and quotient % 2 == 1))


def half_away(numerator: int, denominator: int) -> int:
    magnitude = (2 * abs(numerator) + denominator) // (2 * denominator)
    return -magnitude if numerator < 0 else magnitude


def grouped(rows: Iterable[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    found: dict[Any, list[Row]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found


def by(name: str) -> Callable[[Row], Any]:
    return lambda row: row[name]


def total(rows: Iterable[Row], name: str) -> int:
    return sum(row[name] for row in rows)


def exact(rows: Iterable[Row], name: str) -> int:
    return sum(units(row[name], PLACES) for row in rows)


def check_manifest(files: Files) -> Row:
    """The list of files, itself as it was written; and the files, byte for byte."""
    check(MANIFEST in files, f"{MANIFEST} is missing")
    manifest: Row = read(files[MANIFEST], MANIFEST)
    claimed = manifest.pop("digest", None)
    check(sha256(canonical(manifest)) == claimed, f"{MANIFEST} does not have the digest that it names")
    check(manifest.get("format") == FORMAT, f"{MANIFEST} is of a format that is not known here")
    listed = manifest["files"]
    for name in sorted(set(files) - set(listed) - {MANIFEST}):
        raise Wrong(f"{name} is not in the manifest")
    for name in sorted(listed):
        check(name in files, f"{name} is missing")
        check(len(files[name]) == listed[name]["size"], f"{name} has another size than the manifest says")
        check(sha256(files[name]) == listed[name]["sha256"], f"{name} was changed: its SHA-256 is another")
    return manifest


def read_rows(name: str, content: bytes, count: int) -> list[Row]:
    check(not content or content.endswith(b"\n"), f"{name} ends in the middle of a line")
    lines = content.split(b"\n")[:-1]
    check(len(lines) == count, f"{name} has another number of rows than the manifest says")
    return [read(line, f"{name}, line {number},") for number, line in enumerate(lines, 1)]


class Pack:
    """What is in it, and what was proved of it so far."""

    def __init__(self, files: Files) -> None:
        self.manifest = check_manifest(files)
        listed = self.manifest["files"]
        self.rows = {
            name[: -len(".jsonl")]: read_rows(name, files[name], listed[name]["rows"])
            for name in sorted(listed)
            if name.endswith(".jsonl")
        }
        self.agreements = {row["id"]: row for row in self.rows["agreements"]}
        self.accounts = {row["id"]: row for row in self.rows["accounts"]}
        self.documents = {row["id"]: row for row in self.rows["documents"]}
        of_delivery = {row["id"]: row["agreement_id"] for row in self.rows["deliveries"]}
        allocated = (row for row in self.rows["readings"] if row["meter"] == "card-seconds.allocated")
        self.of_hour = grouped(allocated, lambda row: (of_delivery.get(row["delivery_id"]), row["slot"]))
        self.proved = [f"All {len(listed)} files are those that the manifest lists, byte for byte."]
        self.cannot: list[str] = []

    def verify(self) -> None:
        self.terms()
        self.readings()
        self.charges()
        self.rating_runs()
        self.lines()
        self.sums_of_documents()
        self.postings()
        self.events()
        self.links()
        self.finding()
        self.cannot += [
            "That the exchange wrote down all that happened, and that a meter told the truth.",
            "That the last link is the exchange's: compare its digest with one that was kept elsewhere.",
        ]

    def sealed(self, object_type: str) -> dict[str, Row]:
        """What the audit events about these objects say, by the object's number."""
        found: dict[str, Row] = {}
        for row in self.rows["events"]:
            if row["object_type"] == object_type:
                found.setdefault(row["object_id"], {}).update(row["data"])
        return found

    def terms(self) -> None:
        for row in self.rows["agreements"]:
            problem = f"agreements.jsonl, A{row['id']}: the terms have another digest"
            check(sha256(canonical(row["terms"])) == row["terms_digest"], problem)
        self.proved.append(
            f"The terms of {len(self.agreements)} agreements have the digest that each agreement names."
        )

    def readings(self) -> None:
        """Each against the event that it was made of."""
        for row in self.rows["readings"]:
            where = f"readings.jsonl, reading {row['id']}"
            try:
                event = json.loads(row["body"])
                told = row["sign"] * event["data"]["quantity"]
                facts = (
                    event["source"],
                    event["id"],
                    event["data"]["meter"],
                    event["subject"].split("/")[-1],
                )
            except (AttributeError, KeyError, TypeError, ValueError):
                raise Wrong(f"{where}: its event cannot be read") from None
            stored = (row["source"], row["event_id"], row["meter"], str(row["delivery_id"]))
            check(facts == stored, f"{where} is of another event")
            check(told == row["quantity"], f"{where} says {row['quantity']}, and its event {told}")
        self.proved.append(f"{len(self.rows['readings'])} readings say what their events say.")

    def charges(self) -> None:
        for row in self.rows["charges"]:
            where = f"charges.jsonl, C{row['id']}"
            check(row["agreement_id"] in self.agreements, f"{where} is of an agreement that is not here")
            parts = units(row["commission"], PLACES) + units(row["credit"], PLACES)
            check(parts == units(row["amount"], PLACES), f"{where}: its two parts are not its amount")
        usage = [row for row in self.rows["charges"] if row["kind"] == "usage"]
        decided = self.decided_hours()
        by_decision = detached = 0
        for (agreement, slot), found in sorted(
            grouped(usage, lambda row: (row["agreement_id"], row["slot"])).items()
        ):
            last = max(found, key=lambda row: row["sequence"])
            due = decided.get((last["run_id"], agreement, slot))
            by_decision += due is not None and slot[:7] not in self.manifest["detached_months"]
            where = f"charges.jsonl, A{agreement} in the hour {slot[:13]}"
            charged, metered = total(found, "quantity"), self.metered(agreement, slot, last["last_reading"])
            if slot[:7] in self.manifest["detached_months"]:
                detached += 1
            elif due is None:
                check(charged == metered, f"{where}: {charged} card-seconds charged, and {metered} metered")
            else:
                check(charged == due, f"{where}: {charged} card-seconds charged, and {due} decided")
            self.prices(self.agreements[agreement], found, where)
        hours = len({(row["agreement_id"], row["slot"]) for row in usage})
        self.proved.append(
            f"Readings add up to what was charged in {hours - by_decision - detached} hours; each costs its "
            "card-seconds times its price, of which the commission is the agreed share."
        )
        if detached:
            self.cannot.append(f"The readings of {detached} hours: those months are kept elsewhere.")
        self.what_charges_leave_open(by_decision, len(self.rows["charges"]) - len(usage))

    def what_charges_leave_open(self, by_decision: int, others: int) -> None:
        if by_decision:
            self.cannot.append(
                f"The quantity of {by_decision} hours, which a person decided: rating_runs.jsonl says why."
            )
        if others:
            self.cannot.append(
                f"How {others} charges beside usage (service levels, replacements, months of terms) came "
                "about; what they add up to is checked."
            )
        if self.rows["parked"]:
            self.cannot.append(f"What {len(self.rows['parked'])} hours in parked.jsonl come to: they waited.")

    def decided_hours(self) -> dict[tuple[int, int, str], int]:
        """By run, agreement and hour. Decisions name an hour without the microseconds that rows have."""
        return {
            (run["id"], agreement, f"{slot[:19]}.000000+00:00"): quantity
            for run in self.rows["rating_runs"]
            if run["decision"]
            for agreement, slot, quantity in run["decision"]["quantities"]
        }

    def metered(self, agreement: int, slot: str, until: int) -> int:
        """Allocated card-seconds of an hour, by the readings that its last charge counted."""
        return total(
            (row for row in self.of_hour.get((agreement, slot), []) if row["id"] <= until), "quantity"
        )

    @staticmethod
    def prices(agreement: Row, found: list[Row], where: str) -> None:
        prices = {row["price"] for row in found}
        check(len(prices) == 1, f"{where} was charged at more than one price")
        amount = half_even(total(found, "quantity") * units(prices.pop(), 6) * 2500, 9)
        check(exact(found, "amount") == amount, f"{where} does not cost its card-seconds times its price")
        commission = half_even(amount * units(agreement["commission_rate"], 6), 10**6)
        check(exact(found, "commission") == commission, f"{where} has another commission than was agreed")

    def rating_runs(self) -> None:
        """A run's digest is over all of its charges; it is computed where all of them are here."""
        of_run = grouped(self.rows["charges"], by("run_id"))
        sealed = self.sealed("rating.ratingrun")
        whole = 0
        for run in self.rows["rating_runs"]:
            where = f"rating_runs.jsonl, run {run['id']}"
            told = sealed.get(str(run["id"]), {}).get("charges_sha256", run["charges_digest"])
            check(told == run["charges_digest"], f"{where} has another digest than the audit chain says")
            found = of_run.get(run["id"], [])
            if len(found) == run["charges_made"]:
                found.sort(key=lambda row: (row["agreement_id"], row["slot"], row["kind"], row["sequence"]))
                digest = sha256("".join(map(charge_line, found)))
                check(digest == run["charges_digest"], f"{where}: its charges have another digest")
                whole += 1
        self.proved.append(f"{whole} rating runs are here with all of their charges, and have their digest.")
        if whole < len(self.rows["rating_runs"]):
            left = len(self.rows["rating_runs"]) - whole
            self.cannot.append(f"The digests of {left} rating runs, which charged other agreements too.")

    def lines(self) -> None:
        lines = {row["id"]: row for row in self.rows["lines"]}
        charged = set()
        for side, amount in (("invoice_line", "amount"), ("statement_line", "credit")):
            billed = (row for row in self.rows["charges"] if row[side] is not None)
            for number, found in sorted(grouped(billed, by(side)).items()):
                check(number in lines, f"charges.jsonl names line {number}, which is not here")
                self.line(lines[number], found, amount)
                charged.add(number)
        for row in self.rows["lines"]:
            known = row["id"] in charged or row["credits_id"] is not None
            check(known, f"lines.jsonl, line {row['id']} has no charges")
        self.proved.append(
            f"Charges add up to {len(charged)} lines of invoices and statements, rounded once."
        )
        waiting = sum(row["invoice_line"] is None for row in self.rows["charges"])
        if waiting:
            self.cannot.append(f"How {waiting} charges will be billed: they stand on no document yet.")

    def line(self, line: Row, found: list[Row], side: str) -> None:
        where = f"lines.jsonl, line {line['id']}"
        check(line["document_id"] in self.documents, f"{where} is of a document that is not here")
        places = MINOR[self.documents[line["document_id"]]["currency"]]
        amount = exact(found, side)
        check(line["charge_count"] == len(found), f"{where} is of another number of charges")
        check(line["quantity"] == total(found, "quantity"), f"{where}: its charges are of another quantity")
        check(units(line["exact"], PLACES) == amount, f"{where}: its charges add up to another amount")
        check(line["amount"] == half_away(amount, 10 ** (PLACES - places)), f"{where} is rounded wrongly")

    def sums_of_documents(self) -> None:
        on = grouped(self.rows["lines"], by("document_id"))
        sealed = self.sealed("invoicing.document")
        whole = 0
        for row in self.rows["documents"]:
            where = f"documents.jsonl, {row['number']}"
            check(row["net"] + row["tax"] == row["total"], f"{where}: net and tax are not its total")
            told = sealed.get(str(row["id"]), {}).get("total", row["total"])
            check(told == row["total"], f"{where} has another total than the audit chain says")
            if len(on.get(row["id"], [])) == row["line_count"]:
                check(
                    total(on[row["id"]], "amount") == row["net"], f"{where}: its lines add up to another sum"
                )
                whole += 1
        left = len(self.documents) - whole
        self.proved.append(f"{whole} documents are here with all of their lines, and add up.")
        if left:
            self.cannot.append(f"The sums of {left} documents, which have lines of other agreements too.")

    def postings(self) -> None:
        of_journal = grouped(self.rows["postings"], by("journal_id"))
        for row in self.rows["journals"]:
            where = f"postings.jsonl, journal {row['key']}"
            legs = of_journal.get(row["id"], [])
            check(len(legs) == row["legs"], f"{where} has another number of postings")
            for currency, found in grouped(legs, self.currency).items():
                check(total(found, "amount") == 0, f"{where} does not balance in {currency}")
        invoices = [row for row in self.rows["documents"] if row["kind"] == "invoice" and row["journal_id"]]
        for row in invoices:
            booked = total(
                (
                    leg
                    for leg in of_journal.get(row["journal_id"], [])
                    if leg["item"] == row["number"]
                    and self.accounts[leg["account_id"]]["kind"] == "receivable"
                ),
                "amount",
            )
            problem = f"postings.jsonl: {row['number']} is booked with {booked}, and says {row['total']}"
            check(booked == row["total"], problem)
        self.proved.append(
            f"{len(self.rows['journals'])} journals balance, and {len(invoices)} invoices are booked with "
            "their total."
        )

    def currency(self, leg: Row) -> str:
        return str(self.accounts[leg["account_id"]]["currency"])

    def events(self) -> None:
        """Each has the digest of its content; what was sealed is what is here."""
        linked = {row["event"]: row["event_digest"] for row in self.rows["links"]}
        unsealed = 0
        for row in self.rows["events"]:
            where = f"events.jsonl, event {row['id']}"
            content = canonical({name: row[column] for name, column in EVENT.items()})
            check(
                sha256(content) == row["digest"],
                f"{where} was altered",
            )
            check(
                linked.get(row["id"], row["digest"]) == row["digest"],
                f"{where} is not the one that was sealed",
            )
            unsealed += row["id"] not in linked
        check(unsealed == self.manifest["chain"]["unsealed"], "links.jsonl leaves out the link of an event")
        if unsealed:
            self.cannot.append(f"The place in the chain of {unsealed} events that had no link yet.")

    def links(self) -> None:
        """Links follow one another from the first event of the case to the last."""
        links, chain = self.rows["links"], self.manifest["chain"]
        previous = chain["previous"]
        for place, row in enumerate(links):
            where = f"links.jsonl, link {row['position']}"
            check(
                row["position"] == links[0]["position"] + place, f"{where} does not follow the one before it"
            )
            previous = sha256(previous + row["event_digest"])
            check(previous == row["digest"], f"{where} does not hold: its digest is another")
        check(
            chain["last"] == (previous if links else None),
            "links.jsonl ends elsewhere than the manifest says",
        )
        if links:
            self.proved.append(
                f"{len(self.rows['events']) - chain['unsealed']} audit events are as they were sealed: links "
                f"{links[0]['position']} to {links[-1]['position']} follow one another, up to {previous}."
            )

    def finding(self) -> None:
        """The rows that a finding rests on, each with the digest that it had when a detector read it."""
        evidence = self.rows.get("finding_evidence", [])
        for row in evidence:
            content = canonical({"kind": row["kind"], "row": row["row"], "facts": row["facts"]})
            problem = f"finding_evidence.jsonl, {row['kind']} {row['row']} has another digest"
            check(sha256(content) == row["digest"], problem)
        if evidence:
            self.proved.append(
                f"{len(evidence)} rows that the finding rests on are as the detector read them."
            )


CHARGE = (
    "kind", "agreement_id", "slot", "sequence", "corrects_id", "quantity", "committed", "price", "currency",
    "amount", "commission", "credit", "last_reading",
)  # fmt: skip
EVENT = {
    "occurred_at": "occurred_at",
    "user": "user_id",
    "token": "token_id",
    "task": "task",
    "organisation": "organisation_id",
    "action": "action",
    "object_type": "object_type",
    "object_id": "object_id",
    "data": "data",
}


def charge_line(row: Row) -> str:
    """As a rating run hashes it: its hour without microseconds."""
    facts = {**row, "corrects_id": row["corrects_id"] or "-", "slot": row["slot"].replace(".000000", "")}
    return "\t".join(str(facts[name]) for name in CHARGE) + "\n"


def verify(files: Files) -> Pack:
    """``Wrong`` at the first thing that is."""
    try:
        pack = Pack(files)
        pack.verify()
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise Wrong(
            f"the pack does not have the form of its format ({type(error).__name__}: {error})"
        ) from None
    return pack


def from_folder(folder: Path) -> Files:
    """Every file in it but what Python leaves behind when it runs."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def from_zip(path: Path) -> Files:
    try:
        with zipfile.ZipFile(path) as pack:
            names = pack.namelist()
            check(len(names) == len(set(names)), f"{path} has a file twice")
            return {name: pack.read(name) for name in names}
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError) as error:
        raise Wrong(f"{path} cannot be unpacked: {error}") from None


def main(arguments: list[str]) -> int:
    place = Path(arguments[0]) if arguments else Path(__file__).resolve().parent
    try:
        files = from_folder(place) if place.is_dir() else from_zip(place)
        pack = verify(files)
    except Wrong as wrong:
        print(f"WRONG: {wrong}.")
        return 1
    facts = pack.manifest
    print(f"{facts['case']['title']}, as of {facts['as_of']}, made for {facts['made_for']}.\n\nProved:")
    print("".join(f"  + {text}\n" for text in pack.proved))
    print("Not proved here:")
    print("".join(f"  - {text}\n" for text in pack.cannot))
    print(f"manifest.json  {sha256(files[MANIFEST])}")
    print(f"verify.py      {sha256(files['verify.py'])}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
