import { localStorageColorSchemeManager, MantineProvider } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useState } from "react";
import { useT } from "../i18n/i18n.ts";
import { cssVariables, theme } from "../ui/theme.ts";
import { queries } from "./queries.ts";
import { router } from "./router.tsx";

// Not needed to see the first page.
const Toasts = lazy(() => import("./Toasts.tsx"));
const schemes = localStorageColorSchemeManager({ key: "khmara.scheme" });

/** Where dialogs and menus are put. */
function Layers() {
  const t = useT();
  return <section id="layers" aria-label={t("frame.layers")} />;
}

const settleMs = 1500;

export function Console() {
  const [settled, setSettled] = useState(false);
  useEffect(() => {
    // A message shown before waits in the store until the corner for it is there.
    const timer = setTimeout(() => setSettled(true), settleMs);
    return () => clearTimeout(timer);
  }, []);
  return (
    <MantineProvider theme={theme} cssVariablesResolver={cssVariables} colorSchemeManager={schemes} defaultColorScheme="auto">
      <Layers />
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
      {settled && (
        <Suspense>
          <Toasts />
        </Suspense>
      )}
    </MantineProvider>
  );
}
