import { ActionIcon, Button, Skeleton, Switch, Text } from "@mantine/core";
import { IconPencil, IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { Bucket } from "../../../../services/objects/contract.ts";
import { client, invalidate, useApi } from "../../../api/api.ts";
import { errorText } from "../../../api/errors.ts";
import { queries } from "../../../frame/queries.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../../ui/ConfirmDestroy.tsx";
import { FormProblem } from "../../../ui/FormProblem.tsx";
import { Section } from "../../../ui/Section.tsx";
import { toastError } from "../../../ui/toast.ts";
import { LifecycleDialog } from "./LifecycleDialog.tsx";
import { LifecyclePreview } from "./LifecyclePreview.tsx";
import { type LifecycleRule, useSentences } from "./sentences.ts";
import css from "./settings.module.css";

/** What a bucket deletes by itself, in sentences, each with what it comes to now. */
export function LifecycleSection({ bucket, readOnly }: { bucket: Bucket; readOnly: boolean }) {
  const t = useT();
  const sentences = useSentences();
  const lifecycle = useApi("bucketLifecycleGet", { bucket: bucket.name });
  const [editing, setEditing] = useState<LifecycleRule | "new">();
  const [removing, setRemoving] = useState<LifecycleRule>();
  const rules = lifecycle.data?.rules ?? [];
  const save = async (next: LifecycleRule[]) => {
    await client.bucketLifecycleUpdate({ bucket: bucket.name, rules: next });
    await invalidate(queries, ["bucketLifecycleGet"]);
  };
  return (
    <Section
      title={t("bucketSettings.lifecycle.title")}
      text={t("bucketSettings.lifecycle.text")}
      actions={
        readOnly || !lifecycle.data ? undefined : (
          <Button variant="default" leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setEditing("new")}>
            {t("bucketSettings.lifecycle.add")}
          </Button>
        )
      }
    >
      {lifecycle.error && !lifecycle.data ? (
        <FormProblem>{errorText(lifecycle.error)}</FormProblem>
      ) : !lifecycle.data ? (
        <Skeleton height={48} />
      ) : rules.length === 0 ? (
        <Text c="dimmed">{t("bucketSettings.lifecycle.none")}</Text>
      ) : (
        <ul className={css.rules} aria-label={t("bucketSettings.lifecycle.title")}>
          {rules.map((rule) => (
            <li key={rule.id} className={css.rule} data-off={!rule.enabled || undefined}>
              <div className={css.words}>
                <b>{rule.id}</b>
                {sentences(rule).map((sentence) => (
                  <p key={sentence}>{sentence}</p>
                ))}
                <LifecyclePreview bucket={bucket.name} rule={rule} />
              </div>
              {!readOnly && (
                <div className={css.actions}>
                  <Switch
                    aria-label={t("bucketSettings.lifecycle.on", { name: rule.id })}
                    checked={rule.enabled ?? true}
                    onChange={(event) => {
                      const enabled = event.currentTarget.checked;
                      save(rules.map((each) => (each.id === rule.id ? { ...each, enabled } : each))).catch(toastError);
                    }}
                  />
                  <ActionIcon
                    variant="subtle"
                    color="gray"
                    size={36}
                    aria-label={t("bucketSettings.lifecycle.edit", { name: rule.id })}
                    onClick={() => setEditing(rule)}
                  >
                    <IconPencil size={18} stroke={1.6} aria-hidden />
                  </ActionIcon>
                  <ActionIcon
                    variant="subtle"
                    color="gray"
                    size={36}
                    aria-label={t("bucketSettings.lifecycle.remove", { name: rule.id })}
                    onClick={() => setRemoving(rule)}
                  >
                    <IconTrash size={18} stroke={1.6} aria-hidden />
                  </ActionIcon>
                </div>
              )}
            </li>
          ))}
        </ul>
      )}
      {editing !== undefined && (
        <LifecycleDialog
          bucket={bucket.name}
          rule={editing === "new" ? undefined : editing}
          taken={(id) => rules.some((rule) => rule.id === id && rule !== editing)}
          onClose={() => setEditing(undefined)}
          onSave={(rule) =>
            save(editing === "new" ? [...rules, rule] : rules.map((each) => (each.id === editing.id ? rule : each)))
          }
        />
      )}
      <ConfirmDestroy
        opened={removing !== undefined}
        onClose={() => setRemoving(undefined)}
        title={t("bucketSettings.lifecycle.removeTitle", { name: removing?.id ?? "" })}
        text={t("bucketSettings.lifecycle.removeText")}
        action={t("ui.delete")}
        onConfirm={() => save(rules.filter((rule) => rule.id !== removing?.id))}
      />
    </Section>
  );
}
