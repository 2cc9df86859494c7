import { lazy, Suspense, useEffect, useState } from "react";

const Palette = lazy(() => import("./Palette.tsx"));
const listeners = new Set<() => void>();

export function openPalette(): void {
  for (const listener of listeners) listener();
}

/** Listens for Ctrl K; the palette itself is fetched when it is first wanted. */
export function PaletteDoor() {
  const [wanted, setWanted] = useState(false);
  useEffect(() => {
    const open = () => {
      setWanted(true);
      void import("./Palette.tsx").then(({ palette }) => palette.open());
    };
    const key = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k" && !event.shiftKey && !event.altKey) {
        event.preventDefault();
        open();
      }
    };
    listeners.add(open);
    addEventListener("keydown", key);
    return () => {
      listeners.delete(open);
      removeEventListener("keydown", key);
    };
  }, []);
  return wanted ? (
    <Suspense>
      <Palette />
    </Suspense>
  ) : null;
}
