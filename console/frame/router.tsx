import {
  type AnyRoute,
  createRootRoute,
  createRoute,
  createRouter,
  type ErrorComponentProps,
  lazyRouteComponent,
  Outlet,
  redirect,
} from "@tanstack/react-router";
import { apiQuery } from "../api/api.ts";
import { isCloudError } from "../api/errors.ts";
import { loadAreas } from "../i18n/i18n.ts";
import { ErrorPage } from "../ui/ErrorPage.tsx";
import { PageSkeleton } from "../ui/PageSkeleton.tsx";
import { homeAddress } from "./identity.ts";
import { NotFoundPage } from "./NotFoundPage.tsx";
import { queries } from "./queries.ts";
import type { PageDefinition, Scope } from "./registry.ts";
import { pages } from "./services.ts";

const identity = () => queries.ensureQueryData({ ...apiQuery("identityGet", {}), staleTime: 60_000 });

/** Outside of the frame a page brings its own landmark. */
const OuterError = (props: ErrorComponentProps) => (
  <main>
    <ErrorPage {...props} />
  </main>
);
const OuterNotFound = () => (
  <main>
    <NotFoundPage />
  </main>
);

const rootRoute = createRootRoute({ component: Outlet, notFoundComponent: OuterNotFound, errorComponent: OuterError });

/** Everything below it needs somebody signed in. */
const frameRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: "frame",
  errorComponent: OuterError,
  component: lazyRouteComponent(() => import("./Frame.tsx"), "Frame"),
  beforeLoad: async ({ location }) => {
    try {
      await identity();
    } catch (error) {
      if (!isCloudError(error) || error.code !== "unauthenticated") throw error;
      const cloud = await queries.ensureQueryData(apiQuery("cloudGet", {}));
      if (cloud.setupNeeded) throw redirect({ to: "/setup" });
      const next = location.href === "/" ? undefined : location.href;
      throw redirect({ to: "/sign-in", search: next ? { next } : {} });
    }
  },
});

const homeRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: "/",
  beforeLoad: async () => {
    throw redirect({ to: homeAddress(await identity()), replace: true });
  },
});

const below: Record<Scope, { parent: AnyRoute; prefix: string }> = {
  public: { parent: rootRoute, prefix: "" },
  account: { parent: frameRoute, prefix: "account/" },
  cloud: { parent: frameRoute, prefix: "cloud/" },
  organisation: { parent: frameRoute, prefix: "o/$org/" },
  project: { parent: frameRoute, prefix: "o/$org/p/$project/" },
};

/** So that the document's title and the palette can name the page that is shown. */
export interface PageContext {
  page: PageDefinition;
}

function pageRoute(page: PageDefinition): AnyRoute {
  const { parent, prefix } = below[page.scope];
  return createRoute({
    getParentRoute: () => parent,
    path: `${prefix}${page.path}`.replace(/\/$/, ""),
    component: lazyRouteComponent(page.load),
    // The first view is light; everywhere else something can fail that is seldom seen.
    loader: () => loadAreas(page.path === "" ? page.areas : [...page.areas, "failures"]),
    staleTime: Number.POSITIVE_INFINITY,
    staticData: { page },
  }) as unknown as AnyRoute;
}

const publicPages = pages.filter(({ scope }) => scope === "public").map(pageRoute);
const framePages = pages.filter(({ scope }) => scope !== "public").map(pageRoute);

export const router = createRouter({
  routeTree: rootRoute.addChildren([...publicPages, frameRoute.addChildren([homeRoute, ...framePages])]),
  defaultPreload: "intent",
  defaultPreloadStaleTime: 0,
  defaultPendingMs: 150,
  defaultPendingMinMs: 0,
  defaultPendingComponent: PageSkeleton,
  defaultErrorComponent: ErrorPage,
  defaultNotFoundComponent: NotFoundPage,
  scrollRestoration: true,
  // Addresses that people can read and type: ?q=photos&state=active.
  parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
  stringifySearch: (search) => {
    const entries = Object.entries(search).filter(([, value]) => value !== undefined && value !== "");
    const text = new URLSearchParams(entries.map(([key, value]) => [key, String(value)])).toString();
    return text ? `?${text}` : "";
  },
});

declare module "@tanstack/react-router" {
  interface StaticDataRouteOption {
    page?: PageDefinition;
  }
}
