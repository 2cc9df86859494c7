import { Anchor, Button, Stack } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { callApi } from "../../api/api.ts";
import { useT } from "../../i18n/i18n.ts";
import { FormProblem } from "../../ui/FormProblem.tsx";
import { passwordCheck, useForm } from "../../ui/form.ts";
import { NewPasswordInput } from "../../ui/NewPasswordInput.tsx";
import { EntryFrame } from "./EntryFrame.tsx";
import { linkToken } from "./entered.ts";

export default function PasswordResetPage() {
  const t = useT();
  const [token] = useState(linkToken);
  const [done, setDone] = useState(false);
  const form = useForm({
    initial: { password: "" },
    checks: { password: passwordCheck },
    submit: async ({ password }) => {
      await callApi("passwordResetComplete", { token, password });
      setDone(true);
    },
  });
  if (done) {
    return (
      <EntryFrame title={t("entry.resetDone")} text={t("entry.resetDoneText")}>
        <Button component={Link} to="/sign-in" size="md" fullWidth>
          {t("entry.signIn")}
        </Button>
      </EntryFrame>
    );
  }
  if (token === "") {
    return (
      <EntryFrame
        title={t("entry.resetTitle")}
        text={t("entry.resetGone")}
        footer={
          <Anchor component={Link} to="/sign-in" inherit underline="always">
            {t("entry.signInLink")}
          </Anchor>
        }
      />
    );
  }
  return (
    <EntryFrame title={t("entry.resetTitle")} text={t("entry.resetText")}>
      <form onSubmit={form.onSubmit} noValidate>
        <Stack gap="md">
          <FormProblem>{form.problem}</FormProblem>
          <NewPasswordInput label={t("entry.newPassword")} autoFocus {...form.field("password")} />
          <Button type="submit" size="md" fullWidth loading={form.sending}>
            {t("entry.resetAction")}
          </Button>
        </Stack>
      </form>
    </EntryFrame>
  );
}
