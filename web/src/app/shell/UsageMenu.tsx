import { times, usd } from "../formats";
import { cost, header } from "../messages";
import { useUsage } from "../served/queries";
import type { Usage } from "../served/server";
import button from "./button.module.css";
import { Popover } from "./Popover";
import styles from "./shell.module.css";

/** What was spent today, in the bar; opened, all that is known of it and of what is left. */
export function UsageMenu() {
  const usage = useUsage();
  const { data } = usage;
  if (!data) return null;
  const shown = data.credits ? cost.creditsLeft(data.credits.left) : cost.spentToday(data.today.usd);
  return (
    <Popover
      label={`${header.usage}: ${shown}`}
      title={header.usage}
      className={`${button.button} ${button.bare} ${styles.usage}`}
      button={shown}
      onOpen={() => void usage.refetch()}
    >
      <UsageFacts usage={data} />
    </Popover>
  );
}

function UsageFacts({ usage: { today, month, total, limit, credits } }: { usage: Usage }) {
  const spent = [
    { name: cost.today, used: today },
    { name: cost.month, used: month },
    { name: cost.total, used: total },
  ];
  return (
    <dl className={styles.facts}>
      {spent.map(({ name, used }) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            {usd(used.usd)}
            <small>{cost.pictures(used.pictures)}</small>
            {used.doubtfulCalls > 0 && <small>{cost.doubtful(used.doubtfulCalls)}</small>}
          </dd>
        </div>
      ))}
      <div>
        <dt>{cost.leftToday}</dt>
        <dd>
          {limit.leftUsd === null ? cost.noLimit : usd(limit.leftUsd)}
          {limit.leftUsd !== null && <small>{cost.resets(times.clock(limit.resetsAt))}</small>}
        </dd>
      </div>
      {credits && (
        <div>
          <dt>{cost.creditsTitle}</dt>
          <dd>
            {credits.left.toLocaleString()}
            <small>{cost.perPicture(credits.perPicture)}</small>
          </dd>
        </div>
      )}
    </dl>
  );
}
