import { localStorageColorSchemeManager, MantineProvider } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { cssVariables, theme } from "../ui/theme.ts";
import { queries } from "./queries.ts";
import { router } from "./router.tsx";

// Not needed to see the first page.
const Toasts = lazy(() => import("./Toasts.tsx"));
const schemes = localStorageColorSchemeManager({ key: "khmara.scheme" });

export function Console() {
  return (
    <MantineProvider theme={theme} cssVariablesResolver={cssVariables} colorSchemeManager={schemes} defaultColorScheme="auto">
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
      <Suspense>
        <Toasts />
      </Suspense>
    </MantineProvider>
  );
}
