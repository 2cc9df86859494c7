import { Anchor, Progress } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { lazy, type ReactNode, Suspense } from "react";
import { useApi, useApiList } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useOrganisation, useProject } from "../../frame/identity.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { CopyField } from "../../ui/CopyField.tsx";
import { PageSkeleton } from "../../ui/PageSkeleton.tsx";
import { Facts, Section } from "../../ui/Section.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { Connect } from "./Connect.tsx";
import type { DatabaseTabProps } from "./DatabasePage.tsx";
import css from "./databases.module.css";
import { fullness, isFull, isNearlyFull } from "./words.ts";

const DatabaseCharts = lazy(() => import("./DatabaseCharts.tsx"));

/** Is it well, what does it use, how is it reached, is it backed up, how did it do. */
export function DatabaseOverview({ database, here }: DatabaseTabProps) {
  const t = useT();
  const format = useFormat();
  const organisation = useOrganisation();
  const project = useProject();
  const running = database.state === "running";
  const metrics = useApi("databaseMetricsGet", { database: database.id }, { enabled: running, refetchInterval: 15_000 }).data;
  const backups = useApiList(
    "databaseBackupList",
    { project: project.id, database: database.id },
    { limit: 10, enabled: database.bucket !== undefined },
  ).rows;
  const newest = backups?.find(({ state }) => state === "available");
  const share = fullness(database);
  const number = (label: string, value: ReactNode, note: ReactNode, bar?: { share: number; color: string }) => (
    <div className={css.number}>
      <dt>{label}</dt>
      <dd>
        {value}
        <small>{note}</small>
        {bar && <Progress mt={8} size={4} value={Math.max(1, bar.share * 100)} color={bar.color} aria-label={label} />}
      </dd>
    </div>
  );
  const limit = metrics?.memoryLimitBytes || database.memoryBytes;
  return (
    <>
      <dl className={css.numbers}>
        {number(
          t("databases.connections"),
          metrics ? format.number(metrics.connections) : "–",
          metrics ? t("databases.ofAtMost", { most: format.number(metrics.maxConnections) }) : t("databases.notMeasured"),
          metrics && { share: metrics.connections / metrics.maxConnections, color: "blue" },
        )}
        {number(
          t("databases.memory"),
          metrics ? format.memory(metrics.memoryBytes) : "–",
          t("databases.ofAll", { all: format.memory(limit) }),
          metrics && { share: metrics.memoryBytes / limit, color: "grape" },
        )}
        {number(
          t("databases.disk"),
          database.usedBytes === undefined ? "–" : format.memory(database.usedBytes),
          t("databases.ofAll", { all: format.memory(database.diskBytes) }),
          share === undefined
            ? undefined
            : { share, color: isFull(database) ? "red" : isNearlyFull(database) ? "yellow" : "indigo" },
        )}
        {number(
          t("databases.content"),
          metrics ? format.memory(metrics.sizeBytes) : "–",
          metrics?.cacheHitPercent === undefined
            ? t("databases.contentText")
            : t("databases.cacheHit", { share: format.percent(metrics.cacheHitPercent / 100) }),
        )}
      </dl>
      <div className={css.overview}>
        <Connect database={database} here={here} />
        <div>
          <Section
            title={t("databases.backups")}
            actions={
              <Anchor component={Link} to={`${here}/backups`} size="sm">
                {t("databases.allBackups")}
              </Anchor>
            }
          >
            {database.bucket === undefined ? (
              <p className={css.note}>{t("databases.noBackupsYet")}</p>
            ) : (
              <Facts
                items={[
                  [
                    t("databases.newestBackup"),
                    newest ? <TimeAgo key="newest" at={newest.finishedAt ?? newest.createdAt} /> : t("databases.backupSoon"),
                  ],
                  [
                    t("databases.proven"),
                    newest?.verifiedAt && newest.verification === "passed" ? (
                      <TimeAgo key="proven" at={newest.verifiedAt} />
                    ) : (
                      t("databases.notProven")
                    ),
                  ],
                  [
                    t("databases.recoverable"),
                    database.recoverableFrom
                      ? t("databases.recoverableSince", { from: format.dateTime(database.recoverableFrom) })
                      : "–",
                  ],
                  [
                    t("databases.bucket"),
                    <Anchor
                      key="bucket"
                      component={Link}
                      size="sm"
                      to={projectAddress(organisation.slug, project.slug, `buckets/${database.bucket.id}`)}
                    >
                      {database.bucket.name}
                    </Anchor>,
                  ],
                ]}
              />
            )}
          </Section>
          <Section title={t("databases.facts")}>
            <Facts
              items={[
                [t("databases.version"), `PostgreSQL ${database.version}`],
                [
                  t("databases.size"),
                  t("databases.sizeLine", { memory: format.memory(database.memoryBytes), cpus: format.number(database.cpus) }),
                ],
                [t("databases.protected"), t(database.protected ? "databases.on" : "databases.off")],
                [t("ui.created"), <TimeAgo key="created" at={database.createdAt} />],
                [t("databases.id"), <CopyField key="id" value={database.id} />],
              ]}
            />
          </Section>
        </div>
      </div>
      <Suspense fallback={<PageSkeleton />}>
        <DatabaseCharts database={database} />
      </Suspense>
    </>
  );
}
