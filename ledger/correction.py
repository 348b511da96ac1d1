"""Corrections of a license's holder 持证主体更正: it was another's, and goes on with its right holder.

The one fact that changes a license's home stream. What was recorded under the wrong holder stays there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ledger import errors, license
from ledger.state import LicenseRow, State
from signing import event


@dataclass(frozen=True, kw_only=True)
class LicenseHolderCorrected(license.NextVersion):
    """The next version stands in the right holder's stream.

    It follows from every status: a contested code is settled license by license, ended ones too.
    """

    former_stream: bytes

    def allow(self, about: event.Event, state: State) -> None:
        row = state.get(LicenseRow, self.license_ref)
        if row is None:
            raise errors.LicenseNotFound
        license.require_issuer(row, about, state)
        if row.stream_id != self.former_stream:
            raise errors.Conflict("the license has another home stream")
        if self.former_stream == about.stream_id:
            raise errors.Conflict("the license is this holder's already")
        if about.client is not None and about.operator_ref is None:
            raise errors.Invalid("a correction names its operator", field="operator")
        if self.origin_digest is not None:
            raise errors.Invalid("only a new license comes from elsewhere", field="origin")
        if self.version != row.version + 1 or self.type_code != row.type_code:
            raise errors.Conflict("the version does not follow the present one")
        if license.serial_number(row) >= license.VERSION_MAX:
            raise errors.Conflict("the serial has no further version")
        self._allow_version(about, state)

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        super().evolve(about, state, index)
        state.put(replace(state.need(LicenseRow, self.license_ref), stream_id=about.stream_id))
