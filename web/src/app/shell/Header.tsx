import { brand, header as words } from "../messages";
import button from "./button.module.css";
import { Icon } from "./Icon";
import { Link } from "./Link";
import styles from "./shell.module.css";
import { ThemeSwitch } from "./ThemeSwitch";
import { UsageMenu } from "./UsageMenu";

/** The bar: where one is, what was spent, how it looks, and help. */
export function Header({ aside, onHelp }: { aside: boolean; onHelp: () => void }) {
  return (
    <header className={styles.bar} data-aside={aside}>
      <Link className={styles.brand} to="/" aria-label={brand.home}>
        <svg viewBox="0 0 28 28" aria-hidden="true">
          <rect x="8" y="8" width="12" height="12" />
          <path d="M8 1v4M1 8h4M20 1v4m3 3h4M8 23v4m-7-7h4m15 3v4m3-7h4" />
        </svg>
        <span className={styles.brandName}>{brand.name}</span>
      </Link>
      {aside && (
        <Link className={`${button.button} ${styles.create}`} to="/">
          <Icon name="plus" />
          {words.create}
        </Link>
      )}
      <UsageMenu />
      <ThemeSwitch />
      <button
        type="button"
        className={`${button.button} ${button.only} ${button.bare}`}
        aria-label={words.help}
        title={words.help}
        aria-keyshortcuts="?"
        onClick={onHelp}
      >
        <Icon name="help" />
      </button>
    </header>
  );
}
