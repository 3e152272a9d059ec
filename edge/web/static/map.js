// A map of evidence as a small picture: dark where there is none, light where it is strongest.
const STOPS = [[0, 0, 4], [40, 11, 84], [101, 21, 110], [159, 42, 99], [212, 72, 66], [245, 125, 21], [250, 193, 39], [252, 255, 164]];

/** Draw a heatmap {shape, data in base64} onto a canvas. */
export function drawMap(canvas, heatmap) {
  const [rows, columns] = heatmap.shape;
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(columns, rows);
  [...atob(heatmap.data)].forEach((letter, i) => {
    const place = (letter.charCodeAt(0) / 255) * (STOPS.length - 1);
    const low = Math.min(Math.floor(place), STOPS.length - 2);
    for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = Math.round(STOPS[low][c] + (place - low) * (STOPS[low + 1][c] - STOPS[low][c]));
    pixels.data[4 * i + 3] = 255;
  });
  context.putImageData(pixels, 0, 0);
}
