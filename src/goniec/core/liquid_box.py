"""The box in which texts in Liquid run: python-liquid with what it leaves open closed. Only `liquid` calls it.

The library limits what is written and what loops multiply to, but not what filters make, what one loop after the other
comes to, how long a range is, or how often a `when` that names its value twice renders. So here everything that a text
does is counted, in steps that are about a character each: what a name stands for whenever it is read, what goes into a
filter and comes out of it, and the length of a loop's own text for each of its turns. Whatever is left takes time with
the length of the text, once. Tags that load other texts are left out, and so is `now`: the caller gives it, or nobody.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import tzinfo
from functools import cache
from typing import Any, Final

from liquid import Environment as Liquid
from liquid import RenderContext
from liquid.ast import Node
from liquid.builtin import content, illegal, output
from liquid.builtin.expressions import Filter as Applied
from liquid.builtin.expressions import (
    FilteredExpression,
    KeywordArgument,
    LoopExpression,
    PositionalArgument,
)
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.tags import (
    assign_tag,
    capture_tag,
    case_tag,
    comment_tag,
    cycle_tag,
    decrement_tag,
    echo_tag,
    for_tag,
    if_tag,
    increment_tag,
    inline_comment_tag,
    unless_tag,
)
from liquid.builtin.tags.case_tag import MultiExpressionBlockNode, _AnyExpression
from liquid.builtin.tags.for_tag import ForNode
from liquid.exceptions import (
    FilterArgumentError,
    LiquidError,
    LiquidSyntaxError,
    OutputStreamLimitError,
    ResourceLimitError,
)
from liquid.expression import Expression
from liquid.filter import with_context
from liquid.output import LimitedStringIO
from liquid.stream import TokenStream
from liquid.template import BoundTemplate
from liquid.token import Token
from liquid.undefined import UNDEFINED
from liquid.utils import ReadOnlyChainMap
from typing_extensions import override

from goniec.core.letters import Language
from goniec.core.liquid_filters import FILTERS, INTEGER_END, Filter, Settings, TooLarge, weigh
from goniec.core.liquid_scan import DEPTH_MAX, TemplateError

OUTPUT_MAX: Final = 262_144
"""Bytes that a text becomes."""

STEPS_MAX: Final = 8_000_000
COMPARING: Final = 12
"""Steps that comparing two values takes."""

TURNS_MAX: Final = 10_000
"""Turns of all loops together."""

RANGE_MAX: Final = 10_000
"""A range goes from here below zero to here above it."""

NAMES_MAX: Final = 1_000
"""What a text may name with assign and capture."""


class Context(RenderContext):
    """What a text knows while it is rendered, and how much it has done."""

    __slots__ = ("language", "steps", "turns", "zone")

    def __init__(self, template: BoundTemplate, values: Mapping[str, Any], zone: tzinfo, language: Language) -> None:
        super().__init__(template, globals=dict(values))
        self.scope = ReadOnlyChainMap(self.locals, self.globals, self.counters)
        self.zone = zone
        self.language = language
        self.steps = 0
        self.turns = 0

    def spend(self, steps: int) -> None:
        """Count what is done."""
        self.steps += steps
        if self.steps > STEPS_MAX:
            raise _limit("the text takes too much work; it loops too often, or over too much")

    def turn(self, turns: int, steps: int) -> None:
        """Count a loop that begins, and what each of its turns takes."""
        self.turns += turns
        if self.turns > TURNS_MAX:
            raise _limit(f"its loops take more than {TURNS_MAX} turns")
        self.spend(turns * steps)

    @override
    def get(self, path: list[object], *, token: Any, default: object = UNDEFINED) -> object:
        value = super().get(path, token=token, default=default)
        self.spend(1 + weigh(value))
        return value

    @override
    def assign(self, key: str, val: object) -> None:
        self.spend(1 + weigh(val))
        self.locals[key] = val
        if len(self.locals) > NAMES_MAX:
            raise _limit(f"the text names more than {NAMES_MAX} values")


class _Loop(LoopExpression):
    """A loop that counts its turns before it makes them."""

    __slots__ = ("length",)

    def __init__(self, plain: LoopExpression, length: int) -> None:
        super().__init__(
            plain.token,
            plain.identifier,
            plain.iterable,
            limit=plain.limit,
            offset=plain.offset,
            reversed_=plain.reversed,
            cols=None,
        )
        self.length = length

    @override
    def evaluate(self, context: RenderContext) -> tuple[Iterator[object], int]:
        assert isinstance(context, Context)  # noqa: S101 - the box makes no other
        turns, length = super().evaluate(context)
        context.turn(length, self.length)
        return turns, length


class _Bound(Expression):
    """An end of a range."""

    __slots__ = ("inner",)

    def __init__(self, inner: Expression) -> None:
        super().__init__(inner.token)
        self.inner = inner

    @override
    def evaluate(self, context: RenderContext) -> object:
        value = self.inner.evaluate(context)
        try:
            end = int(value)  # type: ignore[call-overload] # what is no number is refused below, as the library does
        except (TypeError, ValueError):
            return 0
        if abs(end) > RANGE_MAX:
            raise _limit(f"a range goes from -{RANGE_MAX} to {RANGE_MAX}")
        return end

    @override
    def children(self) -> Iterable[Expression]:
        return [self.inner]


class _Once(_AnyExpression):
    """The values of a `when`; the library renders its block as often as one fits."""

    __slots__ = ()

    @override
    def evaluate(self, context: RenderContext) -> list[bool]:
        assert isinstance(context, Context)  # noqa: S101 - the box makes no other
        context.spend(COMPARING * len(self.expressions))
        return [any(super().evaluate(context))]


class _ForTag(for_tag.ForTag):
    @override
    def parse(self, stream: TokenStream) -> Node:
        start = stream.current.start_index
        node = super().parse(stream)
        assert isinstance(node, ForNode)  # noqa: S101 - what the tag makes
        node.expression = _Loop(node.expression, stream.current.start_index - start)
        return node


class Environment(Liquid):
    """Tags and filters that texts may use."""

    block_nesting_limit = DEPTH_MAX + 1
    context_depth_limit = DEPTH_MAX * 2
    output_stream_limit = OUTPUT_MAX

    @override
    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        for tag in (
            content.Literal,
            output.Output,
            illegal.Illegal,
            if_tag.IfTag,
            unless_tag.UnlessTag,
            case_tag.CaseTag,
            _ForTag,
            for_tag.BreakTag,
            for_tag.ContinueTag,
            capture_tag.CaptureTag,
            cycle_tag.CycleTag,
            assign_tag.AssignTag,
            increment_tag.IncrementTag,
            decrement_tag.DecrementTag,
            echo_tag.EchoTag,
            comment_tag.CommentTag,
            inline_comment_tag.InlineCommentTag,
        ):
            self.add_tag(tag)
        for name, known in FILTERS.items():
            self.add_filter(name, _counted(name, known))

    @override
    def error(self, exc: type[LiquidError] | LiquidError, msg: str | None = None, token: Token | None = None) -> None:
        """Raise, and say where: an expression that ends too soon knows no place."""
        if isinstance(exc, LiquidError) and token is not None and (exc.token is None or exc.token.start_index < 0):
            exc.token = token
        super().error(exc, msg, token)


def bind(source: str, *, html: bool) -> BoundTemplate:
    """Read a text that was looked at; see `liquid.parse`."""
    try:
        bound = _environment(html=html).from_string(source)
        context = RenderContext(bound)
        for node in bound.nodes:
            _close(node, context)
    except (LiquidError, RecursionError) as wrong:
        raise _said(wrong) from wrong
    return bound


def render(bound: BoundTemplate, values: Mapping[str, Any], zone: tzinfo, language: Language) -> str:
    """Render a text; see `liquid.Template.render`."""
    context = Context(bound, values, zone, language)
    written = LimitedStringIO(limit=OUTPUT_MAX)
    try:
        bound.render_with_context(context, written)
    except (LiquidError, RecursionError) as wrong:
        raise _said(wrong) from wrong
    except Exception as wrong:  # as where a text loops over what is no list in all but name
        raise TemplateError(1, f"the text cannot be rendered: {wrong}") from wrong
    return written.getvalue()


def _counted(name: str, known: Filter) -> Callable[..., object]:
    """Make a filter count what goes in and what comes out; whatever it trips over is the text's error."""

    def counted(value: object, *given: object, context: Context, **named: object) -> object:
        for one in (value, *given):
            if isinstance(one, int) and abs(one) >= INTEGER_END:
                raise FilterArgumentError(f"the filter {name}: a number is too large", token=None)
            context.spend(1 + weigh(one))
        if known.settled:
            named["settings"] = Settings(context.zone, context.language, context.scope.get("now"))
        if hasattr(call, "with_environment"):
            named["environment"] = context.env
        try:
            made = call(value, *given, **named)
        except TooLarge:
            raise
        except Exception as wrong:
            reason = str(wrong.message if isinstance(wrong, LiquidError) else wrong).removeprefix(f"{name}: ")
            raise FilterArgumentError(f"the filter {name}: {reason}", token=None) from wrong
        context.spend(weigh(made))
        return made

    call = known.call
    return with_context(counted)


@cache
def _environment(*, html: bool) -> Environment:
    return Environment(autoescape=html)


def _close(node: Node, context: RenderContext) -> None:
    """Close what the library leaves open in a text that it has read, and look at its filters."""
    for expression in node.expressions():
        _close_in(expression)
    for child in node.children(context):
        _close(child, context)
    if isinstance(node, MultiExpressionBlockNode):
        plain = node.expression
        node.expression = _Once(plain.token, plain.left, plain.expressions)


def _close_in(expression: Expression) -> None:
    if isinstance(expression, FilteredExpression):
        for one in expression.filters or ():
            _check(one)
    elif isinstance(expression, RangeLiteral):
        expression.start = _Bound(expression.start)
        expression.stop = _Bound(expression.stop)
    for child in expression.children():
        _close_in(child)


def _check(one: Applied) -> None:
    known = FILTERS.get(one.name)
    if known is None:
        raise LiquidSyntaxError(f"there is no filter {one.name}", token=one.token)
    given = [arg for arg in one.args if isinstance(arg, PositionalArgument)]
    if not known.least <= len(given) <= known.most:
        takes = str(known.most) if known.least == known.most else f"{known.least} to {known.most}"
        plural = "" if takes == "1" else "s"
        raise LiquidSyntaxError(
            f"the filter {one.name} takes {takes} value{plural}, and is given {len(given)}", token=one.token
        )
    for arg in one.args:
        if isinstance(arg, KeywordArgument) and (one.name, arg.name) != ("default", "allow_false"):
            raise LiquidSyntaxError(f"the filter {one.name} knows no {arg.name}", token=one.token)


def _limit(detail: str) -> ResourceLimitError:
    return ResourceLimitError(detail, token=None)


def _said(wrong: LiquidError | RecursionError) -> TemplateError:
    """Say what is wrong in words of ours where the library's are none."""
    if isinstance(wrong, RecursionError) or isinstance(wrong.__cause__, RecursionError):
        return TemplateError(1, "it is nested too deeply")
    token = wrong.token
    line = token.source.count("\n", 0, token.start_index) + 1 if token is not None else 1
    if isinstance(wrong, OutputStreamLimitError):
        return TemplateError(line, f"the text becomes longer than {OUTPUT_MAX} bytes")
    told = str(wrong.message)
    return TemplateError(line, _WORDS.get(told, told))


_WORDS: Final = {
    "missing expression": "the tag needs something behind its name",
    "expected a primitive expression, found end of expression": "something is missing at the end",
    "expected an identifier, found end of expression": "a name is missing at the end, behind the dot",
    "expected word, found end of expression": "the name of a filter is missing behind |",
    "expected end of expression, found word": "there is a word too many; a filter stands behind |",
    "expected end of expression, found '='": "there is a = too many; == compares",
    "unexpected '\"'": 'a " has no other that ends it',
    'unexpected "\'"': "a ' has no other that ends it",
}
"""What the library says where people slip most, in words that say what to do."""
