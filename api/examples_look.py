"""What the description of the page behind a QR code shows: the form of a comparison with the paper."""

from __future__ import annotations

from typing import Any

from ledger import paper

_TYPED = {"type": "string", "minLength": 1, "maxLength": paper.TYPED_MAX}
PAPER_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["number", "name"],
                    "properties": {
                        "number": {**_TYPED, "description": "The printed number 证照编号"},
                        "name": {**_TYPED, "description": "The holder's name as printed 持证主体"},
                    },
                },
                "example": {"number": "913500000000000274", "name": "榕城示例有限公司"},
            }
        },
    }
}
