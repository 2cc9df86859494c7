import { ActionIcon, Alert, Anchor, Button, Group, NumberInput, Skeleton, Switch, Textarea } from "@mantine/core";
import { IconClockPlus, IconExternalLink, IconPencil, IconPlus, IconSettings, IconTrash } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { Preview, PreviewSettings } from "../../../services/apps/previews/contract.ts";
import { callApi, client, invalidate, useApi, useApiList } from "../../api/api.ts";
import { errorText } from "../../api/errors.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { useAddressFlag } from "../../ui/addressFlag.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { useForm } from "../../ui/form.ts";
import { RowMenu } from "../../ui/list/ListRow.tsx";
import { Section } from "../../ui/Section.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { toastDone, toastError } from "../../ui/toast.ts";
import type { AppTabProps } from "./AppPage.tsx";
import css from "./apps.module.css";
import { VariableDialog } from "./VariableDialog.tsx";
import { appTones } from "./words.ts";

const refresh = () => invalidate(queries, ["previewList", "previewSettingsGet", "appGet"]);

/** Branches that can be looked at before they are merged; how long they stay, and what is in their environment. */
export default function AppPreviews({ app, here, may }: AppTabProps) {
  const t = useT();
  const format = useFormat();
  const previews = useApiList("previewList", { app: app.id }, { enabled: app.preview === undefined });
  const settings = useApi("previewSettingsGet", { app: app.id }, { enabled: may && app.preview === undefined }).data;
  const [changing, setChanging] = useAddressFlag("settings");
  const [removing, setRemoving] = useState<Preview>();
  const home = here.slice(0, here.lastIndexOf("/"));
  if (app.preview)
    return (
      <EmptyState
        picture="network"
        title={t("apps.previews.isOne", { branch: app.preview.branch })}
        text={t("apps.previews.isOneText")}
      />
    );
  if (previews.error && previews.rows === undefined)
    return (
      <Alert color="red" role="alert" title={t("ui.errorTitle")}>
        {errorText(previews.error)}
      </Alert>
    );
  if (previews.rows === undefined || (may && settings === undefined)) return <Skeleton height={240} />;
  const on = settings?.enabled === true;
  const change = may ? (
    <Button
      variant={on || !settings ? "default" : "filled"}
      leftSection={<IconSettings size={16} aria-hidden />}
      onClick={() => setChanging(true)}
    >
      {t(on ? "apps.previews.settings" : "apps.previews.turnOn")}
    </Button>
  ) : undefined;
  const extend = (preview: Preview) =>
    callApi("previewExtend", { preview: preview.id })
      .then((kept) => {
        toastDone(t("apps.previews.extended", { branch: kept.branch, date: format.date(kept.expiresAt) }));
        return refresh();
      })
      .catch(toastError);
  return (
    <>
      {previews.rows.length === 0 ? (
        <EmptyState
          picture="network"
          title={t(on ? "apps.previews.none" : "apps.previews.empty")}
          text={
            on && settings
              ? t("apps.previews.noneText", { branches: format.list(settings.branches), count: settings.lifeDays })
              : t("apps.previews.emptyText")
          }
          action={change}
          command={on ? "git push khmara HEAD:feature" : undefined}
        />
      ) : (
        <Section
          title={t("apps.tab.previews")}
          text={
            settings
              ? t(on ? "apps.previews.text" : "apps.previews.offText", { count: settings.lifeDays })
              : t("apps.previews.emptyText")
          }
          actions={change}
          flush
        >
          <ul className={css.domains}>
            {previews.rows.map((preview) => (
              <li key={preview.id} className={css.domain}>
                <div className={css.domainHead}>
                  <div className={css.domainName}>
                    <Anchor component={Link} to={`${home}/${preview.id}`}>
                      {preview.branch}
                    </Anchor>
                    <small>
                      <code>{preview.commit.slice(0, 7)}</code> · {t("apps.previews.pushed")} <TimeAgo at={preview.pushedAt} />
                    </small>
                    {preview.state !== "new" && (
                      <Anchor href={preview.url} target="_blank" rel="noreferrer" size="sm">
                        {preview.url.replace(/^https?:\/\//, "")}
                      </Anchor>
                    )}
                    {preview.stateReason && <small>{preview.stateReason}</small>}
                  </div>
                  <StatusBadge tone={preview.deployment ? "busy" : appTones[preview.state]}>
                    {preview.deployment
                      ? t(`apps.deploymentState.${preview.deployment.state}`)
                      : t(`apps.state.${preview.state}`)}
                  </StatusBadge>
                  <span className={css.note} title={format.exact(preview.expiresAt)}>
                    {t("apps.previews.until", { date: format.date(preview.expiresAt) })}
                  </span>
                  <div className={css.domainMenu}>
                    <RowMenu
                      name={preview.branch}
                      actions={[
                        {
                          label: t("apps.open"),
                          icon: IconExternalLink,
                          onClick: () => window.open(preview.url, "_blank", "noreferrer"),
                        },
                        ...(may
                          ? [
                              { label: t("apps.previews.extend"), icon: IconClockPlus, onClick: () => void extend(preview) },
                              { label: t("ui.delete"), icon: IconTrash, danger: true, onClick: () => setRemoving(preview) },
                            ]
                          : []),
                      ]}
                    />
                  </div>
                </div>
              </li>
            ))}
          </ul>
        </Section>
      )}
      {may && settings && <Variables app={app} settings={settings} />}
      {changing && may && settings && <Change app={app} settings={settings} onClose={() => setChanging(false)} />}
      {removing && (
        <ConfirmDestroy
          opened
          onClose={() => setRemoving(undefined)}
          title={t("apps.previews.deleteTitle", { branch: removing.branch })}
          destroyed={[t("apps.previews.deleteText", { name: removing.name })]}
          kept={[t("apps.previews.deleteKept")]}
          action={t("ui.delete")}
          onConfirm={async () => {
            await callApi("previewDelete", { preview: removing.id });
            await refresh();
          }}
        />
      )}
    </>
  );
}

type Given = Pick<AppTabProps, "app"> & { settings: PreviewSettings };

function Change({ app, settings, onClose }: Given & { onClose: () => void }) {
  const t = useT();
  const patterns = (text: string) => text.split(/[\s,]+/).filter((each) => each !== "");
  const form = useForm({
    initial: {
      // Whoever comes here for the first time wants them.
      enabled: settings.enabled || settings.revision === 0,
      branches: settings.branches.join("\n"),
      lifeDays: settings.lifeDays as number | "",
      most: settings.most as number | "",
    },
    checks: {
      branches: (text) => (patterns(text).length === 0 ? t("ui.required") : undefined),
      lifeDays: (days) => (days === "" ? t("ui.required") : undefined),
      most: (most) => (most === "" ? t("ui.required") : undefined),
    },
    submit: async () => {
      await client.previewSettingsUpdate({ app: app.id, ...request }, { ifMatch: settings.revision });
      await refresh();
      onClose();
    },
  });
  const { values } = form;
  const request = {
    enabled: values.enabled,
    branches: patterns(values.branches),
    lifeDays: Number(values.lifeDays) || 1,
    most: Number(values.most) || 1,
  };
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("apps.previews.settings")}
      text={t("apps.previews.settingsText", { app: app.name })}
      form={form}
      action={t("ui.save")}
      hint={<ApiHint route="previewSettingsUpdate" args={{ app: app.id, ...request }} />}
    >
      <Switch
        label={t("apps.previews.enabled")}
        checked={values.enabled}
        onChange={(event) => form.set("enabled", event.currentTarget.checked)}
      />
      <Textarea
        label={t("apps.previews.branches")}
        description={t("apps.previews.branchesText")}
        autosize
        minRows={2}
        maxRows={8}
        spellCheck={false}
        autoCapitalize="none"
        {...form.field("branches")}
      />
      <Group grow align="flex-start">
        <NumberInput
          label={t("apps.previews.lifeDays")}
          min={1}
          max={90}
          allowDecimal={false}
          {...form.field("lifeDays")}
          onChange={(value) => form.set("lifeDays", value === "" ? "" : Number(value))}
        />
        <NumberInput
          label={t("apps.previews.most")}
          min={1}
          max={50}
          allowDecimal={false}
          {...form.field("most")}
          onChange={(value) => form.set("most", value === "" ? "" : Number(value))}
        />
      </Group>
    </FormDialog>
  );
}

/** Over those of the app: its own database, another key of a payment provider. */
function Variables({ app, settings }: Given) {
  const t = useT();
  const [editing, setEditing] = useState<PreviewSettings["variables"][number] | "new">();
  const [removing, setRemoving] = useState<string>();
  const { variables } = settings;
  const change = async (changes: Partial<Record<"set" | "setSecrets", Record<string, string>>> & { unset?: string[] }) => {
    await callApi("previewSettingsUpdate", { app: app.id, ...changes });
    await refresh();
  };
  return (
    <Section
      title={t("apps.previews.variables")}
      text={t("apps.previews.variablesText")}
      actions={
        <Button variant="default" leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setEditing("new")}>
          {t("apps.variables.add")}
        </Button>
      }
      flush
    >
      {variables.length > 0 && (
        <ul className={css.variables}>
          {variables.map((variable) => (
            <li key={variable.name} className={css.variable}>
              <div className={css.variableName}>
                <code>{variable.name}</code>
              </div>
              <div className={css.variableValue}>
                {variable.isSecret ? (
                  <span className={css.muted}>{t("apps.variables.secret")}</span>
                ) : (
                  <code>{variable.value}</code>
                )}
              </div>
              <div className={css.variableButtons}>
                <ActionIcon
                  variant="subtle"
                  color="gray"
                  size={28}
                  aria-label={`${t(variable.isSecret ? "apps.variables.replace" : "ui.edit")}: ${variable.name}`}
                  onClick={() => setEditing(variable)}
                >
                  <IconPencil size={16} stroke={1.6} />
                </ActionIcon>
                <ActionIcon
                  variant="subtle"
                  color="gray"
                  size={28}
                  aria-label={`${t("ui.remove")}: ${variable.name}`}
                  onClick={() => setRemoving(variable.name)}
                >
                  <IconTrash size={16} stroke={1.6} />
                </ActionIcon>
              </div>
            </li>
          ))}
        </ul>
      )}
      {editing && (
        <VariableDialog
          row={
            editing === "new"
              ? undefined
              : { name: editing.name, setting: { ...editing, origin: "person", isMissing: false }, draft: undefined }
          }
          taken={variables.map(({ name }) => name)}
          onClose={() => setEditing(undefined)}
          onSet={(name, draft) => {
            setEditing(undefined);
            if (draft.kind !== "set") return;
            change({ [draft.isSecret ? "setSecrets" : "set"]: { [name]: draft.value } }).catch(toastError);
          }}
        />
      )}
      {removing && (
        <ConfirmDestroy
          opened
          onClose={() => setRemoving(undefined)}
          title={t("apps.previews.variableDeleteTitle", { name: removing })}
          text={t("apps.previews.variableDeleteText")}
          action={t("ui.remove")}
          onConfirm={() => change({ unset: [removing] })}
        />
      )}
    </Section>
  );
}
