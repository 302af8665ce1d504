"""The exchange of others' signed tokens for short-lived ones of this registry."""

import hashlib
import hmac
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sqlite_utils import Database

from orbitalreg import audit
from orbitalreg.catalog import Catalog, accounts
from orbitalreg.errors import ExchangeRefused, Unauthenticated
from orbitalreg.failures import FailureLimit
from orbitalreg.identity import SECOND, Accounts
from orbitalreg.interfaces import Exchange, TokenExchanger
from orbitalreg.model import Actor, Microseconds, now
from orbitalreg.tokens import token_hash, token_id_of

FAILING_ACCOUNT = "exchange"
"""At whom failed exchanges are counted: whose account a token would be for is not known before it is found good."""

SUBJECT_LENGTH = 255

EXCHANGED = "token.exchange"
"""The action, in the audit log."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Minted:
    """A short-lived token: the only moment at which its text is known."""

    token: str
    expires_at: Microseconds


@dataclass(frozen=True, slots=True)
class ExchangeDesk:
    """Where tokens are exchanged and burnt. Thread-safe.

    `lifetime` are the seconds for which a token is good that is had here. `on_failure` is told of each refusal.
    """

    catalog: Catalog
    accounts: Accounts
    exchangers: Mapping[str, TokenExchanger]
    lifetime: int
    failures: FailureLimit
    refusals: audit.Refusals
    on_failure: Callable[[], None] = lambda: None

    def require_exchanger(self) -> None:
        """Raises `ExchangeRefused` where there is none."""
        if not self.exchangers:
            raise ExchangeRefused("no token of others is taken here: no plugin for that is configured", "not-enabled")

    @property
    def audience(self) -> str:
        """For whom a token must be made to be taken here. Raises `ExchangeRefused`."""
        self.require_exchanger()
        return next(iter(self.exchangers.values())).audience  # they have one between them

    def mint(self, body: bytes, actor: Actor) -> Minted:
        """A short-lived token for the one in `body` (`token_in`), which another signed; `actor` is who brings it.

        Raises `ExchangeRefused`, and `TooManyFailures` in its place where one address had too many refused.
        """
        self.require_exchanger()
        token = token_in(body)
        try:
            name, exchange = self._judged(token)
        except ExchangeRefused as refusal:
            self._refused(refusal, "-", actor)
            raise
        account = f"{name}:{exchange.subject}"
        try:
            with self.catalog.write() as db:
                return self._mint(db, name, account, exchange, actor)
        except ExchangeRefused as refusal:
            self._refused(refusal, account, replace(actor, origin=exchange.origin))
            raise

    def _judged(self, token: str) -> tuple[str, Exchange]:
        """What `token` is good for, and by which exchanger. Raises `ExchangeRefused`."""
        failed = False
        for name, exchanger in self.exchangers.items():
            try:
                exchange = exchanger.exchange(token)
                if exchange is not None:
                    return name, _checked(exchange)
            except ExchangeRefused:
                raise
            except Exception:  # foreign code: whatever it raises, nobody is let in by it, and others may know the token
                _log.exception("token exchanger %s failed; the token counts as unknown to it", name)
                failed = True
        if failed:
            raise ExchangeRefused("the token could not be checked; the server's log says why")
        raise ExchangeRefused("the token's issuer is not one that is configured here, or it is no signed token")

    def _mint(self, db: Database, name: str, account: str, exchange: Exchange, actor: Actor) -> Minted:
        key = hashlib.sha256(f"{name}\0{exchange.replay_key}".encode()).hexdigest()
        holder = accounts.use_exchange(db, key, exchange.holder, exchange.replay_until)
        moment = now()
        if exchange.replay_until <= moment:  # its use may be forgotten already
            raise ExchangeRefused("the token has expired")
        if holder is not None and (not holder or holder != exchange.holder):
            raise ExchangeRefused("the token was used before, by another job", "invalid-reuse-token")
        expires_at = moment + self.lifetime * SECOND
        minted = self.accounts.mint_exchanged(db, account, exchange.grants, expires_at, exchange.origin)
        detail = {
            "account": account,
            "again": holder is not None,
            "expires": expires_at,
            "grants": [str(grant) for grant in exchange.grants],
        }
        known = replace(actor, name=account, origin=exchange.origin)
        audit.record(db, known, EXCHANGED, minted.id, detail)
        row = self.accounts.token(db, minted.id)  # as it counts: the configuration may allow less
        assert row is not None and row.expires_at is not None
        return Minted(minted.text, row.expires_at)

    def _refused(self, refusal: ExchangeRefused, account: str, actor: Actor) -> None:
        """In the audit log, and counted. Raises `TooManyFailures` above the limit."""
        self.on_failure()
        self.refusals.record(actor, EXCHANGED, account, {"code": refusal.code}, None, str(refusal))
        self.failures.count(actor.address or "", FAILING_ACCOUNT)

    def burn(self, body: bytes, actor: Actor) -> None:
        """Revoke the token in `body`, if it was had in exchange.

        Anything else is left alone, and nobody is told what it was. Raises `ExchangeRefused` for a body without one.
        """
        token = token_in(body)
        try:
            token_id = token_id_of(token)
        except Unauthenticated:
            return
        row = accounts.token(self.catalog.read(), token_id)
        if row is None or row.origin is None or not hmac.compare_digest(row.hash, token_hash(token)):
            return
        with self.catalog.write() as db:
            if accounts.revoke_token(db, token_id):
                known = replace(actor, name=row.account, token_id=token_id, origin=row.origin)
                audit.record(db, known, "token.burn", token_id, {"at": now()})


def token_in(body: bytes) -> str:
    """The text under `token` in a JSON body, whatever it was said to be. Raises `ExchangeRefused`."""
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):
        raise ExchangeRefused('the body is no JSON; send {"token": "..."}', "invalid-payload") from None
    token = sent.get("token") if isinstance(sent, dict) else None
    if not isinstance(token, str) or not token:
        raise ExchangeRefused('the body has no token; send {"token": "..."}', "invalid-payload")
    return token


def _checked(exchange: Exchange) -> Exchange:
    """Raises `ExchangeRefused` for an exchange that gives nothing, and anything else for one that is none."""
    if not 0 < len(exchange.subject) <= SUBJECT_LENGTH or not exchange.subject.isprintable():
        raise ValueError("the subject must be 1 to 255 printable characters")
    if not exchange.replay_key:
        raise ValueError("without a replay key a token could be used again and again")
    if not exchange.grants:
        raise ExchangeRefused("nothing is granted for this token here", "invalid-publisher")
    return exchange
