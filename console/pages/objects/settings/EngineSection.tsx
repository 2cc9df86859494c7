import { Button, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import type { Bucket } from "../../../../services/objects/contract.ts";
import { type Answer, client, invalidate } from "../../../api/api.ts";
import { useFormat } from "../../../i18n/format.ts";
import { useT } from "../../../i18n/i18n.ts";
import { Section } from "../../../ui/Section.tsx";
import { work } from "../work.tsx";

interface Props {
  bucket: Bucket;
  settings: Answer<"bucketSettingsGet">;
  /** Administrators. */
  mayMove: boolean;
}

/** Where the bytes lie; only in a cloud that has both. */
export function EngineSection({ bucket, settings: { engine, engines }, mayMove }: Props) {
  const t = useT();
  const format = useFormat();
  const queries = useQueryClient();
  if (engines.length < 2) return null;
  const other = engine === "cluster" ? "local" : "cluster";
  const { name } = bucket;
  return (
    <Section title={t("bucketSettings.engine.title")} text={t("bucketSettings.engine.text")}>
      <Text>{t(`bucketSettings.engine.${engine}`)}</Text>
      {mayMove && (
        <>
          <Button
            variant="default"
            mt="sm"
            onClick={() =>
              void work({
                working: t("bucketSettings.engine.moving", { name }),
                done: t("bucketSettings.engine.moved", { name }),
                start: async () => [await client.bucketRelocate({ bucket: name, engine: other })],
              }).then(() => invalidate(queries, ["bucketSettingsGet"]))
            }
          >
            {t(`bucketSettings.engine.move.${other}`, { size: format.bytes(bucket.sizeBytes + bucket.versionBytes) })}
          </Button>
          <Text size="sm" c="dimmed" mt="xs">
            {t("bucketSettings.engine.meanwhile")}
          </Text>
        </>
      )}
    </Section>
  );
}
