// @ts-check
/** Which names of groups there is room for, so that none covers another. */

/** @typedef {{x: number, y: number, width: number, height: number, agents: number, away: number}} Label middle and size in pixels; agents of its group; distance from the eye */

const GAP = 4;

/**
 * Whose name is shown: those that are asked for, then the largest groups, of equal ones the nearest.
 * @param {Label[]} labels
 * @param {ReadonlySet<number>} asked which of them come first
 * @returns {boolean[]}
 */
export function withRoom(labels, asked) {
  const order = labels.map((_, at) => at).sort((one, other) => Number(asked.has(other)) - Number(asked.has(one)) || labels[other].agents - labels[one].agents || labels[one].away - labels[other].away);
  /** @type {Label[]} */
  const taken = [];
  const shown = labels.map(() => false);
  for (const at of order) {
    if (labels[at].away <= 0 || taken.some((other) => cover(labels[at], other))) continue;
    shown[at] = true;
    taken.push(labels[at]);
  }
  return shown;
}

/** @param {Label} one @param {Label} other */
const cover = (one, other) => Math.abs(one.x - other.x) < (one.width + other.width) / 2 + GAP && Math.abs(one.y - other.y) < (one.height + other.height) / 2 + GAP;
