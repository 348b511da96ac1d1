"""Every room that defines facts: whoever reads a history imports this first.

A topic is known once its room is imported, and a process that follows or checks imports little else.
"""

from __future__ import annotations

from ledger import (
    audit,
    authorization,
    bulletin,
    case,
    catalog,
    client,
    collection,
    comparison,
    consent,
    copy,
    correction,
    dispute,
    document,
    draft,
    ending,
    endorsement,
    fact,
    holder,
    household,
    household_move,
    issuer_seal,
    issuing,
    joining,
    license,
    linking,
    log,
    mark,
    naming,
    organization,
    page_use,
    piece,
    quality,
    reconciliation,
    refusal,
    representation,
    use,
    verification,
)

ROOMS = (
    *(audit, authorization, case, catalog, client, collection, comparison, consent, correction, draft),
    *(bulletin, ending, endorsement, holder, issuing, joining, license, linking, log),
    *(mark, naming, organization, piece, refusal, representation, use, verification),
    *(quality, copy, document, issuer_seal, reconciliation, household, household_move, dispute),
    *(page_use,),
)


def topics() -> dict[str, type[fact.Fact]]:
    """Every topic of this build, and its fact."""
    assert ROOMS, "they are imported"
    return fact.topics()


def grants() -> dict[str, type[fact.Fact]]:
    """The topics of granted uses, and their facts: `LicenseUsed`, and what says more of one."""
    return {name: made for name, made in topics().items() if issubclass(made, use.LicenseUsed)}
