import { Alert, List, Stack, Text, TextInput, ThemeIcon } from "@mantine/core";
import { IconCheck, IconX } from "@tabler/icons-react";
import { useState } from "react";
import type { MailAccount, MailTest } from "../../../services/apps/mailAccounts/contract.ts";
import { callApi } from "../../api/api.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { emailCheck, useForm } from "../../ui/form.ts";

/** Signs in at the mail server as apps would, and says how far it came. */
export function MailAccountTest({ account, onClose }: { account: MailAccount; onClose: () => void }) {
  const t = useT();
  const [result, setResult] = useState<MailTest>();
  const form = useForm({
    initial: { to: "" },
    checks: { to: (to) => (to.trim() === "" ? undefined : emailCheck(to, undefined as never)) },
    submit: async ({ to }) => {
      setResult(undefined);
      setResult(await callApi("mailAccountTest", { mailAccount: account.id, ...bodyOf(to) }));
    },
  });
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("mailAccounts.tryTitle", { name: account.name })}
      text={t("mailAccounts.tryText", { server: `${account.host}:${account.port}` })}
      form={form}
      action={t("mailAccounts.try")}
      hint={<ApiHint route="mailAccountTest" args={{ mailAccount: account.id, ...bodyOf(form.values.to) }} />}
    >
      <Stack gap="md">
        <TextInput
          label={t("mailAccounts.to")}
          description={t("mailAccounts.toText")}
          type="email"
          data-autofocus
          autoComplete="email"
          {...form.field("to")}
        />
        {result && (
          <Alert
            color={result.succeeded ? "green" : "red"}
            title={t(result.succeeded ? "mailAccounts.works" : "mailAccounts.worksNot")}
            role="status"
          >
            <List spacing="xs" center listStyleType="none">
              {result.steps.map(({ step, succeeded, message }) => (
                <List.Item
                  key={step}
                  icon={
                    <ThemeIcon size={20} radius="xl" color={succeeded ? "green" : "red"} variant="light" aria-hidden>
                      {succeeded ? <IconCheck size={14} /> : <IconX size={14} />}
                    </ThemeIcon>
                  }
                >
                  <Text size="sm" style={{ overflowWrap: "anywhere" }}>
                    <b>{t(`mailAccounts.step.${step}`)}</b>: {message}
                  </Text>
                </List.Item>
              ))}
            </List>
          </Alert>
        )}
      </Stack>
    </FormDialog>
  );
}

const bodyOf = (to: string) => (to.trim() === "" ? {} : { to: to.trim() });
