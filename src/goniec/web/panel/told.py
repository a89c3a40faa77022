"""What is wrong with a form, in the viewer's language.

The floors below say it in English, with the place. Here a sentence of theirs becomes a Polish one: by its pattern, in
which `{}` stands for what differs. A test collects every sentence that the code can say and asks for its pattern.
"""

import re
from functools import cache
from typing import Final

from goniec.core.problems import Problem
from goniec.web.panel.problem_words import POLISH
from goniec.web.panel.words import Words

_GAP: Final = "{}"


def told(problem: Problem, words: Words) -> str:
    """Give the sentence of a problem in the viewer's language, with a capital and a full stop."""
    text = problem.detail if words.language == "en" else polish(problem.detail)
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", "!", ")", ":")) else text + "."


def polish(detail: str) -> str:
    """Give the Polish of a sentence, or the sentence itself where there is none."""
    exact = POLISH.get(detail)
    if exact is not None:
        return exact
    for pattern, translation in _patterns():
        found = pattern.fullmatch(detail)
        if found is not None:
            # a reason inside a sentence is one of the sentences, too
            return translation.format(*map(polish, found.groups()))
    return detail


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    made = []
    # the most specific first: the one with the most words of its own
    for english, translation in sorted(POLISH.items(), key=lambda one: -len(one[0].replace(_GAP, ""))):
        if _GAP in english:
            parts = (re.escape(part) for part in english.split(_GAP))
            made.append((re.compile("(.*?)".join(parts), re.DOTALL), translation))
    return made
