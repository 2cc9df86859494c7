import { useParams } from "@tanstack/react-router";
import { createContext, useContext, useMemo } from "react";
import type { Role } from "../../kernel/contract.ts";
import type { Identity } from "../../services/identity/contract.ts";
import { type Answer, useApi } from "../api/api.ts";
import { projectAddress } from "./address.ts";

/** As roleIncludes of the kernel's contract, which would bring zod into the bundle. */
const includes: Record<Role, readonly Role[]> = {
  owner: ["owner", "admin", "editor", "viewer", "billing"],
  admin: ["admin", "editor", "viewer", "billing"],
  editor: ["editor", "viewer"],
  viewer: ["viewer"],
  billing: ["billing"],
};

export type Organisation = Identity["organisations"][number];
export type Project = Organisation["projects"][number];

/** Set by the frame: below it somebody is signed in. */
export const IdentityContext = createContext<Identity | undefined>(undefined);

export function useIdentity(): Identity {
  const identity = useContext(IdentityContext);
  if (identity === undefined) throw new Error("useIdentity outside of the frame");
  return identity;
}

export const useCloud = (): Answer<"cloudGet"> | undefined => useApi("cloudGet", {}, { staleTime: 60_000 }).data;

const remembered = "khmara.place";
interface Place {
  organisation?: string;
  /** The project last seen, by organisation. */
  projects: Record<string, string>;
}
export function readPlace(): Place {
  try {
    const place = JSON.parse(localStorage.getItem(remembered) ?? "{}") as Partial<Place>;
    return { projects: {}, ...place };
  } catch {
    return { projects: {} };
  }
}
export function rememberPlace(organisation: string, project: string | undefined): void {
  const place = readPlace();
  place.organisation = organisation;
  if (project) place.projects[organisation] = project;
  localStorage.setItem(remembered, JSON.stringify(place));
}

interface Here {
  organisation: Organisation | undefined;
  project: Project | undefined;
  /** Whether the address itself names a project. */
  inProject: boolean;
  /** The address names an organisation or project that is not there. */
  missing: boolean;
}

/** The organisation and project of the address; where it has none, those that one was at last. */
export function usePlace(): Here {
  const identity = useIdentity();
  const params = useParams({ strict: false }) as { org?: string; project?: string };
  return useMemo(() => {
    const place = readPlace();
    const { organisations } = identity;
    const named = organisations.find(({ slug }) => slug === params.org);
    const organisation = named ?? organisations.find(({ slug }) => slug === place.organisation) ?? organisations[0];
    const namedProject = named?.projects.find(({ slug }) => slug === params.project);
    const last = organisation && place.projects[organisation.slug];
    const project = namedProject ?? organisation?.projects.find(({ slug }) => slug === last) ?? organisation?.projects[0];
    return {
      organisation,
      project,
      inProject: namedProject !== undefined,
      missing: (params.org !== undefined && named === undefined) || (params.project !== undefined && namedProject === undefined),
    };
  }, [identity, params.org, params.project]);
}

/** The organisation of the page; pages of the scopes organisation and project always have one. */
export function useOrganisation(): Organisation {
  const { organisation } = usePlace();
  if (organisation === undefined) throw new Error("This page needs an organisation in its address");
  return organisation;
}

/** The project of the page; pages of the scope project always have one. */
export function useProject(): Project {
  const { project } = usePlace();
  if (project === undefined) throw new Error("This page needs a project in its address");
  return project;
}

/** Where one is after signing in. */
export function homeAddress(identity: Identity): string {
  const place = readPlace();
  const organisation = identity.organisations.find(({ slug }) => slug === place.organisation) ?? identity.organisations[0];
  if (organisation === undefined) return "/account";
  const project =
    organisation.projects.find(({ slug }) => slug === place.projects[organisation.slug]) ?? organisation.projects[0];
  return project ? projectAddress(organisation.slug, project.slug) : `/o/${organisation.slug}`;
}

export function holds(identity: Identity, role: Role, at: { organisationId?: string; projectId?: string } = {}): boolean {
  return identity.bindings.some(
    (binding) =>
      includes[binding.role].includes(role) &&
      (binding.organisationId === undefined ||
        (binding.organisationId === at.organisationId &&
          (binding.projectId === undefined || binding.projectId === at.projectId))),
  );
}

/** `const can = useCan(); can("editor")`: whether the caller holds a role here. What it hides, the API refuses too. */
export function useCan(scope: "cloud" | "organisation" | "project" = "project"): (role: Role) => boolean {
  const identity = useIdentity();
  const { organisation, project } = usePlace();
  return (role) =>
    holds(
      identity,
      role,
      scope === "cloud"
        ? {}
        : {
            ...(organisation ? { organisationId: organisation.id } : {}),
            ...(scope === "project" && project ? { projectId: project.id } : {}),
          },
    );
}
