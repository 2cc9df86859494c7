import { Button } from "@mantine/core";
import { IconBucket, IconDatabase, IconKey, IconPlus, IconServer } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useApi } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useCan, useOrganisation, useProject } from "../../frame/identity.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { Section } from "../../ui/Section.tsx";
import { Beginnings } from "./Beginnings.tsx";
import { FirstSteps } from "./FirstSteps.tsx";
import { LatestActivity } from "./LatestActivity.tsx";
import css from "./Overview.module.css";
import { Tile, Tiles } from "./Tile.tsx";

const largest = 6;

export default function ProjectOverviewPage() {
  const t = useT();
  const format = useFormat();
  const organisation = useOrganisation();
  const project = useProject();
  const can = useCan("project");
  const buckets = useApi("bucketList", { project: project.id, limit: 1000 }, { enabled: can("viewer") });
  const keys = useApi("accessKeyList", { project: project.id, limit: 1000 }, { enabled: can("editor") });
  const instances = useApi("instanceList", { project: project.id, limit: 1000 }, { enabled: can("viewer") });
  const running = instances.data?.items.filter(({ state }) => state === "running").length ?? 0;
  const items = buckets.data?.items;
  const sum = (of: (bucket: NonNullable<typeof items>[number]) => number) =>
    items?.reduce((total, bucket) => total + of(bucket), 0);
  const objects = sum((bucket) => bucket.objects);
  const stored = sum((bucket) => bucket.sizeBytes);
  const to = (path: string) => projectAddress(organisation.slug, project.slug, path);
  const begun =
    items !== undefined && items.length > 0 && (objects ?? 0) > 0 && (keys.data === undefined || keys.data.items.length > 0);
  const isEmpty = items?.length === 0 && instances.data?.items.length === 0;
  return (
    <>
      <PageHeader
        title={project.name}
        text={t("overview.projectText")}
        actions={
          can("editor") && (
            <Button
              component={Link}
              to={to("buckets")}
              search={{ create: "1" } as never}
              leftSection={<IconPlus size={16} stroke={1.8} />}
            >
              {t("overview.createBucket")}
            </Button>
          )
        }
      />
      <Tiles>
        <Tile
          icon={IconServer}
          title={t("overview.instances")}
          value={instances.data && format.number(instances.data.items.length)}
          detail={instances.data?.items.length ? t("overview.runningOf", { running }) : undefined}
          to={to("instances")}
        />
        <Tile
          icon={IconBucket}
          title={t("overview.buckets")}
          value={items && format.number(items.length)}
          detail={objects ? t("overview.objectCount", { count: objects }) : undefined}
          to={to("buckets")}
        />
        <Tile
          icon={IconDatabase}
          title={t("overview.stored")}
          value={stored === undefined ? undefined : format.bytes(stored)}
          to={to("buckets")}
        />
        {can("editor") && (
          <Tile
            icon={IconKey}
            title={t("overview.keys")}
            value={keys.data && format.number(keys.data.items.length)}
            to={to("access-keys")}
          />
        )}
      </Tiles>
      <div className={css.columns}>
        <div style={{ minWidth: 0 }}>
          {isEmpty && can("editor") && <Beginnings />}
          {items !== undefined && !begun && <FirstSteps buckets={items} keys={keys.data?.items ?? []} />}
          {items !== undefined && items.length > 0 && (
            <Section title={t("overview.largest")} flush>
              {[...items]
                .sort((a, b) => b.sizeBytes - a.sizeBytes)
                .slice(0, largest)
                .map((bucket) => (
                  <Link key={bucket.id} to={to(`buckets/${bucket.name}`)} className={css.line}>
                    <span className={css.lineTitle}>{bucket.name}</span>
                    <span className={css.lineDetail}>
                      {t("overview.objectCount", { count: bucket.objects })} · {format.bytes(bucket.sizeBytes)}
                    </span>
                  </Link>
                ))}
            </Section>
          )}
        </div>
        {can("admin") && <LatestActivity project={project.id} />}
      </div>
    </>
  );
}
