import { Button, Stack, TextInput } from "@mantine/core";
import { useState } from "react";
import { useT } from "../../i18n/i18n.ts";
import { FormProblem } from "../../ui/FormProblem.tsx";
import { required, useForm } from "../../ui/form.ts";
import { EntryFrame } from "./EntryFrame.tsx";

type Proof = { code: string } | { recoveryCode: string };

export function SecondFactor({ onSend, onBack }: { onSend: (proof: Proof) => Promise<void>; onBack: () => void }) {
  const t = useT();
  const [recovery, setRecovery] = useState(false);
  const form = useForm({
    initial: { code: "" },
    checks: { code: required },
    submit: ({ code }) => onSend(recovery ? { recoveryCode: code.trim() } : { code: code.replaceAll(/\s/g, "") }),
  });
  const field = form.field("code");
  return (
    <EntryFrame title={t("entry.secondTitle")} text={recovery ? t("entry.recoveryText") : t("entry.secondText")}>
      <form onSubmit={form.onSubmit} noValidate>
        <Stack gap="md">
          <FormProblem>{form.problem}</FormProblem>
          <TextInput
            key={String(recovery)}
            label={recovery ? t("entry.recoveryCode") : t("entry.code")}
            autoFocus
            autoComplete={recovery ? "off" : "one-time-code"}
            inputMode={recovery ? "text" : "numeric"}
            size="md"
            styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)", letterSpacing: recovery ? 0 : "0.3em" } }}
            {...field}
            onChange={(event) => {
              field.onChange(event);
              // Six digits are a whole code: nobody needs the button for them.
              if (!recovery && /^\d{6}$/.test(event.currentTarget.value)) {
                const element = event.currentTarget.form;
                setTimeout(() => element?.requestSubmit(), 0);
              }
            }}
          />
          <Button type="submit" size="md" fullWidth loading={form.sending}>
            {t("entry.signIn")}
          </Button>
          <Button
            variant="subtle"
            onClick={() => {
              form.reset({ code: "" });
              setRecovery(!recovery);
            }}
          >
            {recovery ? t("entry.useCode") : t("entry.useRecovery")}
          </Button>
          <Button variant="subtle" color="gray" onClick={onBack}>
            {t("ui.back")}
          </Button>
        </Stack>
      </form>
    </EntryFrame>
  );
}
