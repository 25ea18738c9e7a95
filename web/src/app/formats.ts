/** Numbers, money, times and sizes as the reader's language writes them. */

/** "1 size", "4 sizes". */
export const count = (number: number, one: string, many = `${one}s`): string =>
  `${number.toLocaleString()} ${number === 1 ? one : many}`;

/** US dollars, to the cent. */
export const usd = (amount: number) =>
  amount > 0 && amount < 0.01
    ? "less than $0.01"
    : new Intl.NumberFormat("en-US", { style: "currency", currency: "USD", maximumFractionDigits: 2 }).format(
        amount,
      );

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const exact = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

export const times = {
  clock: (then: string) => clock.format(new Date(then)),
  exact: (then: string) => exact.format(new Date(then)),
  day: (then: string) => day.format(new Date(then)),
  dayAndClock: (then: string) => `${day.format(new Date(then))}, ${clock.format(new Date(then))}`,
  /** A sentence of the server's, its points in time (`2026-01-31T09:30:00.000Z`) as people write them. */
  within: (sentence: string) => sentence.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, times.dayAndClock),
  /** A stretch of seconds as roughly as it is known. */
  roughly: (seconds: number) => {
    if (seconds < 8) return "a few seconds";
    if (seconds < 58) return `about ${Math.round(seconds / 5) * 5} s`;
    if (seconds < 3300) return `about ${Math.max(1, Math.round(seconds / 60))} min`;
    return `about ${Math.round(seconds / 3600)} h`;
  },
  /** How long something took: "0.8 s", "12 s", "3 min 5 s". */
  took: (from: string, to: string) => {
    const seconds = Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000);
    if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
    if (seconds < 99.5) return `${Math.round(seconds)} s`;
    return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  },
  ago: (then: string, now: number) => {
    const seconds = (now - Date.parse(then)) / 1000;
    if (seconds < 45) return "just now";
    if (seconds < 3300) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
    const sameDay = new Date(then).toDateString() === new Date(now).toDateString();
    return sameDay
      ? clock.format(new Date(then))
      : `${day.format(new Date(then))}, ${clock.format(new Date(then))}`;
  },
};

export const files = {
  size: (bytes: number) =>
    bytes < 1_000_000
      ? `${Math.max(1, Math.round(bytes / 1000))}\u00a0kB`
      : `${(bytes / 1_000_000).toFixed(1)}\u00a0MB`,
  format: (contentType: string) => contentType.replace("image/", "").toUpperCase(),
  pixels: (width: number, height: number) => `${width}\u00a0×\u00a0${height}`,
};
