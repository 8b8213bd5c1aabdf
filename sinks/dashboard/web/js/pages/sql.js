// @ts-check
/** The SQL workbench: one SELECT over the lake, written with help, shown as rows or as a chart. */
import { get } from "../core/api.js";
import { h } from "../core/dom.js";
import { card, empty, page, section, tabs } from "../core/parts.js";
import { may } from "../core/store.js";
import { savedViews } from "./saved/views.js";
import { asking } from "./sql/asking.js";
import { editor } from "./sql/editor.js";
import { historyList, runs } from "./sql/history.js";
import { tableTree } from "./sql/tables.js";

const FIRST = `SELECT agent_id, round(trust, 3) AS trust, violations
FROM latest_trust
ORDER BY trust
LIMIT 20`;
const LONGEST_ADDRESS = 2_000;

/** @param {import("../core/router.js").Context} ctx */
export function show(ctx) {
  const title = "SQL";
  if (!may("sql")) {
    const hint = "Questions in SQL need an admin, or a key that was made with SQL. An admin makes one under Settings.";
    return page({ title, children: card({ children: empty({ title: "Your key may not ask in SQL", hint }) }) });
  }
  /** @type {import("./sql/complete.js").Schema | null} */
  let known = null;
  const past = historyList((sql) => open(sql));
  const work = asking(ctx, () => edit, past.draw);
  const edit = editor({
    text: ctx.query.get("q") ?? runs()[0]?.sql ?? FIRST,
    schema: () => known,
    onRun: () => void work.run(),
    onChange: (sql) => ctx.setQuery({ q: sql.length <= LONGEST_ADDRESS ? sql : null }),
  });
  const tree = section(ctx, (signal) => get("/api/sql/schema", { signal }), (schema) => {
    known = schema;
    edit.mark(null);
    return tableTree(schema, edit.insert, (table) => {
      open(`SELECT *\nFROM ${table}\nLIMIT 100`);
      void work.run();
    });
  }, { lines: 10 });

  /** @param {string} sql */
  function open(sql) {
    edit.setText(sql);
    edit.focus();
  }

  const saved = savedViews(ctx, {
    kind: "sql",
    word: "query",
    words: "queries",
    content: () => ({ sql: edit.text() }),
    apply: (content) => open(typeof content?.sql === "string" ? content.sql : ""),
  });
  const side = card({ class: "sql-side", children: tabs([{ id: "tables", label: "Tables", make: () => tree }, { id: "history", label: "History", make: () => past.element }], { label: "Tables and history" }) });
  return page({
    title,
    lead: "One SELECT over the lake, read-only. Ctrl+Enter runs it or what is selected, Ctrl+Space completes.",
    actions: saved,
    children: h("div", { class: "sql-bench" }, h("div", { class: "stack" }, card({ class: "sql-card", children: [edit.element, work.bar] }), card({ title: "Answer", children: work.answer })), side),
  });
}
