import { type KeyboardEvent, type ReactNode, useId, useRef } from "react";
import styles from "./shell.module.css";

const GAP = 6;
const EDGE = 12;

/** Puts a box below its button, or above where there is more room, within the window. */
function place(box: HTMLElement, button: HTMLElement): void {
  const at = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = box;
  const below = at.bottom + GAP + height <= innerHeight - EDGE || at.top < innerHeight - at.bottom;
  const left = at.left + width > innerWidth - EDGE ? at.right - width : at.left;
  box.style.left = `${Math.max(EDGE, Math.min(left, innerWidth - width - EDGE))}px`;
  box.dataset.placed = "";
  box.style.top = `${Math.max(EDGE, below ? at.bottom + GAP : at.top - GAP - height)}px`;
}

function step(event: KeyboardEvent<HTMLElement>): void {
  const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const target = event.target as HTMLElement;
  if (!way || target.matches("input")) return;
  const all = [...event.currentTarget.querySelectorAll<HTMLElement>("button, a[href]")];
  event.preventDefault();
  all[(all.indexOf(target) + way + all.length) % all.length]?.focus();
}

interface Props {
  /** Of the button, for those who do not see its content. */
  label: string;
  className: string | undefined;
  button: ReactNode;
  children: ReactNode;
  /** Whether choosing something within closes it. */
  closes?: boolean;
  onOpen?: () => void;
  title?: string;
}

/** A button and what opens beside it: the browser's own popover, so Escape and a click elsewhere close it. */
export function Popover({ label, className, button, children, closes = false, onOpen, title }: Props) {
  const id = useId();
  const opener = useRef<HTMLButtonElement>(null);
  return (
    <>
      <button
        ref={opener}
        type="button"
        className={className}
        popoverTarget={id}
        aria-label={label}
        title={title ?? label}
      >
        {button}
      </button>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the keys move between the buttons within, which hear them themselves */}
      <div
        id={id}
        popover="auto"
        className={styles.popover}
        onToggle={({ currentTarget, newState }) => {
          if (newState === "open" && opener.current) place(currentTarget, opener.current);
        }}
        onBeforeToggle={({ currentTarget, newState }) => {
          if (newState === "open") onOpen?.();
          else delete currentTarget.dataset.placed;
        }}
        onKeyDown={step}
        onClick={({ currentTarget, target }) => {
          if (closes && (target as Element).closest("button, a")) currentTarget.hidePopover();
        }}
      >
        {children}
      </div>
    </>
  );
}
