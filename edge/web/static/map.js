// A map of evidence as a small picture, as the gallery has it: clear where there is none, red where it is strongest.
const OPAQUE = 170; // of 255

/** Draw a heatmap {shape, data in base64} onto a canvas. */
export function drawMap(canvas, heatmap) {
  const [rows, columns] = heatmap.shape;
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(columns, rows);
  [...atob(heatmap.data)].forEach((letter, i) => {
    const value = letter.charCodeAt(0) / 255;
    pixels.data.set([255, Math.round(220 * (1 - value)), 0, Math.round(OPAQUE * value)], 4 * i);
  });
  context.putImageData(pixels, 0, 0);
}
