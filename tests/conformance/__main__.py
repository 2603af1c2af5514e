"""`python -m tests.conformance` brings docs/conformance.md up to date, and says what is wrong with it or the tests.

With `--check` it writes nothing. Answers 1 where something is wrong.
"""

from __future__ import annotations

import sys

from tests.conformance import page


def main() -> int:
    shown = page.collect()
    if "--check" not in sys.argv:
        page.PAGE.write_text(page.markdown(shown))
    problems = page.problems(shown)
    print("\n".join([*problems, page.summary(shown)]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
