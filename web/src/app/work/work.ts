/** What is known of one picture and its cuts, put together from its job, its record, and a job that cuts it anew. Pure. */

import {
  type Fit,
  type FocalPoint,
  type Generation,
  type ImageType,
  isEnded,
  type JobError,
  type JobView,
  type Platform,
  type RenderedPicture,
  type StoredPicture,
} from "../served/server";

type GenerationImage = Generation["images"][number];
export type TileState = "waiting" | "working" | "ready" | "failed" | "blank";
export type Picture = RenderedPicture | GenerationImage;
type StoredFile = StoredPicture | NonNullable<Generation["master"]>;

export interface WorkTile {
  platform: Platform;
  state: TileState;
  image: Picture | null;
  error: JobError | null;
  /** A newer cut of what is shown is on its way. */
  recutting: boolean;
}

export interface Work {
  jobId: string | null;
  generationId: string | null;
  prompt: string;
  imageType: ImageType;
  fit: Fit;
  seed: number;
  platforms: Platform[];
  point: FocalPoint | null;
  createdAt: string | null;
  tiles: WorkTile[];
  master: StoredFile | null;
  /** What shows through the tiles until their own picture is there: a preview, then the small copy. */
  proof: string | null;
  focal: FocalPoint | null;
  model: string | null;
  simulated: boolean | null;
  understood: string | null;
  reused: boolean;
}

const RENDER = "render:";

/** The platform that a step renders for, or null. */
export const renderedBy = (step: string | null | undefined): string | null =>
  step?.startsWith(RENDER) ? step.slice(RENDER.length) : null;

const pictureOf = (view: JobView | null, platform: Platform): RenderedPicture | null => {
  const image = view?.images[platform];
  return image && image.status !== "failed" ? image : null;
};

const failureOf = (view: JobView | null, platform: Platform): JobError | null => {
  const image = view?.images[platform];
  return image?.status === "failed" ? image.error : null;
};

const rendering = (view: JobView | null, platform: Platform): boolean =>
  view?.steps.some(({ name, state }) => state === "started" && renderedBy(name) === platform) ?? false;

const askedOf = (cut: JobView | null) => (cut?.job?.kind === "image-renditions" ? cut.job.data : null);

/** Whether what is kept came of this cut already, or of a later one. */
const isNewer = (kept: GenerationImage | null, cut: JobView | null): boolean =>
  kept !== null && Date.parse(kept.createdAt) >= Date.parse(cut?.job?.createdAt ?? "");

function tileOf(
  platform: Platform,
  view: JobView | null,
  made: Generation | null,
  cut: JobView | null,
): WorkTile {
  const asked = askedOf(cut)?.platforms.includes(platform) ?? false;
  const cutting = cut !== null && asked && !isEnded(cut) && !cut.images[platform];
  const kept = made?.images.find((one) => one.platform === platform) ?? null;
  const recut = asked ? pictureOf(cut, platform) : null;
  const image = (isNewer(kept, cut) ? null : recut) ?? kept ?? pictureOf(view, platform);
  const failed = (asked ? failureOf(cut, platform) : null) ?? failureOf(view, platform);
  const error = image || cutting ? null : failed;
  const going = cutting || (view !== null && !isEnded(view));
  const working = rendering(cutting ? cut : view, platform);
  const state = image ? "ready" : error ? "failed" : !going ? "blank" : working ? "working" : "waiting";
  return { platform, state, image, error, recutting: cutting && image !== null };
}

/**
 * Puts together what is known. `made` outlives the job and has newer cuts; `cut` is the job that cut it last, as long
 * as its pictures are not in `made`. Null as long as neither job nor record is there.
 */
export function workOf(view: JobView | null, made: Generation | null, cut: JobView | null): Work | null {
  const job = view?.job?.kind === "image-generation" ? view.job : null;
  const request = made?.request ?? job?.data;
  if (!request) return null;
  const again = askedOf(cut);
  const asked: readonly Platform[] = cut && !isEnded(cut) ? (again?.platforms ?? []) : [];
  const had = (made?.images ?? []).map(({ platform }) => platform as Platform);
  const result = job?.result;
  return {
    jobId: view?.jobId ?? made?.jobId ?? null,
    generationId: made?.generationId ?? job?.generationId ?? null,
    prompt: request.prompt,
    imageType: request.imageType,
    fit: again?.fit ?? request.fit,
    seed: request.seed,
    platforms: request.platforms,
    point: again ? again.focalPoint : request.focalPoint,
    createdAt: made?.createdAt ?? job?.createdAt ?? null,
    tiles: [...new Set([...request.platforms, ...had, ...asked])].map((name) =>
      tileOf(name, view, made, cut),
    ),
    master: made?.master ?? view?.master ?? null,
    proof: (made?.thumbnail ?? view?.thumbnail ?? view?.previews.at(-1) ?? null)?.url ?? null,
    focal: made?.made?.focalPoint ?? null,
    model: made?.made?.model ?? result?.model ?? null,
    simulated: made?.made?.simulated ?? result?.simulated ?? null,
    understood: made?.made?.understood ?? result?.understood ?? null,
    reused: result?.reused ?? false,
  };
}

export const readyTiles = (work: Pick<Work, "tiles">): WorkTile[] =>
  work.tiles.filter(({ image }) => image !== null);
