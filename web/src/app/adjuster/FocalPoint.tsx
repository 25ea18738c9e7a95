import type { KeyboardEvent, PointerEvent } from "react";
import { adjuster as words } from "../messages";
import type { FocalPoint as Point } from "../served/server";
import styles from "./adjuster.module.css";
import type { Crop, Size } from "./crop";

const STEP = 0.01;
const STRIDE = 0.1;

/** How far each key moves the point, in steps. */
const KEYS: Record<string, readonly [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

const within = (share: number) => Math.round(Math.max(0, Math.min(1, share)) * 1000) / 1000;
const percent = (share: number) => `${share * 100}%`;

/** The point that a key moves a point to; null for keys that move nothing. */
export function moved({ x, y }: Point, key: string, far: boolean): Point | null {
  const way = KEYS[key];
  if (!way) return null;
  const length = far ? STRIDE : STEP;
  return { x: within(x + way[0] * length), y: within(y + way[1] * length) };
}

/** Has the dialog around it open with the focus here; React knows `autoFocus` for fields only. */
const begins = (point: HTMLElement | null) => point?.setAttribute("autofocus", "");

interface Props {
  master: Size & { url: string };
  alt: string;
  point: Point;
  /** Whether it was set by hand. */
  set: boolean;
  /** Whether cuts are made around it at all. */
  off: boolean;
  outline: Crop | null;
  onMove: (point: Point) => void;
}

/** The master and the point on it that cuts keep in view: by clicking, dragging, or with the arrow keys. */
export function FocalPoint({ master, alt, point, set, off, outline, onMove }: Props) {
  const follow = ({ currentTarget, clientX, clientY }: PointerEvent<HTMLElement>) => {
    const { left, top, width, height } = currentTarget.getBoundingClientRect();
    onMove({ x: within((clientX - left) / width), y: within((clientY - top) / height) });
  };
  const grab = (event: PointerEvent<HTMLElement>) => {
    if (event.button !== 0 || off) return;
    event.preventDefault();
    event.currentTarget.setPointerCapture(event.pointerId);
    event.currentTarget.querySelector<HTMLElement>("[role=slider]")?.focus({ preventScroll: true });
    follow(event);
  };
  const pressed = (event: KeyboardEvent) => {
    const to = moved(point, event.key, event.shiftKey);
    if (!to || off || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    onMove(to);
  };
  return (
    <div
      className={styles.aim}
      data-off={off || undefined}
      style={
        {
          aspectRatio: `${master.width} / ${master.height}`,
          "--aspect": master.width / master.height,
        } as object
      }
      onPointerDown={grab}
      onPointerMove={(event) => {
        if (event.currentTarget.hasPointerCapture(event.pointerId)) follow(event);
      }}
    >
      <img src={master.url} alt={alt} draggable={false} />
      {outline && (
        <span
          className={styles.outline}
          style={{
            left: percent(outline.left),
            top: percent(outline.top),
            width: percent(outline.width),
            height: percent(outline.height),
          }}
        />
      )}
      <span
        ref={begins}
        className={styles.point}
        role="slider"
        tabIndex={off ? -1 : 0}
        aria-label={words.point}
        aria-disabled={off || undefined}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(point.x * 100)}
        aria-valuetext={words.at(point.x, point.y)}
        data-set={set || undefined}
        style={{ left: percent(point.x), top: percent(point.y) }}
        onKeyDown={pressed}
      />
    </div>
  );
}
