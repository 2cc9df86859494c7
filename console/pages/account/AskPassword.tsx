import { PasswordInput } from "@mantine/core";
import { useT } from "../../i18n/i18n.ts";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { required, useForm } from "../../ui/form.ts";

/** What guards the account is changed only by whoever knows the password, not by whoever finds an open screen. */
export function AskPassword(props: {
  title: string;
  text: string;
  action: string;
  onClose: () => void;
  onSend: (currentPassword: string) => Promise<unknown>;
}) {
  const t = useT();
  const form = useForm({
    initial: { currentPassword: "" },
    checks: { currentPassword: required },
    submit: ({ currentPassword }) => props.onSend(currentPassword),
  });
  return (
    <FormDialog opened onClose={props.onClose} title={props.title} text={props.text} form={form} action={props.action}>
      <PasswordInput
        label={t("account.currentPassword")}
        autoComplete="current-password"
        data-autofocus
        visibilityToggleButtonProps={{ "aria-label": t("ui.show") }}
        {...form.field("currentPassword")}
      />
    </FormDialog>
  );
}
