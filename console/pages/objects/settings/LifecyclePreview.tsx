import { Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { client } from "../../../api/api.ts";
import { useFormat } from "../../../i18n/format.ts";
import { useT } from "../../../i18n/i18n.ts";
import type { LifecycleRule } from "./sentences.ts";

/** What a rule would delete if it were carried out now, as if it were on. */
export function LifecyclePreview({ bucket, rule }: { bucket: string; rule: LifecycleRule }) {
  const t = useT();
  const format = useFormat();
  const rules = [{ ...rule, enabled: true }];
  const { data, isPending } = useQuery({
    queryKey: ["bucketLifecyclePreview", bucket, rules],
    queryFn: ({ signal }) => client.bucketLifecyclePreview({ bucket, rules }, { signal }),
  });
  if (isPending)
    return (
      <Text size="sm" c="dimmed">
        {t("bucketSettings.lifecycle.now.counting")}
      </Text>
    );
  if (!data) return null;
  const { transitions } = data;
  const [count, rest] = [data.objects + data.versions, data.uploads + data.markers];
  return (
    <Text size="sm" c="dimmed" role="status">
      {count > 0 || rest + transitions === 0
        ? count === 0
          ? t("bucketSettings.lifecycle.now.none")
          : t("bucketSettings.lifecycle.now.some", { count, size: format.bytes(data.sizeBytes) })
        : null}{" "}
      {rest > 0 && t("bucketSettings.lifecycle.now.rest", { count: rest })}{" "}
      {transitions > 0 && t("bucketSettings.lifecycle.now.classes", { count: transitions })}{" "}
      {!data.isComplete && t("bucketSettings.lifecycle.now.more")}
    </Text>
  );
}
