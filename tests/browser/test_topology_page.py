"""The topology page in a real browser: tiles, the table beside them, the third view by keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable

from dashboard_world import DashboardWorld
from known_fleet import FALLEN, OFFLINE, score_of
from playwright.sync_api import Page, Route, expect

Visit = Callable[..., Page]
Axe = Callable[[Page], list[str]]


def test_every_tile_says_trust_and_status(visit: Visit) -> None:
    page = visit("/ui/topology?q=er-0", key="viewer")
    eu = page.get_by_role("group", name=re.compile("^Deployment eu-1"))
    expect(eu.get_by_role("link")).to_have_count(10)
    expect(eu.get_by_role("link").first).to_have_accessible_name(f"{FALLEN}: trust 0.31, online")
    off = f"{OFFLINE[0]}: trust {score_of(OFFLINE[0]):.2f}, offline"
    expect(eu.get_by_role("link", name=off)).to_be_visible()
    beside = page.get_by_role("table").filter(has_text="canary")
    expect(beside.get_by_role("row").filter(has_text="canary")).to_contain_text("1 late")


def test_arrows_walk_over_the_tiles_and_tab_takes_one_of_them(visit: Visit) -> None:
    page = visit("/ui/topology?deployment=eu-1", key="viewer")
    tiles = page.locator(".tile")
    tiles.first.focus()
    page.keyboard.press("ArrowRight")
    expect(tiles.nth(1)).to_be_focused()
    page.keyboard.press("End")
    expect(tiles.last).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/ui/agents/{FALLEN}$"))


def test_groups_are_by_whatever_agents_have_in_common(visit: Visit) -> None:
    page = visit("/ui/topology?q=er-0", key="viewer")
    page.get_by_label("Group agents").select_option("department")
    expect(page.get_by_role("group", name=re.compile("^Department search")).get_by_role("link")).to_have_count(5)
    page.get_by_role("link", name="planning").first.click()
    expect(page.locator("main tbody tr")).to_have_count(5)


def test_the_third_view_is_worked_by_keys_and_says_what_it_shows(visit: Visit, axe: Axe) -> None:
    page = visit("/ui/topology?q=er-0", key="viewer", theme="dark")
    page.get_by_role("button", name="3D", exact=True).click()
    stage = page.get_by_role("application")
    expect(stage.locator("canvas")).to_be_visible()
    assert axe(page) == []
    stage.focus()
    for key in ("ArrowLeft", "ArrowUp", "+", "-", "Home", "n"):
        page.keyboard.press(key)
    expect(page.get_by_text(f"1 of 20: {FALLEN}: trust 0.31, online")).to_be_visible()
    assert "view=3d" in page.url
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/ui/agents/{FALLEN}$"))


NO_NAME_COVERS_ANOTHER = """async () => {
  const script = document.querySelector("script[type=module]").src;
  const { withRoom } = await import(new URL("pages/topology/labels.js", script).href);
  const label = (x, agents, away) => ({ x, y: 0, width: 100, height: 17, agents, away });
  const labels = [label(0, 5, 9), label(50, 9, 20), label(300, 5, 9), label(310, 5, 3), label(600, 1, -1)];
  return [withRoom(labels, new Set()), withRoom(labels, new Set([0]))];
}"""


def test_names_that_would_cover_each_other_give_way_to_the_larger_the_nearer_and_the_wanted(visit: Visit) -> None:
    page = visit("/ui/topology", key="viewer")
    assert page.evaluate(NO_NAME_COVERS_ANOTHER) == [
        [False, True, False, True, False],
        [True, False, False, True, False],
    ]


def test_of_sixty_groups_the_third_view_names_those_that_have_room(visit: Visit, world: DashboardWorld) -> None:
    page = visit("/ui/hosts", key="viewer")
    found = world.get("/api/topology?by=deployment&within=host", "viewer")
    groups = [found["groups"][n % len(found["groups"])] | {"value": f"deployment-of-team-{n:02d}"} for n in range(60)]
    page.route("**/api/topology?**", lambda route: route.fulfill(json=found | {"groups": groups, "groups_total": 60}))
    page.goto("/ui/topology?view=3d")
    stage = page.get_by_role("application")
    expect(stage.locator("canvas")).to_be_visible()
    said = page.get_by_text(re.compile(r"^Names of [1-9]\d? of 60 groups have room\."))
    expect(said).to_be_visible()
    far = said.inner_text()
    stage.focus()
    for _ in range(8):
        page.keyboard.press("-")
    expect(said).not_to_have_text(far)


def test_of_too_many_groups_it_says_which_are_shown_and_where_the_others_are(visit: Visit) -> None:
    page = visit("/ui/hosts", key="viewer")

    def as_if_there_were_more(route: Route) -> None:
        """The server's answer, as that of a fleet with more groups than a picture has."""
        found = route.fetch().json()
        shown = len(found["groups"])
        route.fulfill(
            json=found | {"groups_total": shown + 1_200, "groups_largest": shown - 1, "agents_left_out": 9_000}
        )

    page.route("**/api/topology?**", as_if_there_were_more)
    page.goto("/ui/topology?tenant=acme")
    expect(page.get_by_text("1,200 groups with 9,000 agents are left out.")).to_be_visible()
    expect(page.get_by_role("heading", name="The least trusted of the others")).to_be_visible()
    page.get_by_role("link", name=re.compile("^all 1,2.. as a list$")).click()
    expect(page).to_have_url(re.compile(r"/ui/agents\?by=deployment&tenant=acme$"))


def test_without_webgl_the_third_view_says_so_and_shows_the_way_back(visit: Visit) -> None:
    page = visit("/ui/hosts", key="viewer")
    page.add_init_script(
        """const real = HTMLCanvasElement.prototype.getContext;
        HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
          return kind.startsWith("webgl") ? null : real.call(this, kind, ...more);
        };"""
    )
    page.goto("/ui/topology?view=3d&q=er-0")
    expect(page.get_by_text("This browser draws nothing in three dimensions")).to_be_visible()
    page.get_by_role("button", name="Show the flat view").click()
    expect(page.locator(".tile")).to_have_count(20)


def test_the_flat_view_comes_back(visit: Visit) -> None:
    page = visit("/ui/topology?view=3d&q=er-0", key="viewer")
    expect(page.get_by_role("application").locator("canvas")).to_be_visible()
    page.get_by_role("button", name="Flat", exact=True).click()
    expect(page.locator(".tile")).to_have_count(20)
    expect(page.get_by_role("application")).to_have_count(0)
