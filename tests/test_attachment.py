"""Attachments: given facts, what versions and drafts may name; and what a backup keeps of the bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger import attachment, draft, errors, license, use
from ledger.state import AuthorizationRow, BlobRow, LicenseRow
from tests.history import CONDITIONAL, FREE, HOLDER, ISSUER, OTHER_REF, REF, STREAMS, begun, granted, version

PHOTO, SCAN = "@attachment_photo", "@attachment_scan"
NAMES = (PHOTO, "@license_id", "name")
FIRST, SECOND = b"1" * 32, b"2" * 32


def pictured(**members: Any) -> Any:
    values: dict[str, Any] = {"field_names": NAMES, "blobs": ((0, FIRST),)}
    return version(**values | members)


def test_a_version_names_the_sealed_bytes_of_its_attachments_and_the_next_keeps_them() -> None:
    history = begun()
    history.record(pictured())
    assert history.row(BlobRow, FIRST) == BlobRow(
        digest=FIRST, license_ref=REF, draft_ref=None, stream_id=HOLDER
    )
    both = {"field_names": (PHOTO, SCAN, "@license_id", "name"), "blobs": ((0, FIRST), (0, SECOND))}
    history.record(pictured(cls=license.LicenseAmended, version=2, **both))
    assert history.row(BlobRow, SECOND).license_ref == REF
    history.record(version(license.LicenseAmended, version=3, field_names=("@license_id", "name")))
    assert history.row(LicenseRow, REF).field_names == ("@license_id", "name")


@pytest.mark.parametrize(
    "wrong",
    [
        {"blobs": ()},
        {"blobs": ((0, FIRST), (0, SECOND))},
        {"blobs": ((1, FIRST),)},
        {"field_names": ("@license_id", "name")},
        {"field_names": (PHOTO, SCAN, "@license_id", "name"), "blobs": ((0, SECOND), (0, FIRST))},
        {"field_names": (PHOTO, SCAN, "@license_id", "name"), "blobs": ((0, FIRST), (0, FIRST))},
    ],
)
def test_a_version_whose_attachments_and_sealed_bytes_differ_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(errors.Invalid):
        begun().record(pictured(**wrong))


def test_sealed_bytes_are_of_one_license_or_draft() -> None:
    history = begun()
    history.record(pictured())
    with pytest.raises(errors.Conflict):
        history.record(pictured(license_ref=OTHER_REF))
    drafted = draft.LicenseDrafted(draft_ref=REF, type_code=FREE, content_digest=bytes(32), blobs=(FIRST,))
    with pytest.raises(errors.Invalid):
        history.record(drafted, stream=STREAMS[ISSUER])
    history.record(replace(drafted, blobs=(SECOND,)), stream=STREAMS[ISSUER])
    assert history.row(BlobRow, SECOND).draft_ref == REF
    with pytest.raises(errors.Conflict):
        history.record(pictured(license_ref=OTHER_REF, blobs=((0, SECOND),)))


def test_an_attachment_that_is_not_named_is_not_disclosed() -> None:
    history = begun()
    history.record(pictured())
    history.record(granted())
    row, held = history.row(AuthorizationRow, REF), history.row(LicenseRow, REF)
    asked = use.Asked(requester="", service_item=None, field_names=None)
    assert use.disclosed(row, held, asked) == ("@license_id", "name")
    named = asked._replace(field_names=("name", PHOTO))
    assert use.disclosed(row, held, named) == NAMES
    narrow = replace(row, field_names=("name",))
    assert use.disclosed(narrow, held, named) == ("@license_id", "name")


def test_names_of_attachments_are_told_from_other_fields() -> None:
    assert attachment.FIELD.fullmatch("@attachment_photo_2")
    for wrong in ("@attachment_", "@attachment_Photo", "@attachment_" + "x" * 33, "attachment_photo"):
        assert not attachment.FIELD.fullmatch(wrong)
    with pytest.raises(errors.FieldUnknown):
        begun().record(version(type_code=CONDITIONAL, field_names=("@attachment_Photo", "@license_id")))
