import { Button, PasswordInput } from "@mantine/core";
import { useState } from "react";
import { callApi, invalidate } from "../../api/api.ts";
import { useIdentity } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { passwordCheck, required, useForm } from "../../ui/form.ts";
import { NewPasswordInput } from "../../ui/NewPasswordInput.tsx";
import { Section } from "../../ui/Section.tsx";
import { toastDone } from "../../ui/toast.ts";

export function PasswordSection() {
  const t = useT();
  const [opened, setOpened] = useState(false);
  return (
    <Section
      title={t("ui.password")}
      text={t("account.passwordText")}
      actions={
        <Button variant="default" onClick={() => setOpened(true)}>
          {t("account.changePassword")}
        </Button>
      }
    >
      {opened && <ChangePassword onClose={() => setOpened(false)} />}
    </Section>
  );
}

function ChangePassword({ onClose }: { onClose: () => void }) {
  const t = useT();
  const { user } = useIdentity();
  const form = useForm({
    initial: { currentPassword: "", newPassword: "" },
    checks: { currentPassword: required, newPassword: passwordCheck },
    submit: async (values) => {
      await callApi("passwordUpdate", values);
      await invalidate(queries, ["sessionList"]);
      toastDone(t("account.passwordChanged"));
      onClose();
    },
  });
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("account.changePassword")}
      text={t("account.passwordEnds")}
      form={form}
      action={t("account.changePassword")}
    >
      {/* For password stores, which keep name and password together. */}
      <input type="text" name="username" autoComplete="username" value={user?.email ?? ""} readOnly hidden />
      <PasswordInput
        label={t("account.currentPassword")}
        autoComplete="current-password"
        data-autofocus
        visibilityToggleButtonProps={{ "aria-label": t("ui.show") }}
        {...form.field("currentPassword")}
      />
      <NewPasswordInput label={t("account.newPassword")} {...form.field("newPassword")} />
    </FormDialog>
  );
}
