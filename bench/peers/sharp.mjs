// The peer: sharp cuts each master to each size around its middle and writes a JPEG, as kindly to it as we know how.
// Task on stdin: {masters: [path], sizes: [[width, height]], quality, folder}. Answer: {version, ways: {name: [[cpu ms,
// wall ms] a master, each for one rendition]}}. The files of the first way lie in folder as <master>-<size>.jpg.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const sharp = createRequire(join(process.argv[2], "package.json"))("sharp");
sharp.cache(false);

const { masters, sizes, quality, folder } = JSON.parse(readFileSync(0, "utf8"));

const written = (image) => image.jpeg({ quality, optimiseCoding: false }).toBuffer();

const ways = {
  async "from the file each time"(data) {
    const fit = { fit: "cover", position: "centre", kernel: "lanczos3" };
    return Promise.all(sizes.map(([width, height]) => written(sharp(data).resize(width, height, fit))));
  },
  async "decoded once, cut before it is scaled"(data) {
    const { data: pixels, info: raw } = await sharp(data).raw().toBuffer({ resolveWithObject: true });
    const fit = { fit: "fill", kernel: "lanczos3" };
    return Promise.all(
      sizes.map(([width, height]) => {
        const scale = Math.min(raw.width / width, raw.height / height);
        const box = { width: Math.round(width * scale), height: Math.round(height * scale) };
        const left = Math.round((raw.width - box.width) / 2);
        const top = Math.round((raw.height - box.height) / 2);
        return written(sharp(pixels, { raw }).extract({ left, top, ...box }).resize(width, height, fit));
      }),
    );
  },
};

const answer = { version: sharp.versions.sharp, ways: {} };
for (const [name, way] of Object.entries(ways).reverse()) {
  answer.ways[name] = [];
  for (const [number, path] of masters.entries()) {
    const data = readFileSync(path);
    if (number === 0) await way(data);
    const before = process.cpuUsage();
    const started = performance.now();
    const files = await way(data);
    const wall = performance.now() - started;
    const { user, system } = process.cpuUsage(before);
    answer.ways[name].push([(user + system) / 1000 / sizes.length, wall / sizes.length]);
    files.forEach((file, at) => writeFileSync(join(folder, `${number}-${at}.jpg`), file));
  }
}
process.stdout.write(JSON.stringify(answer));
