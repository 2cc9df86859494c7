import { type ComponentType, useEffect, useState } from "react";
import { topBarTools } from "./services.ts";

/** The first page has the line and the processor for itself. */
const settleMs = 600;

/** What services have in the top bar; fetched when the first page stands. */
export function TopBarTools() {
  const [tools, setTools] = useState<ComponentType[]>([]);
  useEffect(() => {
    let current = true;
    const timer = setTimeout(() => {
      void Promise.all(topBarTools.map((load) => load())).then(
        (found) => current && setTools(found.map((module) => module.default)),
        // Without it the console is whole; the next load of the page tries again.
        () => {},
      );
    }, settleMs);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, []);
  return tools.map((Tool, index) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: the list never changes its order
    <Tool key={index} />
  ));
}
