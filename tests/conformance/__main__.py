"""`python -m tests.conformance` brings docs/conformance.md up to date; with `--check` it only says what is wrong."""

from __future__ import annotations

import sys

from tests.conformance import page


def main() -> int:
    shown = page.collect()
    text = page.markdown(shown)
    problems = [f"no test shows {call} answer {error}" for call, error in page.missing(shown)]
    problems += [
        f"{call} {error}: there is a test, the reason is not one"
        for call, error in page.IMPOSSIBLE
        if (call, error) in shown
    ]
    if "--check" not in sys.argv:
        page.PAGE.write_text(text)
    elif not page.PAGE.exists() or page.PAGE.read_text() != text:
        problems.append("docs/conformance.md is not up to date: python -m tests.conformance")
    print("\n".join([*problems, page.summary(shown)]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
