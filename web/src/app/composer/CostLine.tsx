import { cost as words } from "../messages";
import { useEstimate } from "../served/estimate";
import { promptLimit, useHealth, useLastJob, useUsage } from "../served/queries";
import { useStudio } from "../shell/studio";
import styles from "./composer.module.css";
import { lengthOf } from "./PromptField";

const PAINTER = "sketch";

/**
 * What a picture is going to cost and what may still be spent: as the server says of what is in the form, else as the last one
 * was said to.
 */
export function CostLine() {
  const { kind, draft } = useStudio();
  const provider = useHealth().data?.services.provider;
  const usage = useUsage().data;
  const last = useLastJob().data?.jobs[0]?.estimatedCost;
  const isPaid = provider !== undefined && provider.name !== PAINTER;
  const isWhole =
    draft.prompt.trim() !== "" && lengthOf(draft.prompt) <= promptLimit(kind) && draft.platforms.length > 0;
  const expected = useEstimate(isPaid && isWhole ? draft : null);
  if (!provider) return <p className={styles.cost} />;
  if (!isPaid) return <p className={styles.cost}>{words.sketch}</p>;
  if (expected === 0) return <p className={styles.cost}>{words.free}</p>;
  const credits = usage?.credits;
  const price = expected === undefined ? last : expected;
  const unpriced = expected === null ? words.unknowable : words.unknown;
  const parts = [
    price ? words.about(price) : credits ? "" : unpriced,
    credits ? words.credits(credits.perPicture, credits.left) : "",
    usage?.limit?.leftUsd == null ? "" : words.left(usage.limit.leftUsd),
  ];
  return <p className={styles.cost}>{parts.filter(Boolean).join(" · ")}</p>;
}
