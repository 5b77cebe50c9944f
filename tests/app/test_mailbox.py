"""Mailboxes: the latest value wins, drops are counted, and closing wakes waiting threads."""

from __future__ import annotations

import threading

from app.pipeline.mailbox import Mailbox


def test_latest_wins_and_drops_are_counted() -> None:
    mailbox: Mailbox[int] = Mailbox()
    for number in range(5):
        mailbox.put(number)
    assert mailbox.take_now() == 4
    assert mailbox.drops == 4
    assert mailbox.take_now() is None


def test_take_returns_none_after_its_timeout() -> None:
    assert Mailbox[int]().take(timeout_s=0.01) is None


def test_close_lets_a_waiting_reader_go_and_refuses_more() -> None:
    mailbox: Mailbox[int] = Mailbox()
    taken: list[int | None] = []
    reader = threading.Thread(target=lambda: taken.append(mailbox.take()))
    reader.start()
    mailbox.close()
    reader.join(5)
    assert taken == [None]
    mailbox.put(1)
    assert mailbox.take_now() is None


def test_wake_lets_one_take_return_without_content() -> None:
    mailbox: Mailbox[int] = Mailbox()
    mailbox.wake()
    assert mailbox.take(timeout_s=5) is None
    mailbox.put(7)
    assert mailbox.take(timeout_s=5) == 7


def test_lossless_mailbox_hands_over_everything_in_order() -> None:
    mailbox: Mailbox[int] = Mailbox(lossless=True)
    writer = threading.Thread(target=lambda: [mailbox.put(number) for number in range(200)])
    writer.start()
    assert [mailbox.take(timeout_s=5) for _ in range(200)] == list(range(200))
    writer.join(5)
    assert mailbox.drops == 0


def test_close_lets_a_waiting_lossless_writer_go() -> None:
    mailbox: Mailbox[int] = Mailbox(lossless=True)
    mailbox.put(1)
    writer = threading.Thread(target=mailbox.put, args=(2,))
    writer.start()
    mailbox.close()
    writer.join(5)
    assert not writer.is_alive()
