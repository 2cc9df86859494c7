import { Alert, Anchor, Button, Divider, PasswordInput, Stack, TextInput } from "@mantine/core";
import { IconFingerprint } from "@tabler/icons-react";
import { Link, Navigate, useSearch } from "@tanstack/react-router";
import { useRef, useState } from "react";
import { callApi } from "../../api/api.ts";
import { errorText, isCloudError } from "../../api/errors.ts";
import { useCloud } from "../../frame/identity.ts";
import { useT } from "../../i18n/i18n.ts";
import { FormProblem } from "../../ui/FormProblem.tsx";
import { emailCheck, required, useForm } from "../../ui/form.ts";
import { EntryFrame } from "./EntryFrame.tsx";
import { useEntered } from "./entered.ts";
import { SecondFactor } from "./SecondFactor.tsx";

const passkeysWork = "PublicKeyCredential" in globalThis;

export default function SignInPage() {
  const t = useT();
  const cloud = useCloud();
  const { next, expired } = useSearch({ strict: false }) as { next?: string; expired?: string };
  const entered = useEntered();
  const [secondFactor, setSecondFactor] = useState(false);
  const [passkeyProblem, setPasskeyProblem] = useState<string>();
  const [asking, setAsking] = useState(false);
  const passwordInput = useRef<HTMLInputElement>(null);
  const form = useForm({
    initial: { email: "", password: "" },
    checks: { email: emailCheck, password: required },
    submit: async (values) => {
      try {
        entered(await callApi("sessionCreate", values), next);
      } catch (error) {
        if (!isCloudError(error) || error.details.reason !== "second_factor_required") throw error;
        setSecondFactor(true);
      }
    },
  });

  const withPasskey = async () => {
    setAsking(true);
    setPasskeyProblem(undefined);
    try {
      const [{ startAuthentication }, challenge] = await Promise.all([
        import("@simplewebauthn/browser"),
        callApi("passkeyChallengeCreate", {}),
      ]);
      const response = await startAuthentication({ optionsJSON: challenge.options as never });
      const passkey = { challengeId: challenge.challengeId, response: response as unknown as Record<string, unknown> };
      entered(await callApi("sessionCreate", { passkey }), next);
    } catch (error) {
      setPasskeyProblem(isCloudError(error) ? errorText(error) : t("entry.passkeyFailed"));
    } finally {
      setAsking(false);
    }
  };

  if (cloud?.setupNeeded) return <Navigate to="/setup" />;
  if (secondFactor) {
    return (
      <SecondFactor
        onBack={() => setSecondFactor(false)}
        onSend={async (proof) => entered(await callApi("sessionCreate", { ...form.values, ...proof }), next)}
      />
    );
  }
  return (
    <EntryFrame
      title={t("entry.signInTitle")}
      text={t("entry.signInText", { cloud: cloud?.name ?? "Khmara" })}
      footer={
        cloud?.signUpOpen &&
        t.rich("entry.noAccount", {
          link: (
            <Anchor key="link" component={Link} to="/sign-up" inherit underline="always">
              {t("entry.signUpLink")}
            </Anchor>
          ),
        })
      }
    >
      <form onSubmit={form.onSubmit} noValidate>
        <Stack gap="md">
          {expired && !form.problem && (
            <Alert color="sky" variant="light" p="sm">
              {t("entry.sessionOver")}
            </Alert>
          )}
          <FormProblem>{form.problem ?? passkeyProblem}</FormProblem>
          <TextInput label={t("ui.email")} type="email" autoComplete="username webauthn" autoFocus {...form.field("email")} />
          <PasswordInput
            ref={passwordInput}
            label={t("ui.password")}
            autoComplete="current-password"
            visibilityToggleButtonProps={{ "aria-label": t("ui.show") }}
            {...form.field("password")}
          />
          <Button type="submit" size="md" fullWidth loading={form.sending}>
            {t("entry.signIn")}
          </Button>
          {passkeysWork && (
            <>
              <Divider label={t("entry.or")} labelPosition="center" />
              <Button
                variant="default"
                size="md"
                fullWidth
                leftSection={<IconFingerprint size={18} stroke={1.6} />}
                loading={asking}
                onClick={() => void withPasskey()}
              >
                {t("entry.withPasskey")}
              </Button>
            </>
          )}
        </Stack>
      </form>
    </EntryFrame>
  );
}
