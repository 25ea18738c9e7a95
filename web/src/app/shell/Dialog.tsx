import { type ReactNode, useEffect, useRef } from "react";

interface Props {
  label: string;
  className: string | undefined;
  role?: "alertdialog";
  onClose: () => void;
  children: ReactNode;
}

/** The browser's own modal dialog, open as long as it is drawn; Escape and a click beside it close it. */
export function Dialog({ label, className, role, onClose, children }: Props) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    dialog?.showModal();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    };
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the key is Escape, and the browser's own
    <dialog
      ref={ref}
      className={className}
      role={role}
      aria-label={label}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={({ target, currentTarget }) => {
        if (target === currentTarget) onClose();
      }}
    >
      {children}
    </dialog>
  );
}
