"""Rules: made, read, changed, switched, deleted, tried out."""

from typing import Annotated, Any

from msgspec import Meta, Struct
from msgspec.structs import replace

from goniec.core.identity import Refusal as NotRecorded
from goniec.core.ids import run_id
from goniec.core.model import Miss, Outcome, Run
from goniec.core.problems import Problem
from goniec.core.rules import RuleDraft
from goniec.flow.batch import Recorded, Result
from goniec.flow.configure import Outside
from goniec.flow.decoding import plainly
from goniec.flow.rules import (
    RuleSaved,
    RuleShown,
    change_rule,
    create_rule,
    delete_rule,
    endpoint_ids,
    load_rule,
    rule_tag,
    shown,
    switch_rule,
)
from goniec.flow.testing import Trial, asked_run, send_test
from goniec.ports import Store
from goniec.web.api.deliveries import AttemptOut, attempt_out, text_of
from goniec.web.api.runs import RunOut, SeenOut, run_out, seen_out
from goniec.web.lists import Listed, PageQuery, listed
from goniec.web.once import answered, once, recorded
from goniec.web.operation import Ask, operation
from goniec.web.problems import invalid, missing, problem
from goniec.web.refusals import cut, etag, fault
from goniec.web.reply import Reply
