import { cost as words } from "../messages";
import { useHealth, useLastJob, useUsage } from "../served/queries";
import styles from "./composer.module.css";

const PAINTER = "sketch";

/** What a picture is going to cost, as far as it can be known before it is asked for, and what may still be spent. */
export function CostLine() {
  const provider = useHealth().data?.services.provider;
  const usage = useUsage().data;
  const last = useLastJob().data?.jobs[0]?.estimatedCost;
  if (!provider) return <p className={styles.cost} />;
  if (provider.name === PAINTER) return <p className={styles.cost}>{words.sketch}</p>;
  const credits = usage?.credits;
  const parts = [
    last ? words.about(last) : credits ? "" : words.unknown,
    credits ? words.credits(credits.perPicture, credits.left) : "",
    usage?.limit?.leftUsd == null ? "" : words.left(usage.limit.leftUsd),
  ];
  return <p className={styles.cost}>{parts.filter(Boolean).join(" · ")}</p>;
}
