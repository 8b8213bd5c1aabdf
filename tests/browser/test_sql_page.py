"""The SQL workbench by keyboard: completion, running, a mistake where it is, files, history, saved queries."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
from known_fleet import FALLEN, HOSTILE_AGENT
from playwright.sync_api import Locator, Page, expect

Visit = Callable[..., Page]


def workbench(page: Page) -> Locator:
    """The editor, once the tables are there."""
    expect(page.get_by_text("latest_status", exact=True)).to_be_visible()
    return page.get_by_role("textbox", name="SQL", exact=True)


def test_a_question_is_written_completed_and_run_by_keyboard(visit: Visit) -> None:
    page = visit("/ui/sql?q=SELECT")
    text = workbench(page)
    text.press("Control+End")
    text.press_sequentially(" agent_id, trust FROM latest_tr")
    offered = page.get_by_role("listbox", name="What may be written here")
    expect(offered.get_by_role("option")).to_have_count(1)
    expect(text).to_have_attribute("aria-activedescendant", offered.get_by_role("option").get_attribute("id") or "")
    text.press("Tab")
    expect(offered).to_be_hidden()
    text.press_sequentially(" l WHERE l.trus")
    text.press("Enter")
    text.press_sequentially(" < 0.5 ORDER BY 2")
    text.press("Escape")
    expect(text).to_have_value("SELECT agent_id, trust FROM latest_trust l WHERE l.trust < 0.5 ORDER BY 2")
    text.press("Control+Enter")
    expect(page.get_by_role("rowheader", name=FALLEN).or_(page.get_by_role("cell", name=FALLEN))).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="1 row in")).to_be_visible()
    page.get_by_role("tab", name="History").press("Enter")
    expect(page.get_by_role("button", name="FROM latest_trust l WHERE")).to_be_visible()
    text.press("Tab")  # nothing is offered: the editor lets go
    expect(text).not_to_be_focused()


_SUGGESTED = """async (texts) => {
  const at = document.querySelector('script[type=module]').src.replace('main.js', '');
  const { suggest } = await import(at + 'pages/sql/complete.js');
  const schema = await (await fetch('/api/sql/schema')).json();
  return texts.map((text) => {
    const found = suggest(text.replace('|', ''), text.indexOf('|'), schema, true);
    return found && found.items.map((item) => [item.kind, item.insert]);
  });
}"""
_VALUES = (
    "SELECT | FROM metrics", "SELECT agent_id, | FROM metrics", "SELECT 1 FROM metrics WHERE |",
    "SELECT 1 FROM metrics WHERE seq > 1 AND |", "SELECT 1 FROM metrics m JOIN metrics n ON |",
    "SELECT 1 FROM metrics GROUP BY |", "SELECT 1 FROM metrics ORDER BY |", "SELECT avg(|) FROM metrics",
    "SELECT 1 FROM trust; SELECT | FROM metrics", "-- FROM trust\nSELECT 'FROM trust', | FROM metrics",
)  # fmt: skip
_TABLES = (
    "SELECT * FROM |", "SELECT * FROM metrics m, |", "SELECT * FROM metrics JOIN |", "DESCRIBE |",
    "SELECT * FROM (SELECT * FROM |",
)  # fmt: skip
_WORDS = ("|", "SELECT agent_id |", "SELECT * | metrics", "SELECT 1 FROM metrics WHERE seq > 3 |")


def test_what_is_offered_fits_the_place(visit: Visit) -> None:
    page = visit("/ui/sql")
    workbench(page)
    values, tables, words = (page.evaluate(_SUGGESTED, texts) for texts in (_VALUES, _TABLES, _WORDS))
    for text, found in zip(_VALUES, values, strict=True):
        kinds = [kind for kind, _ in found]
        columns = kinds.count("column")
        assert columns > 10, text
        assert kinds[:columns] == ["column"] * columns, text
        assert kinds[columns] == "function", text
        assert {"cpu_usage", '"timestamp"'} <= {name for _, name in found[:columns]}, text
        assert "trust" not in {name for _, name in found[:columns]}, text
    for text, found in zip(_TABLES, tables, strict=True):
        assert found[0][0] == "table", text
        assert {kind for kind, _ in found} == {"table", "function"}, text
        assert {"metrics", "latest_trust", "range()"} <= {name for _, name in found}, text
    assert [found[0] for found in words] == [["keyword", "SELECT"]] * 4
    own, of_alias, begun, within = page.evaluate(
        _SUGGESTED,
        ["WITH low AS (SELECT * FROM trust) SELECT * FROM |", "SELECT t.| FROM trust AS t, metrics m",
         "SELECT 1 FROM metrics WHERE cp|", "SELECT 'a |'"],
    )  # fmt: skip
    assert own[0] == ["table", "low"]
    assert {"trust", "evidence"} & {name for _, name in of_alias}
    assert {kind for kind, _ in of_alias} == {"column"}
    assert begun[0] == ["column", "cpu_usage"]
    assert within is None


def test_what_was_run_is_of_who_ran_it_and_goes_with_them(visit: Visit) -> None:
    page = visit("/ui/sql?q=SELECT%204711", key="admin")
    workbench(page).press("Control+Enter")
    expect(page.get_by_role("status").filter(has_text="1 row in")).to_be_visible()
    kept = "() => Object.entries(localStorage).filter(([, value]) => value.includes('4711')).map(([name]) => name)"
    [place] = page.evaluate(kept)
    identity = page.evaluate("async () => (await (await fetch('/api/me')).json()).id")
    assert identity in place
    page.locator(".account").get_by_role("button").click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert page.evaluate(kept) == []


def test_a_mistake_is_marked_where_it_is(visit: Visit) -> None:
    page = visit("/ui/sql")
    text = workbench(page)
    text.fill("SELECT 'ä',\n  nonsense\nFROM metrics")
    text.press("Control+Enter")
    expect(page.get_by_role("alert").filter(has_text="Line 2, column 3")).to_be_visible()
    expect(page.locator(".sql-wrong")).to_have_text("nonsense")
    expect(text).to_have_attribute("aria-invalid", "true")
    text.press("Control+End")
    text.press_sequentially(" ")
    expect(page.locator(".sql-wrong")).to_have_count(0)


def test_numbers_are_shown_as_they_are(visit: Visit) -> None:
    page = visit("/ui/sql")
    workbench(page).fill(
        "SELECT * FROM (VALUES (12::BIGINT, 0.5::DOUBLE), (9007199254740993, 1234567.25), (700, 3)) AS t(big, part)"
    )
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("cell", name="9,007,199,254,740,993", exact=True)).to_be_visible()
    expect(page.get_by_role("cell", name="1,234,567.25", exact=True)).to_be_visible()
    shown = page.get_by_role("table", name="Rows of the answer").get_by_role("row")
    page.get_by_role("button", name="big").click()
    expect(shown.nth(2)).to_contain_text("700")


def test_a_long_question_is_cancelled(visit: Visit) -> None:
    page = visit("/ui/sql")
    workbench(page).fill("SELECT count(*) FROM range(100000000) a, range(100000) b")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("running for")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("cancelled after")).to_be_visible()
    expect(page.get_by_role("button", name="Run")).to_be_visible()


def test_answers_become_charts_and_files_and_hostile_text_stays_text(visit: Visit) -> None:
    page = visit("/ui/sql")
    workbench(page).fill("SELECT agent_id, count(*) AS reports FROM metrics GROUP BY ALL ORDER BY 2 DESC, 1")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text(HOSTILE_AGENT, exact=True).first).to_be_visible()
    page.get_by_role("tab", name="Chart").click()
    expect(page.get_by_role("heading", name="reports").or_(page.get_by_text("reports")).first).to_be_visible()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Parquet").click()
    assert waiting.value.suggested_filename == "fleetpulse-sql.parquet"
    expect(page.get_by_text("Saved as Parquet: ")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_hidden()
    kept = pq.read_table(io.BytesIO(Path(waiting.value.path()).read_bytes())).to_pydict()
    assert HOSTILE_AGENT in kept["agent_id"]
    assert page.evaluate("() => window.hacked") is None


def test_a_query_is_saved_opened_and_deleted(visit: Visit) -> None:
    page = visit("/ui/sql?q=SELECT%2042", key="admin")
    workbench(page)
    name = '"><img src=x onerror=alert(1)> mine'
    page.get_by_role("button", name="Save query").click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("textbox", name="SQL", exact=True).fill("SELECT 1")
    page.get_by_role("button", name="Saved queries").click()
    page.get_by_role("button", name=name, exact=True).click()
    expect(page.get_by_role("textbox", name="SQL", exact=True)).to_have_value("SELECT 42")
    page.get_by_role("button", name="Saved queries").click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog", name="Delete").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No query is saved yet")).to_be_visible()


def test_without_the_right_it_says_so(visit: Visit) -> None:
    page = visit("/ui/sql", key="plain")
    expect(page.get_by_text("Your key may not ask in SQL")).to_be_visible()
    expect(page.get_by_role("textbox", name="SQL", exact=True)).to_have_count(0)
