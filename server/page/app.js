// The page's beginning: what the server can make, then the form and the sheet.

import { Adjuster } from "./adjuster.js";
import { kinds } from "./api.js";
import { showBanner } from "./banner.js";
import { Board } from "./board.js";
import { Composer } from "./composer.js";
import { prepareDeleting } from "./deleting.js";
import { byId } from "./dom.js";
import { Picker } from "./picker.js";
import { Places } from "./places.js";
import { prepareViewer } from "./viewer.js";

const KIND = "image-generation";
const CUTTING = "image-renditions";
const USUAL_LIMIT = 4_000;

/** The prompts to begin with: beside the blank sheet where there is room, else as short names below the prompt. */
function offerExamples(composer) {
  for (const button of document.querySelectorAll("[data-prompt]")) {
    button.addEventListener("click", () => composer.fill({ prompt: button.dataset.prompt }));
  }
}

async function pictureKinds() {
  const all = await kinds();
  const kind = all.find((one) => one.kind === KIND);
  const asked = kind?.schema.properties ?? {};
  const listed = asked.platforms?.["x-platforms"];
  if (!listed?.length) throw { code: "unknown_kind", title: "This server has no job that makes pictures.", detail: "" };
  const cutting = all.find((one) => one.kind === CUTTING) ?? null;
  return { kind, cutting, places: new Places(listed), limit: asked.prompt.maxLength ?? USUAL_LIMIT };
}

async function start() {
  try {
    const { kind, cutting, places, limit } = await pictureKinds();
    const picker = new Picker(places);
    const adjuster = new Adjuster(places);
    const board = new Board({
      kind,
      cutting,
      places,
      reuse: (job) => composer.fill(job),
      adjust: (job, begun) => adjuster.open(job, begun),
    });
    const composer = new Composer({
      kind: KIND,
      limit,
      picker,
      fits: Boolean(kind.schema.properties.fit),
      refused: showBanner,
      accepted: (answer, data) => board.add(answer, data),
    });
    offerExamples(composer);
    await load(board);
  } catch (problem) {
    showBanner(problem, () => location.reload());
  }
}

async function load(board) {
  try {
    await board.load();
  } catch (problem) {
    showBanner(problem, () => load(board));
  }
}

// Until the form is understood it must not be sent by the browser itself, which would leave the page.
byId("composer").addEventListener("submit", (event) => event.preventDefault());
prepareViewer();
prepareDeleting();
start();
