import { Anchor, Button, Stack, TextInput } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { callApi } from "../../api/api.ts";
import { useCloud } from "../../frame/identity.ts";
import { useLanguage, useT } from "../../i18n/i18n.ts";
import { FormProblem } from "../../ui/FormProblem.tsx";
import { emailCheck, passwordCheck, required, useForm } from "../../ui/form.ts";
import { NewPasswordInput } from "../../ui/NewPasswordInput.tsx";
import { EntryFrame } from "./EntryFrame.tsx";
import { useEntered } from "./entered.ts";

export default function SignUpPage() {
  const t = useT();
  const cloud = useCloud();
  const locale = useLanguage();
  const entered = useEntered();
  const form = useForm({
    initial: { name: "", email: "", password: "", organisationName: "" },
    checks: { name: required, email: emailCheck, password: passwordCheck, organisationName: required },
    submit: async (values) => entered(await callApi("signUpCreate", { ...values, locale })),
  });
  const signIn = (
    <Anchor key="link" component={Link} to="/sign-in" inherit underline="always">
      {t("entry.signInLink")}
    </Anchor>
  );
  if (cloud && !cloud.signUpOpen) {
    return <EntryFrame title={t("entry.signUpTitle")} text={t("entry.signUpClosed")} footer={signIn} />;
  }
  return (
    <EntryFrame
      title={t("entry.signUpTitle")}
      text={t("entry.signUpText")}
      footer={t.rich("entry.haveAccount", { link: signIn })}
    >
      <form onSubmit={form.onSubmit} noValidate>
        <Stack gap="md">
          <FormProblem>{form.problem}</FormProblem>
          <TextInput label={t("entry.yourName")} autoComplete="name" autoFocus {...form.field("name")} />
          <TextInput label={t("ui.email")} type="email" autoComplete="username" {...form.field("email")} />
          <NewPasswordInput label={t("ui.password")} {...form.field("password")} />
          <TextInput
            label={t("entry.organisationName")}
            description={t("entry.organisationHint")}
            autoComplete="organization"
            {...form.field("organisationName")}
          />
          <Button type="submit" size="md" fullWidth loading={form.sending}>
            {t("entry.signUpAction")}
          </Button>
        </Stack>
      </form>
    </EntryFrame>
  );
}
