"""What the log answers to programs without code for tiles."""

from __future__ import annotations

from pydantic import Field

from api.models_answers import Answer


class ConsistencyProof(Answer):
    """That an earlier tree is a prefix of a later one."""

    old: int = Field(description="Events of the earlier tree")
    new: int = Field(description="Events of the later tree")
    proof: list[str] = Field(description="Hashes of RFC 6962 §2.1.2, base64")


class InclusionProof(Answer):
    """That a leaf is in a tree; the event itself is not told."""

    index: int
    size: int = Field(description="Events of the tree")
    leaf_hash: str = Field(description="RFC 6962 leaf hash of the event's stored bytes, base64")
    proof: list[str] = Field(description="Hashes of RFC 6962 §2.1.1, the leaf's sibling first, base64")
