import { Button, NumberInput, Progress, Select, Skeleton, Text } from "@mantine/core";
import { useState } from "react";
import { type Answer, callApi, invalidate, useApi } from "../../api/api.ts";
import { useCan, useOrganisation } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { translateMaybe, useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { useForm } from "../../ui/form.ts";
import { Section } from "../../ui/Section.tsx";
import css from "./Quotas.module.css";

type Quota = Answer<"quotaList">["items"][number];
/** Memory, and disks of servers and databases, are counted in powers of two, everything else in those of ten. */
const inBinary = ({ name }: Quota): boolean => /^(compute|databases)\.|\.memory$/.test(name);
const giga = (quota: Quota): number => (inBinary(quota) ? 2 ** 30 : 1e9);
/** From here on a bar says that it becomes tight. */
const tight = 0.8;

/** How much of what is allowed is used, in the organisation or one of its projects. */
export function Quotas() {
  const t = useT();
  const organisation = useOrganisation();
  const cloudAdmin = useCan("cloud")("admin");
  const admin = useCan("organisation")("admin");
  const [project, setProject] = useState("");
  const at = { organisation: organisation.id, ...(project ? { project: project as never } : {}) };
  const quotas = useApi("quotaList", at, { keepPrevious: true });
  const [editing, setEditing] = useState<Quota>();
  const mayEdit = project === "" ? cloudAdmin : admin;
  return (
    <Section
      title={t("settings.quotas")}
      text={project === "" ? t("settings.quotasText") : t("settings.quotasProjectText")}
      actions={
        organisation.projects.length > 0 && (
          <Select
            aria-label={t("settings.quotasOf")}
            data={[
              { value: "", label: t("settings.wholeOrganisation") },
              ...organisation.projects.map(({ id, name }) => ({ value: id as string, label: name })),
            ]}
            value={project}
            onChange={(value) => setProject(value ?? "")}
          />
        )
      }
      flush
    >
      {(quotas.data?.items ?? placeholders).map((quota) => (
        <div key={quota.name} className={css.row}>
          {quotas.data === undefined ? (
            <Skeleton height={20} />
          ) : (
            <QuotaRow quota={quota} {...(mayEdit ? { onEdit: () => setEditing(quota) } : {})} />
          )}
        </div>
      ))}
      {editing && <EditQuota quota={editing} at={at} onClose={() => setEditing(undefined)} />}
    </Section>
  );
}

const placeholders = ["1", "2", "3", "4"].map((name) => ({ name }) as Quota);

function QuotaRow({ quota, onEdit }: { quota: Quota; onEdit?: () => void }) {
  const t = useT();
  const format = useFormat();
  const shown = quota.unit !== "bytes" ? format.number : inBinary(quota) ? format.memory : format.bytes;
  const share = quota.limit === 0 ? 1 : quota.used / quota.limit;
  const title = translateMaybe(`errors.quota.${quota.name}`) ?? quota.summary;
  return (
    <>
      <div>
        <Text fw={500}>{title}</Text>
        <Text size="xs" c="dimmed">
          {quota.custom ? t("settings.setByHand") : t("settings.default")}
        </Text>
      </div>
      <div>
        <Text size="sm" mb={4}>
          {t("settings.usedOf", { used: shown(quota.used), limit: shown(quota.limit) })}
        </Text>
        <Progress
          size={6}
          value={Math.round(Math.min(share, 1) * 1000) / 10}
          color={share >= 1 ? "red" : share >= tight ? "yellow" : "sky"}
          aria-label={t("settings.usedShare", { name: title, share: format.percent(share) })}
        />
      </div>
      <div className={css.action}>
        {onEdit && (
          <Button variant="default" size="xs" onClick={onEdit} aria-label={t("settings.changeOf", { name: title })}>
            {t("settings.change")}
          </Button>
        )}
      </div>
    </>
  );
}

function EditQuota({
  quota,
  at,
  onClose,
}: {
  quota: Quota;
  at: { organisation: never | string; project?: never };
  onClose: () => void;
}) {
  const t = useT();
  const bytes = quota.unit === "bytes";
  const title = translateMaybe(`errors.quota.${quota.name}`) ?? quota.summary;
  const set = async (limit: number | null) => {
    await callApi("quotaUpdate", { ...at, name: quota.name, limit } as never);
    await invalidate(queries, ["quotaList"]);
    onClose();
  };
  const form = useForm({
    initial: { limit: bytes ? quota.limit / giga(quota) : quota.limit },
    checks: { limit: (value) => (Number.isFinite(value) && value >= 0 ? undefined : t("ui.required")) },
    submit: ({ limit }) => set(Math.round(bytes ? limit * giga(quota) : limit)),
  });
  const field = form.choice("limit");
  const limit = Math.round(bytes ? form.values.limit * giga(quota) : form.values.limit);
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={title}
      text={t("settings.quotaText")}
      form={form}
      action={t("ui.save")}
      hint={<ApiHint route="quotaUpdate" args={{ ...at, name: quota.name, limit }} />}
    >
      <NumberInput
        label={bytes ? t(inBinary(quota) ? "settings.limitGibibytes" : "settings.limitGigabytes") : t("settings.limit")}
        min={0}
        thousandSeparator=" "
        data-autofocus
        value={field.value}
        error={field.error}
        onChange={(value) => field.onChange(Number(value))}
      />
      {quota.custom && (
        <Button variant="subtle" onClick={() => void set(null).catch((error: Error) => form.setProblem(error.message))}>
          {t("settings.toDefault")}
        </Button>
      )}
    </FormDialog>
  );
}
