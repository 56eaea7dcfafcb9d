/** What purification changed, as a heat map. */

/** How much a change is amplified; fixed, so that maps compare. 255 / 8 levels, and more, are the end of the scale. */
export const FACTOR = 8;

// Nine steps of the colour map inferno (van der Walt and Smith, matplotlib): evenly brighter to any colour vision.
const INFERNO = [
  [0, 0, 4],
  [31, 12, 72],
  [85, 15, 109],
  [136, 34, 106],
  [186, 54, 85],
  [227, 89, 51],
  [249, 140, 10],
  [249, 201, 50],
  [252, 255, 164],
];

/** The colour, [red, green, blue], of a share of the scale. */
export function colour(share) {
  const place = Math.min(Math.max(share, 0), 1) * (INFERNO.length - 1);
  const step = Math.min(Math.floor(place), INFERNO.length - 2);
  return INFERNO[step].map((low, channel) => Math.round(low + (place - step) * (INFERNO[step + 1][channel] - low)));
}

/**
 * The heat map of two ImageData of one size: at each pixel the largest change of red, green and blue, amplified.
 * Returns {map: ImageData, mean, largest}, the latter two in levels of 255.
 */
export function difference(before, after) {
  const map = new ImageData(before.width, before.height);
  const colours = Array.from({ length: 256 }, (_, change) => colour((change * FACTOR) / 255));
  let sum = 0;
  let largest = 0;
  for (let at = 0; at < map.data.length; at += 4) {
    let change = 0;
    for (let channel = at; channel < at + 3; channel++) {
      change = Math.max(change, Math.abs(after.data[channel] - before.data[channel]));
    }
    map.data.set(colours[change], at);
    map.data[at + 3] = 255;
    sum += change;
    largest = Math.max(largest, change);
  }
  return { map, mean: sum / (before.width * before.height), largest };
}
