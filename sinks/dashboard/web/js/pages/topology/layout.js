// @ts-check
/** Where agents stand in the third view: where the agents file says, else beside each other on their group's square. */

/** @typedef {{x: number, y: number, z: number}} Point */
/** @typedef {{x: number, z: number, side: number}} Square */

const GAP = 2.5;
const GOLDEN = 2.399963;

/**
 * Squares for groups of so many tiles, in rows that together are about as wide as they are deep, around the origin.
 * @param {number[]} sizes tiles of each group
 * @returns {Square[]} middle and side of each
 */
export function squares(sizes) {
  const sides = sizes.map((size) => Math.max(1, Math.ceil(Math.sqrt(size))));
  const area = sides.reduce((sum, side) => sum + (side + GAP) ** 2, 0);
  const width = Math.max(Math.sqrt(area) * 1.2, ...sides);
  /** @type {Square[]} */
  const found = [];
  let [x, z, deepest, widest] = [0, 0, 0, 0];
  for (const side of sides) {
    if (x > 0 && x + side > width) [x, z, deepest] = [0, z + deepest + GAP, 0];
    found.push({ x: x + side / 2, z: z + side / 2, side });
    x += side + GAP;
    deepest = Math.max(deepest, side);
    widest = Math.max(widest, x - GAP);
  }
  return found.map((square) => ({ ...square, x: square.x - widest / 2, z: square.z - (z + deepest) / 2 }));
}

/** The n-th place on a square. @param {Square} square @param {number} at @returns {Point} */
export function onSquare(square, at) {
  const corner = (square.side - 1) / 2;
  return { x: square.x + (at % square.side) - corner, y: 0, z: square.z + Math.floor(at / square.side) - corner };
}

/** The n-th of several at one place: around it, none over another. @param {[number, number, number]} place @param {number} at @returns {Point} */
export function around([x, y, z], at) {
  const away = 1.1 * Math.sqrt(at);
  return { x: x + away * Math.cos(at * GOLDEN), y, z: z + away * Math.sin(at * GOLDEN) };
}

/**
 * A point for every tile of every group.
 * @param {import("./words.js").TileGroup[]} groups
 * @returns {{squares: Square[], points: Point[][]}}
 */
export function layout(groups) {
  /** @type {Map<string, number>} */
  const there = new Map();
  const loose = groups.map((group) => group.tiles.places.filter((place) => !place).length);
  const grounds = squares(loose);
  const far = Math.max(0, ...groups.flatMap((group) => group.tiles.places.map((place) => place?.[2] ?? 0)));
  const nearest = Math.min(0, ...grounds.map((ground) => ground.z - ground.side / 2));
  // Where anybody has a place of their own, the squares lie in front of all of them.
  const shift = groups.some((group) => group.tiles.places.some(Boolean)) ? far - nearest + GAP : 0;
  for (const ground of grounds) ground.z += shift;
  const points = groups.map((group, which) => {
    let next = 0;
    return group.tiles.places.map((place) => {
      if (!place) return onSquare(grounds[which], next++);
      const count = there.get(place.join()) ?? 0;
      there.set(place.join(), count + 1);
      return around(place, count);
    });
  });
  return { squares: grounds.map((ground, at) => ({ ...ground, side: loose[at] ? ground.side : 0 })), points };
}
