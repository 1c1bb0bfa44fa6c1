"""Addresses: of a mirror, its host, and where a redirect leads to."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from corpuskit.errors import FetchError, SettingError


def check_mirror(mirror: str) -> str:
    """The address of a mirror without a slash at its end.

    Raises:
        SettingError: it is no http or https address.
    """
    try:
        parts = urlsplit(mirror)
        folder = bool(parts.hostname) and not (parts.query or parts.fragment)
        sound = parts.scheme in ("http", "https") and folder and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound:
        remedy = "Give one like https://mirror.example.org/path."
        raise SettingError(f"--mirror {mirror!r}: not the address of a folder on a web server", remedy=remedy)
    return mirror.rstrip("/")


def host_of(url: str) -> str:
    """The host of an address, in small letters; ``""`` if it has none.

    >>> host_of("https://Mirror.example.org.:8080/path")
    'mirror.example.org'
    """
    return plain_host(urlsplit(url).hostname or "")


def plain_host(host: str) -> str:
    """A host as it is compared with others."""
    return host.lower().rstrip(".")  # a dot at its end means the same host


def target_of(url: str, location: str) -> str:
    """Where a redirect leads to. Raises `FetchError` if that is no address, or http behind https."""
    remedy = "Choose another --mirror."
    try:
        target = urljoin(url, location)
        scheme = urlsplit(target).scheme
    except ValueError as error:
        raise FetchError(f"{url}: redirects to {location!r}, no address: {error}", remedy=remedy) from error
    if scheme not in ("https", urlsplit(url).scheme):
        raise FetchError(f"{url}: redirects to {target}, which is not https", remedy=remedy)
    return target
