import { Alert, Progress, Text } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import type { Bucket } from "../../../services/objects/contract.ts";
import { useApi } from "../../api/api.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import css from "./tabs.module.css";

/** Whether every object is whole on the disk: when they were read last, how far the reading is, and what is damaged. */
export function BucketSafety({ bucket }: { bucket: Bucket }) {
  const t = useT();
  const format = useFormat();
  const { data } = useApi("bucketSafetyGet", { bucket: bucket.name }, { refetchInterval: 30_000 });
  const damaged = useApi(
    "damagedObjectList",
    { bucket: bucket.name, limit: 20 },
    { enabled: data !== undefined && data.damagedObjects > 0 },
  );
  if (!data) return null;
  return (
    <section className={css.panel} aria-labelledby="bucket-safety">
      <h2 id="bucket-safety">{t("bucketSettings.safety.title")}</h2>
      {data.damagedObjects > 0 ? (
        <Alert
          color="red"
          icon={<IconAlertTriangle aria-hidden />}
          title={t("bucketSettings.safety.damaged", { count: data.damagedObjects })}
        >
          {t("bucketSettings.safety.damagedText")}
          <ul>
            {damaged.data?.items.map(({ key }) => (
              <li key={key}>{key}</li>
            ))}
          </ul>
        </Alert>
      ) : (
        <Text>{t("bucketSettings.safety.whole")}</Text>
      )}
      <Text c="dimmed" size="sm" mt="xs">
        {data.verifiedAt
          ? t("bucketSettings.safety.verified", { date: format.dateTime(data.verifiedAt) })
          : t("bucketSettings.safety.unverified")}
      </Text>
      {data.progress !== undefined && (
        <>
          <Text size="sm" mt="xs">
            {t("bucketSettings.safety.progress", { percent: format.percent(data.progress) })}
          </Text>
          <Progress mt={4} maw={400} value={data.progress * 100} aria-label={t("bucketSettings.safety.title")} />
        </>
      )}
    </section>
  );
}
