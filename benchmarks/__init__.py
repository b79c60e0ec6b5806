"""Measurements of Cardhour. They are run by hand and are no part of the exchange."""
