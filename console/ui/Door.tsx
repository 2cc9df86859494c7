import { type ComponentType, cloneElement, type ReactElement, type RefAttributes, useEffect, useRef, useState } from "react";
import { toastError } from "./toast.ts";

type Button = ReactElement<
  RefAttributes<HTMLButtonElement> & {
    onClick?: () => void;
    onPointerEnter?: () => void;
    onFocus?: () => void;
    "aria-expanded"?: boolean;
    "aria-haspopup"?: "menu" | "dialog";
  }
>;
/** What a module behind a door exports: it shows the button, and opens when that is clicked. */
export type BehindDoor<P = object> = ComponentType<P & { button: ReactElement }>;

/**
 * A button whose menu is fetched when it is first wanted: menus bring their positioning along, which no first view needs.
 * Pointing at it fetches already, so that the click finds it there.
 */
export function Door<P extends object>({
  button,
  opens = "menu",
  load,
  given,
}: {
  button: Button;
  opens?: "menu" | "dialog";
  load: () => Promise<{ default: BehindDoor<P> }>;
  given: P;
}) {
  const [Behind, setBehind] = useState<BehindDoor<P>>();
  const ref = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (Behind === undefined) return;
    // The button is another one now: it gets the focus of the first, and its click.
    ref.current?.focus({ preventScroll: true });
    ref.current?.click();
  }, [Behind]);
  if (Behind) return <Behind {...given} button={cloneElement(button, { ref })} />;
  const fetchIt = () => void load().catch(() => {});
  return cloneElement(button, {
    "aria-haspopup": opens,
    "aria-expanded": false,
    onPointerEnter: fetchIt,
    onFocus: fetchIt,
    onClick: () => void load().then(({ default: found }) => setBehind(() => found), toastError),
  });
}
