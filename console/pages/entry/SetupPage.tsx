import { Button, SegmentedControl, Stack, Text, TextInput } from "@mantine/core";
import { Navigate } from "@tanstack/react-router";
import { useState } from "react";
import { callApi } from "../../api/api.ts";
import { useCloud } from "../../frame/identity.ts";
import { languageNames, languages, setLanguage, useLanguage, useT } from "../../i18n/i18n.ts";
import { FormProblem } from "../../ui/FormProblem.tsx";
import { emailCheck, passwordCheck, required, useForm } from "../../ui/form.ts";
import { NewPasswordInput } from "../../ui/NewPasswordInput.tsx";
import { EntryFrame } from "./EntryFrame.tsx";
import { linkToken, useEntered } from "./entered.ts";

/** The first page of a new cloud: its owner. */
export default function SetupPage() {
  const t = useT();
  const cloud = useCloud();
  const language = useLanguage();
  const entered = useEntered();
  const [token] = useState(linkToken);
  const [finished, setFinished] = useState(false);
  const form = useForm({
    initial: { name: "", email: "", password: "", organisationName: "" },
    checks: { name: required, email: emailCheck, password: passwordCheck, organisationName: required },
    submit: async (values) => {
      const identity = await callApi("setupComplete", { ...values, token, locale: language });
      setFinished(true);
      entered(identity);
    },
  });
  if (cloud && !cloud.setupNeeded && !finished && !form.sending) return <Navigate to="/" />;
  if (token === "") {
    return <EntryFrame title={t("entry.setupTitle")} text={t("entry.setupNoToken")} />;
  }
  return (
    <EntryFrame title={t("entry.setupTitle")} text={t("entry.setupText")}>
      <form onSubmit={form.onSubmit} noValidate>
        <Stack gap="md">
          <FormProblem>{form.problem}</FormProblem>
          <div>
            <Text size="sm" fw={500} mb={4} id="setup-language">
              {t("entry.language")}
            </Text>
            <SegmentedControl
              fullWidth
              aria-labelledby="setup-language"
              value={language}
              onChange={(value) => void setLanguage(value as typeof language)}
              data={languages.map((value) => ({ value, label: languageNames[value] }))}
            />
          </div>
          <TextInput label={t("entry.yourName")} autoComplete="name" {...form.field("name")} />
          <TextInput label={t("ui.email")} type="email" autoComplete="username" {...form.field("email")} />
          <NewPasswordInput label={t("ui.password")} {...form.field("password")} />
          <TextInput
            label={t("entry.organisationName")}
            description={t("entry.organisationHint")}
            autoComplete="organization"
            {...form.field("organisationName")}
          />
          <Button type="submit" size="md" fullWidth loading={form.sending}>
            {t("entry.setupAction")}
          </Button>
        </Stack>
      </form>
    </EntryFrame>
  );
}
