import { Skeleton } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import type { Bucket } from "../../../services/objects/contract.ts";
import { useApi } from "../../api/api.ts";
import { organisationAddress } from "../../frame/address.ts";
import { useCloud, useOrganisation, useProject } from "../../frame/identity.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { CopyField } from "../../ui/CopyField.tsx";
import { periodOf } from "../usage/period.ts";
import { BucketMetrics } from "./BucketMetrics.tsx";
import { BucketSafety } from "./BucketSafety.tsx";
import css from "./tabs.module.css";

/** The numbers of a bucket: what lies in it, what it moved this month, how it is reached. */
export function BucketOverview({ bucket, here }: { bucket: Bucket; here: string }) {
  const t = useT();
  const format = useFormat();
  const cloud = useCloud();
  const organisation = useOrganisation();
  const project = useProject();
  const period = useMemo(() => periodOf("month", new Date()), []);
  const usage = useApi("usageSummarize", {
    organisation: organisation.id,
    project: project.id,
    resource: bucket.id,
    from: period.from.toISOString(),
    to: period.to.toISOString(),
    step: "day",
  });
  const used = (meter: string) => Number(usage.data?.series.find((row) => row.meter === meter)?.total ?? 0);
  const number = (label: string, value: string, note?: string, to?: string) => (
    <div className={css.number}>
      <dt>{label}</dt>
      <dd>
        {to ? <Link to={to}>{value}</Link> : value}
        {note && <small>{note}</small>}
      </dd>
    </div>
  );
  const waiting = <Skeleton height={20} width={72} />;
  return (
    <>
      <dl className={css.numbers}>
        {number(t("objects.overview.size"), format.bytes(bucket.sizeBytes), t("objects.count", { count: bucket.objects }), here)}
        {number(
          t("objects.tab.trash"),
          format.bytes(bucket.trashBytes),
          t("objects.count", { count: bucket.trashObjects }),
          `${here}/trash`,
        )}
        {bucket.versions > 0 &&
          number(
            t("objects.overview.versions"),
            format.bytes(bucket.versionBytes),
            t("objects.overview.versionsNote", { count: bucket.versions }),
            `${here}?versions=1`,
          )}
        {number(t("objects.tab.uploads"), format.bytes(bucket.uploadBytes), t("objects.overview.uploadsNote"), `${here}/uploads`)}
        {number(t("ui.created"), format.date(bucket.createdAt), format.timeAgo(bucket.createdAt))}
      </dl>
      <section className={css.panel} aria-labelledby="bucket-month">
        <h2 id="bucket-month">{t("objects.overview.month")}</h2>
        <dl className={css.plain}>
          {(
            [
              ["objects.overview.trafficIn", "objects.traffic_in", format.bytes],
              ["objects.overview.trafficOut", "objects.traffic_out", format.bytes],
              ["objects.overview.writes", "objects.requests_write", format.number],
              ["objects.overview.reads", "objects.requests_read", format.number],
            ] as const
          ).map(([label, meter, show]) => (
            <div key={meter}>
              <dt>{t(label)}</dt>
              <dd>{usage.data ? show(used(meter)) : usage.error ? "—" : waiting}</dd>
            </div>
          ))}
        </dl>
        <Link to={organisationAddress(organisation.slug, "usage")} className={css.more}>
          {t("objects.overview.usage")}
        </Link>
      </section>
      <section className={css.panel} aria-labelledby="bucket-reach">
        <h2 id="bucket-reach">{t("objects.overview.reach")}</h2>
        <div className={css.fields}>
          <CopyField label={t("objects.details.uri")} value={`s3://${bucket.name}`} />
          <CopyField label={t("objects.connect.endpoint")} value={cloud ? `${cloud.s3.endpoint}/${bucket.name}` : "…"} />
          <CopyField label={t("objects.overview.id")} value={bucket.id} />
        </div>
      </section>
      <BucketSafety bucket={bucket} />
      <BucketMetrics bucket={bucket} />
    </>
  );
}
