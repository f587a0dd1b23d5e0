"""Every named address of a URL configuration."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import URLPattern, URLResolver, get_resolver

AT_A_BROKER, AT_THE_PLATFORM = "config.urls_broker", "config.urls_public"


def names_of(configuration: str) -> list[str]:
    """`namespace:name` of every address, "-" for one without a name."""
    return list(_names(get_resolver(configuration), ()))


def arguments_of(configuration: str, name: str) -> set[str]:
    """The names of the arguments that the address `name` takes."""
    *namespaces, last = name.split(":")
    resolver: URLResolver = get_resolver(configuration)
    for namespace in namespaces:
        resolver = resolver.namespace_dict[namespace][1]
    return {
        argument
        for possibilities in resolver.reverse_dict.getlist(last)
        for _, arguments in possibilities[0]
        for argument in arguments
    }


def _names(resolver: URLResolver, within: tuple[str, ...]) -> Iterator[str]:
    for found in resolver.url_patterns:
        if isinstance(found, URLPattern):
            yield ":".join((*within, found.name or "-"))
        else:
            inner = (found.namespace,) if found.namespace else ()
            yield from _names(found, (*within, *inner))
