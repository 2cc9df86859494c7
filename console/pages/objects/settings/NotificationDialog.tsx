import { Checkbox, Select, Stack, Text, TextInput } from "@mantine/core";
import type { Bucket } from "../../../../services/objects/contract.ts";
import { client, invalidate } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useFormat } from "../../../i18n/format.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ApiHint } from "../../../ui/ApiHint.tsx";
import { FormDialog } from "../../../ui/FormDialog.tsx";
import { useForm } from "../../../ui/form.ts";
import { toastDone } from "../../../ui/toast.ts";
import { type Family, families, isWhole, type NotificationRule, wholeFamily } from "./notificationEvents.ts";
import { useNotificationSentence, type Webhook } from "./notificationWords.ts";
import type { RuleDialogProps } from "./RulesSection.tsx";

interface Values {
  families: Family[];
  prefix: string;
  suffix: string;
  /** Empty: a new one. */
  webhook: string;
  url: string;
  name: string;
}
const nameForm = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

const valuesOf = (rule: NotificationRule | undefined, webhooks: Webhook[], bucket: string): Values => ({
  families: rule ? families.filter((family) => rule.events.includes(wholeFamily(family))) : ["ObjectCreated"],
  prefix: rule?.prefix ?? "",
  suffix: rule?.suffix ?? "",
  webhook: rule?.webhook ?? webhooks[0]?.name ?? "",
  url: "",
  name: bucket.replaceAll(".", "-").slice(0, 63),
});

/** A rule of who is told of what; an address that is not there yet is made with it. */
export function NotificationDialog(
  props: RuleDialogProps<NotificationRule> & {
    bucket: Bucket;
    webhooks: Webhook[];
    others: NotificationRule[];
    eventBridge: boolean;
    onSecret: (secret: { name: string; value: string }) => void;
  },
) {
  const t = useT();
  const format = useFormat();
  const sentence = useNotificationSentence();
  const { rule, webhooks, bucket } = props;
  const kept = (rule?.events ?? []).filter((event) => !isWhole(event));
  const ruleOf = (values: Values): NotificationRule =>
    ({
      ...(rule?.id === undefined ? {} : { id: rule.id }),
      webhook: values.webhook || values.name,
      events: [...values.families.map(wholeFamily), ...kept],
      ...(values.prefix && { prefix: values.prefix }),
      ...(values.suffix && { suffix: values.suffix }),
    }) as NotificationRule;
  const isNew = (all: never) => (all as Values).webhook === "";
  const form = useForm<Values>({
    initial: valuesOf(rule, webhooks, bucket.name),
    checks: {
      families: (chosen) => (chosen.length + kept.length > 0 ? undefined : t("bucketRules.notify.whenRule")),
      url: (url, all) => (!isNew(all) || /^https?:\/\/[^\s/]+/.test(url.trim()) ? undefined : t("bucketRules.notify.urlRule")),
      name: (name, all) => (!isNew(all) || nameForm.test(name) ? undefined : t("bucketRules.notify.nameRule")),
    },
    submit: async (values) => {
      if (values.webhook === "") {
        const made = await client.bucketWebhookCreate({ project: bucket.projectId, name: values.name, url: values.url.trim() });
        props.onSecret({ name: values.name, value: made.secret });
        // Should the rule be refused now, the address is there and need not be made again.
        form.set("webhook", values.name);
        await invalidate(queries, ["bucketWebhookList"]);
      }
      await props.onSave(ruleOf(values));
      toastDone(t("ui.saved"));
      props.onClose();
    },
  });
  const { values } = form;
  const to = webhooks.find(({ name }) => name === values.webhook)?.url ?? values.url.trim();
  const text = (name: "prefix" | "suffix" | "url" | "name", label: string, description: string) => (
    <TextInput label={label} description={description} spellCheck={false} autoComplete="off" {...form.field(name)} />
  );
  return (
    <FormDialog
      opened
      size="lg"
      onClose={props.onClose}
      title={t(rule ? "bucketRules.notify.change" : "bucketRules.notify.new")}
      form={form}
      action={t("ui.save")}
      hint={
        <ApiHint
          route="bucketNotificationUpdate"
          args={{ bucket: bucket.name, rules: [...props.others, ruleOf(values)], eventBridge: props.eventBridge }}
        />
      }
    >
      <Checkbox.Group label={t("bucketRules.notify.when")} {...form.choice("families")}>
        <Stack mt={4} gap="sm">
          {families.map((family) => (
            <Checkbox key={family} value={family} label={t(`bucketRules.notify.happens.${family}`)} />
          ))}
        </Stack>
      </Checkbox.Group>
      {kept.length > 0 && (
        <Text size="sm" c="dimmed">
          {t("bucketRules.notify.otherEvents", { events: format.list(kept) })}
        </Text>
      )}
      {text("prefix", t("bucketRules.notify.prefixLabel"), t("bucketRules.notify.prefixText"))}
      {text("suffix", t("bucketRules.notify.suffixLabel"), t("bucketRules.notify.suffixText"))}
      {webhooks.length > 0 && (
        <Select
          label={t("bucketRules.notify.to")}
          allowDeselect={false}
          data={[
            ...webhooks.map(({ name, url }) => ({ value: name, label: `${name} (${url})` })),
            { value: "", label: t("bucketRules.notify.toNew") },
          ]}
          {...form.choice("webhook")}
        />
      )}
      {values.webhook === "" && text("url", t("bucketRules.notify.url"), t("bucketRules.notify.urlText"))}
      {values.webhook === "" && text("name", t("bucketRules.notify.name"), t("bucketRules.notify.nameText"))}
      {to !== "" && ruleOf(values).events.length > 0 && (
        <Text style={{ overflowWrap: "anywhere" }}>{sentence(ruleOf(values), to)}</Text>
      )}
    </FormDialog>
  );
}
