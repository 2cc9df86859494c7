import { Alert, Button, Group, Select, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import type { Bucket } from "../../../../services/objects/contract.ts";
import { type Answer, client, invalidate } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../../ui/ConfirmDestroy.tsx";
import { FormProblem } from "../../../ui/FormProblem.tsx";
import { useForm } from "../../../ui/form.ts";
import { Section } from "../../../ui/Section.tsx";
import { toastDone } from "../../../ui/toast.ts";
import { wholeNumber } from "./numbers.ts";

type Mode = "none" | "governance" | "compliance";
type Unit = "days" | "years";
const mostOf: Record<Unit, number> = { days: 36_500, years: 100 };

interface Props {
  bucket: Bucket;
  settings: Answer<"bucketSettingsGet">;
  readOnly: boolean;
}

export function LockSection({ bucket, settings, readOnly }: Props) {
  const t = useT();
  const [enabling, setEnabling] = useState(false);
  const isOn = settings.lock !== undefined;
  return (
    <Section
      title={t("bucketSettings.lock.title")}
      text={t("bucketSettings.lock.text")}
      actions={
        isOn || readOnly ? undefined : (
          <Button variant="default" onClick={() => setEnabling(true)}>
            {t("bucketSettings.lock.enable")}
          </Button>
        )
      }
    >
      <Text>{t(isOn ? "bucketSettings.lock.on" : "bucketSettings.lock.off")}</Text>
      {isOn && <DefaultRetention bucket={bucket} settings={settings} readOnly={readOnly} />}
      <ConfirmDestroy
        opened={enabling}
        onClose={() => setEnabling(false)}
        title={t("bucketSettings.lock.enableTitle", { bucket: bucket.name })}
        text={t("bucketSettings.lock.enableText")}
        typeName={bucket.name}
        action={t("bucketSettings.lock.enable")}
        onConfirm={async () => {
          await client.bucketSettingsUpdate({ bucket: bucket.name, versioning: "enabled", lock: {} });
          await invalidate(queries, ["bucketSettingsGet"]);
        }}
      />
    </Section>
  );
}

/** What is locked by itself when it is written. */
function DefaultRetention({ bucket, settings, readOnly }: Props) {
  const t = useT();
  const retention = settings.lock?.retention;
  const form = useForm({
    initial: {
      mode: (retention?.mode ?? "none") as Mode,
      unit: (retention?.years === undefined ? "days" : "years") as Unit,
      period: String(retention?.years ?? retention?.days ?? 30),
    },
    checks: {
      period: (period, all) => {
        const { mode, unit } = all as { mode: Mode; unit: Unit };
        return mode === "none" || wholeNumber(period, 1, mostOf[unit]) !== undefined
          ? undefined
          : t("bucketSettings.lock.periodRule", { most: mostOf[unit] });
      },
    },
    submit: async ({ mode, unit, period }) => {
      const lock = mode === "none" ? {} : { retention: { mode, [unit]: Number(period) } };
      await client.bucketSettingsUpdate({ bucket: bucket.name, lock });
      await invalidate(queries, ["bucketSettingsGet"]);
      toastDone(t("ui.saved"));
    },
  });
  const { mode } = form.values;
  return (
    <form onSubmit={form.onSubmit} noValidate>
      <Stack gap="md" maw={560} mt="md">
        <FormProblem>{form.problem}</FormProblem>
        <Select
          label={t("bucketSettings.lock.default")}
          allowDeselect={false}
          disabled={readOnly}
          data={[
            { value: "none", label: t("bucketSettings.lock.none") },
            { value: "governance", label: t("versions.lock.mode.governance") },
            { value: "compliance", label: t("versions.lock.mode.compliance") },
          ]}
          {...form.choice("mode")}
        />
        {mode !== "none" && (
          <Group align="start" grow>
            <TextInput
              label={t("bucketSettings.lock.period")}
              inputMode="numeric"
              disabled={readOnly}
              {...form.field("period")}
            />
            <Select
              label={t("bucketSettings.lock.unit")}
              allowDeselect={false}
              disabled={readOnly}
              data={(["days", "years"] as const).map((value) => ({ value, label: t(`bucketSettings.lock.${value}`) }))}
              {...form.choice("unit")}
            />
          </Group>
        )}
        {mode === "compliance" && <Alert color="orange">{t("versions.lock.compliance")}</Alert>}
        {!readOnly && (
          <Group>
            <Button type="submit" variant="default" loading={form.sending}>
              {t("ui.save")}
            </Button>
          </Group>
        )}
      </Stack>
    </form>
  );
}
