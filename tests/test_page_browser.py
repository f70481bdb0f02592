"""The auditor's page in a real browser, headless: opened from a file, with every message and every request looked at."""

from __future__ import annotations

import base64
import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from estate_funds.audit import AuditReport
from estate_funds.report.page import page
from test_page import HOSTILE, PART, POSITION, bare, books_of, finding, hostile, matter

webdriver = pytest.importorskip("selenium.webdriver", reason="no client for a browser: pip install selenium")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no chromium: apt-get install chromium chromium-driver"
)
WIDE, PHONE = (1280, 900), (390, 844)
MOST_MS = 200  # for a filter over ten thousand findings


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pages with findings, with none, with hostile text, and with ten thousand findings."""
    folder = tmp_path_factory.mktemp("pages")
    found = books_of(folder)
    about = matter(found)
    many = replace(found[2], findings=tuple(finding(n) for n in range(10_000)))
    made = {
        "found": page(about),
        "none": page(replace(bare(AuditReport((PART,), (), 0, "")), positions=[POSITION])),
        "hostile": page(hostile(found)),
        "many": page(replace(about, report=many)),
    }
    for name, text in made.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in made}


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield started
    started.quit()


class Shown:
    """A page in the browser at a size of window."""

    def __init__(self, driver: Any, path: Path, size: tuple[int, int] = WIDE, anchor: str = "") -> None:
        self.driver = driver
        driver.get("about:blank")
        for log in ("browser", "performance"):
            driver.get_log(log)
        told = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", told)
        driver.get(f"{path.as_uri()}{anchor}")

    def run(self, script: str, *given: Any) -> Any:
        return self.driver.execute_script(script, *given)

    def text(self, selector: str) -> str:
        return str(self.run("return document.querySelector(arguments[0]).innerText", selector))

    def count(self, selector: str) -> int:
        return int(self.run("return document.querySelectorAll(arguments[0]).length", selector))

    def click(self, selector: str) -> None:
        self.run("document.querySelector(arguments[0]).click()", selector)

    def choose(self, name: str, value: str) -> int:
        """Choose a filter; how many findings are left."""
        self.run(
            "const s = document.getElementById(arguments[0]); s.value = arguments[1]; s.dispatchEvent(new Event('change'))",
            f"f-{name}", value,
        )  # fmt: skip
        return self.left

    def type(self, value: str) -> int:
        """Type into the search; how many findings are left."""
        self.run(
            "const s = document.getElementById('f-text'); s.value = arguments[0]; s.dispatchEvent(new Event('input'))",
            value,
        )
        time.sleep(0.2)  # the page waits for the next key
        return self.left

    @property
    def left(self) -> int:
        return int(self.run("return document.getElementById('list').dataset.found"))

    @property
    def took_ms(self) -> int:
        return int(self.run("return document.getElementById('list').dataset.ms"))

    def check_quiet(self) -> None:
        """No message of the browser, and no request but for the file itself."""
        assert self.driver.get_log("browser") == []
        asked = [json.loads(line["message"])["message"] for line in self.driver.get_log("performance")]
        urls = {m["params"]["request"]["url"] for m in asked if m["method"] == "Network.requestWillBeSent"}
        assert len(urls) == 1, urls
        assert urls.pop().startswith("file://")

    def check_width(self) -> None:
        """Nothing to scroll sideways."""
        wide = "return [document.documentElement.scrollWidth, window.innerWidth]"
        scroll, window = self.run(wide)
        assert scroll <= window, f"{scroll} of {window} pixels"


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("name", ["found", "none"])
def test_it_opens_from_a_file_quietly_in_both_languages(
    driver: Any, pages: dict[str, Path], name: str, size: tuple[int, int]
) -> None:
    shown = Shown(driver, pages[name], size)
    assert "审计结论" in shown.text("#verdict")
    assert "不构成无保留的结论" in shown.text("#verdict")
    assert shown.run("return document.getElementById('bank').textContent.includes('900.00')") == (name == "none")
    shown.check_width()
    chinese = shown.text("body")
    shown.click("#language")
    assert shown.run("return document.documentElement.lang") == "en"
    assert "no clean verdict" in shown.text("#verdict")
    assert shown.text("body") != chinese
    shown.check_width()
    tops = [
        shown.run(f"return document.getElementById('{name}').offsetTop") for name in ("coverage", "verdict", "findings")
    ]
    assert tops == sorted(tops)
    shown.check_quiet()


def test_filters_leave_what_they_say_and_links_lead_to_what_they_name(driver: Any, pages: dict[str, Path]) -> None:
    shown = Shown(driver, pages["found"])
    assert (shown.left, shown.count(".finding")) == (5, 5)
    assert shown.choose("rule", "withheld") == shown.count(".finding") == 1
    assert shown.choose("severity", "warning") == shown.count(".finding") == 0
    shown.click("#f-reset")
    assert shown.left == 5
    assert shown.choose("estate", "yuanyi") == 1
    shown.click("#f-reset")
    assert shown.choose("fund", "project-income/estate/yuanyi") == 1
    shown.click("#f-reset")
    assert shown.type("未付") == 1
    assert shown.type("66,600.00 withheld") == 1
    assert shown.type("xyzzy") == 0
    shown.click("#f-reset")
    for kind in ("v", "c", "e"):
        where = shown.run(f"return document.querySelector('.finding a[href^=\"#{kind}-\"]').getAttribute('href')")
        shown.click(f".finding a[href='{where}']")
        time.sleep(0.1)
        assert shown.count(f"{where}.here") == 1
    assert "award-budget/city/南昌市" in shown.text(".voucher .open")
    assert "五(六)1" in shown.text(".estate .open")
    shown.check_quiet()


def test_a_voucher_shows_the_receipts_that_its_money_came_from(driver: Any, pages: dict[str, Path]) -> None:
    shown = Shown(driver, pages["found"], anchor="#v-10")
    assert "资金来源" in shown.text("#v-10")
    assert "city and district treasuries" in shown.text("#v-10")
    shown.click("#v-10 .line")
    assert shown.count("#v-10 .open") == 0


def test_both_pictures_are_drawn_and_say_the_sums(driver: Any, pages: dict[str, Path]) -> None:
    shown = Shown(driver, pages["found"])
    assert shown.count("#line-chart svg path") > 3
    assert shown.count("#way-chart svg path") > 20
    assert "1,588,920.00" in shown.text("#totals")
    shown.run("const s = document.getElementById('by'); s.value = 'payee'; s.dispatchEvent(new Event('change'))")
    assert "宏达物业服务有限公司" in shown.text("#way-chart") or "宏达" in shown.run(
        "return document.querySelector('#way-chart svg').textContent"
    )
    shown.run("const s = document.getElementById('line'); s.selectedIndex = 1; s.dispatchEvent(new Event('change'))")
    assert shown.run("return document.getElementById('line-name').textContent") == "award-budget/city/南昌市"
    shown.run(  # a tooltip is markup of the library's own making: it must be text of ours
        "const c = echarts.getInstanceByDom(document.getElementById('way-chart'));"
        "c.dispatchAction({type: 'showTip', seriesIndex: 0, dataIndex: 0})"
    )
    time.sleep(0.1)
    assert shown.count(".tip") == 1
    shown.check_quiet()


def test_hostile_text_stays_text(driver: Any, pages: dict[str, Path]) -> None:
    shown = Shown(driver, pages["hostile"], anchor="#v-18")
    for _ in ("zh", "en"):
        assert shown.count("img") == shown.count("body script[src]") == 0
        assert shown.count("script") == 3
        assert HOSTILE[:30] in shown.run("return document.getElementById('list').textContent")
        assert HOSTILE[:30] in shown.run("return document.getElementById('v-18').textContent")
        shown.click("#language")
    shown.run(
        "const c = echarts.getInstanceByDom(document.getElementById('way-chart'));"
        "const n = c.getOption().series[0].data.length;"
        "for (let i = 0; i < n; i++) c.dispatchAction({type: 'showTip', seriesIndex: 0, dataIndex: i})"
    )
    assert shown.count("img") == 0
    shown.check_quiet()


def test_ten_thousand_findings_stay_usable(driver: Any, pages: dict[str, Path]) -> None:
    shown = Shown(driver, pages["many"])
    assert (shown.left, shown.count(".finding")) == (10_000, 100)
    times = []
    for turn, (name, value) in enumerate((("severity", "error"), ("rule", "rule-3"), ("rule", ""), ("severity", ""))):
        assert shown.choose(name, value) == (6_666, 952, 6_666, 10_000)[turn]
        times.append(shown.took_ms)
    assert shown.type("what 4321)") == 1
    times.append(shown.took_ms)
    assert shown.type("") == 10_000
    times.append(shown.took_ms)
    shown.click("#list .later")
    assert "101" in shown.text("#list .shown")
    times.append(shown.took_ms)
    assert sorted(times)[len(times) // 2] < MOST_MS, times  # the middle one: a busy machine may stop for a moment
    shown.check_quiet()


def test_it_prints_on_a4_with_all_findings_and_without_what_one_clicks(driver: Any, pages: dict[str, Path]) -> None:
    shown = Shown(driver, pages["found"])
    told = {"preferCSSPageSize": True, "printBackground": False}
    made = base64.b64decode(driver.execute_cdp_cmd("Page.printToPDF", told)["data"])
    assert made.startswith(b"%PDF")
    assert re.search(rb"/MediaBox \[0 0 59[45]\.?\d* 84[12]\.?\d*\]", made)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        shown.run("window.dispatchEvent(new Event('beforeprint'))")
        assert shown.count(".finding") == 5
        hidden = "return [...document.querySelectorAll('button, .filters, nav')].every((e) => e.offsetParent === null)"
        assert shown.run(hidden)
        shown.run("window.dispatchEvent(new Event('afterprint'))")
    finally:
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    shown.check_quiet()
