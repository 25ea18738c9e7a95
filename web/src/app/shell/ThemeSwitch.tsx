import { header as words } from "../messages";
import { THEMES } from "../remembered";
import button from "./button.module.css";
import { Icon, type IconName } from "./Icon";
import { Popover } from "./Popover";
import styles from "./shell.module.css";
import { chooseTheme, useTheme } from "./theme";

const SIGNS: Record<(typeof THEMES)[number], IconName> = { light: "sun", dark: "moon", system: "half" };

/** Light, dark, or as the system has it. */
export function ThemeSwitch() {
  const theme = useTheme();
  return (
    <Popover
      label={words.themeNow(words.themes[theme])}
      className={`${button.button} ${button.only} ${button.bare}`}
      button={<Icon name={SIGNS[theme]} />}
      closes
    >
      <div className={styles.menu}>
        {THEMES.map((one) => (
          <button
            key={one}
            type="button"
            className={styles.item}
            aria-pressed={one === theme}
            onClick={() => chooseTheme(one)}
          >
            <Icon name={SIGNS[one]} />
            {words.themes[one]}
            {one === theme && (
              <span className={styles.itemCheck}>
                <Icon name="check" />
              </span>
            )}
          </button>
        ))}
      </div>
    </Popover>
  );
}
