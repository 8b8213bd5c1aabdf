// @ts-check
/** Every component by one name to import from; each lives in parts/. */
export { badge, severityBadge, statusBadge, toneOfSeverity, toneOfStatus, trustMeter, trustTone } from "./parts/badges.js";
export { button, iconButton, copyButton, menu } from "./parts/buttons.js";
export { checkbox, field, input, select, textarea } from "./parts/forms.js";
export { confirm, dialog, toast } from "./parts/overlays.js";
export { card, code, definition, keyValue, page, stat } from "./parts/layout.js";
export { filterBar, rangeOf, rangePicker } from "./parts/filters.js";
export { nameLink } from "./parts/names.js";
export { empty, failed, section, skeleton } from "./parts/states.js";
export { pager, table } from "./parts/table.js";
export { tabs } from "./parts/tabs.js";
export { icon } from "./icons.js";
