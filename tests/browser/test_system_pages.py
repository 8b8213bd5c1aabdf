"""Hosts, pipeline and settings in a browser: the known fleet on screen, a replay, keys made and revoked by keyboard."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from itertools import count

from api_world import Lake, whole
from dashboard_world import DashboardWorld
from known_fleet import FALLEN, HOSTILE_AGENT
from playwright.sync_api import Locator, Page, Route, expect

from schemas.record import encode_single_object
from schemas.registry import load_schema

Visit = Callable[..., Page]
HOSTILE_NAME = '"><img src=x onerror="window.hacked=1">'


def test_a_full_disk_is_seen_and_leads_to_who_runs_there(visit: Visit) -> None:
    page = visit("/ui/hosts?sort=-disk_usage")
    first = page.get_by_role("row").nth(1)
    expect(first).to_contain_text("gpu-1")
    expect(first).to_contain_text("93%")
    first.get_by_role("link", name="gpu-1").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("gpu-1")
    expect(page.locator(".stat", has_text="Disk").first).to_contain_text("93.0")
    expect(page.get_by_role("heading", name="GPU", exact=True)).to_be_visible()
    expect(page.get_by_role("region", name="Agents on this host").get_by_role("row")).not_to_have_count(1)


def test_hosts_of_a_tenant_are_filtered_by_name(visit: Visit) -> None:
    page = visit("/ui/hosts", key="viewer")
    expect(page.get_by_role("row")).to_have_count(4)
    page.get_by_label("Part of a host's name").fill("WEB-2")
    expect(page.get_by_role("row")).to_have_count(2)
    expect(page).to_have_url(re.compile("q=WEB-2"))


def test_a_dead_letter_is_replayed_once(visit: Visit, world: DashboardWorld) -> None:
    event = whole("log", {"agent_id": FALLEN, "user_id": "acme", "session_id": "browser", "timestamp": world.now_us})
    raw = encode_single_object(load_schema("log"), event)
    Lake(world.data_dir / "lake", count(7_000)).add(
        "deadletter",
        [{"agent_id": "fleet.logs/0", "topic": "fleet.logs", "offset": 77, "raw": raw, "raw_size_bytes": len(raw),
          "error": HOSTILE_NAME, "timestamp": world.now_us}],
    )  # fmt: skip
    page = visit("/ui/pipeline?tab=letters")
    letter = page.get_by_role("row").filter(has_text="fleet.logs/0/77")
    expect(letter).to_contain_text("can be replayed")
    expect(letter).to_contain_text(HOSTILE_NAME)
    page.get_by_label("Choose fleet.logs/0/77").check()
    page.get_by_role("button", name="Replay 1…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Replay 1 of 1?")
    dialog.get_by_role("button", name="Replay 1", exact=True).click()
    expect(page.get_by_text("1 of 1 published again.")).to_be_visible()
    expect(letter).to_contain_text("on its way")
    expect(page.get_by_label("Choose fleet.logs/0/77")).to_be_disabled()
    assert page.evaluate("() => window.hacked") is None


def test_lag_is_told_by_reader(visit: Visit) -> None:
    page = visit("/ui/pipeline", key="whole")
    row = page.get_by_role("row").filter(has_text="lake writer")
    expect(row).to_contain_text("fleetpulse-lake")
    row.get_by_role("button", name="Show").press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("fleet.status")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_key_is_made_shown_once_and_revoked_by_keyboard(visit: Visit, world: DashboardWorld) -> None:
    page = visit("/ui/settings", key="admin")
    page.get_by_role("button", name="Make a key…").press("Enter")
    dialog = page.get_by_role("dialog", name="Make a key")
    dialog.get_by_role("button", name="Make the key").press("Enter")
    expect(dialog).to_contain_text("Give it a name")
    dialog.get_by_label("Name").fill(HOSTILE_NAME)
    dialog.get_by_label("Role").select_option("ingest")
    expect(dialog.get_by_label("Tenant")).to_be_disabled()
    dialog.get_by_label("Agents").fill("crawler-*")
    dialog.get_by_role("button", name="Make the key").press("Enter")
    shown = page.get_by_role("dialog", name="The key")
    expect(shown).to_contain_text(re.compile(r"fp_i_[a-z2-7]{12}_[a-z2-7]{32}"))
    shown.get_by_role("button", name="I have copied it").press("Enter")
    row = page.get_by_role("row").filter(has_text=HOSTILE_NAME)
    expect(row).to_contain_text("crawler-*")
    row.get_by_role("button").press("Enter")
    page.get_by_role("menuitem", name="Revoke…").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Revoke").press("Enter")
    expect(row).to_have_count(0)  # the list shows what lives
    page.get_by_label("State of the keys").select_option("revoked")
    expect(row).to_contain_text("revoked")
    assert page.evaluate("() => window.hacked") is None
    assert "globex" not in page.locator("main").inner_text()
    listed = world.get("/api/keys", "admin")["items"]
    assert [key["state"] for key in listed if key["name"] == HOSTILE_NAME] == ["revoked"]


def test_who_may_not_is_told_so(visit: Visit) -> None:
    page = visit("/ui/settings", key="operator")
    expect(page.get_by_text("For admins")).to_be_visible()
    page = visit("/ui/pipeline", key="admin")  # of one tenant
    expect(page.get_by_text("For operators of the whole fleet")).to_be_visible()
    page.goto("/ui/settings")
    expect(page.get_by_role("tab", name="Keys")).to_be_visible()
    expect(page.get_by_role("tab", name="Server")).to_have_count(0)


def test_retention_is_changed_after_what_would_go_was_said(visit: Visit, world: DashboardWorld) -> None:
    old_us = world.now_us - 80 * 86_400_000_000
    Lake(world.data_dir / "lake", count(9_000)).add(
        "forecasts", [{"agent_id": "long-gone", "user_id": "acme", "timestamp": old_us}]
    )
    page = visit("/ui/settings?tab=retention", key="whole")
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="forecasts", exact=True))
    row.get_by_role("button", name="Change…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Keep it for").select_option(label="60 d")
    expect(dialog.get_by_role("status")).to_contain_text("in 1 files go for ever")
    dialog.get_by_role("button", name="Keep it so long").click()
    expect(dialog).to_have_count(0)
    expect(row).to_contain_text("default: 30 d")
    kept = {each["table"]: each for each in world.get("/api/settings")["retention"]}["forecasts"]
    assert (kept["lake_s"], kept["decided_by"].partition(":")[0]) == (60 * 86_400, "key")


def test_thresholds_lead_to_the_rule_that_sets_them(visit: Visit, world: DashboardWorld) -> None:
    page = visit("/ui/settings?tab=thresholds", key="whole")
    page.get_by_role("link", name="cpu_high", exact=True).click()
    expect(page).to_have_url(f"{world.url}/ui/rules?rule=cpu_high")


def test_an_admin_ends_the_session_of_somebody_else(visit: Visit) -> None:
    theirs = visit("/ui/settings", key="plain")
    expect(theirs.get_by_role("row").filter(has_text="this browser")).to_contain_text("plain")
    theirs.goto("about:blank")  # it would go to the sign-in page by itself, meanwhile
    page = visit("/ui/settings?tab=sessions", key="admin")
    row = page.get_by_role("row").filter(has=page.get_by_text("plain", exact=True))
    expect(page.get_by_role("row").filter(has_text="this browser")).to_contain_text("admin")
    while (left := row.count()) > 0:  # other tests may have left sessions of the same key
        row.first.get_by_role("button", name="End…").click()
        page.get_by_role("dialog").get_by_role("button", name="End it").click()
        expect(row).to_have_count(left - 1)
    theirs.goto("/ui/agents")
    expect(theirs.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_hostile_agents_stay_text_on_their_host(visit: Visit) -> None:
    page = visit("/ui/hosts/gpu-1")
    expect(page.get_by_role("link", name=HOSTILE_AGENT)).to_be_visible()
    assert page.evaluate("() => window.hacked") is None


def test_a_part_that_was_started_again_shows_at_a_glance(visit: Visit, world: DashboardWorld) -> None:
    agent = "fleetpulse:lake-writer:d-host-1"
    now_us = int(time.time() * 1e6)
    mine = {"agent_id": agent, "user_id": "fleetpulse", "session_id": "d-part"}
    told = {"interval_s": 5.0, "previous": "unknown", "reason": "first_beat", "deadline": now_us, "host": "d-host"}
    world.publish("fleet.status", {**mine, **told, "timestamp": now_us - 3_600_000_000, "status": "online"})
    numbers = [{"name": "restarts", "value": 2.0}, {"name": "lag", "value": 3.0}]
    Lake(world.data_dir / "lake", count(11_000)).add(
        "metrics", [mine | {"timestamp": now_us - 120_000_000, "seq": 1, "uptime": 30.0, "custom": numbers}]
    )
    page = visit("/ui/pipeline")
    tile = page.get_by_role("link", name=re.compile("^Parts at work"))
    expect(tile).to_contain_text(re.compile(r"lake-writer restarted \d min ago"))
    tile.click()
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="lake-writer", exact=True))
    expect(row).to_contain_text("restarted twice")
    expect(row).to_contain_text("d-host-1")
    expect(row.get_by_role("listitem")).to_have_text(["lag 3"])
    expect(row.locator(".is-old")).to_contain_text("said")  # two minutes ago, though parts speak every 5 s

    def as_if_it_spoke_every_hour(route: Route) -> None:
        found = world.get("/api/pipeline")
        route.fulfill(json=found | {"parts": [part | {"interval_s": 3_600.0} for part in found["parts"]]})

    page.route("**/api/pipeline", as_if_it_spoke_every_hour)
    expect(row.locator(".is-old")).to_have_count(0)
    expect(row).to_contain_text("said")


def test_figures_of_the_ledger_are_grey_once_they_are_older_than_usual(visit: Visit, world: DashboardWorld) -> None:
    page = visit("/ui/pipeline")
    expect(page.get_by_text("Published", exact=True)).to_be_visible()
    found = world.get("/api/overview")

    def as_if_nobody_had_counted_since(route: Route) -> None:
        then = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 600))
        route.fulfill(json=found | {"ledger": found["ledger"] | {"as_of": then}})

    def is_old(page: Page) -> Locator:
        return page.locator(".is-old").filter(has=page.get_by_text("Published", exact=True))

    expect(is_old(page)).to_have_count(0)
    page.route("**/api/overview", as_if_nobody_had_counted_since)
    page.reload()
    expect(is_old(page)).to_contain_text("counted 10 min ago")
