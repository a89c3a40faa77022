"""Calls are recorded together and each for itself: identity, dedup, answers, overload, faults, and the ledger over all."""

import asyncio
from typing import Any

import pytest

from goniec.core import actions as a
from goniec.core.changes import SetConsent
from goniec.core.decide import Call, Happening
from goniec.core.identity import Refusal, Who
from goniec.core.model import Outcome
from goniec.core.text import phone_key
from goniec.flow import record
from goniec.flow.batch import CONTACT_BYTES, Batch, Duplicate, Raced, Recorded
from goniec.flow.record import Answering, Overloaded
from goniec.observe import counters
from goniec.ports import ContactFilter, EventFilter, Moved, Page, Remembered, RunFilter, Tx, Unavailable
from tests.core.build import NOW, happened
from tests.e2e.engine import eventually
from tests.flow.workshop import Workshop, email, failing, held


def recorded(result: object) -> Recorded:
    assert isinstance(result, Recorded), result
    return result


def refused(result: object) -> Refusal:
    assert isinstance(result, Refusal), result
    return result


def once(key: str, url: str = "https://s.example/") -> Happening:
    return Happening("page.visited", {"url": url}, None, key, url.encode().ljust(32, b"."))


def blind_once(look: Any) -> Any:
    """Sees nothing the first time, as if another process were quicker."""
    first = iter([True])

    async def looking(keys: Any) -> Any:
        return {} if next(first, False) else await look(keys)

    return looking


class TestIdentity:
    async def test_first_sights_of_one_person_at_once_make_one_contact(self, shop: Workshop) -> None:
        alone = [shop.record(email("Jan@x.pl", happenings=(happened(),))) for _ in range(20)]
        together = shop.record(*[email("jan@X.pl", happenings=(happened(),))] * 20)
        results = [recorded(one) for group in await asyncio.gather(*alone, together) for one in group]
        assert {one.contact.id for one in results} == {results[0].contact.id}
        assert [one.created for one in results].count(True) == 1
        created = await shop.store.queries.events(EventFilter(type="contact.created"), Page())
        assert len(created) == 1

    async def test_a11_an_external_id_with_a_new_email_changes_it_and_a_taken_one_is_refused(
        self, shop: Workshop
    ) -> None:
        (first,) = await shop.record(Call(who=Who(external_id="7", email="a@x.pl", email_key="a@x.pl")))
        await shop.record(email("b@x.pl"))
        (moved,) = await shop.record(Call(who=Who(external_id="7", email="c@x.pl", email_key="c@x.pl")))
        assert recorded(moved).contact.id == recorded(first).contact.id
        assert recorded(moved).contact.email == "c@x.pl"
        (taken,) = await shop.record(Call(who=Who(external_id="7", email="b@x.pl", email_key="b@x.pl")))
        assert (refused(taken).code, refused(taken).pointer) == ("conflict", "/email")
        (again,) = await shop.record(email("a@x.pl"))
        assert recorded(again).created

    async def test_keys_move_within_a_batch_too(self, shop: Workshop) -> None:
        swap = Call(who=Who(external_id="7", email="b@x.pl", email_key="b@x.pl"))
        results = await shop.record(
            Call(who=Who(external_id="7", email="a@x.pl", email_key="a@x.pl")), swap, email("a@x.pl"), email("b@x.pl")
        )
        seven, _, fresh, known = (recorded(one).contact.id for one in results)
        assert known == seven
        assert fresh != seven

    async def test_the_case_of_a_known_email_is_no_change_unless_it_is_set(self, shop: Workshop) -> None:
        (first,) = await shop.record(email("Jan@X.pl"))
        (same,) = await shop.record(email("jan@x.pl"))
        assert recorded(same).events == ()
        assert recorded(same).contact.email == "Jan@X.pl"
        (named,) = await shop.record(Call(who=Who(id=recorded(first).contact.id), fields={"email": "jan@x.pl"}))
        assert recorded(named).contact.email == "jan@x.pl"
        (found,) = await shop.record(email("JAN@x.pl"))
        assert not recorded(found).created

    async def test_a_phone_is_a_key_only_alone_and_only_when_one_has_it(self, shop: Workshop) -> None:
        def phoned(phone: str, **more: Any) -> Call:
            return Call(who=Who(phone=phone, phone_key=phone_key(phone, "PL"), **more))

        (first,) = await shop.record(phoned("600 100 200"))
        (same,) = await shop.record(phoned("+48600100200"))
        assert recorded(same).contact.id == recorded(first).contact.id
        assert recorded(same).contact.phone == "600 100 200"
        await shop.record(phoned("600-100-200", email="a@x.pl", email_key="a@x.pl"))
        (which,) = await shop.record(phoned("600100200"))
        assert (refused(which).code, len(refused(which).contacts)) == ("ambiguousPhone", 2)
        await shop.record(email("a@x.pl", fields={"phone": None}))
        (one_left,) = await shop.record(phoned("600100200"))
        assert recorded(one_left).contact.id == recorded(first).contact.id
        unreadable, _ = await shop.record(email("a@x.pl", fields={"phone": "nie wiem"}), phoned("700100200"))
        assert recorded(unreadable).contact.phone == "nie wiem"

    async def test_a_phone_that_was_given_up_in_the_same_batch_names_nobody(self, shop: Workshop) -> None:
        await shop.record(email("a@x.pl", fields={"phone": "600100200"}))
        alone = Call(who=Who(phone="600100200", phone_key="+48600100200"))
        results = await shop.record(email("a@x.pl", fields={"phone": None}), alone)
        assert recorded(results[1]).created

    async def test_a_contact_keeps_at_least_one_key(self, shop: Workshop) -> None:
        (one,) = await shop.record(email("a@x.pl"))
        (result,) = await shop.record(Call(who=Who(id=recorded(one).contact.id), fields={"email": None}))
        assert refused(result).code == "noKey"

    async def test_another_spelling_of_the_same_number_and_a_cleared_email(self, shop: Workshop) -> None:
        await shop.record(email("a@x.pl", fields={"phone": "600 100 200", "externalId": "7"}))
        (spelt,) = await shop.record(email("a@x.pl", fields={"phone": "+48 600100200", "email": None}))
        assert recorded(spelt).contact.phone == "+48 600100200"
        (anew,) = await shop.record(email("a@x.pl"))
        assert recorded(anew).created
        (same,) = await shop.record(Call(who=Who(external_id="7")))
        assert recorded(same).contact.id == recorded(spelt).contact.id

    async def test_what_must_exist_must_exist(self, shop: Workshop) -> None:
        (result,) = await shop.record(email("a@x.pl", create=False))
        assert refused(result).code == "unknownContact"

    async def test_a_write_on_an_older_state_is_refused(self, shop: Workshop) -> None:
        (one,) = await shop.record(email("a@x.pl"))
        seq = recorded(one).contact.seq
        results = await shop.record(
            email("a@x.pl", changes=(a.AddTag("A"),), expect=seq), email("a@x.pl", changes=(a.AddTag("B"),), expect=seq)
        )
        assert recorded(results[0]).contact.seq == seq + 1
        assert refused(results[1]).code == "preconditionFailed"

    async def test_a_contact_may_not_grow_without_end(self, shop: Workshop) -> None:
        big = tuple(a.SetDetail(f"d{n}", "x" * 10_000) for n in range(CONTACT_BYTES // 10_000 + 1))
        (result,) = await shop.record(email("a@x.pl", changes=big))
        assert (refused(result).code, refused(result).pointer) == ("contactTooLarge", "/details")
        assert await shop.store.queries.contacts(ContactFilter(email="a@x.pl"), Page()) == []


class TestDedup:
    async def test_the_first_wins_within_a_batch_and_later(self, shop: Workshop) -> None:
        first, twin = await shop.record(
            email("a@x.pl", happenings=(once("k"),)), email("a@x.pl", happenings=(once("k"),))
        )
        (event_id,) = recorded(first).happened
        assert twin == Duplicate(event_id, "k", conflict=False)
        (other,) = await shop.record(email("b@x.pl", happenings=(once("k", "https://other.example/"),)))
        assert other == Duplicate(event_id, "k", conflict=True)
        assert await shop.store.queries.contacts(ContactFilter(email="b@x.pl"), Page()) == []
        totals = await shop.store.queries.totals()
        assert (totals["received"], totals["accepted"], totals["duplicates"]) == (3, 1, 2)

    async def test_a_race_for_a_key_is_run_again(self, shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
        raced = 0
        written = Batch.write

        async def once_beaten(batch: Batch) -> set[tuple[str, str]]:
            nonlocal raced
            raced += 1
            if raced == 1:
                raise Raced
            return await written(batch)

        monkeypatch.setattr(Batch, "write", once_beaten)
        (one,) = await shop.record(email("a@x.pl"))
        assert recorded(one).created
        assert raced == 2

    async def test_another_process_that_was_quicker_is_noticed(
        self, shop: Workshop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (first,) = await shop.record(email("a@x.pl", happenings=(once("k"),)))
        blind = iter([True])
        transact = shop.store.transact

        async def not_seen_at_first(work: Any) -> Any:
            async def looking(tx: Tx) -> Any:
                if next(blind, False):
                    monkeypatch.setattr(tx, "owners", blind_once(tx.owners))
                    monkeypatch.setattr(tx, "known_dedup", blind_once(tx.known_dedup))
                return await work(tx)

            return await transact(looking)

        monkeypatch.setattr(shop.store, "transact", not_seen_at_first)
        (second,) = await shop.record(email("a@x.pl", happenings=(once("k"),)))
        assert second == Duplicate(recorded(first).happened[0], "k", conflict=False)
        blind = iter([True])
        dedup_only = email("new@x.pl", happenings=(once("k"),))
        (third,) = await shop.record(dedup_only)
        assert isinstance(third, Duplicate)


class TestAnswers:
    def answering(self, key: str = "k") -> Answering:
        def compose(results: Any) -> Remembered:
            return Remembered(b"d" * 32, 200, f"{len(results)} done".encode())

        return Answering(key, b"d" * 32, compose)

    async def test_an_answer_is_remembered_with_what_it_tells(self, shop: Workshop) -> None:
        first = shop.recorder.record([email("a@x.pl", changes=(a.AddScore(1),))], answering=self.answering())
        twin = shop.recorder.record([email("a@x.pl", changes=(a.AddScore(1),))], answering=self.answering())
        results, replayed = await asyncio.gather(first, twin)
        later = await shop.recorder.record([email("a@x.pl", changes=(a.AddScore(1),))], answering=self.answering())
        assert not isinstance(results, Remembered)
        assert replayed == later == Remembered(b"d" * 32, 200, b"1 done")
        assert recorded(results[0]).contact.score == 1
        (contact,) = await shop.store.queries.contacts(ContactFilter(email="a@x.pl"), Page())
        assert contact.score == 1


class TestChains:
    async def test_a_call_that_answers_a_webhook_joins_its_chain(self, shop: Workshop) -> None:
        await shop.rule(triggers=[{"type": "contact.tagged"}])
        await shop.record(email("a@x.pl", changes=(a.AddTag("A"),)))
        await shop.settle()
        cause = dict(shop.sender.sent[0].headers)["goniec-cause"]
        answer = email("a@x.pl", changes=(a.AddTag("B"),), cause=cause)
        unknown = email("a@x.pl", changes=(a.AddTag("C"),), cause="run_unknown")
        (joined, other) = await shop.record(answer, unknown)
        runs = await shop.store.queries.runs(RunFilter("rul_1"), Page())
        assert [run.outcome for run in runs] == [Outcome.FIRED, Outcome.LOOP_STOPPED, Outcome.FIRED]
        found = await shop.store.queries.event(recorded(joined).events[0])
        assert found is not None
        assert found[0].cause == cause
        found = await shop.store.queries.event(recorded(other).events[0])
        assert found is not None
        assert found[0].cause is None

    async def test_a08_the_receiver_that_writes_back_the_same_value_is_no_event(self, shop: Workshop) -> None:
        await shop.rule(triggers=[{"type": "contact.detail_changed"}, {"type": "contact.detail_added"}])
        set_a = email("a@x.pl", changes=(a.SetDetail("A", "1"),))
        await shop.record(set_a)
        (back,) = await shop.record(set_a)
        assert recorded(back).events == ()
        assert len(await shop.store.queries.runs(RunFilter("rul_1"), Page())) == 1


class TestCompany:
    async def test_searching_keeps_in_step_with_contacts(self, shop: Workshop) -> None:
        tagged = email("a@x.pl", changes=(a.AddTag("A"), a.AddTag("B")))
        await shop.record(tagged)
        consent = SetConsent("rodo", granted=True)
        await shop.record(email("a@x.pl", changes=(a.RemoveTag("A"), a.SetDetail("x", 1), consent)))
        assert await shop.store.queries.names("consent") == ["rodo"]
        assert await shop.store.queries.contacts(ContactFilter(tag="A"), Page()) == []
        assert len(await shop.store.queries.contacts(ContactFilter(tag="B"), Page())) == 1
        assert await shop.store.queries.names("tag") == ["A", "B"]
        assert await shop.store.queries.names("detail") == ["x"]

    async def test_rules_are_read_anew_when_somebody_changed_them(self, shop: Workshop) -> None:
        await shop.funnel("Sprzedaż", "Lead")
        await shop.rule(actions=[{"type": "moveToStage", "funnel": "Sprzedaż", "stage": "Lead"}])
        (one,) = await shop.record(email("a@x.pl", happenings=(happened(),)))
        assert list(recorded(one).contact.stages) == ["Sprzedaż"]
        await shop.rule(active=False, version=2)
        (two,) = await shop.record(email("b@x.pl", happenings=(happened(),)))
        assert recorded(two).contact.stages == {}

    async def test_a_rule_that_cannot_run_is_told_when_rules_are_read(
        self, shop: Workshop, capsys: pytest.CaptureFixture[str]
    ) -> None:
        await shop.rule("rul_0", version=0, active=False)
        await shop.rule("rul_9", timezone="Nowhere/At_all")
        (one,) = await shop.record(email("a@x.pl", happenings=(happened(),)))
        assert recorded(one).deliveries == ()
        told = capsys.readouterr().err
        assert "rule.broken" in told
        assert shop.recorder.broken == 2
        assert "rul_0" in told
        assert "rul_9" in told

    async def test_results_ride_alone_when_nothing_comes(self, shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(record, "RIDE_RESULTS", 1)
        await shop.rule()
        await shop.record(email("a@x.pl", happenings=(happened(),)))
        await shop.settle()
        assert (await shop.store.queries.totals())["deliveries.delivered"] == 1

    async def test_who_came_with_others_waits_for_them(self, shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(record, "PATIENCE_SECONDS", 0.2)
        transact, commits = shop.store.transact, 0

        async def counted(work: Any) -> Any:
            nonlocal commits
            commits += 1
            return await transact(work)

        monkeypatch.setattr(shop.store, "transact", counted)

        async def later(name: str) -> None:
            await asyncio.sleep(0.01)
            await shop.record(email(name))

        await asyncio.gather(shop.record(email("a@x.pl")), later("b@x.pl"))
        assert commits == 2  # nobody was there before, so the first one does not wait
        await asyncio.gather(shop.record(email("a@x.pl")), shop.record(email("b@x.pl")))
        assert commits == 3
        await asyncio.gather(shop.record(email("a@x.pl")), later("b@x.pl"))
        assert commits == 4


class TestOverload:
    async def test_more_than_may_wait_is_sent_away_whole(self, shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(record, "WAITING_CALLS", 2)
        with pytest.raises(Overloaded):
            await shop.record(*[email("a@x.pl")] * 3)
        monkeypatch.setattr(record, "WAITING_BYTES", 10)
        with pytest.raises(Overloaded):
            await shop.record(email("a@x.pl"), size=11)
        assert recorded((await shop.record(email("a@x.pl"), size=10))[0]).created

    async def test_large_jobs_have_commits_of_their_own(self, shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(record, "BATCH_CALLS", 3)
        jobs = [shop.record(*(email(f"{n}{k}@x.pl") for k in range(2))) for n in "abc"]
        big = shop.record(*(email(f"z{k}@x.pl") for k in range(5)))
        results = await asyncio.gather(*jobs, big)
        assert [len(group) for group in results] == [2, 2, 2, 5]

    async def test_a_commit_takes_only_so_many_changes(self, shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(record, "BATCH_CALLS", 50)
        before = counters.batches["commits"]
        tags = tuple(a.AddTag(f"T{n}") for n in range(400))
        heavy = [shop.record(email(f"{n}@x.pl", changes=tags)) for n in range(6)]
        results = await asyncio.gather(*heavy, *(shop.record(email(f"light{n}@x.pl")) for n in range(8)))
        assert len(results) == 14
        assert counters.batches["commits"] - before == 3, "two of the heavy ones weigh as much as a commit may"

    async def test_after_stop_nothing_is_taken(self, shop: Workshop) -> None:
        shop.recorder.stop()
        with pytest.raises(Overloaded):
            await shop.record(email("a@x.pl"))


class TestFaults:
    async def test_what_cannot_be_recorded_is_quarantined_alone(
        self, shop: Workshop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        decided = Batch._decided

        def poisoned(batch: Batch, what: Call) -> Recorded | Refusal:
            if what.who.email == "bad@x.pl":
                raise ZeroDivisionError("a fault of ours")
            return decided(batch, what)

        monkeypatch.setattr(Batch, "_decided", poisoned)
        names = ["a", "b", "bad", "c", "d"]
        groups = await asyncio.gather(
            shop.record(*(email(f"{name}@x.pl") for name in names), answering=TestAnswers().answering()),
            shop.record(email("e@x.pl")),
            shop.record(),
        )
        results = groups[0]
        assert [isinstance(one, Recorded) for one in results] == [True, True, False, True, True]
        assert refused(results[2]).code == "internalError"
        assert recorded(groups[1][0]).created
        assert groups[2] == []
        ((_, _, reason, content),) = await shop.store.quarantined()  # type: ignore[attr-defined] # of the SQLite store
        assert "ZeroDivisionError" in reason
        assert b"bad@x.pl" in content

    @pytest.mark.parametrize(
        ("then", "words"), [(ZeroDivisionError(), "takes nothing"), (Unavailable("the disk is full"), "disk is full")]
    )
    async def test_where_not_even_that_can_be_written_it_is_the_stores_fault(
        self, shop: Workshop, monkeypatch: pytest.MonkeyPatch, then: Exception, words: str
    ) -> None:
        """Callers are told to come again, and all goes on once the store is as it should be."""
        monkeypatch.setattr(record, "AWAY_SECONDS", 0.01)
        transact = shop.store.transact

        faults = iter((ZeroDivisionError("a fault of the store's"), then))

        async def spoilt(_: Any) -> Any:
            raise next(faults)

        monkeypatch.setattr(shop.store, "transact", spoilt)
        with pytest.raises(Unavailable, match=words):
            await shop.record(email("a@x.pl"))
        monkeypatch.setattr(shop.store, "transact", transact)
        assert recorded((await shop.record(email("a@x.pl")))[0]).created
        assert await shop.store.quarantined() == []  # type: ignore[attr-defined] # of the SQLite store

    async def test_an_empty_job_that_fails_fails(self, shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
        async def broken(_: Batch) -> set[tuple[str, str]]:
            raise ZeroDivisionError

        monkeypatch.setattr(Batch, "write", broken)
        with pytest.raises(ZeroDivisionError):
            await shop.record()

    async def test_results_that_cannot_be_written_are_quarantined_alone(
        self, shop: Workshop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await shop.rule()
        transact = shop.store.transact

        async def poisoned(work: Any) -> Any:
            async def with_poison(tx: Tx) -> Any:
                finish = tx.finish

                async def finishing(finished: Any) -> list[Moved]:
                    if any(b"bad@x.pl" in one.delivery.body for one in finished):
                        raise ZeroDivisionError("a fault of ours")
                    return await finish(finished)

                monkeypatch.setattr(tx, "finish", finishing)
                return await work(tx)

            return await transact(with_poison)

        monkeypatch.setattr(shop.store, "transact", poisoned)
        await shop.record(*(email(f"{name}@x.pl", happenings=(happened(),)) for name in ("a", "bad", "c")))

        async def alone() -> bool:
            others = sorted(d.status for d in await shop.deliveries()) == ["delivered", "delivered", "pending"]
            return others and bool(await shop.store.quarantined())  # type: ignore[attr-defined] # of the SQLite store

        await eventually(alone, "the others are delivered")
        monkeypatch.setattr(shop.store, "transact", transact)

    async def test_a_store_that_is_away_refuses_calls_and_keeps_results(
        self, shop: Workshop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(record, "AWAY_SECONDS", 0.01)
        await shop.rule()
        shop.sender.script = lambda _: failing()
        transact = shop.store.transact
        away = True

        async def sometimes(work: Any) -> Any:
            if away:
                raise Unavailable("the disk is full")
            return await transact(work)

        away = False
        monkeypatch.setattr(shop.store, "transact", sometimes)
        await shop.poll()
        gate = asyncio.Event()
        shop.sender.script = held(gate, lambda _: failing())
        await shop.record(email("a@x.pl", happenings=(happened(),)))
        await asyncio.sleep(0.02)
        away = True
        gate.set()
        with pytest.raises(Unavailable):
            await shop.record(email("b@x.pl"))
        await asyncio.sleep(0.05)
        away = False
        await shop.settle()
        (delivery,) = await shop.deliveries()
        assert (delivery.attempts, delivery.due_at) == (1, NOW + 5_000)

    async def test_stopping_while_the_store_is_away_gives_up_results_which_the_table_still_has(
        self, shop: Workshop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(record, "AWAY_SECONDS", 0.01)
        await shop.rule()
        await shop.poll()
        transact = shop.store.transact
        gate = asyncio.Event()
        shop.sender.script = held(gate, lambda _: failing())
        await shop.record(email("a@x.pl", happenings=(happened(),)))
        await asyncio.sleep(0.02)

        async def away(_: Any) -> Any:
            raise Unavailable("the disk is away")

        monkeypatch.setattr(shop.store, "transact", away)
        gate.set()
        await shop.until(lambda: shop.sender.flying == 0)
        await asyncio.sleep(0.05)
        shop.recorder.stop()
        await shop.until(shop.parts[0].done)
        monkeypatch.setattr(shop.store, "transact", transact)
        (delivery,) = await shop.deliveries()
        assert (delivery.status.value, delivery.attempts) == ("pending", 0)
        shop.deliverer._sending.unwritten = 0

    async def test_a_store_that_goes_away_while_a_culprit_is_sought_writes_nothing_twice(
        self, shop: Workshop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(record, "AWAY_SECONDS", 0.01)
        await shop.rule()
        await shop.poll()
        transact = shop.store.transact
        gate = asyncio.Event()
        shop.sender.script = held(gate, lambda _: failing())
        await shop.record(email("a@x.pl", happenings=(happened(),)))
        troubles = iter([ZeroDivisionError("a fault of ours"), None, Unavailable("the disk is full")])

        async def troubled(work: Any) -> Any:
            trouble = next(troubles, None)
            if trouble is not None:
                raise trouble
            return await transact(work)

        monkeypatch.setattr(shop.store, "transact", troubled)
        gate.set()
        await shop.until(lambda: shop.sender.flying == 0)
        with pytest.raises(Unavailable):
            await shop.record(email("b@x.pl"))
        await shop.settle()
        (delivery,) = await shop.deliveries()
        assert (delivery.attempts, len(await shop.attempts(delivery.id))) == (1, 1)

    async def test_results_without_their_texts_are_better_than_none(
        self, shop: Workshop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await shop.rule()
        transact = shop.store.transact

        async def fussy(work: Any) -> Any:
            async def with_taste(tx: Tx) -> Any:
                finish = tx.finish

                async def finishing(finished: Any) -> list[Moved]:
                    if any(one.attempt.body for one in finished):
                        raise ZeroDivisionError("a fault of ours")
                    return await finish(finished)

                monkeypatch.setattr(tx, "finish", finishing)
                return await work(tx)

            return await transact(with_taste)

        monkeypatch.setattr(shop.store, "transact", fussy)
        await shop.record(email("a@x.pl", happenings=(happened(),)))
        await shop.settle()
        (delivery,) = await shop.deliveries()
        (attempt,) = await shop.attempts(delivery.id)
        assert (delivery.status.value, attempt.status, attempt.body) == ("delivered", 200, b"")

    async def test_a_store_that_goes_away_while_texts_are_left_out_is_asked_again(
        self, shop: Workshop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(record, "AWAY_SECONDS", 0.01)
        await shop.rule()
        await shop.poll()
        transact = shop.store.transact
        gate = asyncio.Event()
        shop.sender.script = held(gate, lambda _: failing())
        await shop.record(email("a@x.pl", happenings=(happened(),)))
        troubles = iter([ZeroDivisionError("a fault of ours"), Unavailable("the disk is full")])

        async def troubled(work: Any) -> Any:
            trouble = next(troubles, None)
            if trouble is not None:
                raise trouble
            return await transact(work)

        monkeypatch.setattr(shop.store, "transact", troubled)
        gate.set()
        await shop.settle()
        (delivery,) = await shop.deliveries()
        assert len(await shop.attempts(delivery.id)) == 1

    @pytest.mark.parametrize("trouble", [None, Unavailable("the disk is full")])
    async def test_a_caller_that_has_gone_does_no_harm(
        self, shop: Workshop, monkeypatch: pytest.MonkeyPatch, trouble: Exception | None
    ) -> None:
        monkeypatch.setattr(record, "AWAY_SECONDS", 0.01)
        transact = shop.store.transact
        gate = asyncio.Event()

        async def slow(work: Any) -> Any:
            await gate.wait()
            if trouble is not None:
                raise trouble
            return await transact(work)

        with monkeypatch.context() as broken:
            broken.setattr(shop.store, "transact", slow)
            gone = asyncio.create_task(shop.recorder.record([email("a@x.pl")]))
            await shop.until(lambda: not shop.recorder._jobs and shop.recorder.waiting == 0)
            await asyncio.sleep(0.01)
            gone.cancel()
            await asyncio.sleep(0.01)
            gate.set()
            await asyncio.sleep(0.01)
        assert recorded((await shop.record(email("b@x.pl")))[0]).created


async def test_the_ledger_adds_up(shop: Workshop) -> None:
    await shop.rule()
    await shop.record(email("a@x.pl", happenings=(once("k"),)), email("a@x.pl", happenings=(once("k"),)), refused=2)
    await shop.record(Call(who=Who(id="nobody")))
    await shop.settle()
    totals = await shop.store.queries.totals()
    assert totals["received"] == totals["accepted"] + totals["duplicates"] + totals["refused"] == 5
    assert totals["made"] == sum(n for name, n in totals.items() if name.startswith("deliveries."))
    assert totals == await shop.store.queries.recount()
