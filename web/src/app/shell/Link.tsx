import type { AnchorHTMLAttributes } from "react";
import { useHref, useLinkClickHandler } from "react-router";

interface Props extends Omit<AnchorHTMLAttributes<HTMLAnchorElement>, "href"> {
  to: string;
}

/** A link to another place of the studio. The router's own can do far more, and weighs what it can. */
export function Link({ to, children, ...rest }: Props) {
  const go = useLinkClickHandler(to);
  return (
    <a {...rest} href={useHref(to)} onClick={go}>
      {children}
    </a>
  );
}
