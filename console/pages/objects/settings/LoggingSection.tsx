import { Alert, Autocomplete, Button, Select, Skeleton, Text, TextInput } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { Bucket } from "../../../../services/objects/contract.ts";
import { type Answer, client, invalidate, useApi } from "../../../api/api.ts";
import { errorText } from "../../../api/errors.ts";
import { projectAddress } from "../../../frame/address.ts";
import { useOrganisation, useProject } from "../../../frame/identity.ts";
import { queries } from "../../../frame/queries.ts";
import { useFormat } from "../../../i18n/format.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ApiHint } from "../../../ui/ApiHint.tsx";
import { ConfirmDestroy } from "../../../ui/ConfirmDestroy.tsx";
import { FormDialog } from "../../../ui/FormDialog.tsx";
import { FormProblem } from "../../../ui/FormProblem.tsx";
import { required, useForm } from "../../../ui/form.ts";
import { Section } from "../../../ui/Section.tsx";
import { toastDone } from "../../../ui/toast.ts";

type Logging = NonNullable<Answer<"bucketLoggingGet">["logging"]>;
const formats = ["simple", "event_time", "delivery_time"] as const;
/** Lines that wait for longer than this are worth a word. */
const patienceMs = 5 * 60_000;
const refresh = () => invalidate(queries, ["bucketLoggingGet", "bucketList"]);

/** Whether a line is kept of each request, and where. */
export function LoggingSection({ bucket, readOnly }: { bucket: Bucket; readOnly: boolean }) {
  const t = useT();
  const { data, error } = useApi("bucketLoggingGet", { bucket: bucket.name });
  const [open, setOpen] = useState<"edit" | "stop">();
  const logging = data?.logging;
  const close = () => setOpen(undefined);
  return (
    <Section
      title={t("bucketRules.log.title")}
      text={t("bucketRules.log.text")}
      actions={
        readOnly || !data ? undefined : (
          <>
            <Button variant="default" onClick={() => setOpen("edit")}>
              {t(logging ? "bucketRules.log.change" : "bucketRules.log.start")}
            </Button>
            {logging && (
              <Button variant="default" c="var(--k-bad)" onClick={() => setOpen("stop")}>
                {t("bucketRules.log.stop")}
              </Button>
            )}
          </>
        )
      }
    >
      {error && !data ? (
        <FormProblem>{errorText(error)}</FormProblem>
      ) : !data ? (
        <Skeleton height={24} />
      ) : logging ? (
        <Kept logging={logging} />
      ) : (
        <Text c="dimmed">{t("bucketRules.log.off")}</Text>
      )}
      {open === "edit" && <LoggingDialog bucket={bucket} logging={logging} onClose={close} />}
      {open === "stop" && logging && (
        <ConfirmDestroy
          opened
          onClose={close}
          title={t("bucketRules.log.stopTitle", { bucket: bucket.name })}
          destroyed={[t("bucketRules.log.stopGone")]}
          kept={[t("bucketRules.log.stopKept", { target: logging.targetBucket })]}
          action={t("bucketRules.log.stop")}
          onConfirm={async () => {
            await client.bucketLoggingDelete({ bucket: bucket.name });
            await refresh();
          }}
        />
      )}
    </Section>
  );
}

function Kept({ logging }: { logging: Logging }) {
  const t = useT();
  const format = useFormat();
  const organisation = useOrganisation();
  const project = useProject();
  const { targetBucket: target, targetPrefix: prefix, problem, waitingSince } = logging;
  const address = projectAddress(organisation.slug, project.slug, `buckets/${target}`);
  const waitsLong = waitingSince !== undefined && Date.now() - Date.parse(waitingSince) > patienceMs;
  return (
    <>
      <Text>
        {t.rich("bucketRules.log.to", { target: problem === "target_missing" ? target : <Link to={address}>{target}</Link> })}
      </Text>
      {prefix !== "" && <Text style={{ overflowWrap: "anywhere" }}>{t("bucketRules.log.under", { prefix })}</Text>}
      {problem && (
        <Alert mt="sm" color="orange" icon={<IconAlertTriangle aria-hidden />}>
          {t(problem === "target_missing" ? "bucketRules.log.missing" : "bucketRules.log.full", { target })}
        </Alert>
      )}
      {waitsLong && (
        <Text mt="sm" size="sm" c="dimmed">
          {t("bucketRules.log.waiting", { date: format.dateTime(waitingSince) })}
        </Text>
      )}
    </>
  );
}

function LoggingDialog(props: { bucket: Bucket; logging: Logging | undefined; onClose: () => void }) {
  const t = useT();
  const { bucket, logging } = props;
  const buckets = useApi("bucketList", { project: bucket.projectId, limit: 200 });
  const form = useForm({
    initial: {
      targetBucket: logging?.targetBucket ?? `${bucket.name.slice(0, 58)}-logs`,
      targetPrefix: logging?.targetPrefix ?? `${bucket.name}/`,
      keyFormat: (logging?.keyFormat ?? "simple") as (typeof formats)[number],
    },
    checks: { targetBucket: required },
    submit: async (values) => {
      await client.bucketLoggingUpdate(argumentsOf(values));
      await refresh();
      toastDone(t("ui.saved"));
      props.onClose();
    },
  });
  const argumentsOf = (values: typeof form.values) => ({
    ...values,
    bucket: bucket.name,
    targetBucket: values.targetBucket.trim(),
    createTarget: true,
  });
  return (
    <FormDialog
      opened
      onClose={props.onClose}
      title={t("bucketRules.log.title")}
      form={form}
      action={t(logging ? "ui.save" : "bucketRules.log.start")}
      hint={<ApiHint route="bucketLoggingUpdate" args={argumentsOf(form.values)} />}
    >
      <Autocomplete
        label={t("bucketRules.log.target")}
        description={t("bucketRules.log.targetText")}
        spellCheck={false}
        data={(buckets.data?.items ?? []).map(({ name }) => name).filter((name) => name !== bucket.name)}
        {...form.choice("targetBucket")}
      />
      <TextInput
        label={t("bucketRules.log.prefix")}
        description={t("bucketRules.log.prefixText")}
        spellCheck={false}
        {...form.field("targetPrefix")}
      />
      <Select
        label={t("bucketRules.log.format")}
        allowDeselect={false}
        data={formats.map((value) => ({ value, label: t(`bucketRules.log.format.${value}`) }))}
        {...form.choice("keyFormat")}
      />
    </FormDialog>
  );
}
