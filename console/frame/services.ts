import type { RouteKey } from "../api/api.ts";
import { type ServicePages, sections } from "./registry.ts";

// Apart from registry.ts, which the pages.ts files import themselves.
const found = import.meta.glob<{ default: ServicePages }>("../pages/*/pages.ts", { eager: true });
export const services: readonly ServicePages[] = Object.values(found).map((module) => module.default);

export const pages = services.flatMap((service) => service.pages);
export const navigation = services
  .flatMap((service) => service.navigation ?? [])
  .sort((a, b) => sections.indexOf(a.section) - sections.indexOf(b.section) || a.order - b.order);
export const topBarTools = services.flatMap(({ topBar }) => topBar ?? []);
export const eventRefreshes = new Map<string, RouteKey[]>();
for (const service of services) {
  for (const [type, keys] of Object.entries(service.events ?? {})) {
    eventRefreshes.set(type, [...(eventRefreshes.get(type) ?? []), ...keys]);
  }
}
