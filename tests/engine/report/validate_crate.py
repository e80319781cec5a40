"""Validate a crate with roc-validator without a network; a program of an environment that has it, and `rocrate`.

`python validate_crate.py DIR` prints a line for each issue, required ones first. The context of RO-Crate, which the
validator would fetch, is the one that the package `rocrate` brings.
"""

import json
import sys
from pathlib import Path
from typing import Any

import rdflib.plugins.shared.jsonld.context as jsonld  # type: ignore[import-not-found,unused-ignore]
import rocrate  # type: ignore[import-not-found,unused-ignore]
from rocrate_validator import models, services  # type: ignore[import-not-found,unused-ignore]
from rocrate_validator.utils.http import HttpRequester  # type: ignore[import-not-found,unused-ignore]

CONTEXT = "https://w3id.org/ro/crate/"
TEXT = (Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld").read_text()


class Answer:
    """What the address of the context answers."""

    status_code = 200
    ok = True
    text = TEXT
    content = TEXT.encode()
    headers = {"Content-Type": "application/ld+json"}  # noqa: RUF012

    def json(self) -> Any:
        return json.loads(TEXT)


def get(_: HttpRequester, url: str, *__: Any, **___: Any) -> Answer:
    if not url.startswith(CONTEXT):
        raise RuntimeError(f"there is no network: {url}")
    return Answer()


def main() -> None:
    fetch = jsonld.source_to_json
    jsonld.source_to_json = lambda source, *args, **kwargs: (
        (json.loads(TEXT), None) if str(source).startswith(CONTEXT) else fetch(source, *args, **kwargs)
    )
    HttpRequester.get = get
    settings = services.ValidationSettings(
        rocrate_uri=sys.argv[1], profile_identifier="process-run-crate", offline=True,
        requirement_severity=models.Severity.RECOMMENDED,
    )  # fmt: skip
    result = services.validate(settings)
    for issue in sorted(result.get_issues(), key=lambda issue: -issue.severity.value):
        print(issue.severity.name, issue.check.identifier, issue.message)
    print(f"{len(result.executed_checks)} checks")


if __name__ == "__main__":
    main()
