"""Who may see what: the one place that turns a user into querysets.

Everything a view, the API or a socket shows starts from one of these. Another person's thing is
not forbidden but absent (404), so that ids tell nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase

from apps.accounts.models import Link, Master, Role, TradingAccount, User
from apps.core.book.risk.settings import Party
from apps.core.errors import NotFoundError

P = ParamSpec("P")


def require_role(
    *roles: str,
) -> Callable[
    [Callable[Concatenate[HttpRequest, P], HttpResponseBase]],
    Callable[Concatenate[HttpRequest, P], HttpResponseBase],
]:
    """View decorator: logged in and holding one of `roles`, else log-in page or 403."""

    def decorate(
        view: Callable[Concatenate[HttpRequest, P], HttpResponseBase],
    ) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
        @wraps(view)
        def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> Any:
            if not isinstance(request.user, User) or not request.user.has_role(*roles):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return login_required(checked)

    return decorate


def masters_of(user: User) -> QuerySet[Master]:
    """Masters the user may trade (manager) or oversee (admin: all of the broker's)."""
    masters = Master.objects.select_related("account", "account__server", "manager")
    if user.has_role(Role.ADMIN):
        return masters
    if user.has_role(Role.MANAGER):
        return masters.filter(manager=user)
    return masters.none()


def accounts_of(user: User) -> QuerySet[TradingAccount]:
    """Trading accounts the user owns as an investor."""
    return TradingAccount.objects.select_related("server").filter(
        owner=user, kind=TradingAccount.Kind.SUB
    )


def links_of(user: User) -> QuerySet[Link]:
    """The user's own mandates as an investor."""
    return Link.objects.select_related("master", "account", "account__server").filter(
        account__owner=user
    )


def master_for_risk(user: User, book_id: UUID) -> tuple[Master, Party]:
    """A master whose limits the user may set, and as whom: `manager` (its own) or `broker`
    (admins, any). Raises NotFoundError("book_unknown")."""
    master = masters_of(user).filter(public_id=book_id, is_active=True).first()
    if master is None:
        raise NotFoundError("book_unknown", "There is no such master.", book_id=str(book_id))
    return master, "broker" if user.has_role(Role.ADMIN) else "manager"


def link_for_risk(user: User, book_id: UUID, account_id: UUID) -> tuple[Link, Party]:
    """A mandate in force whose limits the user may set, and as whom (`investor`: the own one).

    An admin acts as the broker, a manager as the manager, also on an account of their own.
    Raises NotFoundError("account_unknown"): another's account is absent.
    """
    links = Link.objects.select_related("master", "account").exclude(status=Link.Status.DETACHED)
    link = links.filter(master__public_id=book_id, account__public_id=account_id).first()
    if link is not None and masters_of(user).filter(pk=link.master_id).exists():
        return link, "broker" if user.has_role(Role.ADMIN) else "manager"
    if link is not None and user.has_role(Role.INVESTOR) and link.account.owner_id == user.pk:
        return link, "investor"
    raise NotFoundError(
        "account_unknown", "There is no such account here.", account_id=str(account_id)
    )


def master_for_trading(user: User, book_id: UUID) -> Master:
    """The user's own master (managers only: an admin oversees, but does not trade for others).

    Raises NotFoundError("book_unknown").
    """
    master = (
        masters_of(user).filter(public_id=book_id, manager=user, is_active=True).first()
        if user.has_role(Role.MANAGER)
        else None
    )
    if master is None:
        raise NotFoundError("book_unknown", "There is no such master.", book_id=str(book_id))
    return master


def master_for_links(user: User, book_id: UUID) -> Master:
    """A master that the user may let accounts follow: the broker's admins alone.

    Raises NotFoundError("book_unknown").
    """
    masters = masters_of(user) if user.has_role(Role.ADMIN) else Master.objects.none()
    master = masters.filter(public_id=book_id, is_active=True).first()
    if master is None:
        raise NotFoundError("book_unknown", "There is no such master.", book_id=str(book_id))
    return master


def link_to_change(user: User, book_id: UUID, account_id: UUID) -> Link:
    """A link that is not over: an investor's own; any of the broker's for its admins.

    Raises NotFoundError("link_unknown").
    """
    if user.has_role(Role.ADMIN):
        return link_of_staff(user, book_id, account_id, Role.ADMIN)
    return _going_on(links_of(user), book_id, account_id)


def link_of_staff(user: User, book_id: UUID, account_id: UUID, *roles: str) -> Link:
    """A link that is not over, for whoever has one of `roles`. NotFoundError("link_unknown")."""
    links = Link.objects.select_related("master", "account", "account__server")
    return _going_on(links if user.has_role(*roles) else links.none(), book_id, account_id)


def _going_on(links: QuerySet[Link], book_id: UUID, account_id: UUID) -> Link:
    link = (
        links.filter(account__public_id=account_id, master__public_id=book_id)
        .exclude(status=Link.Status.DETACHED)
        .first()
    )
    if link is None:
        raise NotFoundError(
            "link_unknown", "No such account follows this master.", account_id=str(account_id)
        )
    return link
