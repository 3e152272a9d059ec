// A photograph as its file holds it. A browser turns it as its EXIF says, even with imageOrientation "none".

const ORIENTATION = 0x0112;

/** A file whose EXIF turns nothing: of JPEG, PNG, WebP and TIFF; others as they are. Throws where it is damaged. */
export async function unturned(file) {
  const view = new DataView(await file.arrayBuffer());
  const word = (at) => String.fromCharCode(...[0, 1, 2, 3].map((i) => view.getUint8(at + i)));
  const end = view.byteLength - 8;
  const kind = word(0);
  let parts = [view];
  if (kind.startsWith("\xff\xd8")) {
    for (let at = 2, marker; at < end && marker !== 0xda; ) {
      marker = view.getUint8(at + 1);
      if (marker === 0xe1 && word(at + 4) === "Exif") view.setUint8(at + 4, 0);
      const alone = marker === 1 || (marker >= 0xd0 && marker <= 0xd8);
      at += marker === 0xff ? 1 : alone ? 2 : 2 + view.getUint16(at + 2);
    }
  } else if (kind === "\x89PNG") {
    let kept = 0;
    parts = [];
    for (let at = 8, next; at < end; at = next) {
      next = at + 12 + view.getUint32(at);
      if (word(at + 4) !== "eXIf") continue;
      parts.push(view.buffer.slice(kept, at));
      kept = next;
    }
    parts.push(view.buffer.slice(kept));
  } else if (kind === "RIFF") {
    for (let at = 12, size; at < end; at += 8 + size + (size % 2)) {
      size = view.getUint32(at + 4, true);
      if (word(at) === "EXIF") view.setUint8(at, 0x58);
    }
  } else if (kind === "II*\0" || kind === "MM\0*") {
    const little = kind === "II*\0";
    const first = view.getUint32(4, little);
    for (let left = view.getUint16(first, little), at = first + 2; left; left--, at += 12) {
      if (view.getUint16(at, little) === ORIENTATION) view.setUint16(at + 8, 1, little);
    }
  }
  return new Blob(parts, { type: file.type });
}
