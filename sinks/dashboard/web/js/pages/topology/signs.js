// @ts-check
/** Names of groups in the third view, as pictures that face the camera. */
import { withRoom } from "./labels.js";

/** @typedef {{sprite: any, which: number, agents: number}} Sign `which` group of the topology */

/** Height of a name in pixels, however far away it is. */
const TALL_PX = 17;

/** @param {any} THREE @param {string} text @param {import("./layout.js").Square} square @param {any} colour */
export function sign(THREE, text, square, colour) {
  const canvas = document.createElement("canvas");
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const short = text.length > 28 ? `${text.slice(0, 20)}…${text.slice(-7)}` : text;
  pen.font = "600 44px system-ui, sans-serif";
  canvas.width = Math.ceil(pen.measureText(short).width) + 16;
  canvas.height = 60;
  pen.font = "600 44px system-ui, sans-serif";
  pen.fillStyle = `#${colour.getHexString()}`;
  pen.fillText(short, 8, 46);
  const texture = new THREE.CanvasTexture(canvas);
  texture.colorSpace = THREE.SRGBColorSpace;
  const sprite = new THREE.Sprite(new THREE.SpriteMaterial({ map: texture, depthTest: false, sizeAttenuation: false }));
  sprite.userData.shape = canvas.width / canvas.height;
  sprite.scale.set(0, 0, 1); // until it is known how large the picture is
  sprite.position.set(square.x, 0.1, square.z + square.side / 2 + 0.9);
  return sprite;
}

/**
 * Size the names for the picture and hide those that there is no room for, as the camera sees them now; how many are left.
 * @param {Sign[]} signs @param {any} camera
 * @param {{width: number, height: number}} picture in pixels
 * @param {ReadonlySet<number>} asked groups whose name is wanted
 */
export function declutter(signs, camera, { width, height }, asked) {
  camera.updateMatrixWorld();
  const unit = (TALL_PX * 2 * Math.tan((camera.fov * Math.PI) / 360)) / height; // of that many pixels, at distance 1
  const labels = signs.map(({ sprite, agents }) => {
    const { shape } = sprite.userData;
    sprite.scale.set(unit * shape, unit, 1);
    const away = -sprite.position.clone().applyMatrix4(camera.matrixWorldInverse).z;
    const flat = sprite.position.clone().project(camera);
    return { x: ((flat.x + 1) / 2) * width, y: ((1 - flat.y) / 2) * height, width: TALL_PX * shape, height: TALL_PX, agents, away };
  });
  const first = new Set(signs.flatMap(({ which }, at) => (asked.has(which) ? [at] : [])));
  const shown = withRoom(labels, first);
  signs.forEach(({ sprite }, at) => (sprite.visible = shown[at]));
  return shown.filter(Boolean).length;
}
