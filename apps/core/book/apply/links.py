"""Who takes part."""

from __future__ import annotations

from apps.core.book import events as ev
from apps.core.book.apply.shared import Handlers, add_exposure, rebase
from apps.core.book.codec import Vec, vec
from apps.core.book.state import (
    ACTIVE,
    DETACHED,
    DETACHING,
    LEAVING,
    STATUS_OF,
    WAITING,
    BookState,
    OwnTicket,
)


def _linked(state: BookState, event: ev.MemberLinked) -> None:
    at = state.add_member(event.account)
    _forget_risk(state, vec([event.account.account_id]))
    state.mirror.join(event.account.account_id, event.account.server_id)
    if event.waits:
        state.members.status[at] = WAITING


def _forget_risk(state: BookState, account_ids: Vec) -> None:
    """Who joins again brings no limits, restrictions or references of an earlier time."""
    risk = state.risk
    for account_id in account_ids.tolist():
        risk.own.pop(account_id, None)
        risk.restricted.pop(account_id, None)
    risk.references.leave(account_ids)
    risk.forget_cached()


def _many_linked(state: BookState, event: ev.MembersLinked) -> None:
    places = state.add_members(event.accounts)
    _forget_risk(state, event.accounts.account_ids)
    for account_id, server_id in event.accounts.servers():
        state.mirror.join(account_id, server_id)
    if event.waits:
        state.members.status[places] = WAITING


def _activated(state: BookState, event: ev.MembersActivated) -> None:
    state.members.status[state.places(event.account_ids)] = ACTIVE


def _join_decided(state: BookState, event: ev.JoinDecided) -> None:
    """Says why; its companions are events of their own."""


def _rule_set(state: BookState, event: ev.RuleSet) -> None:
    state.rule, state.defaults = event.rule, event.defaults
    state.__dict__.pop("_terms", None)


def _terms_set(state: BookState, event: ev.LinkTermsSet) -> None:
    state.set_terms(event.account_id, event.terms)


def _status_set(state: BookState, event: ev.LinkStatusSet) -> None:
    state.members.status[state.index[event.account_id]] = STATUS_OF[event.status]
    state.risk.restricted.pop(event.account_id, None)
    if event.status != "active":
        state.risk.restricted[event.account_id] = event.party


def _detaching(state: BookState, event: ev.MemberDetaching) -> None:
    status = LEAVING if event.mode == "when_flat" else DETACHING
    state.members.status[state.index[event.account_id]] = status


def _detached(state: BookState, event: ev.MemberDetached) -> None:
    at = state.index[event.account_id]
    state.members.status[at] = DETACHED
    state.clear_carry(at)
    state.risk.references.leave(vec([event.account_id]))
    state.risk.forget_cached()
    state.drop_own_tickets(event.account_id)


def _released(state: BookState, event: ev.TicketsReleased) -> None:
    """Out of the block; still the account's exposure."""
    block = state.blocks[event.block_id]
    block.open_steps[event.ticket_ids - block.first_ticket_id] -= event.steps
    rebase(state, block)
    for ticket_id, steps in zip(event.ticket_ids.tolist(), event.steps.tolist(), strict=True):
        state.own_tickets[ticket_id] = OwnTicket(
            account_id=event.account_id,
            symbol=event.symbol,
            side=event.side,
            steps=steps,
            open_points=event.open_points,
        )


def _own_reduced(state: BookState, event: ev.OwnTicketReduced) -> None:
    ticket = state.own_tickets[event.ticket_id]
    place = state.index[event.account_id]
    add_exposure(
        state, ticket.symbol, ticket.side, vec([place]), vec([-event.steps]), ticket.open_points
    )
    ticket.steps -= event.steps
    if not ticket.steps:
        del state.own_tickets[event.ticket_id]
    state.members.balance_minor[place] += event.pnl_minor


HANDLERS: Handlers = {
    ev.MemberLinked: _linked,
    ev.RuleSet: _rule_set,
    ev.LinkTermsSet: _terms_set,
    ev.LinkStatusSet: _status_set,
    ev.MemberDetaching: _detaching,
    ev.MemberDetached: _detached,
    ev.MembersLinked: _many_linked,
    ev.MembersActivated: _activated,
    ev.JoinDecided: _join_decided,
    ev.TicketsReleased: _released,
    ev.OwnTicketReduced: _own_reduced,
}
