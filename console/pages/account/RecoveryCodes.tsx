import { Button, Group } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { useIdentity } from "../../frame/identity.ts";
import { useT } from "../../i18n/i18n.ts";
import { CopyButton } from "../../ui/CopyField.tsx";
import { SecretOnce } from "../../ui/SecretOnce.tsx";
import css from "./Security.module.css";

export function RecoveryCodes({ codes, onClose }: { codes: string[]; onClose: () => void }) {
  const t = useT();
  const { user } = useIdentity();
  const save = () => {
    const link = document.createElement("a");
    const text = `${t("account.codesFile", { host: location.host, email: user?.email ?? "" })}\n\n${codes.join("\n")}\n`;
    link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    link.download = "khmara-recovery-codes.txt";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  return (
    <SecretOnce title={t("account.codes")} text={t("account.codesText")} size="md" onClose={onClose}>
      <ol className={css.codes}>
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ol>
      <Group gap="sm">
        <Button variant="default" leftSection={<IconDownload size={16} stroke={1.6} />} onClick={save}>
          {t("ui.download")}
        </Button>
        <CopyButton value={codes.join("\n")} size={34} />
      </Group>
    </SecretOnce>
  );
}
