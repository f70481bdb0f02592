"""Desks made ready for what a test begins with, and the days that it turns on."""

from __future__ import annotations

from datetime import date, timedelta

from desk import SHARE, Desk
from estate_funds.funds import Fund
from estate_funds.journal import Entry

NEXT = date(2023, 1, 10)
DAY = timedelta(days=1)
LAST = date(2022, 6, 30)


def funded(*amounts: tuple[Fund, int]) -> Desk:
    desk = Desk()
    for fund, fen in amounts or ((SHARE, 1_000),):
        desk.fund(fund, fen)
    return desk


def advanced(fen: int, promised: int = 1_000, fund: Fund = SHARE) -> tuple[Desk, Entry]:
    desk = funded((fund, 2_000))
    desk.promise(fund, promised, "works")
    return desk, desk.book(desk.advancing(fund, fen, "works"))


def paid(fen: int = 600) -> tuple[Desk, Entry]:
    desk = funded()
    return desk, desk.spend(SHARE, fen)
