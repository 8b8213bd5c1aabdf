// @ts-check
/** The fleet in three dimensions: a column for each tile, coloured by trust, the taller the less it is trusted. */
import { layout } from "./layout.js";
import { declutter, sign } from "./signs.js";
import { tilesOf } from "./words.js";

/** @typedef {import("./words.js").Topology} Topology */
/** @typedef {import("./words.js").Tile} Tile */

const TALLEST = 3;
const TONES = ["ok", "warn", "degraded", "bad", "muted"];
const TURN = 0.12;

/** The browser draws nothing in three dimensions. */
export class NoWebGl extends Error {}

/** Asked before the library is loaded: it is large, and says what is missing on the console alone. */
function requireWebGl() {
  const context = document.createElement("canvas").getContext("webgl2");
  if (!context) throw new NoWebGl("no WebGL 2");
  // Browsers keep only some contexts: this one must not take the place of the picture's own.
  context.getExtension("WEBGL_lose_context")?.loseContext();
}

/**
 * Draw into `box`. Raises `NoWebGl`, and what the browser raises where the library cannot be loaded.
 * @param {HTMLElement} box
 * @param {{onPoint: (tile: Tile | null, at: {x: number, y: number}) => void, onPick: (tile: Tile) => void, onNamed: (shown: number, all: number) => void}} told `onNamed`: of so many groups there is room for the name
 */
export async function makeScene(box, { onPoint, onPick, onNamed }) {
  requireWebGl();
  const { THREE, OrbitControls } = await import(new URL("../../../vendor/scene/index.js", import.meta.url).href);
  const renderer = new THREE.WebGLRenderer({ antialias: true, alpha: true });
  renderer.setPixelRatio(Math.min(2, devicePixelRatio));
  const camera = new THREE.PerspectiveCamera(42, 1, 0.1, 5_000);
  const scene = new THREE.Scene();
  const canvas = /** @type {HTMLCanvasElement} */ (renderer.domElement);
  box.append(canvas);
  const controls = new OrbitControls(camera, canvas);
  const light = new THREE.DirectionalLight(0xffffff, 2);
  light.position.set(6, 14, 9);
  const ambient = new THREE.AmbientLight(0xffffff, 1.6);
  const pointer = new THREE.Raycaster();
  let fleet = new THREE.Group();
  /** @type {import("./words.js").TileGroup[]} */
  let groups = [];
  /** @type {{mesh: any, tiles: Tile[]}[]} */
  let meshes = [];
  /** @type {{tile: Tile, x: number, y: number, z: number}[]} */
  let standing = [];
  /** @type {import("./signs.js").Sign[]} */
  let signs = [];
  /** @type {any[]} the grounds of groups */
  let grounds = [];
  /** @type {number | null} the group that is pointed at */
  let pointed = null;
  /** @type {number | null} the group that was gone to */
  let visited = null;
  let asked = 0;
  let framed = false;

  const draw = () => {
    asked ||= requestAnimationFrame(() => {
      asked = 0;
      const wanted = new Set([pointed, visited].filter((which) => which !== null));
      onNamed(declutter(signs, camera, { width: box.clientWidth, height: box.clientHeight }, /** @type {Set<number>} */ (wanted)), signs.length);
      renderer.render(scene, camera);
    });
  };
  controls.addEventListener("change", draw);
  const resize = () => {
    const { clientWidth, clientHeight } = box;
    if (!clientWidth || !clientHeight) return;
    renderer.setSize(clientWidth, clientHeight);
    camera.aspect = clientWidth / clientHeight;
    camera.updateProjectionMatrix();
    draw();
  };
  const watcher = new ResizeObserver(resize);
  watcher.observe(box);

  /** @param {Topology} topology */
  function show(topology) {
    discard(fleet);
    scene.clear();
    fleet = new THREE.Group();
    scene.add(light, ambient, fleet);
    groups = topology.groups;
    const places = layout(groups);
    const colours = coloursOf(THREE);
    standing = topology.groups.flatMap((group, which) => tilesOf(topology, group).map((tile, at) => ({ tile, ...places.points[which][at] })));
    meshes = [[true, new THREE.BoxGeometry(0.8, 1, 0.8)], [false, new THREE.ConeGeometry(0.55, 1, 4)]].map(([online, shape]) => columns(THREE, standing.filter((each) => (each.tile.status === "online") === online), shape, colours));
    for (const { mesh } of meshes) fleet.add(mesh);
    [signs, grounds, pointed, visited] = [[], [], null, null];
    topology.groups.forEach((group, which) => {
      const square = places.squares[which];
      if (!square.side) return;
      const plate = ground(THREE, square, colours);
      plate.userData.which = which;
      grounds.push(plate);
      signs.push({ sprite: sign(THREE, group.value || "none told", square, colours.text), which, agents: group.agents });
      fleet.add(plate, signs[signs.length - 1].sprite);
    });
    if (!framed) {
      resize(); // how wide the picture is says how far away all of it is seen
      frame();
    }
    framed = true;
    draw();
  }

  /** Look at all of it from above. */
  function frame() {
    const sphere = new THREE.Box3().setFromObject(fleet).getBoundingSphere(new THREE.Sphere());
    const away = Math.max(8, sphere.radius * 2.25 * Math.max(1, 1.15 / camera.aspect));
    controls.target.copy(sphere.center);
    camera.position.set(sphere.center.x + away * 0.5, sphere.center.y + away * 0.62, sphere.center.z + away * 0.75);
    controls.update();
    draw();
  }

  /** The tile under the pointer, if any, and the group whose ground or tile it is. @param {PointerEvent} event @returns {{tile: Tile | null, which: number | null}} */
  function under(event) {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    pointer.setFromCamera(new THREE.Vector2(((event.clientX - left) / width) * 2 - 1, 1 - ((event.clientY - top) / height) * 2), camera);
    const [hit] = pointer.intersectObjects([...meshes.map((each) => each.mesh), ...grounds]);
    const tile = hit ? (meshes.find((each) => each.mesh === hit.object)?.tiles[hit.instanceId] ?? null) : null;
    return { tile, which: tile ? groupOf(tile) : (hit?.object.userData.which ?? null) };
  }

  /** @param {Tile} tile */
  const groupOf = (tile) => groups.indexOf(tile.group);

  /** @param {number | null} which group's name is wanted */
  function point(which) {
    if (which === pointed) return;
    pointed = which;
    draw();
  }

  let pressed = { x: 0, y: 0 };
  canvas.addEventListener("pointermove", (event) => {
    const { tile, which } = event.buttons ? { tile: null, which: pointed } : under(event);
    point(which);
    onPoint(tile, { x: event.offsetX, y: event.offsetY });
  });
  canvas.addEventListener("pointerleave", () => {
    point(null);
    onPoint(null, { x: 0, y: 0 });
  });
  canvas.addEventListener("pointerdown", (event) => (pressed = { x: event.clientX, y: event.clientY }));
  canvas.addEventListener("pointerup", (event) => {
    const still = Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) < 4;
    const tile = still ? under(event).tile : null;
    if (tile) onPick(tile);
  });

  /** Turn around the middle, in radians; nearer below a `zoom` of 1. @param {number} sideways @param {number} up @param {number} [zoom] */
  function turn(sideways, up, zoom = 1) {
    const offset = new THREE.Spherical().setFromVector3(camera.position.clone().sub(controls.target));
    offset.theta += sideways * TURN;
    offset.phi = Math.min(1.5, Math.max(0.1, offset.phi + up * TURN));
    offset.radius = Math.min(2_000, Math.max(3, offset.radius * zoom));
    camera.position.setFromSpherical(offset).add(controls.target);
    controls.update();
    draw();
  }

  return {
    show,
    frame,
    turn,
    /** Tiles, the least trusted first. */
    ordered: () => standing.map((each) => each.tile).sort((one, other) => (one.trust ?? 2) - (other.trust ?? 2)),
    /** Put a tile into the middle. @param {Tile} tile */
    visit(tile) {
      const found = standing.find((each) => each.tile === tile);
      if (!found) return;
      visited = groupOf(tile);
      const move = new THREE.Vector3(found.x, found.y, found.z).sub(controls.target);
      controls.target.add(move);
      camera.position.add(move);
      controls.update();
      draw();
    },
    stop() {
      watcher.disconnect();
      cancelAnimationFrame(asked);
      controls.dispose();
      discard(fleet);
      renderer.dispose();
      renderer.forceContextLoss();
      canvas.remove();
    },
  };
}

/** @param {any} THREE @param {{tile: Tile, x: number, y: number, z: number}[]} standing @param {any} shape @param {Record<string, any>} colours */
function columns(THREE, standing, shape, colours) {
  const mesh = new THREE.InstancedMesh(shape, new THREE.MeshLambertMaterial(), Math.max(1, standing.length));
  mesh.count = standing.length;
  const matrix = new THREE.Matrix4();
  standing.forEach(({ tile, x, y, z }, at) => {
    const height = 0.35 + TALLEST * (1 - (tile.trust ?? 1)) + (tile.agents > 1 ? Math.log10(tile.agents) * 0.4 : 0);
    matrix.makeScale(1, height, 1).setPosition(x, y + height / 2, z);
    mesh.setMatrixAt(at, matrix);
    mesh.setColorAt(at, colours[tile.tone]);
  });
  return { mesh, tiles: standing.map((each) => each.tile) };
}

/** @param {any} THREE @param {import("./layout.js").Square} square @param {Record<string, any>} colours */
function ground(THREE, square, colours) {
  const plate = new THREE.Mesh(new THREE.BoxGeometry(square.side + 0.8, 0.12, square.side + 0.8), new THREE.MeshLambertMaterial({ color: colours.ground }));
  plate.position.set(square.x, -0.08, square.z);
  return plate;
}

/** The theme's colours as they are now. @param {any} THREE @returns {Record<string, any>} */
function coloursOf(THREE) {
  const style = getComputedStyle(document.documentElement);
  const colour = (/** @type {string} */ name) => new THREE.Color(style.getPropertyValue(name).trim());
  return { ...Object.fromEntries(TONES.map((tone) => [tone, colour(`--${tone}-fill`)])), ground: colour("--line"), text: colour("--text") };
}

/** @param {any} group */
function discard(group) {
  group.traverse((/** @type {any} */ each) => {
    each.geometry?.dispose();
    each.material?.map?.dispose();
    each.material?.dispose();
    if (each.isInstancedMesh) each.dispose();
  });
}
