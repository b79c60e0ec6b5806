"""Files of offers: read, mended in the preview, and listed by a job, all of them or none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from marketplace.errors import DomainError, InvalidInput
from marketplace.jobs import services as jobs
from marketplace.jobs.models import Job
from marketplace.supply.importing import services
from marketplace.supply.importing.columns import MOST_LINES, lines_of, text_of
from marketplace.supply.models import Fleet, Offer, OfferImport
from marketplace.supply.tasks import import_offers
from tests.cast import Cast
from tests.factories import make_fleet, make_offer, make_site

HEAD = "site,model,cards,from,until,ask,lot\n"
GOOD = "Site 1,h800,16,2026-03-03 08:00,2026-03-04 08:00,9.50,8\n"
BAD = (
    "Site 9,h800,16,2026-03-03 08:00,2026-03-04 08:00,9.50,8\n"
    "Site 1,h800,sixteen,2026-03-03 08:00,2026-03-04 08:00,9.50,8\n"
    "Site 1,h800,16,2026-03-03 08:00,2026-03-02 20:00,free,8\n"
)


@pytest.fixture
def fleet(cast: Cast, now: datetime) -> Fleet:
    return make_fleet(make_site(cast.owner), cards=32)


@pytest.fixture
def begin(cast: Cast, fleet: Fleet, now: datetime) -> Callable[[str], OfferImport]:
    def begun(lines: str) -> OfferImport:
        viewer = cast.viewer_of(cast.owner_trader)
        return services.begin(viewer=viewer, owner=cast.owner, name="march.csv", text=HEAD + lines, now=now)

    return begun


Begin = Callable[[str], OfferImport]


def test_each_wrong_line_says_what_is_wrong_with_which_column(begin: Begin) -> None:
    source = begin(GOOD + BAD)

    found = {line.number: set(line.problems) for line in source.lines.all()}
    assert found == {2: set(), 3: {"site"}, 4: {"cards"}, 5: {"ask"}}
    assert not Offer.objects.exists()


def test_lines_are_judged_beside_one_another_and_what_is_listed(begin: Begin, fleet: Fleet) -> None:
    make_offer(fleet, cards=8, start=datetime.fromisoformat("2026-03-03T00:00Z"), hours=24)
    source = begin(GOOD * 2)

    assert [set(line.problems) for line in source.lines.order_by("number")] == [set(), {"cards"}]
    assert "Only 8 of the fleet" in source.lines.get(number=3).problems["cards"]


def test_times_are_those_of_the_site(begin: Begin, cast: Cast, now: datetime) -> None:
    list_all(begin(GOOD), cast, now)
    assert Offer.objects.get().starts_at == datetime.fromisoformat("2026-03-03T00:00Z")


def list_all(source: OfferImport, cast: Cast, now: datetime) -> Job:
    job = services.confirm(viewer=cast.viewer_of(cast.owner_trader), source=source, now=now)
    import_offers(job.pk)
    job.refresh_from_db()
    return job


def test_nothing_is_imported_while_a_line_is_wrong(begin: Begin, cast: Cast, now: datetime) -> None:
    with pytest.raises(services.ImportNotReady, match="3 lines are wrong"):
        list_all(begin(GOOD + BAD), cast, now)


def test_lines_that_are_left_out_on_purpose_do_not_stand_in_the_way(
    begin: Begin, cast: Cast, now: datetime
) -> None:
    source = begin(GOOD + BAD)
    for line in source.lines.exclude(problems={}):
        services.leave_out(viewer=cast.viewer_of(cast.owner_trader), line=line, left_out=True, now=now)
    job = list_all(source, cast, now)

    assert (job.state, jobs.steps_done(job)) == (Job.State.DONE, 1)
    assert job.result_url == f"/offers/?batch={Offer.objects.get().batch_id}"


def test_the_task_may_be_delivered_twice(begin: Begin, cast: Cast, now: datetime) -> None:
    source = begin(GOOD)
    job = list_all(source, cast, now)
    Job.objects.filter(pk=job.pk).update(state=Job.State.RUNNING, finished_at=None)
    import_offers(job.pk)
    import_offers(job.pk)

    assert Offer.objects.count() == 1


def test_what_was_free_in_the_preview_and_is_taken_meanwhile_fails_in_words_and_lists_nothing(
    begin: Begin, fleet: Fleet, cast: Cast, now: datetime
) -> None:
    source = begin(GOOD + GOOD.replace("-03-03", "-03-05").replace("-03-04", "-03-06"))
    job = services.confirm(viewer=cast.viewer_of(cast.owner_trader), source=source, now=now)
    taken = make_offer(fleet, cards=32, start=datetime.fromisoformat("2026-03-05T04:00Z"), hours=1)
    import_offers(job.pk)

    job.refresh_from_db()
    assert job.state == Job.State.FAILED
    assert job.error.startswith("Line 3 can no longer be listed")
    assert list(Offer.objects.all()) == [taken]
    source.refresh_from_db()
    assert source.state == OfferImport.State.OPEN


def test_two_confirmations_are_one_job(begin: Begin, cast: Cast, now: datetime) -> None:
    source, viewer = begin(GOOD), cast.viewer_of(cast.owner_trader)
    assert len({services.confirm(viewer=viewer, source=source, now=now).pk for _ in range(2)}) == 1


def test_who_lost_the_role_meanwhile_imports_nothing(begin: Begin, cast: Cast, now: datetime) -> None:
    job = services.confirm(viewer=cast.viewer_of(cast.owner_trader), source=begin(GOOD), now=now)
    cast.owner_trader.memberships.update(role="viewer")
    import_offers(job.pk)

    job.refresh_from_db()
    assert job.state == Job.State.FAILED
    assert not Offer.objects.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no column"),
        ("site,model\n", "no column cards, from, until, ask"),
        (HEAD, "no lines below"),
        (HEAD + 'Site 1,"h800\n', "no CSV"),
        (HEAD + "\0", "no text"),
        (HEAD + GOOD * (MOST_LINES + 1), "5,001 lines"),
    ],
)
def test_what_is_no_file_of_offers_is_refused_in_words(text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        lines_of(text)


def test_files_as_spreadsheets_in_china_write_them_are_read() -> None:
    content = HEAD.replace(",", ";") + GOOD.replace(",", ";").replace("Site 1", "1 号机房")
    ((number, values),) = lines_of(text_of(content.encode("gb18030")))
    assert (number, values["site"], values["minimum_hours"]) == (2, "1 号机房", "")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("ask", "NaN"),
        ("ask", "1e-9"),
        ("ask", "-1"),
        ("cards", "1.5"),
        ("cards", "٣"),
        ("cards", "99999999999999999999"),
        ("from", "2026-02-30 08:00"),
        ("from", "9999-12-31 23:00"),
        ("from", "2026-03-03 08:30"),
        ("from", "2020-03-03 08:00"),
        ("lot", "33"),
        ("model", "a100"),
    ],
)
def test_a_value_that_cannot_be_is_named(begin: Begin, column: str, value: str) -> None:
    cells = dict(zip(HEAD.strip().split(","), GOOD.strip().split(","), strict=True)) | {column: value}
    line = begin(",".join(cells.values()) + "\n").lines.get()
    assert column in line.problems


def test_a_person_reads_mends_and_confirms_a_file(client: Client, cast: Cast, fleet: Fleet) -> None:
    client.force_login(cast.owner_trader)
    file = SimpleUploadedFile("march.csv", (HEAD + GOOD + BAD).encode())
    page = client.post("/offers/import/", {"file": file, "text": ""}, follow=True)
    address = page.redirect_chain[-1][0]
    assert "3 lines are wrong" in page.content.decode()
    assert "Put 1 offer" not in page.content.decode()

    values = {"site": "Site 1", "model": "H800", "cards": "8", "from": "2026-03-04 08:00"}
    mended = values | {"until": "2026-03-05 08:00", "ask": "8"}
    client.post(f"{address}lines/3/", mended | {"do": "mend"})
    client.post(f"{address}lines/4/", {"do": "leave"})
    page = client.post(f"{address}lines/5/", {"do": "leave"}, follow=True)
    assert "Put 2 offers on the market" in page.content.decode()

    answer = client.post(f"{address}confirm/")
    import_offers(Job.objects.get().pk)
    assert "It is done." in client.get(answer["Location"]).content.decode()
    listed = client.get(Job.objects.get().result_url).content.decode()
    assert all(f'"/offers/{offer.pk}/"' in listed for offer in Offer.objects.all())
    assert Offer.objects.count() == 2


def test_a_confirmation_too_early_shows_what_is_wrong(client: Client, cast: Cast, begin: Begin) -> None:
    client.force_login(cast.owner_trader)
    answer = client.post(f"/offers/import/{begin(BAD).pk}/confirm/")
    assert answer.status_code == 422
    assert "3 lines are wrong. Mend them" in answer.content.decode()


def test_an_imported_file_is_mended_no_more(begin: Begin, cast: Cast, now: datetime) -> None:
    source = begin(GOOD)
    list_all(source, cast, now)
    with pytest.raises(DomainError, match="imported already"):
        services.mend(viewer=cast.viewer_of(cast.owner_trader), line=source.lines.get(), values={}, now=now)


def test_the_file_to_begin_with_is_right(client: Client, cast: Cast, fleet: Fleet, begin: Begin) -> None:
    client.force_login(cast.owner_trader)
    text = text_of(client.get("/offers/import/example.csv").content)
    assert begin(text.partition("\n")[2]).lines.count() == 1
    ((_number, values),) = lines_of(text)
    assert values["from"] == "2026-03-03 00:00"
