import { Checkbox, Group, Textarea, TextInput } from "@mantine/core";
import type { Bucket } from "../../../../services/objects/contract.ts";
import { type Answer, client, invalidate, useApi } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ApiHint } from "../../../ui/ApiHint.tsx";
import { FormDialog } from "../../../ui/FormDialog.tsx";
import { useForm } from "../../../ui/form.ts";
import { toastDone } from "../../../ui/toast.ts";
import { wholeNumber } from "./numbers.ts";
import { type RuleDialogProps, RulesSection } from "./RulesSection.tsx";

type CorsRule = Answer<"bucketCorsGet">["rules"][number];
const methods = ["GET", "HEAD", "PUT", "POST", "DELETE"] as const;
type Method = (typeof methods)[number];
const lines = (text: string) => [...new Set(text.split(/\s+/).filter(Boolean))];

/** Which other websites' pages may use the bucket; the first rule that fits decides. */
export function CorsSection({ bucket, readOnly }: { bucket: Bucket; readOnly: boolean }) {
  const t = useT();
  const { data, error } = useApi("bucketCorsGet", { bucket: bucket.name });
  const originsOf = ({ allowedOrigins }: CorsRule) =>
    allowedOrigins.includes("*") ? t("bucketSettings.cors.anybody") : allowedOrigins.join(", ");
  return (
    <RulesSection<CorsRule>
      title={t("bucketSettings.cors.title")}
      text={t("bucketSettings.cors.text")}
      rules={data?.rules}
      error={error}
      readOnly={readOnly}
      words={{
        add: t("bucketSettings.cors.add"),
        none: t("bucketSettings.cors.none"),
        edit: (rule) => t("bucketSettings.cors.edit", { origins: originsOf(rule) }),
        remove: (rule) => t("bucketSettings.cors.remove", { origins: originsOf(rule) }),
        removeTitle: (rule) => t("bucketSettings.cors.removeTitle", { origins: originsOf(rule) }),
        removeText: () => t("bucketSettings.cors.removeText"),
      }}
      sentences={(rule) => (
        <p>
          {t("bucketSettings.cors.rule", {
            origins: originsOf(rule),
            methods: rule.allowedMethods.map((method) => t(`bucketSettings.cors.method.${method}`)).join(", "),
          })}
        </p>
      )}
      save={async (rules) => {
        await client.bucketCorsUpdate({ bucket: bucket.name, rules });
        await invalidate(queries, ["bucketCorsGet"]);
      }}
      dialog={(props) => <CorsDialog bucket={bucket.name} {...props} />}
    />
  );
}

function CorsDialog(props: RuleDialogProps<CorsRule> & { bucket: string }) {
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
