"""The body of a request, unpacked within bounds: a small one may hold a very large one."""

from __future__ import annotations

import zlib

from billing.metering.events import MOST_BYTES, MOST_EVENTS, BatchTooLarge
from marketplace.errors import DomainError

GZIP_WINDOW = 16 + zlib.MAX_WBITS


class UnknownEncoding(DomainError):
    code = "unknown_encoding"
    title = "The body is packed in a way that is not known here"
    status = 415


class MalformedEncoding(DomainError):
    code = "malformed_encoding"
    title = "The body cannot be unpacked"
    status = 400


def unpacked(content: bytes, encoding: str) -> bytes:
    """What the header Content-Encoding says of: nothing, identity or gzip.

    ``BatchTooLarge`` when there is more of it than a batch may have, packed or unpacked.
    """
    match encoding.strip().lower():
        case "" | "identity":
            plain = content
        case "gzip" | "x-gzip":
            plain = _gunzipped(content)
        case _:
            raise UnknownEncoding("Send the body as it is, or packed with gzip.")
    if len(plain) > MOST_BYTES:
        raise BatchTooLarge(f"Send at most {MOST_BYTES} bytes, unpacked, and {MOST_EVENTS} events at a time.")
    return plain


def _gunzipped(content: bytes) -> bytes:
    """Stops one byte past the bound, whatever the content would grow to."""
    member = zlib.decompressobj(GZIP_WINDOW)
    try:
        plain = member.decompress(content, MOST_BYTES + 1)
    except zlib.error as error:
        raise MalformedEncoding(f"This is not gzip: {error}.") from error
    if len(plain) <= MOST_BYTES and (not member.eof or member.unused_data):
        raise MalformedEncoding("The gzip body is cut short, or more follows it.")
    return plain
