"""The frame around the pages: keys, menu on a phone, search, the stream's state, who is signed in; charts draw."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from dashboard_world import DashboardWorld
from playwright.sync_api import Page, expect

Visit = Callable[..., Page]


class Watched(Protocol):
    """Of conftest: what went wrong in pages."""

    wrong: list[str]


_IMPORTED = "const at = document.querySelector('script[type=module]').src.replace('main.js', '');"
_LINE = f"""async () => {{
  {_IMPORTED}
  const {{ lineChart }} = await import(at + 'core/chart.js');
  const now = Date.now();
  const points = Array.from({{length: 50}}, (_, i) => [now - (50 - i) * 1000, i % 7]);
  const band = points.map(([t, v]) => [t, v - 1, v + 1]);
  const flags = [{{at: points[9][0], value: 9, text: '<img src=x onerror=window.hacked=1>'}}];
  const series = [{{name: 'one', points, band, flags}}];
  const chart = lineChart({{label: 'Tried', unit: 'ms', series, thresholds: [{{value: 5, label: 'limit'}}]}});
  document.querySelector('main').replaceChildren(chart.element);
}}"""
_TAKEN = f"""async ([tag, props]) => {{
  {_IMPORTED}
  const {{ h }} = await import(at + 'core/dom.js');
  try {{ h(tag, props); return true; }} catch {{ return false; }}
}}"""
_UNSAFE: list[list[object]] = [
    ["a", {"href": "javascript:alert(1)"}],
    ["a", {"href": "//elsewhere.example"}],
    ["a", {"href": "/\\elsewhere.example"}],
    ["a", {"href": "https://elsewhere.example"}],
    ["p", {"onclick": "alert(1)"}],
    ["p", {"style": "color: red"}],
    ["p", {"innerHTML": "<b>"}],
    ["script", {}],
    ["iframe", {"srcdoc": "<p>"}],
    ["img", {"src": "https://elsewhere.example/x.png"}],
]
_PARSED = """() => {
  try { document.createElement('p').innerHTML = '<b>x</b>'; return 'taken'; } catch (e) { return e.name; }
}"""


def test_the_way_around_without_a_mouse(visit: Visit) -> None:
    page = visit("/ui/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.keyboard.press("/")
    page.keyboard.type("crawler-0")
    page.keyboard.press("Enter")
    page.wait_for_url("**/ui/agents?q=crawler-0")
    expect(page).to_have_title("Agents · fleetpulse")
    expect(page.locator("nav [aria-current=page]")).to_have_text("Agents")


def test_a_page_changes_without_loading_anew_and_back_leads_back(visit: Visit) -> None:
    page = visit("/ui/")
    page.evaluate("() => { window.sameDocument = true; }")
    page.get_by_role("link", name="Hosts", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Hosts")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    assert page.evaluate("() => window.sameDocument")


def test_on_a_phone_the_pages_are_a_menu(visit: Visit) -> None:
    page = visit("/ui/", width=360)
    menu = page.get_by_role("button", name="Pages", exact=True)
    expect(menu).to_have_attribute("aria-expanded", "false")
    expect(page.get_by_role("link", name="Topology", exact=True)).to_be_hidden()
    menu.click()
    expect(menu).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("Escape")
    expect(menu).to_be_focused()
    menu.click()
    page.get_by_role("link", name="Topology", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Topology")
    expect(page.get_by_role("link", name="Hosts", exact=True)).to_be_hidden()


def test_a_page_that_does_not_change_by_itself_says_so(visit: Visit) -> None:
    page = visit("/ui/settings", key="whole")
    expect(page.get_by_role("heading", level=1)).to_have_text("Settings")
    expect(page.locator(".connection")).to_have_text(re.compile(r"^not live\s*as of \d\d:\d\d$"))
    page.get_by_role("link", name="Overview", exact=True).click()
    expect(page.locator(".connection")).to_have_text("live")


def test_the_keys_do_what_their_list_says(visit: Visit) -> None:
    page = visit("/ui/agents")
    expect(page.get_by_role("heading", level=1)).to_have_text("Agents")
    page.keyboard.press("?")
    told = page.get_by_role("dialog").get_by_text("find an agent", exact=True)
    expect(told).to_be_visible()
    page.keyboard.press("Escape")
    expect(told).to_have_count(0)
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox", name="Find an agent", exact=True)).to_be_focused()


def test_on_a_phone_the_chosen_tab_is_in_sight(visit: Visit) -> None:
    page = visit("/ui/agents/crawler-03?tab=delivery", width=360)
    for name in ("Delivery", "Summary"):
        tab = page.get_by_role("tab", name=name, exact=True)
        tab.focus()
        page.keyboard.press("Enter")
        expect(tab).to_have_attribute("aria-selected", "true")
        expect(tab).to_be_in_viewport(ratio=1)
    page = visit("/ui/agents/crawler-03?tab=delivery", width=360)
    expect(page.get_by_role("tab", name="Delivery", exact=True)).to_be_in_viewport(ratio=1)


_SCALES = f"""async () => {{
  {_IMPORTED}
  const {{ scaleOf }} = await import(at + 'core/chart/scale.js');
  const of = (values, more = {{}}) => {{
    const points = values.map((value, when) => [when, value]);
    const found = scaleOf({{label: '', series: [{{name: '', points, band: more.band}}], ...more}});
    return [found.min, found.max, found.interval];
  }};
  const share = {{bounds: [0, 1]}};
  return [
    of([0, 0]), of([40, 40]), of([0.97, 0.97], share), of([1, 1], share), of([0.35, 1], share), of([0, 0.004], share),
    of([0.9, 0.98], {{...share, band: [[0, 0.8, 1.04]]}}), of([3, 0.5], share),
    of([70, 71], {{thresholds: [{{value: 90}}]}}), of([-5, -5]), of([12, 95], {{min: 0}}), of([0.1 + 0.2, 0.3]),
  ];
}}"""


def test_axes_have_round_numbers_and_end_where_values_can_not_go(visit: Visit) -> None:
    page = visit("/ui/hosts")
    expect(page.get_by_role("heading", level=1)).to_have_text("Hosts")
    assert page.evaluate(_SCALES) == [
        [0, 1, 1], [30, 50, 5], [0.9, 1, 0.025], [0, 1, 0.25], [0.2, 1, 0.2], [0, 0.004, 0.001],
        [0.8, 1, 0.05], [0, 3, 1], [70, 90, 5], [-6, -4, 1], [0, 100, 25], [0.2, 0.4, 0.05],
    ]  # fmt: skip


def test_an_address_without_a_page_says_so(visit: Visit) -> None:
    page = visit("/ui/no/such/page")
    expect(page.get_by_role("heading", level=1)).to_have_text("Not there")
    page.get_by_role("link", name="Go to the overview").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")


def test_the_stream_is_live_and_sign_out_ends_the_session(visit: Visit, world: DashboardWorld) -> None:
    page = visit("/ui/", key="viewer")
    expect(page.locator(".connection")).to_have_text("live")
    page.locator(".account").get_by_role("button").click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert page.context.request.get(f"{world.url}/api/me").status == 401


def test_a_line_chart_draws_and_has_its_numbers_as_a_table(visit: Visit) -> None:
    page = visit("/ui/hosts")
    expect(page.get_by_role("heading", level=1)).to_have_text("Hosts")
    page.evaluate(_LINE)
    expect(page.locator("main canvas")).to_be_visible()
    page.locator("main canvas").hover()
    page.get_by_role("button", name="Show as table").click()
    expect(page.get_by_role("row")).to_have_count(51)
    page.get_by_role("button", name="Show as chart").click()
    page.emulate_media(color_scheme="dark")
    expect(page.locator("main canvas")).to_be_visible()
    assert page.evaluate("() => window.hacked") is None


def test_elements_cannot_be_made_to_lead_out_or_run_anything(visit: Visit) -> None:
    page = visit("/ui/hosts")
    expect(page.get_by_role("heading", level=1)).to_have_text("Hosts")
    assert [each for each in _UNSAFE if page.evaluate(_TAKEN, each)] == []
    assert page.evaluate(_TAKEN, ["a", {"href": "/ui/agents"}])


def test_markup_is_refused_by_the_browser_too(visit: Visit, watched: Watched) -> None:
    page = visit("/ui/hosts")
    expect(page.get_by_role("heading", level=1)).to_have_text("Hosts")
    assert page.evaluate(_PARSED) == "TypeError"
    watched.wrong.clear()  # the browser told of the try, as it should


def test_paper_is_light_whatever_the_theme(visit: Visit) -> None:
    page = visit("/ui/hosts", theme="dark")
    expect(page.get_by_role("heading", level=1)).to_have_text("Hosts")
    colour = "() => getComputedStyle(document.documentElement).backgroundColor"
    assert page.evaluate(colour) != "rgb(255, 255, 255)"
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(colour) == "rgb(255, 255, 255)"
    expect(page.get_by_role("navigation", name="Pages", exact=True)).to_be_hidden()


_SILENT = """window.EventSource = class extends EventTarget {
  static CLOSED = 2;
  readyState = 1;
  constructor() {
    super();
    if (!window.once) setTimeout(() => this.dispatchEvent(new Event('open')));
    window.once = true;
  }
  close() {}
};"""


def test_a_server_that_says_nothing_is_not_live(visit: Visit) -> None:
    page = visit("/ui/")
    page.add_init_script(_SILENT)
    page.clock.install()
    page.reload()
    expect(page.locator(".connection")).to_have_text("live")
    page.clock.run_for(20_000)
    expect(page.get_by_role("banner")).to_contain_text("reconnecting")
