import { Alert, Button, Modal, Stack, Text } from "@mantine/core";
import { IconAlertTriangle, IconShieldCheck } from "@tabler/icons-react";
import { useState } from "react";
import { type Answer, client } from "../../api/api.ts";
import { errorText } from "../../api/errors.ts";
import { useOrganisation } from "../../frame/identity.ts";
import { useT } from "../../i18n/i18n.ts";
import { CopyField } from "../../ui/CopyField.tsx";

type Verified = Answer<"auditVerify">;

/** Recomputes the chain of hashes: an entry that was changed or taken out afterwards does not fit. */
export function VerifyButton() {
  const t = useT();
  const organisation = useOrganisation();
  const [working, setWorking] = useState(false);
  const [result, setResult] = useState<Verified>();
  const [failed, setFailed] = useState<string>();
  const verify = async () => {
    setWorking(true);
    setFailed(undefined);
    try {
      setResult(await client.auditVerify({ organisation: organisation.id }));
    } catch (error) {
      setFailed(errorText(error));
    } finally {
      setWorking(false);
    }
  };
  const close = () => {
    setResult(undefined);
    setFailed(undefined);
  };
  const [head] = result?.heads ?? [];
  return (
    <>
      <Button
        variant="default"
        leftSection={<IconShieldCheck size={16} aria-hidden />}
        loading={working}
        onClick={() => void verify()}
      >
        {t("audit.verify")}
      </Button>
      <Modal
        opened={result !== undefined || failed !== undefined}
        onClose={close}
        title={t("audit.verifyTitle")}
        closeButtonProps={{ "aria-label": t("ui.close") }}
      >
        <Stack>
          {failed && (
            <Alert color="red" role="alert">
              {failed}
            </Alert>
          )}
          {result?.valid && (
            <Alert color="green" role="status" icon={<IconShieldCheck size={20} aria-hidden />} title={t("audit.valid")}>
              {t("audit.validText", { count: result.entries })}
            </Alert>
          )}
          {result && !result.valid && (
            <Alert color="red" role="alert" icon={<IconAlertTriangle size={20} aria-hidden />} title={t("audit.invalid")}>
              {result.firstInvalid
                ? t("audit.invalidText", { sequence: result.firstInvalid.sequence, problem: result.firstInvalid.problem })
                : t("audit.invalid")}
            </Alert>
          )}
          {head && (
            <>
              <CopyField label={t("audit.head", { sequence: head.sequence })} value={head.hash} />
              <Text size="sm" c="dimmed">
                {t("audit.headText")}
              </Text>
            </>
          )}
        </Stack>
      </Modal>
    </>
  );
}
