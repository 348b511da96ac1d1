"""The API description: every operation says its security, errors and examples, and the examples work."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from api import examples, examples_household, stock
from tests import api_world, test_api_document, tsa_world, world
from tests.api_world import Caller, Face
from tests.conftest import Cluster

ORDER = (
    *(
        "issue",
        "read_attachment",
        "grant",
        "use",
        "use_batch",
        "verify",
        "search",
        "read_trail",
        "export_trail",
        "read_statistics",
        "search_licenses",
    ),
    *("dispute_license", "get_dispute", "list_disputes", "waiting_disputes", "audit_disputes"),
    *("decide_dispute", "report_missing", "withdraw_dispute"),
    *(
        "get_license",
        "get_representatives",
        "amend",
        "suspend",
        "reinstate",
        "get_authorization",
        "join",
        "narrow",
        "withdraw",
    ),
    *("get_document", "use_copy", "show_copy", "download_copy"),
    *("freeze", "release", "report_lost", "found", "restrict", "lift_restriction", "transfer_in"),
    *("renew", "replace", "endorse", "endorse_batch"),
    *("issue_counterparts", "get_pieces", "cancel_counterpart"),
    *("draft", "list_drafts", "get_draft", "read_draft_attachment", "review_draft", "issue_draft"),
    *("transfer_out", "cancel_transfer", "void"),
    *(
        "correct_holder",
        "link",
        "unlink",
        "contest",
        "settle",
        "change_name",
        "stale_names",
        "reminders",
        "quality_findings",
        "rejected_rows",
        "end",
        "endings",
        "reverse_end",
    ),
    *(
        "search_authorizations",
        "compare",
        "declare_coverage",
        "get_coverage",
        "withdraw_coverage",
        "declare_source",
    ),
    *("register_guardianship", "end_guardianship", "appoint_agent", "search_mandates", "dismiss_agent"),
    *("register_household", "search_households", "get_household", "add_page", "use_pages"),
    *("change_head",),
    *("split_household", "move_household", "remove_page"),
    *("close_month", "correct_month", "read_bulletin", "list_bulletins"),
    *("open_case", "close_case", "find_case", "upload_cases", "read_findings"),
    *("entrust_issuing", "list_entrustments", "end_entrustment"),
    *("begin_import", "list_imports", "upload_import", "get_import", "import_results", "import_rejected"),
    "cancel_import",
    "begin_reconciliation",
    *("list_license_types", "register_license_type", "revise_license_type", "map_license_type"),
    *("get_license_type", "retire_license_type"),
    *("tile", "bundle", "consistency", "inclusion", "newest_time_stamp", "time_stamp"),
    *("trust_file", "status_lists", "status_list"),
    *("annul", "recall", "revoke", "cancel", "receipt", "checkpoint", "look"),
    *("compare_paper", "alive", "ready", "token"),
    *("list_keys", "jwks"),
)
"""In which the steps make sense: what changes a license comes after what uses it."""
PUBLIC = ("trust_file", "status_lists", "status_list", "list_keys")
"""Below /v1, for everybody."""
MAKING = (
    "issue",
    "draft",
    "grant",
    "declare_coverage",
    "register_license_type",
    "entrust_issuing",
    "register_guardianship",
    "appoint_agent",
    "register_household",
    "begin_import",
    "dispute_license",
    "report_missing",
)
"""What is named by the steps after it."""
RECORDS_NOTHING = (
    *("use_batch", "endorse_batch", "search_authorizations", "search_licenses", "search_mandates"),
    *("search_households", "upload_cases", "find_case"),
)
"""A batch has a key an item; a search records nothing."""
ENDINGS = ("annul", "recall", "revoke", "void")


@pytest.fixture(scope="module")
def face(cluster: Cluster) -> Iterator[Face]:
    with api_world.fresh(cluster) as running:
        tsa_world.stamp(running.served.reader, tsa_world.made())
        yield running


@pytest.fixture(scope="module")
def caller(face: Face) -> Caller:
    """The client that `api/examples.py` asks for; its organization has a seal."""
    test_api_document.seal(face)
    return face.register(examples.ORGANIZATION)


@pytest.fixture(scope="module")
def said(face: Face) -> dict[str, Any]:
    answer = face.http.get("/openapi.json")
    assert answer.status_code == 200
    content: dict[str, Any] = answer.json()
    return content


def operations(said: dict[str, Any]) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Operation id to (path, method, operation)."""
    return {
        operation["operationId"]: (path, method, operation)
        for path, methods in said["paths"].items()
        for method, operation in methods.items()
    }


def bodies(operation: dict[str, Any]) -> list[Any]:
    """The example bodies of an operation; one None when it takes no body."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    return [None] if content is None else [item["value"] for item in content["examples"].values()]


def test_the_description_is_openapi_3_1_and_names_every_operation_once(said: dict[str, Any]) -> None:
    assert said["openapi"].startswith("3.1")
    found = operations(said)
    assert len(found) == sum(len(methods) for methods in said["paths"].values())
    assert set(found) == set(ORDER)


def test_every_reference_of_the_description_is_there(said: dict[str, Any]) -> None:
    for ref in re.findall(r'"\$ref": ?"#/([^"]+)"', api_world.dumps(said).decode()):
        item: Any = said
        for step in ref.split("/"):
            item = item[step]


def test_every_operation_says_its_security_its_problems_and_an_example(said: dict[str, Any]) -> None:
    for path, method, operation in operations(said).values():
        is_public = not path.startswith("/v1/") and "/entries/" not in path
        is_public = is_public or operation["operationId"] in PUBLIC
        assert bool(operation["security"]) is not is_public, path
        for status, described in operation["responses"].items():
            if int(status) >= 400:
                assert list(described["content"]) == ["application/problem+json"], (path, status)
        if not is_public:
            assert {"401", "429", "503"} <= operation["responses"].keys()
        if method == "post" and not is_public:
            assert bodies(operation)
            assert "requestBody" in operation
        keyed = [item for item in operation.get("parameters", ()) if item["name"] == "Idempotency-Key"]
        assert all(item["required"] for item in keyed)
        appends = method == "post" and not is_public and operation["operationId"] not in RECORDS_NOTHING
        assert bool(keyed) is appends, path


def test_every_example_works_when_it_is_pasted(face: Face, caller: Caller, said: dict[str, Any]) -> None:
    found = operations(said)
    made: dict[str, Any] = {}
    for name in ORDER:
        path, method, operation = found[name]
        if name == "register_household":
            made |= pages(caller)
        for body in named(bodies(operation), made):
            if name in ENDINGS:
                made |= caller.done("/v1/licenses", api_world.example("IssueBody"))
            if name == "token":
                answer = caller.ask_token()
            elif name == "look":
                answer = caller.get(made["qr"][made["qr"].index("/V/") :])
            elif name == "compare_paper":
                form = {"number": "913500000000000274", "name": "榕城示例有限公司"}
                answer = caller.http.post(made["qr"][made["qr"].index("/V/") :], data=form)
            elif name == "upload_import":
                file = {**caller.headers, "Content-Type": stock.FILE_TYPE}
                answer = caller.http.put(
                    filled(path, operation, made), content=example_file(said), headers=file
                )
            elif method == "delete":
                answer = caller.http.delete(filled(path, operation, made), headers=caller.headers)
            else:
                where = filled(path, operation, made)
                answer = caller.get(where) if method == "get" else caller.post(where, body)
            assert answer.status_code == 200, (name, answer.text)
            if name in MAKING:
                made |= answer.json()
            if name == "use_copy":
                found_links = [one["url"].rpartition("/")[2] for one in answer.json()["copies"]]
                made |= {"link": found_links[0]} if found_links else {}


def pages(caller: Caller) -> dict[str, Any]:
    """What stands in the examples of households for licenses, to the references of some that were issued."""
    issued = [caller.done("/v1/licenses", body)["license_ref"] for body in examples_household.PAGES]
    return dict(zip(examples_household.REFS, issued, strict=True))


def named(shown: list[Any], made: dict[str, Any]) -> list[Any]:
    """Example bodies with the references of what was made in the place of those that stand for them."""
    text = json.dumps(shown)
    for ref in examples_household.REFS:
        text = text.replace(ref, made.get(ref, ref))
    found: list[Any] = json.loads(text)
    return found


def example_file(said: dict[str, Any]) -> str:
    """The file that the description shows for an import."""
    _, _, operation = operations(said)["upload_import"]
    (shown,) = operation["requestBody"]["content"][stock.FILE_TYPE]["examples"].values()
    return str(shown["value"])


def filled(path: str, operation: dict[str, Any], made: dict[str, Any]) -> str:
    """The path with its example values, or with those of the answers before."""
    shown = {item["name"]: item.get("example") for item in operation.get("parameters", ())}
    return re.sub(r"{(\w+)}", lambda match: str(shown.get(match[1]) or made[match[1]]), path)


def test_the_uses_of_the_examples_are_granted(face: Face, caller: Caller) -> None:
    caller.done("/v1/licenses", api_world.example("IssueBody"))
    caller.done("/v1/authorizations", api_world.example("GrantBody", "unconditional"))
    for name in ("by_holder_and_type", "some_fields"):
        (*uses,) = caller.done("/v1/uses", api_world.example("UseBody", name))["uses"]
        assert {one["decision"] for one in uses} == {"granted"}
    (unknown,) = caller.done("/v1/uses", api_world.example("UseBody", "by_reference"))["uses"]
    assert unknown["reason"] == "not-authorized"


def test_a_link_leads_from_what_was_made_to_what_can_be_done_with_it(said: dict[str, Any]) -> None:
    found = operations(said)
    for name, parameter in (("issue", "license_ref"), ("grant", "authorization_ref")):
        links = found[name][2]["responses"]["200"]["links"].values()
        for link in links:
            assert link["parameters"] == {parameter: f"$response.body#/{parameter}"}
            assert "{" + parameter + "}" in found[link["operationId"]][0]


def test_the_page_of_the_description_needs_no_other_host(face: Face, said: dict[str, Any]) -> None:
    page = face.http.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "<script" not in page.text
    assert not re.findall(r'(?:src|href)="(?!#|openapi\.json")', page.text)
    for path, _, operation in operations(said).values():
        assert path in page.text
        assert f'id="{operation["operationId"]}"' in page.text


def test_examples_are_synthetic(said: dict[str, Any]) -> None:
    text = api_world.dumps(said).decode()
    assert world.citizen(7).code not in text
    assert not re.findall(r"(?<![0-9])[1-9][0-9]{5}(?:19|20)[0-9]{9}[0-9X](?![0-9A-Z])", text)
