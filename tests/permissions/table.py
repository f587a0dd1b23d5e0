"""The table: every address of a broker's host and of the platform's own, and who may open it.

`who` may; everybody else is refused: with the log-in page or 401 when nobody is known, 403 when
the role is wrong, 404 when the role is right and the thing is another's (`absent_for`).
An address that has no row fails the walk.
"""

from __future__ import annotations

from typing import NamedTuple

ANON, FOREIGN = "nobody", "another broker's admin"
ADMIN, FINANCE, NO_ROLE = "admin", "finance", "no role"
MANAGER, OTHER_MANAGER = "manager", "another manager"
INVESTOR, OTHER_INVESTOR = "investor", "another investor"
PEOPLE = (ADMIN, FINANCE, NO_ROLE, MANAGER, OTHER_MANAGER, INVESTOR, OTHER_INVESTOR)
SESSIONS = (ANON, FOREIGN, *PEOPLE)

READ_KEY, TRADE_KEY = "manager's key to read", "manager's key to trade"
SIBLING_KEY, FOREIGN_KEY = "another manager's key", "another broker's key"
OFFICE_KEY, INVESTOR_KEY = "the office's key", "investor's key"
KEYS = (READ_KEY, TRADE_KEY, SIBLING_KEY, FOREIGN_KEY, OFFICE_KEY, INVESTOR_KEY)

STAFF = (ADMIN, FINANCE)
MANAGERS = (MANAGER, OTHER_MANAGER)
INVESTORS = (INVESTOR, OTHER_INVESTOR)
OVERSEERS = (ADMIN, *MANAGERS)


class Row(NamedTuple):
    """`of`: what `public_id` means in this address, a key of the scene's ids."""

    name: str
    method: str
    who: tuple[str, ...]
    absent_for: tuple[str, ...] = ()
    of: str = ""


def _office() -> list[Row]:
    """Broker staff: finance sees what is money, the admin everything."""
    read = [
        "dashboard", "masters", "fees", "fee_preview", "documents", "documents_csv", "ledger",
        "balances_csv", "ledger_account", "ledger_lines_csv", "broker_plans", "receivables",
        "receivables_csv", "mail", "period_zip",
    ]  # fmt: skip
    return [
        *(Row(f"broker:{name}", "GET", STAFF) for name in read),
        *(Row(f"broker:{name}", "GET", (ADMIN,)) for name in ("new_master", "people", "keys")),
        *(Row(f"broker:{name}", "GET", (ADMIN,)) for name in ("widget", "audit", "servers")),
        *(Row(f"broker:{name}", "GET", (ADMIN,)) for name in ("issuer", "plan")),
        Row("broker:pay", "POST", (ADMIN,)),
        Row("broker:execution", "POST", (ADMIN,), of="master"),
        Row("broker:master", "GET", STAFF, of="master"),
        Row("broker:plans", "GET", STAFF, of="master"),
        Row("broker:link_plans", "GET", STAFF, of="link_id"),
        Row("broker:plan_change", "GET", STAFF, of="change"),
        Row("broker:plan_decide", "POST", STAFF, of="change"),
        Row("broker:fee_reverse", "POST", STAFF, of="run"),
        Row("broker:link", "POST", (ADMIN,), of="master"),
        Row("broker:publish", "POST", (ADMIN,), of="master"),
        Row("broker:fee_post", "POST", STAFF),
        Row("broker:fee_run", "GET", STAFF, of="run"),
        Row("broker:fee_run_csv", "GET", STAFF, of="run"),
        Row("broker:document_pdf", "GET", STAFF, of="document"),
        Row("broker:delivery_again", "POST", STAFF),
        Row("broker:mail_again", "POST", STAFF, of="document"),
        Row("broker:invite_again", "POST", (ADMIN,), of="person"),
        Row("broker:activate", "POST", (ADMIN,), of="person"),
        Row("broker:revoke_key", "POST", (ADMIN,), of="key"),
    ]


def _desk() -> list[Row]:
    """A manager's own masters; an admin looks on and does not trade."""
    seen = ("terminal", "blocks", "tickets", "accounts", "bars")
    traded = (
        "preview", "place", "close", "cancel", "amend", "reverse", "close_by", "close_all",
        "cancel_all", "retry_legs", "rule", "terms", "status",
    )  # fmt: skip
    risky = ("hard_stop", "lift_book", "book_limits", "account_limits", "lift_account")
    return [
        Row("manager:home", "GET", OVERSEERS),
        Row("manager:documents", "GET", MANAGERS),
        Row("manager:earnings", "GET", MANAGERS),
        Row("manager:document_pdf", "GET", (MANAGER,), (OTHER_MANAGER,), of="remittance"),
        Row("manager:risk", "GET", (ADMIN, MANAGER), (OTHER_MANAGER,)),
        *(Row(f"manager:{name}", "POST", (ADMIN, MANAGER), (OTHER_MANAGER,)) for name in risky),
        *(Row(f"manager:{name}", "GET", (ADMIN, MANAGER), (OTHER_MANAGER,)) for name in seen),
        *(Row(f"manager:{name}", "POST", (MANAGER,), (OTHER_MANAGER,)) for name in traded),
    ]


def _portal() -> list[Row]:
    """An investor's own accounts."""
    general = ("overview", "history", "history_csv", "fees")
    own = ("tickets", "curve", "detach", "protection", "document_pdf")
    return [
        *(Row(f"investor:{name}", "GET", INVESTORS) for name in general),
        *(Row(f"investor:{name}", "GET", (INVESTOR,), (OTHER_INVESTOR,)) for name in own),
        Row("investor:take_out", "POST", (INVESTOR,), (OTHER_INVESTOR,)),
    ]


def _open_to_all() -> list[Row]:
    everybody = SESSIONS
    return [
        Row("account_login", "GET", everybody),
        Row("account_reset_password", "GET", everybody),
        Row("account_reset_password_done", "GET", everybody),
        Row("account_reset_password_from_key_done", "GET", everybody),
        Row("account_reset_password_from_key", "GET", everybody),
        Row("account_inactive", "GET", everybody),
        Row("account_signup", "GET", everybody),
        Row("tenants:brand_css", "GET", everybody),
        Row("tenants:brand_icon", "GET", everybody),
        Row("tenants:set_theme", "POST", everybody),
        Row("widgets:loader", "GET", everybody),
        Row("widgets:leaderboard", "GET", everybody),
        Row("verify", "GET", everybody),
        Row("api:docs", "GET", everybody),
        Row("api:schema", "GET", everybody),
    ]


def _own_login() -> list[Row]:
    """One's own log-in: everybody who is in, whatever the role."""
    names = (
        "account_change_password", "account_reauthenticate", "mfa_index", "mfa_activate_totp",
    )  # fmt: skip
    return [
        Row("home", "GET", tuple(who for who in PEOPLE if who != NO_ROLE)),
        Row("notices", "GET", PEOPLE),
        *(Row(name, "GET", PEOPLE) for name in names),
        Row("document_language", "POST", tuple(who for who in PEOPLE if who != NO_ROLE)),
    ]


PAGES = [*_office(), *_desk(), *_portal(), *_open_to_all(), *_own_login()]

QUERIES = {"manager:bars": "symbol", "investor:tickets": "account", "verify": "digest"}
"""What an address asks for behind its question mark, a key of the scene's ids."""

OFFERED_TO_NOBODY = (
    "-",  # accounts/email/, closed before allauth's own
    "account_email",
)
WITHIN_A_FLOW = {
    "account_logout": "ends the session that asks",
    "account_set_password": "for people without a password; else leads to the change",
    "account_email_verification_sent": "a notice within allauth's flow",
    "account_confirm_email": "opened by a key from a mail",
    "account_confirm_login_code": "opened by a pending log-in",
    "mfa_authenticate": "opened by a pending log-in",
    "mfa_reauthenticate": "opened by a request to log in again",
    "mfa_deactivate_totp": "only who has a second factor",
    "mfa_view_recovery_codes": "only who has a second factor",
    "mfa_generate_recovery_codes": "only who has a second factor",
    "mfa_download_recovery_codes": "only who has a second factor",
}
"""allauth's, tried by tests of the log-in (tests/front/test_sign_in.py); why no row fits."""

_READS = ("books", "fees", "accruals")
_OWN_READS = ("block", "allocations", "tickets", "book_risk", "stops", "house_rounding")
_ORDER: dict[str, object] = {"symbol": "EURUSD", "side": "buy", "lots": "1.00"}
BODIES: dict[str, dict[str, object]] = {
    "api:blocks": _ORDER,
    "api:preview": _ORDER,
    "api:close_all": {},
    "api:cancel_all": {},
    "api:execution": {"mode": "mirror"},
    "api:retry_legs": {},
    "api:rule": {"rule": {"method": "equity"}},
    "api:terms": {"terms": {}},
    "api:link_status": {"status": "paused"},
    "api:amend": {"stop_loss": "1.05"},
    "api:close": {},
    "api:close_by": {"other_block_id": "00000000-0000-4000-8000-000000000000"},
    "api:reverse": {},
    "api:cancel": {},
}
"""Of one account: its investor's too."""
LINK_BODIES: dict[str, dict[str, object]] = {
    "api:links": {},
    "api:link_quote": {},
    "api:link_bulk": {},
}
"""The book is looked at before the request."""
OWN_LINK_BODIES: dict[str, dict[str, object]] = {"api:leave": {}, "api:detach": {}}
MONEY_BODIES: dict[str, dict[str, object]] = {
    "api:money": {"kind": "deposit", "amount": "1.00"},
}
BOOK_RISK_BODIES: dict[str, dict[str, object]] = {
    "api:book_limits": {"scope": "master", "protection": {}},
    "api:hard_stop_preview": {},
    "api:hard_stop": {"token": "of a preview"},
    "api:lift_book": {},
}
ACCOUNT_RISK_BODIES: dict[str, dict[str, object]] = {
    "api:account_limits": {"protection": {}},
    "api:pause": {"paused": True},
    "api:lift_account": {},
}
ALL_BODIES = (
    BOOK_RISK_BODIES | ACCOUNT_RISK_BODIES | BODIES | LINK_BODIES | OWN_LINK_BODIES | MONEY_BODIES
)

_READERS = (READ_KEY, TRADE_KEY, OFFICE_KEY)
_ALL_READERS = (*_READERS, SIBLING_KEY, INVESTOR_KEY)
_OTHERS = (SIBLING_KEY, INVESTOR_KEY)
API = [
    *(Row(f"api:{name}", "GET", _ALL_READERS) for name in _READS),
    *(Row(f"api:{name}", "GET", _READERS, _OTHERS) for name in _OWN_READS),
    Row("api:account_risk", "GET", (*_READERS, INVESTOR_KEY), (SIBLING_KEY,)),
    *(Row(name, "POST", (TRADE_KEY,), (*_OTHERS, OFFICE_KEY)) for name in BODIES),
    *(Row(name, "POST", (TRADE_KEY, OFFICE_KEY), _OTHERS) for name in BOOK_RISK_BODIES),
    *(
        Row(name, "POST", (TRADE_KEY, OFFICE_KEY, INVESTOR_KEY), (SIBLING_KEY,))
        for name in ACCOUNT_RISK_BODIES
    ),
    *(
        Row(name, "POST", (OFFICE_KEY, INVESTOR_KEY), (TRADE_KEY, SIBLING_KEY))
        for name in OWN_LINK_BODIES
    ),
    *(
        Row(name, "POST", (OFFICE_KEY,), (*_OTHERS, TRADE_KEY))
        for name in (*LINK_BODIES, *MONEY_BODIES)
    ),
]
API_OPEN = ("api:docs", "api:schema", "api:unknown")

PLATFORM = (
    "tenants:brand_css", "tenants:brand_icon", "tenants:set_theme", "status", "status_json",
    "site:home", "site:product", "site:demo", "site:login", "site:healthz",
)  # fmt: skip
"""The platform's own host: open to the world, and nothing of a broker on it."""

PLATFORM_STAFF = (
    "staff:contracts", "staff:login", "staff:logout", "staff:contract", "staff:paid",
    "staff:extend", "stripe_webhook",
)  # fmt: skip
"""The platform's staff with its own log-in, and Stripe by its signature (tests/revenue)."""
