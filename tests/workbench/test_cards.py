from pathlib import Path

from workbench import cards


def test_a_stand_in_for_stripe_is_told_where_the_exchange_is() -> None:
    given = cards.environment({})
    (program,) = cards.programs(Path("/x"), "http://127.0.0.1:8123", given)
    options = dict(zip(program.command[3::2], program.command[4::2], strict=True))
    assert given["STRIPE_API_BASE"] == f"http://127.0.0.1:{options['--port']}"
    assert options["--webhooks"] == "http://127.0.0.1:8123/webhooks/stripe/"
    assert options["--secret"] == given["STRIPE_WEBHOOK_SECRETS"]
    assert options["--keep"] == "/x/.data/demo-stripe.pickle"


def test_an_account_at_stripe_needs_no_stand_in() -> None:
    given = {"STRIPE_SECRET_KEY": "sk_test_mine"}
    assert cards.environment(given) == {}
    assert list(cards.programs(Path("/x"), "http://127.0.0.1:8123", given)) == []
