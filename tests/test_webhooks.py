"""The owner's own systems are told of every decision: signed, in order, until they have it, and of nothing else."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trustme
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from consent import delivery, endpoints, jobs, webhooks
from consent.db import alone, db
from consent.endpoints import BadAddress, check_url, is_public
from consent.jobs import JobRun
from consent.outbox import Event, Webhook
from consent.signatures import verify_webhook
from tests.conftest import forget
from tests.receiver import Receiver, Taken
from tests.shop import FIREFOX, body

Post = Callable[..., Any]
NAMES = ["id", "type", "site", "visitor", "record", "version", "action", "trackers", "sequence", "at"]
ALL = ("ga4", "hotjar", "meta", "intercom", "own-stats")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def flask(app: Flask, *arguments: str) -> Any:
    done = app.test_cli_runner().invoke(args=list(arguments))
    db.session.rollback()
    return done


def hook(app: Flask, url: str) -> str:
    """Set the shop's webhook by the command; the secret."""
    done = flask(app, "webhook", "set", "shop", url)
    assert done.exit_code == 0, done.output
    forget(app)
    return str(done.output.splitlines()[-1])


@pytest.fixture
def secret(app: Flask, shop: Any, receiver: Receiver) -> str:
    """The shop tells the receiver; the secret."""
    return hook(app, receiver.url)


def deliver(later: timedelta = timedelta(0), private: bool = True) -> delivery.Tally:
    """What a runner does, so much later than now."""
    db.session.rollback()
    return delivery.deliver(db.engine, private, lambda: datetime.now(UTC) + later)


def outbox() -> list[Event]:
    db.session.rollback()
    db.session.expire_all()
    return list(db.session.scalars(select(Event).order_by(Event.sequence)))


def trail(client: FlaskClient, receipt: str) -> list[Any]:
    db.session.rollback()
    answer = client.get("/v1/sites/shop/me", headers={"Poort-Receipt": receipt}).json
    assert answer is not None
    return [[(entry["source"], entry["trackers"]["meta"]) for entry in row["trail"]] for row in answer["records"]]


@pytest.mark.usefixtures("through_doors")
class TestTold:
    def test_a_grant_a_change_and_a_withdrawal_are_told_in_their_order(
        self, client: FlaskClient, post: Post, receiver: Receiver, secret: str
    ) -> None:
        sent = body("accept_all")
        first = post(sent).json["record"]
        post(body("custom", source="settings", visitor=sent["visitor"], trackers={"hotjar": False}))
        last = post(body("withdraw", source="settings", visitor=sent["visitor"])).json
        assert deliver() == delivery.Tally(delivered=3)
        granted, changed, withdrawn = receiver.events()
        assert list(granted) == NAMES
        assert [event["type"] for event in receiver.events()] == ["consent.changed"] * 2 + ["consent.withdrawn"]
        assert (granted["site"], granted["visitor"], granted["record"]) == ("shop", sent["visitor"], sent["id"])
        assert (granted["version"], granted["action"], granted["at"]) == (1, "accept_all", first["recorded_at"])
        assert granted["trackers"] == dict.fromkeys(ALL, True)
        assert changed["trackers"] == {**dict.fromkeys(ALL, True), "hotjar": False, "meta": False}
        assert withdrawn["trackers"] == dict.fromkeys(ALL, False)
        assert granted["sequence"] < changed["sequence"] < withdrawn["sequence"]
        assert trail(client, last["receipt"]) == [[("webhook", ["told"])]] * 3

    def test_each_is_signed(self, post: Post, receiver: Receiver, secret: str) -> None:
        post(body())
        deliver()
        (taken,) = receiver.taken
        header = taken.headers["poort-signature"]
        assert taken.path == "/poort?from=shop"
        assert taken.headers["content-type"] == "application/json"
        assert taken.headers["host"] == f"127.0.0.1:{receiver.port}"
        assert verify_webhook(secret, header, taken.body, time.time())
        assert not verify_webhook(secret, header, taken.body, time.time() + 400), "a replay"
        assert not verify_webhook("another", header, taken.body, time.time())

    def test_nothing_of_the_visitor_s_device_is_told(self, post: Post, receiver: Receiver, secret: str) -> None:
        """G1"""
        post(body(page_group="pricing"), User_Agent=FIREFOX, X_Forwarded_For="203.0.113.9")
        deliver()
        said = json.dumps([*receiver.taken[0].headers.items(), receiver.taken[0].body.decode()])
        for trace in ("Firefox", "Linux", "203.0.113.9", "pricing", "desktop"):
            assert trace not in said

    def test_a_retry_of_the_visitor_is_told_once(self, post: Post, receiver: Receiver, secret: str) -> None:
        sent = body()
        assert [post(sent).status_code for _ in range(3)] == [201, 200, 200]
        assert post({**body("accept_all"), "id": sent["id"]}).status_code == 409
        deliver()
        assert len(receiver.taken) == 1

    def test_a_site_without_a_webhook_keeps_nothing_to_tell(self, post: Post, shop: Any) -> None:
        assert post(body()).status_code == 201
        assert outbox() == []

    def test_a_webhook_tells_of_its_own_site_alone(
        self, post: Post, receiver: Receiver, secret: str, define: Callable[..., Any]
    ) -> None:
        define(key="second")
        post(body(), key="second")
        assert outbox() == []

    def test_a_webhook_that_is_set_counts_within_a_second(self, app: Flask, post: Post, shop: Any) -> None:
        assert post(body()).status_code == 201
        assert flask(app, "webhook", "set", "shop", "https://crm.shop.example/poort").exit_code == 0
        while not outbox():
            assert post(body()).status_code == 201
        assert flask(app, "webhook", "remove", "shop").exit_code == 0
        while outbox():
            db.session.execute(Event.__table__.delete())
            db.session.commit()
            assert post(body()).status_code == 201


class TestErasure:
    def test_it_is_told_and_what_waited_is_not(
        self, client: FlaskClient, post: Post, receiver: Receiver, secret: str
    ) -> None:
        """G5"""
        sent, other = body("accept_all"), body("accept_all")
        receipt = post(sent).json["receipt"]
        post(other)
        assert client.delete("/v1/sites/shop/me", headers={"Poort-Receipt": receipt}).status_code == 204
        assert deliver().delivered == 2
        told = {event["visitor"]: event for event in receiver.events()}
        assert told[other["visitor"]]["type"] == "consent.changed"
        erased = told[sent["visitor"]]
        assert list(erased) == NAMES
        assert (erased["type"], erased["action"]) == ("consent.erased", "erase")
        assert (erased["record"], erased["version"]) == (None, None)
        assert erased["trackers"] == dict.fromkeys(ALL, False)

    def test_who_was_erased_is_a_stranger_once_it_is_told(
        self, client: FlaskClient, post: Post, receiver: Receiver, secret: str
    ) -> None:
        sent = body("accept_all")
        receipt = post(sent).json["receipt"]
        deliver()
        client.delete("/v1/sites/shop/me", headers={"Poort-Receipt": receipt})
        assert [str(event.visitor) for event in outbox()] == [sent["visitor"]]
        assert receiver.events()[0]["sequence"] < outbox()[0].sequence
        deliver()
        assert [(event.type, event.state, event.visitor, event.body) for event in outbox()] == [
            ("consent.erased", "delivered", None, {})]

    def test_an_answer_that_comes_after_the_erasure_leaves_no_trace(
        self, client: FlaskClient, post: Post, receiver: Receiver, secret: str
    ) -> None:
        receipt = post(body("accept_all")).json["receipt"]

        def erase(taken: Taken) -> int:
            if taken.event["type"] == "consent.changed":
                db_free.set()
                erased.wait(30)
            return 200

        db_free, erased = threading.Event(), threading.Event()
        receiver.answer = erase
        runner = threading.Thread(target=delivery.deliver, args=(db.engine, True, lambda: datetime.now(UTC)))
        runner.start()
        assert db_free.wait(30)
        client.delete("/v1/sites/shop/me", headers={"Poort-Receipt": receipt})
        db.session.rollback()
        erased.set()
        runner.join()
        deliver()
        assert [event["type"] for event in receiver.events()] == ["consent.changed", "consent.erased"]
        assert db.session.scalar(select(func.count()).select_from(Event).where(Event.visitor.is_not(None))) == 0
        assert db.session.execute(db.text("SELECT count(*) FROM outcome")).scalar() == 0


class TestTriedAgain:
    def test_after_a_fault_a_later_event_of_the_visitor_waits_and_others_go_on(
        self, post: Post, receiver: Receiver, secret: str
    ) -> None:
        mine, other = body("accept_all"), body("accept_all")
        post(mine)
        post(body("withdraw", visitor=mine["visitor"]))
        post(other)
        receiver.answer = lambda taken: 500 if taken.event["visitor"] == mine["visitor"] else 200
        assert deliver() == delivery.Tally(delivered=1, failed=1)
        assert [event["visitor"] for event in receiver.events()] == [mine["visitor"], other["visitor"]]
        assert deliver() == delivery.Tally(), "not at once again"
        receiver.answer = lambda _: 204
        assert deliver(timedelta(minutes=1)).delivered == 2
        first, _, again, last = receiver.events()
        assert again == first, "the same id and content"
        assert (last["type"], last["visitor"]) == ("consent.withdrawn", mine["visitor"])
        signatures = [taken.headers["poort-signature"] for taken in receiver.taken]
        assert signatures[0] != signatures[2], "signed anew"

    def test_after_a_refused_connection(self, post: Post, receiver: Receiver, secret: str) -> None:
        receiver.stop()
        post(body())
        post(body())
        assert deliver().failed == 1, "one that nobody answers is enough for now"
        assert "the connection was refused" in {event.answer for event in outbox()}
        receiver.start()
        assert deliver(timedelta(minutes=1)).delivered == 2

    def test_for_three_days_then_it_is_dead_and_told_on_demand(
        self, app: Flask, client: FlaskClient, post: Post, receiver: Receiver, secret: str
    ) -> None:
        receipt = post(body()).json["receipt"]
        receiver.answer = lambda _: 503
        later = timedelta(0)
        while deliver(later).dead == 0:
            later += timedelta(hours=3)
            assert later < timedelta(days=4)
        assert later > timedelta(days=2)
        assert 10 < len(receiver.taken) < 30
        assert trail(client, receipt) == [[("webhook", ["could_not"])]]
        line = flask(app, "webhook", "log", "shop").output.strip().split("\t")
        assert line[2:] == ["consent.changed", "dead", str(len(receiver.taken)), "503"]
        assert deliver(timedelta(days=9)) == delivery.Tally()
        receiver.answer = lambda _: 200
        assert "1 events are due" in flask(app, "webhook", "retry", "shop").output
        assert deliver(timedelta(days=5)).delivered == 1
        assert len({event["id"] for event in receiver.events()}) == 1
        assert trail(client, receipt) == [[("webhook", ["could_not"]), ("webhook", ["told"])]]

    def test_what_the_endpoint_knows_better_by_now_stays_dead(
        self, app: Flask, post: Post, receiver: Receiver, secret: str
    ) -> None:
        sent = body("accept_all")
        post(sent)
        receiver.answer = lambda _: 503
        later = timedelta(0)
        while deliver(later).dead == 0:
            later += timedelta(hours=5)
        receiver.answer = lambda _: 200
        post(body("withdraw", visitor=sent["visitor"]))
        assert deliver().delivered == 1
        assert "0 events are due" in flask(app, "webhook", "retry", "shop").output
        assert receiver.events()[-1]["type"] == "consent.withdrawn"

    def test_after_410_nothing_is_told_until_the_owner_says_so(
        self, app: Flask, post: Post, receiver: Receiver, secret: str
    ) -> None:
        post(body())
        post(body())
        receiver.answer = lambda _: 410
        assert deliver() == delivery.Tally(failed=1, dead=1)
        assert deliver(timedelta(hours=1)) == delivery.Tally()
        assert "stopped: the endpoint answered 410" in flask(app, "webhook", "show", "shop").output
        forget(app)
        post(body())
        assert len(outbox()) == 2
        receiver.answer = lambda _: 200
        assert "2 events are due" in flask(app, "webhook", "retry", "shop").output
        assert deliver().delivered == 2
        assert "stopped" not in flask(app, "webhook", "show", "shop").output

    def test_a_redirect_is_a_failure_and_is_not_followed(
        self, post: Post, receiver: Receiver, secret: str
    ) -> None:
        """Threat 11"""
        post(body())
        with Receiver() as elsewhere:
            receiver.location = elsewhere.url
            for hours, status in enumerate((301, 302, 307, 308)):
                receiver.answer = lambda _, status=status: status  # type: ignore[misc]
                assert deliver(timedelta(hours=hours)).failed == 1
            assert elsewhere.taken == []

    def test_an_answer_that_drips_is_cut_off(
        self, app: Flask, shop: Any, post: Post, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(endpoints, "TIMEOUT", 0.5)
        done = threading.Event()
        with socket.create_server(("127.0.0.1", 0)) as server:
            def drip() -> None:
                line, _ = server.accept()
                with line:
                    while not done.wait(0.05):
                        try:
                            line.sendall(b"H")
                        except OSError:
                            return

            thread = threading.Thread(target=drip)
            thread.start()
            hook(app, f"http://127.0.0.1:{server.getsockname()[1]}/")
            post(body())
            assert deliver().failed == 1
            done.set()
            thread.join()
        assert outbox()[0].answer == "it took too long"

    def test_waits_grow_and_spread(self) -> None:
        waits = [delivery.wait(attempts, 1) for attempts in range(1, 40)]
        assert waits == sorted(waits)
        assert (waits[0], waits[-1]) == (delivery.FIRST, delivery.LONGEST)
        assert delivery.wait(3, 0) < delivery.wait(3, 0.5) < delivery.wait(3, 1)


class TestWhereTo:
    def test_an_address_of_the_machine_gets_nothing_unless_the_operator_allows_it(
        self, post: Post, receiver: Receiver, secret: str
    ) -> None:
        """Threat 11"""
        post(body())
        assert deliver(private=False).failed == 1
        assert receiver.taken == []
        assert outbox()[0].answer == "the address is not allowed"

    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0",
            "100.64.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1",
            "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::",
            "2002:a00:1::", "2001:db8::1", "2001::1",
        ],
    )
    def test_what_is_not_the_internet_s_is_not_public(self, address: str) -> None:
        assert not is_public(address)

    @pytest.mark.parametrize("address", ["9.9.9.9", "2620:fe::fe", "64:ff9b::909:909"])
    def test_what_is_the_internet_s_is(self, address: str) -> None:
        assert is_public(address)

    @pytest.mark.parametrize(
        "url",
        [
            "http://crm.shop.example/", "ftp://crm.shop.example/", "https://", "https:///x", "crm.shop.example",
            "https://user:password@crm.shop.example/", "https://crm.shop.example/#x", "https://crm.shop.example/ x",
            "https://crm.shop.example:99999/", "https://[::1/", "http://127.0.0.1@crm.shop.example/",
            "http://10.0.0.1/", "https://crm.shop.example/\n", "https://é.example/", "https://a.example/" + "x" * 500,
            "javascript:alert(1)", "file:///etc/passwd", "",
        ],
    )
    def test_an_address_that_can_not_be_meant_is_refused(self, url: str) -> None:
        with pytest.raises(BadAddress, match=r"\.$"):
            check_url(url)

    @pytest.mark.parametrize(
        "url", ["https://crm.shop.example/poort?x=1", "https://crm.shop.example:8443/", "http://127.0.0.1:9/",
                "http://localhost/", "http://[::1]:9/"],
    )
    def test_an_address_that_can_be_meant_is_taken(self, url: str) -> None:
        check_url(url)

    def test_a_name_that_nobody_knows_is_a_failure(self, app: Flask, shop: Any, post: Post) -> None:
        hook(app, "https://nobody.invalid/")
        post(body())
        assert deliver().failed == 1
        assert outbox()[0].answer == "the name is not known"

    def test_https_asks_for_a_certificate_of_that_name(
        self, app: Flask, shop: Any, post: Post, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
    ) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        answers = {}
        for name in ("localhost", "other.example"):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert(name).configure_cert(context)
            with Receiver(context=context) as secure:
                hook(app, secure.url)
                post(body())
                monkeypatch.delenv("SSL_CERT_FILE", raising=False)
                assert deliver().failed == 1
                assert secure.taken == []
                monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
                deliver(timedelta(minutes=1))
                answers[name] = [event.answer for event in outbox()]
                flask(app, "webhook", "remove", "shop")
        assert answers == {"localhost": ["200"], "other.example": ["TLS or the certificate is not right"]}


class TestCommands:
    def test_the_secret_is_shown_once(self, app: Flask, secret: str, receiver: Receiver) -> None:
        assert len(secret) >= 54
        for command in ("show", "log"):
            done = flask(app, "webhook", command, "shop")
            assert done.exit_code == 0
            assert secret not in done.output
        assert receiver.url in flask(app, "webhook", "show", "shop").output
        assert hook(app, receiver.url) != secret, "set again, another secret signs"

    @pytest.mark.parametrize(
        "arguments",
        [("set", "shop", "http://crm.shop.example/"), ("set", "nobody", "https://crm.shop.example/"), ("show", "shop"),
         ("remove", "shop"), ("log", "shop"), ("retry", "shop"), ("show", "nobody"), ("log", "shop", "--last", "0")],
    )
    def test_bad_input_is_one_clear_line(self, app: Flask, shop: Any, arguments: tuple[str, ...]) -> None:
        done = flask(app, "webhook", *arguments)
        assert done.exit_code != 0
        assert done.output.splitlines()[-1].startswith("Error: ")
        assert db.session.scalar(select(func.count()).select_from(Webhook)) == 0

    def test_removing_it_says_what_was_not_told(
        self, app: Flask, post: Post, receiver: Receiver, secret: str
    ) -> None:
        post(body())
        assert "1 events were not told" in flask(app, "webhook", "remove", "shop").output
        assert deliver() == delivery.Tally()
        assert outbox() == []


class TestJobs:
    def test_one_runner_at_a_time_delivers(self, app: Flask, post: Post, receiver: Receiver, secret: str) -> None:
        post(body())
        db.session.rollback()
        with alone(db.engine, JobRun.__table__, "webhooks") as mine:
            assert mine
            with alone(db.engine, JobRun.__table__, "webhooks") as theirs:
                assert not theirs
            assert not [line for line in jobs.run_due() if line.startswith("webhooks:")]
        assert [line for line in jobs.run_due() if line.startswith("webhooks:")]
        assert receiver.taken == [], "an address of this machine, which the setting does not allow"

    def test_a_job_with_a_period_waits_for_it(self, app: Flask) -> None:
        assert [line.partition(":")[0] for line in jobs.run_due()] == [
            "webhooks", "webhook-log", "backup", "backup-expiry", "traces"]
        assert [line.partition(":")[0] for line in jobs.run_due()] == ["webhooks"]

    def test_the_log_goes_back_thirty_days(self, post: Post, receiver: Receiver, secret: str) -> None:
        post(body())
        deliver()
        db.session.rollback()
        assert webhooks.tidy(db.engine, datetime.now(UTC) + timedelta(days=29)) == 0
        assert webhooks.tidy(db.engine, datetime.now(UTC) + timedelta(days=31)) == 1
