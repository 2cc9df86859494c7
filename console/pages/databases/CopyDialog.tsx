import { TextInput } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { DatabaseBackupView, DatabaseView } from "../../../services/databases/contract.ts";
import { callApi, invalidate } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useOrganisation, useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { useForm } from "../../ui/form.ts";
import { fromLocal, momentProblem, toLocal } from "./moment.ts";
import { nameProblem } from "./words.ts";

type Props = { onClose: () => void } & (
  | { kind: "clone" | "recover"; database: DatabaseView }
  | { kind: "restore"; backup: DatabaseBackupView }
);

/** A new database out of another one: as it is, as it was at a moment, or as a backup has it. What it is made of stays as it is. */
export function CopyDialog(props: Props) {
  const t = useT();
  const format = useFormat();
  const navigate = useNavigate();
  const organisation = useOrganisation();
  const project = useProject();
  // The window as it was when the dialog opened: it moves on meanwhile, and what was possible stays so.
  const [opened] = useState(() => Date.now());
  const source = "backup" in props ? props.backup.databaseName : props.database.name;
  const suffix = { clone: "copy", recover: "recovered", restore: "restored" }[props.kind];
  const earliest = props.kind === "recover" ? Date.parse(props.database.recoverableFrom ?? "") : Number.NaN;
  const form = useForm({
    initial: {
      name: `${source.slice(0, 30).replace(/-+$/, "")}-${suffix}`,
      at: toLocal(new Date(Math.max(opened - 300_000, earliest || 0))),
    },
    checks: {
      name: (name) => nameProblem(name),
      at: (at) => (props.kind === "recover" ? momentProblem(at, { earliest, latest: Date.now() }) : undefined),
    },
    submit: async ({ name, at }) => {
      const operation = await ("backup" in props
        ? callApi("databaseBackupRestore", { databaseBackup: props.backup.id, name })
        : props.kind === "clone"
          ? callApi("databaseClone", { database: props.database.id, name })
          : callApi("databaseRecover", { database: props.database.id, name, at: fromLocal(at) }));
      await invalidate(queries, ["databaseList"]);
      const made = operation.resource?.id;
      await navigate({ to: projectAddress(organisation.slug, project.slug, made ? `databases/${made}` : "databases") });
    },
  });
  const { name, at } = form.values;
  const hint =
    "backup" in props ? (
      <ApiHint route="databaseBackupRestore" args={{ databaseBackup: props.backup.id, name }} />
    ) : props.kind === "clone" ? (
      <ApiHint route="databaseClone" args={{ database: props.database.id, name }} />
    ) : (
      <ApiHint route="databaseRecover" args={{ database: props.database.id, name, at: fromLocal(at) }} />
    );
  return (
    <FormDialog
      opened
      onClose={props.onClose}
      title={t(`databases.copy.${props.kind}`, { name: source })}
      text={
        "backup" in props
          ? t("databases.copy.restoreText", { at: format.dateTime(props.backup.finishedAt ?? props.backup.createdAt) })
          : t(`databases.copy.${props.kind}Text`)
      }
      form={form}
      action={t(`databases.copy.${props.kind}Action`)}
      hint={hint}
    >
      {props.kind === "recover" && (
        <TextInput
          type="datetime-local"
          step={1}
          label={t("databases.copy.at")}
          description={t("databases.copy.atText", {
            from: format.dateTime(earliest),
            zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
          })}
          min={toLocal(new Date(Math.ceil(earliest / 1000) * 1000))}
          max={toLocal(new Date(opened))}
          {...form.field("at")}
        />
      )}
      <TextInput
        label={t("databases.copy.name")}
        autoCapitalize="none"
        autoComplete="off"
        spellCheck={false}
        data-autofocus
        {...form.field("name")}
      />
    </FormDialog>
  );
}
