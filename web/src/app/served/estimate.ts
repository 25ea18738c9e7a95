/** What pictures would cost, asked before they are. Nothing waits for it, and who gets no answer goes on without. */

import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { type ImageGenerationArgs, type JobEstimate, server } from "./server";

const SETTLED_MS = 500;
const KNOWN_MS = 300_000;
/** So many characters of a prompt make no difference that could be seen in cents. */
const SAME_LENGTH = 500;

async function ask(args: ImageGenerationArgs, signal: AbortSignal): Promise<JobEstimate> {
  const response = await fetch(server.url("/api/jobs/image-generation/estimate"), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(args),
    signal,
  });
  if (!response.ok) throw new Error(`No estimate: ${response.status}`);
  return response.json();
}

/** What matters for the price of these: the words themselves do not, nor how the picture is cut. */
const priced = ({ prompt, platforms, imageType }: ImageGenerationArgs) =>
  JSON.stringify([[...platforms].sort(), imageType, Math.ceil(prompt.length / SAME_LENGTH)]);

/** The value once it has been the same for a moment; the first at once. */
function useSettled<T>(value: T): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(setSettled, SETTLED_MS, value);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}

/**
 * What the server says these would cost, and why it would refuse them; undefined as long as its first answer is awaited, null
 * where there is none. Asked for when they have not changed for a moment, given up when they do; null asks nothing.
 */
export function useEstimate(args: ImageGenerationArgs | null): JobEstimate | null | undefined {
  const key = args && priced(args);
  const isSettled = useSettled(key) === key;
  const { data, isError } = useQuery({
    queryKey: ["estimate", key],
    queryFn: ({ signal }) => (args ? ask(args, signal) : null),
    enabled: args !== null && isSettled,
    placeholderData: (before) => before, // the last price stands while the next is asked for
    staleTime: KNOWN_MS,
    retry: false,
  });
  return args && !isError ? (data ?? undefined) : null;
}
