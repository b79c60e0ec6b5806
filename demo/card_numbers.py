"""Cards that are nobody's: Stripe's own test numbers, which its stand-in knows too."""

GOOD, DECLINED = "4242424242424242", "4000000000000341"
CARD = {"number": GOOD, "exp_month": "12", "exp_year": "2030", "cvc": "123"}
