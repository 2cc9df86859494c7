import { ActionIcon, Button, Checkbox, Group, Skeleton, Text, Textarea, TextInput } from "@mantine/core";
import { IconPencil, IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { Bucket } from "../../../../services/objects/contract.ts";
import { type Answer, client, invalidate, useApi } from "../../../api/api.ts";
import { errorText } from "../../../api/errors.ts";
import { queries } from "../../../frame/queries.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ApiHint } from "../../../ui/ApiHint.tsx";
import { ConfirmDestroy } from "../../../ui/ConfirmDestroy.tsx";
import { FormDialog } from "../../../ui/FormDialog.tsx";
import { FormProblem } from "../../../ui/FormProblem.tsx";
import { useForm } from "../../../ui/form.ts";
import { Section } from "../../../ui/Section.tsx";
import { toastDone } from "../../../ui/toast.ts";
import { wholeNumber } from "./numbers.ts";
import css from "./settings.module.css";

type CorsRule = Answer<"bucketCorsGet">["rules"][number];
const methods = ["GET", "HEAD", "PUT", "POST", "DELETE"] as const;
type Method = (typeof methods)[number];
const lines = (text: string) => [...new Set(text.split(/\s+/).filter(Boolean))];

/** Which other websites' pages may use the bucket; the first rule that fits decides. */
export function CorsSection({ bucket, readOnly }: { bucket: Bucket; readOnly: boolean }) {
  const t = useT();
  const cors = useApi("bucketCorsGet", { bucket: bucket.name });
  const [editing, setEditing] = useState<number | "new">();
  const [removing, setRemoving] = useState<number>();
  const rules = cors.data?.rules ?? [];
  const originsOf = ({ allowedOrigins }: CorsRule) =>
    allowedOrigins.includes("*") ? t("bucketSettings.cors.anybody") : allowedOrigins.join(", ");
  const save = async (next: CorsRule[]) => {
    await client.bucketCorsUpdate({ bucket: bucket.name, rules: next });
    await invalidate(queries, ["bucketCorsGet"]);
  };
  const removed = removing === undefined ? undefined : rules[removing];
  return (
    <Section
      title={t("bucketSettings.cors.title")}
      text={t("bucketSettings.cors.text")}
      actions={
        readOnly || !cors.data ? undefined : (
          <Button variant="default" leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setEditing("new")}>
            {t("bucketSettings.cors.add")}
          </Button>
        )
      }
    >
      {cors.error && !cors.data ? (
        <FormProblem>{errorText(cors.error)}</FormProblem>
      ) : !cors.data ? (
        <Skeleton height={48} />
      ) : rules.length === 0 ? (
        <Text c="dimmed">{t("bucketSettings.cors.none")}</Text>
      ) : (
        <ul className={css.rules} aria-label={t("bucketSettings.cors.title")}>
          {rules.map((rule, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: rules need not have a name, and their order is what they are
            <li key={index} className={css.rule}>
              <div className={css.words}>
                <p>
                  {t("bucketSettings.cors.rule", {
                    origins: originsOf(rule),
                    methods: rule.allowedMethods.map((method) => t(`bucketSettings.cors.method.${method}`)).join(", "),
                  })}
                </p>
              </div>
              {!readOnly && (
                <div className={css.actions}>
                  <ActionIcon
                    variant="subtle"
                    color="gray"
                    size={36}
                    aria-label={t("bucketSettings.cors.edit", { origins: originsOf(rule) })}
                    onClick={() => setEditing(index)}
                  >
                    <IconPencil size={18} stroke={1.6} aria-hidden />
                  </ActionIcon>
                  <ActionIcon
                    variant="subtle"
                    color="gray"
                    size={36}
                    aria-label={t("bucketSettings.cors.remove", { origins: originsOf(rule) })}
                    onClick={() => setRemoving(index)}
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
        <CorsDialog
          bucket={bucket.name}
          rule={editing === "new" ? undefined : rules[editing]}
          onClose={() => setEditing(undefined)}
          onSave={(rule) =>
            save(editing === "new" ? [...rules, rule] : rules.map((each, index) => (index === editing ? rule : each)))
          }
        />
      )}
      <ConfirmDestroy
        opened={removed !== undefined}
        onClose={() => setRemoving(undefined)}
        title={t("bucketSettings.cors.removeTitle", { origins: removed ? originsOf(removed) : "" })}
        text={t("bucketSettings.cors.removeText")}
        action={t("ui.delete")}
        onConfirm={() => save(rules.filter((_, index) => index !== removing))}
      />
    </Section>
  );
}

function CorsDialog(props: {
  bucket: string;
  rule: CorsRule | undefined;
  onClose: () => void;
  onSave: (rule: CorsRule) => Promise<void>;
}) {
  const t = useT();
  const { rule } = props;
  const initial = {
    allowedOrigins: rule?.allowedOrigins.join("\n") ?? "",
    allowedMethods: (rule?.allowedMethods ?? ["GET", "HEAD"]) as Method[],
    allowedHeaders: (rule ? (rule.allowedHeaders ?? []) : ["*"]).join("\n"),
    exposeHeaders: (rule ? (rule.exposeHeaders ?? []) : ["ETag"]).join("\n"),
    maxAgeSeconds: String(rule ? (rule.maxAgeSeconds ?? "") : 3600),
  };
  const ruleOf = (values: typeof initial): CorsRule => ({
    ...(rule?.id === undefined ? {} : { id: rule.id }),
    allowedOrigins: lines(values.allowedOrigins),
    allowedMethods: values.allowedMethods,
    ...(lines(values.allowedHeaders).length > 0 && { allowedHeaders: lines(values.allowedHeaders) }),
    ...(lines(values.exposeHeaders).length > 0 && { exposeHeaders: lines(values.exposeHeaders) }),
    ...(values.maxAgeSeconds.trim() !== "" && { maxAgeSeconds: Number(values.maxAgeSeconds) }),
  });
  const form = useForm({
    initial,
    checks: {
      allowedOrigins: (text) =>
        lines(text).length > 0 &&
        lines(text).every((origin) => origin.includes("*") || /^[a-z][a-z0-9+.-]*:\/\/[^/]+$/i.test(origin))
          ? undefined
          : t("bucketSettings.cors.originsRule"),
      allowedMethods: (chosen) => (chosen.length > 0 ? undefined : t("bucketSettings.cors.methodsRule")),
      maxAgeSeconds: (text) =>
        text.trim() === "" || wholeNumber(text, 0, 2_147_483_647) !== undefined ? undefined : t("bucketSettings.cors.ageRule"),
    },
    submit: async (values) => {
      await props.onSave(ruleOf(values));
      toastDone(t("ui.saved"));
      props.onClose();
    },
  });
  const area = (name: "allowedOrigins" | "allowedHeaders" | "exposeHeaders", label: string, description: string) => (
    <Textarea label={label} description={description} autosize minRows={1} maxRows={6} spellCheck={false} {...form.field(name)} />
  );
  return (
    <FormDialog
      opened
      size="lg"
      onClose={props.onClose}
      title={t("bucketSettings.cors.new")}
      form={form}
      action={t("ui.save")}
      hint={<ApiHint route="bucketCorsUpdate" args={{ bucket: props.bucket, rules: [ruleOf(form.values)] }} />}
    >
      {area("allowedOrigins", t("bucketSettings.cors.origins"), t("bucketSettings.cors.originsText"))}
      <Checkbox.Group label={t("bucketSettings.cors.methods")} {...form.choice("allowedMethods")}>
        <Group mt={4} gap="md">
          {methods.map((method) => (
            <Checkbox key={method} value={method} label={`${t(`bucketSettings.cors.method.${method}`)} (${method})`} />
          ))}
        </Group>
      </Checkbox.Group>
      {area("allowedHeaders", t("bucketSettings.cors.headers"), t("bucketSettings.cors.headersText"))}
      {area("exposeHeaders", t("bucketSettings.cors.expose"), t("bucketSettings.cors.exposeText"))}
      <TextInput label={t("bucketSettings.cors.age")} inputMode="numeric" maw={280} {...form.field("maxAgeSeconds")} />
    </FormDialog>
  );
}
