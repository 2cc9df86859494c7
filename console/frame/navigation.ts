import type { Icon } from "@tabler/icons-react";
import { useLocation } from "@tanstack/react-router";
import type { MessageKey } from "../i18n/message.ts";
import { organisationAddress, projectAddress, scopedAddress } from "./address.ts";
import { holds, useIdentity, usePlace } from "./identity.ts";
import type { Section } from "./registry.ts";
import { navigation } from "./services.ts";

export interface NavigationLink {
  section: Section | "overview";
  label: MessageKey;
  icon: Icon;
  to: string;
  active: boolean;
}

/** The links of the left side (and of the bottom bar) for the organisation and project of now. */
export function useNavigationLinks(): NavigationLink[] {
  const identity = useIdentity();
  const { organisation, project } = usePlace();
  const { pathname } = useLocation();
  if (organisation === undefined) return [];
  return navigation
    .filter(
      (item) =>
        (item.scope === "organisation" || project !== undefined) &&
        (item.requires === undefined ||
          holds(identity, item.requires, {
            organisationId: organisation.id,
            ...(item.scope === "project" && project ? { projectId: project.id } : {}),
          })),
    )
    .map((item) => {
      const to = scopedAddress(item.scope, item.path, organisation.slug, project?.slug);
      return {
        section: item.section,
        label: item.label,
        icon: item.icon,
        to,
        active: pathname === to || pathname.startsWith(`${to}/`),
      };
    });
}

/** The overview of the project, or of the organisation while it has none. */
export function useOverviewAddress(): { to: string; active: boolean } {
  const { organisation, project } = usePlace();
  const { pathname } = useLocation();
  const path = pathname.replace(/\/$/, "");
  if (organisation === undefined) return { to: "/account", active: path === "/account" };
  const to = project ? projectAddress(organisation.slug, project.slug) : organisationAddress(organisation.slug);
  return { to, active: path === to };
}
