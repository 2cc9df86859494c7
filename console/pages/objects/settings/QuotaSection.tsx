import { Alert, Button, Group, Progress, Select, Skeleton, Stack, Text, TextInput } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { useState } from "react";
import type { Bucket } from "../../../../services/objects/contract.ts";
import { type Answer, client, invalidate, useApi } from "../../../api/api.ts";
import { errorText } from "../../../api/errors.ts";
import { queries } from "../../../frame/queries.ts";
import { useFormat } from "../../../i18n/format.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ApiHint } from "../../../ui/ApiHint.tsx";
import { FormDialog } from "../../../ui/FormDialog.tsx";
import { FormProblem } from "../../../ui/FormProblem.tsx";
import { useForm } from "../../../ui/form.ts";
import { Section } from "../../../ui/Section.tsx";
import { toastDone } from "../../../ui/toast.ts";
import { wholeNumber } from "./numbers.ts";
import { bytesOf, sizeUnits, unitOf } from "./sizes.ts";

type Quota = Answer<"bucketQuotaGet">;
const units = ["MB", "GB", "TB"] as const;
type Unit = (typeof units)[number];
/** From here on a bar says that it becomes tight. */
const tight = 0.8;

/** How much a bucket may hold, and how much of that it does. */
export function QuotaSection({ bucket, mayChange }: { bucket: Bucket; mayChange: boolean }) {
  const t = useT();
  const format = useFormat();
  const { data, error } = useApi("bucketQuotaGet", { bucket: bucket.name });
  const [editing, setEditing] = useState(false);
  const isLimited = data !== undefined && (data.bytes !== undefined || data.objects !== undefined);
  return (
    <Section
      title={t("bucketRules.quota.title")}
      text={t("bucketRules.quota.text")}
      actions={
        mayChange && data ? (
          <Button variant="default" onClick={() => setEditing(true)}>
            {t(isLimited ? "bucketRules.quota.change" : "bucketRules.quota.set")}
          </Button>
        ) : undefined
      }
    >
      {error && !data ? (
        <FormProblem>{errorText(error)}</FormProblem>
      ) : !data ? (
        <Skeleton height={24} />
      ) : isLimited ? (
        <Used quota={data} />
      ) : (
        <Text c="dimmed">{t("bucketRules.quota.none", { count: data.usedObjects, size: format.bytes(data.usedBytes) })}</Text>
      )}
      {!mayChange && (
        <Text mt="xs" size="sm" c="dimmed">
          {t("bucketRules.quota.admins")}
        </Text>
      )}
      {editing && data && <QuotaDialog bucket={bucket} quota={data} onClose={() => setEditing(false)} />}
    </Section>
  );
}

function Used({ quota }: { quota: Quota }) {
  const t = useT();
  const format = useFormat();
  const bars = (
    [
      ["bucketRules.quota.bytes", quota.usedBytes, quota.bytes, format.bytes],
      ["bucketRules.quota.objects", quota.usedObjects, quota.objects, format.number],
    ] as const
  ).flatMap(([words, used, limit, show]) =>
    limit === undefined ? [] : [{ share: used / limit, text: t(words, { used: show(used), limit: show(limit) }) }],
  );
  const most = Math.max(...bars.map(({ share }) => share));
  return (
    <Stack gap="md" maw={480}>
      {bars.map(({ share, text }) => (
        <div key={text}>
          <Group justify="space-between" gap="xs" mb={4}>
            <Text size="sm">{text}</Text>
            <Text size="sm" c="dimmed">
              {format.percent(share)}
            </Text>
          </Group>
          <Progress
            size={8}
            value={Math.min(share, 1) * 100}
            color={share >= 1 ? "red" : share >= tight ? "yellow" : "sky"}
            aria-label={text}
          />
        </div>
      ))}
      {most >= tight && (
        <Alert
          color={most >= 1 ? "red" : "orange"}
          icon={<IconAlertTriangle aria-hidden />}
          title={t(most >= 1 ? "bucketRules.quota.full" : "bucketRules.quota.near")}
        >
          {t(most >= 1 ? "bucketRules.quota.fullText" : "bucketRules.quota.nearText")}
        </Alert>
      )}
    </Stack>
  );
}

function QuotaDialog({ bucket, quota, onClose }: { bucket: Bucket; quota: Quota; onClose: () => void }) {
  const t = useT();
  const initialUnit = quota.bytes === undefined ? "GB" : unitOf(quota.bytes, units);
  const limitsOf = ({ size, unit, objects }: { size: string; unit: Unit; objects: string }) => ({
    ...(size.trim() !== "" && { bytes: Math.max(1, bytesOf(size, unit) ?? 0) }),
    ...(objects.trim() !== "" && { objects: Number(objects) }),
  });
  const form = useForm({
    initial: {
      size: quota.bytes === undefined ? "" : String(quota.bytes / sizeUnits[initialUnit]),
      unit: initialUnit as Unit,
      objects: String(quota.objects ?? ""),
    },
    checks: {
      size: (text) => (text.trim() === "" || Number(bytesOf(text, "MB")) > 0 ? undefined : t("bucketRules.quota.sizeRule")),
      objects: (text) =>
        text.trim() === "" || wholeNumber(text, 1, 9_999_999_999) !== undefined ? undefined : t("bucketRules.quota.countRule"),
    },
    submit: async (values) => {
      await client.bucketQuotaUpdate({ bucket: bucket.name, ...limitsOf(values) });
      await invalidate(queries, ["bucketQuotaGet"]);
      toastDone(t("ui.saved"));
      onClose();
    },
  });
  const limits = limitsOf(form.values);
  const isBelow = (limits.bytes ?? Infinity) < quota.usedBytes || (limits.objects ?? Infinity) < quota.usedObjects;
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t(quota.bytes === undefined && quota.objects === undefined ? "bucketRules.quota.set" : "bucketRules.quota.change")}
      form={form}
      action={t("ui.save")}
      hint={<ApiHint route="bucketQuotaUpdate" args={{ bucket: bucket.name, ...limits }} />}
    >
      <Group align="end" wrap="nowrap" gap="sm">
        <TextInput
          flex={1}
          label={t("bucketRules.quota.size")}
          description={t("bucketRules.quota.empty")}
          inputMode="decimal"
          data-autofocus
          {...form.field("size")}
        />
        <Select
          w={96}
          aria-label={t("bucketRules.quota.unit")}
          allowDeselect={false}
          data={units.map((value) => ({ value, label: t(`bucketRules.quota.unit.${value}`) }))}
          {...form.choice("unit")}
        />
      </Group>
      <TextInput
        label={t("bucketRules.quota.count")}
        description={t("bucketRules.quota.empty")}
        inputMode="numeric"
        {...form.field("objects")}
      />
      {isBelow && <Alert color="orange">{t("bucketRules.quota.below")}</Alert>}
    </FormDialog>
  );
}
