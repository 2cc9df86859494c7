import { Radio, Select, Stack, TagsInput, TextInput } from "@mantine/core";
import { type Answer, useChange } from "../../api/api.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { required, useForm } from "../../ui/form.ts";
import { commonScopes, useScopeName } from "./scopes.ts";

const dayMs = 86_400_000;
const lifetimes = ["30", "90", "365", ""];

interface Values {
  name: string;
  kind: string;
  scopes: string[];
  days: string;
}

export function CreateApiToken(props: {
  serviceAccount?: string;
  onClose: () => void;
  onMade: (made: Answer<"apiTokenCreate">) => void;
}) {
  const t = useT();
  const format = useFormat();
  const scopeName = useScopeName();
  const create = useChange("apiTokenCreate", { refresh: ["apiTokenList"] });
  const argumentsOf = (values: Values) => ({
    name: values.name.trim(),
    scopes: values.kind === "custom" ? values.scopes : [values.kind],
    expiresInDays: values.days === "" ? undefined : Number(values.days),
    serviceAccount: props.serviceAccount,
  });
  const form = useForm<Values>({
    initial: { name: "", kind: "*", scopes: [], days: "90" },
    checks: {
      name: required,
      scopes: (scopes, all) =>
        (all as { kind: string }).kind === "custom" && scopes.length === 0 ? t("access.chooseScope") : undefined,
    },
    submit: async (values) => props.onMade(await create.mutateAsync(argumentsOf(values) as never)),
  });
  const { kind } = form.values;
  const args = argumentsOf(form.values);
  const scopesField = form.choice("scopes");
  return (
    <FormDialog
      opened
      onClose={props.onClose}
      title={t("access.createToken")}
      form={form}
      action={t("access.createTokenAction")}
      hint={<ApiHint route="apiTokenCreate" args={args} />}
    >
      <TextInput label={t("ui.name")} description={t("access.tokenNameHint")} data-autofocus {...form.field("name")} />
      <Radio.Group label={t("access.rights")} value={kind} onChange={(value) => form.set("kind", value)}>
        <Stack gap="sm" mt="sm">
          {commonScopes.map((scope) => (
            <Radio key={scope} value={scope} label={scopeName(scope)} description={t(`access.scopeText.${scope}`)} />
          ))}
          <Radio value="custom" label={t("access.scopeCustom")} />
        </Stack>
      </Radio.Group>
      {kind === "custom" && (
        <TagsInput
          label={t("access.scopes")}
          description={t("access.scopesHint")}
          data={["objects.bucket.*", "objects.object.*", "identity.*", "billing.*", "audit.*", "operations.*"]}
          value={scopesField.value}
          onChange={scopesField.onChange}
          error={scopesField.error}
        />
      )}
      <Select
        label={t("access.expires")}
        data={lifetimes.map((value) => ({
          value,
          label:
            value === ""
              ? t("access.noExpiry")
              : t("access.expiresOn", { count: Number(value), date: format.date(Date.now() + Number(value) * dayMs) }),
        }))}
        {...form.choice("days")}
      />
    </FormDialog>
  );
}
