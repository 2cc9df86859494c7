import { Alert, Checkbox, Select, Switch, TextInput } from "@mantine/core";
import { client } from "../../../api/api.ts";
import { useCan } from "../../../frame/identity.ts";
import { useT } from "../../../i18n/i18n.ts";
import { FormDialog } from "../../../ui/FormDialog.tsx";
import { useForm } from "../../../ui/form.ts";
import { toastDone } from "../../../ui/toast.ts";
import type { Version } from "./VersionsTable.tsx";

type Mode = "none" | "governance" | "compliance";

/** The end of a day chosen in UTC, so that everybody means the same moment. */
const endOf = (day: string) => `${day}T23:59:59Z`;

/** Until when a version stays, whatever anybody wants; and the hold that has no end of its own. */
export function LockDialog(props: { bucket: string; version: Version; onClose: () => void; onDone: () => Promise<void> }) {
  const { bucket, version } = props;
  const t = useT();
  const can = useCan();
  const { retention } = version;
  const form = useForm({
    initial: {
      mode: (retention?.mode ?? "none") as Mode,
      day: retention?.until.slice(0, 10) ?? "",
      legalHold: version.legalHold,
      bypassGovernance: false,
    },
    checks: {
      day: (day, all) =>
        (all as { mode: Mode }).mode === "none" || Date.parse(endOf(day)) > Date.now() ? undefined : t("versions.lock.dayNeeded"),
    },
    submit: async ({ mode, day, legalHold, bypassGovernance }) => {
      const isSame = mode === (retention?.mode ?? "none") && (mode === "none" || day === retention?.until.slice(0, 10));
      await client.objectLockUpdate({
        bucket,
        key: version.key,
        ...(version.versionId === undefined ? {} : { versionId: version.versionId }),
        ...(isSame ? {} : { retention: mode === "none" ? null : { mode, until: endOf(day) } }),
        legalHold,
        bypassGovernance,
      });
      toastDone(t("ui.saved"));
      await props.onDone();
      props.onClose();
    },
  });
  const { mode } = form.values;
  return (
    <FormDialog
      opened
      onClose={props.onClose}
      title={t("versions.lock.title", { name: version.name })}
      text={t("versions.lock.text")}
      form={form}
      action={t("ui.save")}
    >
      <Select
        label={t("versions.lock.mode")}
        allowDeselect={false}
        data={(["none", "governance", "compliance"] as const).map((value) => ({
          value,
          label: t(`versions.lock.mode.${value}`),
        }))}
        {...form.choice("mode")}
      />
      {mode !== "none" && <TextInput type="date" label={t("versions.lock.untilDay")} {...form.field("day")} />}
      {mode === "compliance" && <Alert color="orange">{t("versions.lock.compliance")}</Alert>}
      <Switch
        label={t("versions.lock.holdLabel")}
        description={t("versions.lock.holdText")}
        checked={form.values.legalHold}
        onChange={(event) => form.set("legalHold", event.currentTarget.checked)}
      />
      {retention?.mode === "governance" && can("admin") && (
        <Checkbox
          label={t("versions.lock.bypass")}
          checked={form.values.bypassGovernance}
          onChange={(event) => form.set("bypassGovernance", event.currentTarget.checked)}
        />
      )}
    </FormDialog>
  );
}
