"""What is wrong with something that a user wrote: where (a JSON pointer) and why."""

from msgspec import Struct


class Problem(Struct, frozen=True):
    """One fault: `pointer` (RFC 6901) into what was sent, and `detail`, an English sentence that says what to do."""

    pointer: str
    detail: str


class Invalid(Exception):
    """Something that a user wrote cannot be taken; carries every problem that was found."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(f"{p.pointer}: {p.detail}" for p in problems))
        self.problems = problems
