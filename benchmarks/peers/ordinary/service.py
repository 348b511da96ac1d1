"""How the ordinary service decides a use: three reads in one round trip, the rule, one transaction."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from eventsourcing.persistence import IntegrityError, OperationalError
from psycopg import errors as faults

from api import access
from benchmarks.peers.ordinary import models, sealing, settings, uses

BEIJING = timezone(timedelta(hours=8))
LICENSES_MAX = 8_192
"""Opened licenses that are remembered, as many as the ledger remembers."""
AGAIN_MAX = 10


class KeyReused(Exception):
    """The same idempotency key with another body."""


class Service:
    """Everything an endpoint needs."""

    def __init__(self, chosen: settings.Settings) -> None:
        self.chosen = chosen
        self.application = uses.application(chosen)
        self._datastore = self.application.factory.datastore  # type: ignore[attr-defined]
        self._key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(chosen.signing_key))
        self._lookup_key = bytes.fromhex(chosen.lookup_key)
        seal = sealing.Seal(bytes.fromhex(chosen.data_key))

        @lru_cache(maxsize=LICENSES_MAX)
        def opened(sealed: bytes) -> dict[str, str]:
            fields: dict[str, str] = json.loads(seal.unseal(sealed))
            return fields

        self._opened = opened
        schema = chosen.schema
        self._select_key = (
            f"SELECT body_digest, use_id FROM {schema}.idempotency WHERE client_id = %s AND key = %s"
        )
        members = "license_ref, type_code, status, valid_from, valid_to, sealed"
        self._select_by_holder = (
            f"SELECT {members} FROM {schema}.licenses WHERE lookup = %s AND type_code = %s"
            " ORDER BY status, license_ref LIMIT 1"
        )
        self._select_by_ref = f"SELECT {members} FROM {schema}.licenses WHERE license_ref = %s"
        self._select_authorization = (
            f"SELECT authorization_ref, type_codes, is_withdrawn, uses, uses_max"
            f" FROM {schema}.authorizations WHERE requester = %s"
        )

    def close(self) -> None:
        """End the connections."""
        self.application.close()

    def use(
        self, asking: access.Access, asked: models.UseRequest, *, key: str, body: bytes
    ) -> models.UseAnswer:
        """The answer to one use; raises KeyReused."""
        client_id, digest = asking.client_id.hex(), hashlib.sha256(body).digest()
        earlier, licenses, authorizations = self._read(asking, asked, client_id, key)
        if earlier is not None:
            return self._again(earlier, digest, asked, licenses)
        if not licenses:
            return _refused("not-held")
        row = licenses[0]
        allowed = next((one for one in authorizations if row["type_code"] in one["type_codes"]), None)
        reason = _reason(row, allowed)
        if reason is not None:
            return _refused(reason)
        return models.UseAnswer(uses=[self._grant(asking, asked, row, allowed, key, digest)])

    def _read(
        self, asking: access.Access, asked: models.UseRequest, client_id: str, key: str
    ) -> tuple[dict[str, Any] | None, list[dict[str, Any]], list[dict[str, Any]]]:
        """Earlier answer, licenses and authorizations, in one round trip."""
        with self._datastore.get_connection() as conn, conn.pipeline():
            first, second, third = conn.cursor(), conn.cursor(), conn.cursor()
            first.execute(self._select_key, (client_id, key), prepare=True)
            if asked.license_ref is not None:
                second.execute(self._select_by_ref, (asked.license_ref,), prepare=True)
            else:
                assert asked.holder is not None
                lookup = self.lookup(asked.holder.code_type, asked.holder.code)
                second.execute(self._select_by_holder, (lookup, asked.license_type), prepare=True)
            third.execute(self._select_authorization, (asking.organization,), prepare=True)
            return first.fetchone(), second.fetchall(), third.fetchall()

    def lookup(self, code_type: str, code: str) -> bytes:
        """Codes are found by a keyed digest."""
        return hmac.digest(self._lookup_key, f"{code_type}:{code}".encode(), "sha256")

    def _grant(
        self,
        asking: access.Access,
        asked: models.UseRequest,
        row: Any,
        allowed: Any,
        key: str,
        digest: bytes,
        *,
        again: int = AGAIN_MAX,
    ) -> models.Use:
        fields = self._fields(row, asked)
        use = uses.LicenseUse(
            license_ref=row["license_ref"],
            authorization_ref=allowed["authorization_ref"],
            client_id=asking.client_id.hex(),
            organization=asking.organization,
            operator=asked.operator.model_dump(),
            purpose=asked.purpose.model_dump(),
            fields=sorted(fields),
            channel=asked.channel,
        )
        spent = uses.Spent(
            schema=self.chosen.schema,
            authorization_ref=allowed["authorization_ref"],
            client_id=asking.client_id.hex(),
            key=key,
            body_digest=digest,
            use_id=use.id,
        )
        try:
            state = self.application.record(use, spent).notification.state
        except IntegrityError as error:
            if isinstance(error.__cause__, faults.CheckViolation):
                return _refused("uses-exhausted").uses[0]
            raise
        except OperationalError as error:
            # Of a transaction that is refused, now and then: its reason was not fetched yet.
            if not again or not isinstance(error.__cause__, faults.PipelineAborted):
                raise
            return self._grant(asking, asked, row, allowed, key, digest, again=again - 1)
        return self._answer(row, fields, state)

    def _fields(self, row: Any, asked: models.UseRequest) -> dict[str, str]:
        fields = self._opened(row["sealed"])
        if asked.fields is None:
            return fields
        return {name: value for name, value in fields.items() if name in asked.fields}

    def _answer(self, row: Any, fields: dict[str, str], state: bytes) -> models.Use:
        valid_to = row["valid_to"]
        shown = models.License(
            license_ref=row["license_ref"],
            type_code=row["type_code"],
            status="effective",
            valid_from=row["valid_from"].isoformat(),
            valid_to=None if valid_to is None else valid_to.isoformat(),
            fields=fields,
        )
        proof = models.Proof(
            event=base64.b64encode(state).decode(),
            signature=base64.b64encode(self._key.sign(state)).decode(),
            supplement=self.chosen.supplement,
        )
        return models.Use(decision="granted", reason=None, license=shown, proof=proof)

    def _again(
        self, earlier: Any, digest: bytes, asked: models.UseRequest, licenses: Any
    ) -> models.UseAnswer:
        """The same answer as the first time, from the stored event."""
        if earlier["body_digest"] != digest:
            raise KeyReused
        use_id: UUID = earlier["use_id"]
        (stored,) = self.application.events.recorder.select_events(use_id)
        row = licenses[0]
        return models.UseAnswer(uses=[self._answer(row, self._fields(row, asked), stored.state)])


def _reason(row: Any, allowed: Any) -> str | None:
    """Why a license cannot be used; None when it can."""
    if allowed is None or allowed["is_withdrawn"]:
        return "not-authorized"
    if allowed["uses_max"] is not None and allowed["uses"] >= allowed["uses_max"]:
        return "uses-exhausted"
    if row["status"] != "active":
        return f"license-{row['status']}"
    today = datetime.now(UTC).astimezone(BEIJING).date()
    if today < row["valid_from"]:
        return "license-not-yet-effective"
    if row["valid_to"] is not None and today > row["valid_to"]:
        return "license-expired"
    return None


def _refused(reason: str) -> models.UseAnswer:
    use = models.Use(decision="refused", reason=reason, license=None, proof=None)
    return models.UseAnswer(uses=[use])
