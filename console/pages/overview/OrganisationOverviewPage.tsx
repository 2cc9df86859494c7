import { Button } from "@mantine/core";
import { IconDatabase, IconFolders, IconPlus, IconServer, IconUsers } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useApi } from "../../api/api.ts";
import { organisationAddress, projectAddress } from "../../frame/address.ts";
import { useCan, useOrganisation } from "../../frame/identity.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { Section } from "../../ui/Section.tsx";
import { LatestActivity } from "./LatestActivity.tsx";
import css from "./Overview.module.css";
import { Tile, Tiles } from "./Tile.tsx";

export default function OrganisationOverviewPage() {
  const t = useT();
  const format = useFormat();
  const organisation = useOrganisation();
  const can = useCan("organisation");
  const viewer = can("viewer");
  const quotas = useApi("quotaList", { organisation: organisation.id }, { enabled: viewer });
  const members = useApi("memberList", { organisation: organisation.id, limit: 1000 }, { enabled: viewer });
  const quota = (name: string) => quotas.data?.items.find((one) => one.name === name);
  const stored = quota("objects.storage_bytes");
  const instances = quota("compute.instances");
  const create = can("admin") && (
    <Button
      component={Link}
      to={organisationAddress(organisation.slug, "projects")}
      search={{ create: "1" } as never}
      leftSection={<IconPlus size={16} stroke={1.8} />}
    >
      {t("overview.createProject")}
    </Button>
  );
  return (
    <>
      <PageHeader title={organisation.name} text={t("overview.organisationText")} actions={create} />
      {viewer && (
        <Tiles>
          <Tile
            icon={IconFolders}
            title={t("overview.projects")}
            value={format.number(organisation.projects.length)}
            to={organisationAddress(organisation.slug, "projects")}
          />
          <Tile
            icon={IconServer}
            title={t("overview.instances")}
            value={instances && format.number(instances.used)}
            to={organisationAddress(organisation.slug, "usage")}
          />
          <Tile
            icon={IconDatabase}
            title={t("overview.stored")}
            value={stored && format.bytes(stored.used)}
            detail={stored && t("overview.ofLimit", { limit: format.bytes(stored.limit) })}
            share={stored && stored.limit > 0 ? stored.used / stored.limit : undefined}
            to={organisationAddress(organisation.slug, "usage")}
          />
          <Tile
            icon={IconUsers}
            title={t("overview.members")}
            value={members.data && format.number(members.data.items.length)}
            to={organisationAddress(organisation.slug, "people")}
          />
        </Tiles>
      )}
      <div className={css.columns}>
        <Section title={t("overview.projects")} flush>
          {organisation.projects.length === 0 ? (
            <EmptyState picture="project" title={t("overview.noProjects")} text={t("overview.noProjectsText")} action={create} />
          ) : (
            organisation.projects.map((project) => (
              <Link key={project.id} to={projectAddress(organisation.slug, project.slug)} className={css.line}>
                <span className={css.lineTitle}>{project.name}</span>
                <code className={css.lineDetail}>{project.slug}</code>
              </Link>
            ))
          )}
        </Section>
        {can("admin") && <LatestActivity />}
      </div>
    </>
  );
}
