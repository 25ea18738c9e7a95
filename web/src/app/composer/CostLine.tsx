import { useEffect } from "react";
import { times } from "../formats";
import { adviceFor, cost as words } from "../messages";
import { useEstimate } from "../served/estimate";
import { promptLimit, useHealth, useLastJob, useUsage } from "../served/queries";
import type { JobError, Usage } from "../served/server";
import { announce } from "../shell/announcer";
import { useStudio } from "../shell/studio";
import styles from "./composer.module.css";
import { lengthOf } from "./PromptField";

const PAINTER = "sketch";

/** Other words stand in another element: they are centred, and so would count as having moved. */
function Line({ price = "", refusal = "" }) {
  useEffect(() => {
    if (refusal) announce("refusal", refusal);
  }, [refusal]);
  return (
    <p className={styles.cost}>
      <span key={price}>{price}</span>
      {refusal && <span className={styles.refused}>{refusal}</span>}
    </p>
  );
}

const refusalWords = ({ code, message, retryable }: JobError) =>
  words.refused(times.within(message), adviceFor(code, retryable));

/** A price and, beside it, what of it is known to be left; `price`: in words, empty where there are none. */
function withRest(price: string, credits: number | undefined, usage: Usage | undefined): string {
  const had = usage?.credits;
  const parts = [
    price,
    had ? words.credits(credits ?? had.perPicture, had.left) : "",
    usage?.limit?.leftUsd == null ? "" : words.left(usage.limit.leftUsd),
  ];
  return parts.filter(Boolean).join(" · ");
}

/**
 * What a picture is going to cost, what may still be spent, and why it would be refused: as the server says of what is in the
 * form, else as the last one was said to. As long as neither is known, nothing is said. It holds nobody up: the server decides.
 */
export function CostLine() {
  const { kind, places, draft } = useStudio();
  const provider = useHealth().data?.services.provider;
  const usage = useUsage().data;
  const { data: jobs, isPending } = useLastJob();
  const last = jobs?.jobs[0]?.estimatedCost;
  const isPaid = provider !== undefined && provider.name !== PAINTER;
  const isWhole =
    draft.prompt.trim() !== "" && lengthOf(draft.prompt) <= promptLimit(kind) && draft.platforms.length > 0;
  const expected = useEstimate(isPaid && isWhole ? draft : null);
  if (!provider) return <Line />;
  if (!isPaid) return <Line price={words.sketch} />;
  if (expected) {
    const { estimatedCost, credits } = expected;
    const refusal = expected.refusal ? refusalWords(expected.refusal) : "";
    if (estimatedCost === 0) return <Line price={words.free} refusal={refusal} />;
    const unpriced = usage?.credits ? "" : words.unknowable;
    const price = estimatedCost === null ? unpriced : words.about(estimatedCost);
    return <Line price={withRest(price, credits, usage)} refusal={refusal} />;
  }
  if (last) return <Line price={withRest(words.about(last), undefined, usage)} />;
  if (isPending || places.length === 0 || expected === undefined) return <Line />;
  const untold = isWhole ? words.unknown : words.told;
  return <Line price={withRest(usage?.credits ? "" : untold, undefined, usage)} />;
}
