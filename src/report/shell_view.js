// Turns the picture of the first shell; shell_view.rs draws the same from the starting angles.
(() => {
  const view = shellView, svg = document.getElementById("shell-view");
  let [about_y, about_x] = view.angles;
  const name = "http://www.w3.org/2000/svg";
  const make = (tag, attributes) => {
    const node = document.createElementNS(name, tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return node;
  };
  const draw = () => {
    const [sy, cy, sx, cx] = [Math.sin(about_y), Math.cos(about_y), Math.sin(about_x), Math.cos(about_x)];
    const points = view.atoms.map(({ r: [x, y, z] }) => {
      [x, z] = [x * cy + z * sy, z * cy - x * sy];
      return [x, y * cx - z * sx, y * sx + z * cx];
    });
    const px = (p) => [view.size / 2 + view.scale * p[0], view.size / 2 - view.scale * p[1]];
    const parts = [];
    for (const kind of ["bonds", "contacts"])
      for (const [i, j] of view[kind]) {
        const [[x1, y1], [x2, y2]] = [px(points[i]), px(points[j])];
        parts.push([Math.min(points[i][2], points[j][2]) - 1e-3, make("line", { class: kind.slice(0, -1), x1, y1, x2, y2 })]);
      }
    view.atoms.forEach((atom, k) => {
      const [cx, cy] = px(points[k]);
      parts.push([points[k][2], make("circle", { class: "atom", cx, cy, r: view.scale * atom.s, fill: atom.c })]);
    });
    parts.sort((a, b) => a[0] - b[0]);
    svg.replaceChildren(...parts.map((part) => part[1]));
  };
  let last = null;
  svg.addEventListener("pointerdown", (event) => {
    last = [event.clientX, event.clientY];
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointermove", (event) => {
    if (!last) return;
    about_y += (event.clientX - last[0]) / 120;
    about_x += (event.clientY - last[1]) / 120;
    last = [event.clientX, event.clientY];
    draw();
  });
  for (const end of ["pointerup", "pointercancel"]) svg.addEventListener(end, () => (last = null));
  svg.addEventListener("keydown", (event) => {
    const turn = { ArrowLeft: [-0.15, 0], ArrowRight: [0.15, 0], ArrowUp: [0, -0.15], ArrowDown: [0, 0.15] }[event.key];
    if (!turn) return;
    event.preventDefault();
    about_y += turn[0];
    about_x += turn[1];
    draw();
  });
  draw();
})();
