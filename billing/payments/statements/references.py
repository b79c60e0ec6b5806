"""How a transfer says which invoice it pays: the invoice's number, or the creditor reference made of it."""

from __future__ import annotations

import re

from stdnum.iso7064 import mod_97_10

from billing.invoicing.models import Document


def creditor_reference(invoice: Document) -> str:
    """ISO 11649: banks check its digits, so a typing error is found where it is made."""
    plain = compact(invoice.number)
    return f"RF{mod_97_10.calc_check_digits(plain + 'RF')}{plain}"


def invoices_in(text: str, currency: str) -> list[Document]:
    """The invoices that a text names, with or without dashes, blanks and check digits, by id.

    Banks drop and add characters, so the numbers are looked for in what is left without them. Where one
    number begins another one, the longer one is meant.
    """
    wanted = compact(text)
    if not wanted:
        return []
    documents = Document.objects.filter(kind=Document.Kind.INVOICE, currency=currency).extra(
        where=["position(regexp_replace(upper(number), '[^A-Z0-9]', '', 'g') in %s) > 0"], params=[wanted]
    )
    found = sorted(documents, key=lambda each: -len(each.number))
    kept: list[Document] = []
    for each in found:
        if not any(compact(other.number).startswith(compact(each.number)) for other in kept):
            kept.append(each)
    return sorted(kept, key=lambda each: each.pk)


def compact(text: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", text.upper())
