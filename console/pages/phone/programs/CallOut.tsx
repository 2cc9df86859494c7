import { Select, TextInput } from "@mantine/core";
import type { PhoneApplication } from "../../../../services/voice/live/contract.ts";
import { callApi, useApi } from "../../../api/api.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ApiHint } from "../../../ui/ApiHint.tsx";
import { FormDialog } from "../../../ui/FormDialog.tsx";
import { required, useForm } from "../../../ui/form.ts";
import { toastDone } from "../../../ui/toast.ts";
import type { PhonePlace } from "../shared/PhonePage.tsx";
import { dialled } from "../softphone/numbers.ts";

/** Calls somebody, who then hears the program: to try it, and to see how a program of one's own asks for it. */
export function CallOut(props: { system: PhonePlace["system"]; application: PhoneApplication; onClose: () => void }) {
  const t = useT();
  const { system, application, onClose } = props;
  const extensions = useApi("extensionList", { phoneSystem: system.id, limit: 200 }).data?.items ?? [];
  const form = useForm({
    initial: { to: "", extension: "" },
    checks: { to: required, extension: required },
    submit: async () => {
      await callApi("outgoingCallStart", request as never);
      toastDone(t("phonePrograms.calling"));
      onClose();
    },
  });
  const { to, extension } = form.values;
  const request = {
    ...{ phoneSystem: system.id, to: dialled(to), extension },
    destination: { kind: "application", id: application.id },
  };
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("phonePrograms.callTitle", { name: application.name })}
      text={t("phonePrograms.callText")}
      form={form}
      action={t("phonePrograms.call")}
      hint={<ApiHint route="outgoingCallStart" args={request} />}
    >
      <TextInput
        label={t("phonePrograms.callTo")}
        placeholder="+380 44 123 45 67"
        inputMode="tel"
        data-autofocus
        {...form.field("to")}
      />
      <Select
        label={t("phonePrograms.callFrom")}
        description={t("phonePrograms.callFromText")}
        searchable
        data={extensions.map(({ id, number, name }) => ({ value: id as string, label: `${number} ${name}` }))}
        {...form.choice("extension")}
      />
    </FormDialog>
  );
}
