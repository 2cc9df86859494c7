import type { Icon } from "@tabler/icons-react";
import type { ComponentType } from "react";
import type { Role } from "../../kernel/contract.ts";
import type { RouteKey } from "../api/api.ts";
import type { Area, MessageKey } from "../i18n/message.ts";

/**
 * Where a page lives:
 * public /<path> · account /account/<path> · cloud /cloud/<path> ·
 * organisation /o/<org>/<path> · project /o/<org>/p/<project>/<path>
 */
export type Scope = "public" | "account" | "cloud" | "organisation" | "project";

export interface PageDefinition {
  scope: Scope;
  /** As TanStack Router writes paths: `buckets/$bucket`. Empty for the scope's own page. */
  path: string;
  title: MessageKey;
  /** A default export, so that every page is a chunk of its own. */
  load: () => Promise<{ default: ComponentType }>;
  /** The words it needs besides `ui`, `frame` and `errors`. */
  areas: readonly Area[];
}

export const sections = ["servers", "storage", "apps", "office", "organisation"] as const;
export type Section = (typeof sections)[number];

export interface NavigationItem {
  section: Section;
  order: number;
  label: MessageKey;
  icon: Icon;
  scope: "organisation" | "project";
  path: string;
  /** The lowest role that sees it. */
  requires?: Role;
}

/** One line of the command palette. */
export interface PaletteItem {
  id: string;
  label: string;
  description?: string;
  icon: Icon;
  /** An address, or something to do. */
  to: string | (() => void);
}
export interface PaletteContext {
  organisation: { id: string; slug: string } | undefined;
  project: { id: string; slug: string } | undefined;
  /** The address of a page in the organisation or project of now. */
  address: (scope: Scope, path: string) => string;
}

export interface ServicePages {
  pages: readonly PageDefinition[];
  navigation?: readonly NavigationItem[];
  /** Which answers are old after which event. */
  events?: Record<string, readonly RouteKey[]>;
  /** What it has in the top bar of every page, once the first one is shown. */
  topBar?: () => Promise<{ default: ComponentType }>;
  /** Resources of this service that fit the words typed in the palette. */
  search?: (words: string, context: PaletteContext) => Promise<PaletteItem[]>;
}

/** What a `console/pages/<service>/pages.ts` exports; the folder is all the registration there is. */
export const servicePages = (pages: ServicePages): ServicePages => pages;
