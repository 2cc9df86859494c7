import { Checkbox, Select, TextInput } from "@mantine/core";
import { type Answer, useApi, useChange } from "../../api/api.ts";
import { useCan, useIdentity, useOrganisation, useProject } from "../../frame/identity.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { required, useForm } from "../../ui/form.ts";

export function CreateAccessKey(props: { onClose: () => void; onMade: (made: Answer<"accessKeyCreate">) => void }) {
  const t = useT();
  const project = useProject();
  const organisation = useOrganisation();
  const { principal } = useIdentity();
  const admin = useCan("project")("admin");
  const accounts = useApi("serviceAccountList", { organisation: organisation.id, limit: 200 }, { enabled: admin });
  const create = useChange("accessKeyCreate", { refresh: ["accessKeyList"] });
  const form = useForm({
    initial: { name: t("access.keyDefaultName"), readOnly: false, serviceAccount: "" },
    checks: { name: required },
    submit: async ({ serviceAccount, ...values }) =>
      props.onMade(
        await create.mutateAsync({
          project: project.id,
          ...values,
          ...(serviceAccount ? { serviceAccount: serviceAccount as never } : {}),
        }),
      ),
  });
  const { name, readOnly, serviceAccount } = form.values;
  return (
    <FormDialog
      opened
      onClose={props.onClose}
      title={t("access.createKey")}
      text={t("access.createKeyText", { project: project.name })}
      form={form}
      action={t("access.createKeyAction")}
      hint={
        <ApiHint
          route="accessKeyCreate"
          args={{ project: project.id, name, readOnly: readOnly || undefined, serviceAccount: serviceAccount || undefined }}
        />
      }
    >
      <TextInput label={t("ui.name")} description={t("access.keyNameHint")} data-autofocus {...form.field("name")} />
      {(accounts.data?.items.length ?? 0) > 0 && (
        <Select
          label={t("access.owner")}
          description={t("access.ownerHint")}
          data={[
            { value: "", label: t("access.myself", { name: principal.name }) },
            ...(accounts.data?.items ?? []).map((account) => ({ value: account.id as string, label: account.name })),
          ]}
          {...form.choice("serviceAccount")}
        />
      )}
      <Checkbox
        label={t("access.readOnly")}
        description={t("access.readOnlyHint")}
        checked={readOnly}
        onChange={(event) => form.set("readOnly", event.currentTarget.checked)}
      />
    </FormDialog>
  );
}
