import { Skeleton } from "@mantine/core";
import { useMemo, useState } from "react";
import type { Bucket } from "../../../services/objects/contract.ts";
import { useApi } from "../../api/api.ts";
import { useOrganisation, useProject } from "../../frame/identity.ts";
import { useT } from "../../i18n/i18n.ts";
import { periodBefore, periodOf } from "../usage/period.ts";
import { UsageMeters } from "../usage/UsageMeters.tsx";
import css from "./tabs.module.css";

const meters = [
  "objects.storage",
  "objects.traffic_out",
  "objects.traffic_in",
  "objects.requests_read",
  "objects.requests_write",
];

/** What lay in one bucket, what it sent, received and was asked, day by day. */
export function BucketMetrics({ bucket }: { bucket: Bucket }) {
  const t = useT();
  const organisation = useOrganisation();
  const project = useProject();
  const [now] = useState(() => new Date());
  const period = useMemo(() => periodOf("last30", now), [now]);
  const place = { organisation: organisation.id, project: project.id, resource: bucket.id };
  const range = (of: typeof period) => ({ from: of.from.toISOString(), to: of.to.toISOString(), step: of.step });
  const usage = useApi("usageSummarize", { ...place, ...range(period) }, { refetchInterval: 60_000 });
  const before = useApi("usageSummarize", { ...place, ...range(periodBefore(period)) });
  const series = meters.flatMap((meter) => usage.data?.series.filter((one) => one.meter === meter) ?? []);
  if (usage.error || (usage.data && series.length === 0)) return null;
  return (
    <section className={css.metrics} aria-labelledby="bucket-metrics">
      <h2 id="bucket-metrics">{t("bucketSettings.metrics.title")}</h2>
      {usage.data ? (
        <UsageMeters usage={usage.data} series={series} before={before.data} period={period} now={now} />
      ) : (
        <Skeleton height={360} />
      )}
    </section>
  );
}
