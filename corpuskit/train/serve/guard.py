"""Who may ask: a server on the own machine is reachable by every page that its browser shows.

A page of another site can send requests to a local address: by a name of its own that it lets point there
(the request then bears that name as Host), or directly (it then bears the page's Origin). Both are compared
as whole names. Nobody is given leave to read answers from another origin.
"""

from __future__ import annotations

from collections.abc import Iterable

from corpuskit.train.serve.asked import RefusedError, shown

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
"""Names by which a browser on the own machine calls it."""


def check_caller(host: str | None, origin: str | None, names: Iterable[str]) -> None:
    """Raise RefusedError, status 403, for a request that another site may have sent.

    Args:
        host, origin: what the request's headers say; None for no such header.
        names: by which the server may be called, without port.
    """
    allowed = {name.casefold() for name in names}
    called = (host or "").casefold()
    if host_name(called) not in allowed:
        raise RefusedError(
            f"Host {shown(host)} is not a name of this server: allow it by --allow-host", status=403
        )
    if origin is not None and origin.casefold() != f"http://{called}":
        raise RefusedError(f"Origin {shown(origin)} is another site's", status=403)


def host_name(host: str) -> str:
    """A Host header without its port.

    >>> host_name("localhost:8123"), host_name("[::1]:8123"), host_name("[::1]")
    ('localhost', '[::1]', '[::1]')
    """
    if host.startswith("["):
        return host[: host.find("]") + 1]
    return host.partition(":")[0]
