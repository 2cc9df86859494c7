import { ActionIcon, Alert, Button, Group, Skeleton, Switch } from "@mantine/core";
import { IconArrowBackUp, IconClipboardText, IconEye, IconEyeOff, IconPencil, IconPlus, IconTrash } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
import { errorText } from "../../api/errors.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { FormProblem } from "../../ui/FormProblem.tsx";
import { Section } from "../../ui/Section.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { toastDone } from "../../ui/toast.ts";
import type { AppTabProps } from "./AppPage.tsx";
import css from "./apps.module.css";
import { PasteDialog, VariableDialog } from "./VariableDialog.tsx";
import { type Drafts, pasted, settingChange, type VariableRow, variableRows, withDraft } from "./variables.ts";
import { whyNot } from "./words.ts";

/** Variables of the environment: changed here as many as one likes, saved all at once. */
export default function AppVariables({ app, here, may }: AppTabProps) {
  const t = useT();
  const navigate = useNavigate();
  const settings = useApiList("settingList", { app: app.id }, { enabled: may, limit: 1000 });
  const [drafts, setDrafts] = useState<Drafts>({});
  const [editing, setEditing] = useState<VariableRow | "new">();
  const [pasting, setPasting] = useState(false);
  const [deploys, setDeploys] = useState(true);
  const [saving, setSaving] = useState(false);
  const [problem, setProblem] = useState<string>();
  const reason = whyNot(app, "configure", may);
  if (!may) return <EmptyState picture="key" title={t("ui.needsRole", { role: t("ui.role.editor") })} />;
  if (settings.error && settings.rows === undefined)
    return (
      <Alert color="red" role="alert" title={t("ui.errorTitle")}>
        {errorText(settings.error)}
      </Alert>
    );
  if (settings.rows === undefined) return <Skeleton height={240} />;
  const all = settings.rows;
  const rows = variableRows(all, drafts);
  const count = Object.keys(drafts).length;
  const draft = (name: string, value: Drafts[string] | undefined) =>
    setDrafts((now) =>
      withDraft(
        now,
        all.find((one) => one.name === name),
        name,
        value,
      ),
    );
  const save = async () => {
    setSaving(true);
    setProblem(undefined);
    try {
      const { deploymentId } = await callApi("settingUpdate", { app: app.id, ...settingChange(drafts), deploy: deploys });
      setDrafts({});
      await invalidate(queries, ["settingList", "appGet", "deploymentList"]);
      if (deploymentId) await navigate({ to: `${here}/deployments/${deploymentId}` });
      else toastDone(t("apps.variables.saved"));
    } catch (error) {
      setProblem(errorText(error));
    } finally {
      setSaving(false);
    }
  };
  const add = (
    <>
      <Button
        variant="default"
        leftSection={<IconClipboardText size={16} aria-hidden />}
        disabled={reason !== undefined}
        onClick={() => setPasting(true)}
      >
        {t("apps.variables.paste")}
      </Button>
      <Button leftSection={<IconPlus size={16} aria-hidden />} disabled={reason !== undefined} onClick={() => setEditing("new")}>
        {t("apps.variables.add")}
      </Button>
    </>
  );
  return (
    <>
      {rows.length === 0 ? (
        <EmptyState
          picture="key"
          title={t("apps.variables.empty")}
          text={t("apps.variables.emptyText")}
          action={add}
          command={`khmara setting set ${app.name} LOG_LEVEL=info`}
        />
      ) : (
        <Section title={t("apps.tab.variables")} text={t("apps.variables.text")} actions={add} flush>
          <ul className={css.variables}>
            {rows.map((row) => (
              <Row
                key={row.name}
                row={row}
                disabled={reason !== undefined}
                onEdit={() => setEditing(row)}
                onDraft={(value) => draft(row.name, value)}
              />
            ))}
          </ul>
        </Section>
      )}
      {count > 0 && (
        <section className={css.saveBar} aria-label={t("apps.variables.unsaved", { count })}>
          <div>
            <b>{t("apps.variables.unsaved", { count })}</b>
            <p className={css.note}>
              {app.releaseNumber === undefined
                ? t("apps.variables.forFirst")
                : t(deploys ? "apps.variables.makesRelease" : "apps.variables.waits")}
            </p>
          </div>
          {app.releaseNumber !== undefined && (
            <Switch
              label={t("apps.variables.deployNow")}
              checked={deploys}
              onChange={(event) => setDeploys(event.currentTarget.checked)}
            />
          )}
          <Group gap="sm">
            <Button variant="default" onClick={() => setDrafts({})}>
              {t("apps.variables.discard")}
            </Button>
            <Button loading={saving} disabled={reason !== undefined} onClick={() => void save()}>
              {t("ui.save")}
            </Button>
          </Group>
          <FormProblem>{problem ?? reason}</FormProblem>
        </section>
      )}
      {editing && (
        <VariableDialog
          row={editing === "new" ? undefined : editing}
          taken={rows.filter(({ draft: change }) => change?.kind !== "unset").map(({ name }) => name)}
          onClose={() => setEditing(undefined)}
          onSet={(name, value) => {
            draft(name, value);
            setEditing(undefined);
          }}
        />
      )}
      {pasting && (
        <PasteDialog
          onClose={() => setPasting(false)}
          onPaste={(variables) => {
            setDrafts((now) => pasted(now, all, variables));
            setPasting(false);
          }}
        />
      )}
    </>
  );
}

function Row(props: {
  row: VariableRow;
  disabled: boolean;
  onEdit: () => void;
  onDraft: (draft: Drafts[string] | undefined) => void;
}) {
  const t = useT();
  const { row, disabled } = props;
  const { name, setting, draft } = row;
  const [open, setOpen] = useState(false);
  const isSecret = draft?.kind === "set" ? draft.isSecret : (setting?.isSecret ?? false);
  const value = draft?.kind === "set" ? draft.value : setting?.value;
  const fromLink = setting?.origin === "link";
  const gone = draft?.kind === "unset";
  const missing = setting?.isMissing === true && draft?.kind !== "set";
  const button = (label: string, icon: typeof IconEye, onClick: () => void, off = false) => {
    const Icon = icon;
    return (
      <ActionIcon variant="subtle" color="gray" size={28} aria-label={`${label}: ${name}`} disabled={off} onClick={onClick}>
        <Icon size={16} stroke={1.6} />
      </ActionIcon>
    );
  };
  return (
    <li className={css.variable} data-changed={draft ? true : undefined} data-gone={gone || undefined}>
      <div className={css.variableName}>
        <code>{name}</code>
        {setting?.description && <small>{setting.description}</small>}
      </div>
      <div className={css.variableValue}>
        {gone ? (
          <span className={css.muted}>{t("apps.variables.goes")}</span>
        ) : missing ? (
          <StatusBadge tone="warn">{t("apps.variables.missing")}</StatusBadge>
        ) : isSecret ? (
          <span className={css.muted}>{t(draft ? "apps.variables.newSecret" : "apps.variables.secret")}</span>
        ) : (
          <code>{open ? value : "•".repeat(Math.min(Math.max(value?.length ?? 0, 6), 16))}</code>
        )}
        {setting && setting.origin !== "person" && !draft && (
          <small>{t(fromLink ? "apps.variables.fromLink" : "apps.variables.fromManifest")}</small>
        )}
      </div>
      <div className={css.variableButtons}>
        {!isSecret &&
          !gone &&
          !missing &&
          button(t(open ? "ui.hide" : "ui.show"), open ? IconEyeOff : IconEye, () => setOpen(!open))}
        {draft && button(t("ui.undo"), IconArrowBackUp, () => props.onDraft(undefined))}
        {!gone && button(t(isSecret ? "apps.variables.replace" : "ui.edit"), IconPencil, props.onEdit, disabled || fromLink)}
        {!draft &&
          setting?.origin === "person" &&
          button(t("ui.remove"), IconTrash, () => props.onDraft({ kind: "unset" }), disabled)}
      </div>
    </li>
  );
}
