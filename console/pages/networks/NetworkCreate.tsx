import { Switch, TextInput } from "@mantine/core";
import { callApi, invalidate } from "../../api/api.ts";
import { useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { useForm } from "../../ui/form.ts";

export function NetworkCreate({ onClose }: { onClose: () => void }) {
  const t = useT();
  const project = useProject();
  const form = useForm({
    initial: { name: "", cidr: "", internet: true, routed: true },
    checks: { name: (name) => (/^[a-z]([a-z0-9-]*[a-z0-9])?$/.test(name) ? undefined : t("networks.nameRules")) },
    submit: async () => {
      await callApi("networkCreate", request as never);
      await invalidate(queries, ["networkList"]);
      onClose();
    },
  });
  const { values } = form;
  const request = {
    project: project.id,
    name: values.name,
    ...(values.cidr.trim() ? { cidr: values.cidr.trim() } : {}),
    ...(values.internet ? {} : { internet: false }),
    ...(values.routed ? {} : { routed: false }),
  };
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("networks.create")}
      text={t("networks.createText")}
      form={form}
      action={t("networks.create")}
      hint={<ApiHint route="networkCreate" args={{ ...request, name: values.name || "office" }} />}
    >
      <TextInput
        label={t("ui.name")}
        description={t("networks.nameRules")}
        data-autofocus
        autoCapitalize="none"
        spellCheck={false}
        {...form.field("name")}
      />
      <TextInput
        label={t("networks.range")}
        description={t("networks.rangeText")}
        placeholder="10.20.0.0/24"
        {...form.field("cidr")}
      />
      <Switch
        label={t("networks.internet")}
        description={t("networks.internetText")}
        checked={values.internet}
        onChange={(event) => form.set("internet", event.currentTarget.checked)}
      />
      <Switch
        label={t("networks.routed")}
        description={t("networks.routedText")}
        checked={values.routed}
        onChange={(event) => form.set("routed", event.currentTarget.checked)}
      />
    </FormDialog>
  );
}
