"""Findings over HTTP: why an event is in an auditor's list, and who is no party to a case after all.

The projection knows the parties whom the ledger knew when a case was opened. Files that were joined since,
parties who have become known, and further parties of the license are looked up here, when a list is read.
"""

from __future__ import annotations

from collections.abc import Iterator

from api import answers, service
from ledger import case, days, party, state
from projections import finding, trail
from signing import event


def shown(row: trail.TrailRow) -> answers.Json:
    """Why an event is in a list of findings."""
    known = [] if row.case is None else finding.spans(row.case)
    said: answers.Json = {"case": None, "change": None}
    if row.case is not None and known:
        opened_at, ended_at = known[-1].opened_at, case.ended_at(known)
        said["case"] = {
            "opened_at": None if opened_at is None else days.instant_text(opened_at),
            "ended_at": None if ended_at is None else days.instant_text(ended_at),
            "parties": sum(one.named for one in known),
            "missing_types": list(row.case.missing),
        }
    if row.change is not None:
        about = row.change.about
        said["change"] = {
            "index": row.change.index,
            "topic": about.topic,
            "effective_at": days.instant_text(about.effective_at),
            "recorded_at": days.instant_text(about.recorded_at),
        }
    return said


class Strangers:
    """Who is no party to a case, as far as is known now; remembers the cases of one page."""

    def __init__(self, served: service.Service) -> None:
        self._served = served
        self._parties: dict[bytes, frozenset[bytes]] = {}

    def is_one(self, row: trail.TrailRow) -> bool:
        """Whether the license that was used is of nobody who is a party to the case."""
        if row.case is None:
            return False
        known = self._parties.get(row.case.case_key)
        if known is None:
            known = self._parties[row.case.case_key] = frozenset(self._of_case(row.case))
        return known.isdisjoint(self._of_use(row))

    def _of_case(self, row: finding.CaseRow) -> Iterator[bytes]:
        """Every stream of every party."""
        for one in finding.spans(row):
            for stream_id in one.parties:
                yield from self._served.streams(stream_id)
            if one.named > len(one.parties) and one.opened_index is not None:
                (data,) = self._served.reader.events([one.opened_index])
                for _, code_type, code, _ in self._served.disclosure.part(event.parse(data), "parties") or ():
                    found = self._served.reader.find("holder", code_type, code)
                    if found is not None:
                        yield from self._served.streams(found.stream_id)

    def _of_use(self, row: trail.TrailRow) -> Iterator[bytes]:
        """The streams of everybody whose license it is."""
        yield row.about.stream_id
        ref = row.license_ref
        held = None if ref is None else self._served.reader.row(state.LicenseRow, ref)
        if held is not None:
            yield held.stream_id
            yield from (one.stream_id for one in party.of(held))
