import { UnstyledButton } from "@mantine/core";
import { IconSelector } from "@tabler/icons-react";
import { useT } from "../i18n/i18n.ts";
import { Door } from "../ui/Door.tsx";
import { organisationAddress, projectAddress } from "./address.ts";
import css from "./Frame.module.css";
import { useCan, useIdentity, usePlace } from "./identity.ts";

interface Choice {
  id: string;
  name: string;
  to: string;
}
/** What the switcher lets one choose among, and what stands below. */
export interface Places {
  label: string;
  current: string | undefined;
  choices: Choice[];
  overview: { name: string; to: string };
  create: { name: string; to: string } | undefined;
}

export function PlaceSwitcher() {
  const t = useT();
  const { organisations } = useIdentity();
  const { organisation, project, inProject } = usePlace();
  const admin = useCan("organisation")("admin");
  const cloudAdmin = useCan("cloud")("admin");
  if (organisation === undefined) return null;
  return (
    <>
      <Chooser
        label={t("frame.organisation")}
        shown={organisation.name}
        current={organisation.id}
        overview={{ name: t("frame.organisationOverview"), to: organisationAddress(organisation.slug) }}
        choices={organisations.map(({ id, name, slug, projects }) => ({
          id,
          name,
          to: projects[0] ? projectAddress(slug, projects[0].slug) : organisationAddress(slug),
        }))}
        create={cloudAdmin ? { name: t("frame.createOrganisation"), to: "/cloud/organisations?create=1" } : undefined}
      />
      {(project || admin) && (
        <>
          <span className={css.slash} aria-hidden>
            /
          </span>
          <Chooser
            label={t("frame.project")}
            shown={project?.name ?? t("frame.chooseProject")}
            muted={!inProject}
            current={inProject ? project?.id : undefined}
            choices={organisation.projects.map(({ id, name, slug }) => ({
              id,
              name,
              to: projectAddress(organisation.slug, slug),
            }))}
            overview={{ name: t("frame.allProjects"), to: organisationAddress(organisation.slug, "projects") }}
            create={
              admin
                ? { name: t("frame.createProject"), to: organisationAddress(organisation.slug, "projects?create=1") }
                : undefined
            }
          />
        </>
      )}
    </>
  );
}

function Chooser({ shown, muted, ...places }: Places & { shown: string; muted?: boolean }) {
  return (
    <Door
      load={() => import("./PlaceItems.tsx")}
      given={places}
      button={
        <UnstyledButton className={css.switcher} aria-label={`${places.label}: ${shown}`}>
          <span style={muted ? { color: "var(--k-muted)", fontWeight: 450 } : undefined}>{shown}</span>
          <IconSelector size={14} stroke={1.8} color="var(--k-muted)" aria-hidden style={{ flex: "none" }} />
        </UnstyledButton>
      }
    />
  );
}
