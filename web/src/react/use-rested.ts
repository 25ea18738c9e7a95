import { useEffect, useState } from "react";

const MOMENT_MS = 700;

/**
 * Whether it has rested for a moment. A finger on its way to Cancel does not stop when the job ends: what costs something, and
 * has come to stand in that place, takes no press until one can have seen it. What rests from the beginning has done so.
 */
export function useRested(rests: boolean): boolean {
  const [rested, setRested] = useState(rests);
  useEffect(() => {
    if (!rests) return setRested(false);
    const timer = setTimeout(setRested, MOMENT_MS, true);
    return () => clearTimeout(timer);
  }, [rests]);
  return rests && rested;
}
