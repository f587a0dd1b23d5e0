"""Who takes part."""

from __future__ import annotations

from apps.core.book import events as ev
from apps.core.book.apply.shared import Handlers
from apps.core.book.state import (
    DETACHED,
    DETACHING,
    STATUS_OF,
    BookState,
)


def _linked(state: BookState, event: ev.MemberLinked) -> None:
    state.add_member(event.account)
    account = event.account
    state.mirror.server_of.pop(account.account_id, None)
    if account.server_id:
        state.mirror.server_of[account.account_id] = account.server_id


def _rule_set(state: BookState, event: ev.RuleSet) -> None:
    state.rule, state.defaults = event.rule, event.defaults
    state.__dict__.pop("_terms", None)


def _terms_set(state: BookState, event: ev.LinkTermsSet) -> None:
    state.set_terms(event.account_id, event.terms)


def _status_set(state: BookState, event: ev.LinkStatusSet) -> None:
    state.members.status[state.index[event.account_id]] = STATUS_OF[event.status]


def _detaching(state: BookState, event: ev.MemberDetaching) -> None:
    state.members.status[state.index[event.account_id]] = DETACHING


def _detached(state: BookState, event: ev.MemberDetached) -> None:
    at = state.index[event.account_id]
    state.members.status[at] = DETACHED
    state.clear_carry(at)


HANDLERS: Handlers = {
    ev.MemberLinked: _linked,
    ev.RuleSet: _rule_set,
    ev.LinkTermsSet: _terms_set,
    ev.LinkStatusSet: _status_set,
    ev.MemberDetaching: _detaching,
    ev.MemberDetached: _detached,
}
