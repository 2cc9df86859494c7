import { Alert, Button, Group, Modal, Select, Stack, Text } from "@mantine/core";
import { IconQrcode } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { client, invalidate, useApiList } from "../../api/api.ts";
import { errorText } from "../../api/errors.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { CopyField } from "../../ui/CopyField.tsx";
import { toastDone, toastError } from "../../ui/toast.ts";
import { nameOf } from "./keys.ts";
import css from "./ShareDialog.module.css";

const hours = ["1", "24", "168", "720", "8760"] as const;

/** A link for people without an account: how long it lives, the link once, and the links there are already. */
export function ShareDialog({ bucket, objectKey, onClose }: { bucket: string; objectKey: string; onClose: () => void }) {
  const t = useT();
  const format = useFormat();
  const queries = useQueryClient();
  const [expires, setExpires] = useState<string>("168");
  const [link, setLink] = useState<string>();
  const [qr, setQr] = useState(false);
  const [working, setWorking] = useState(false);
  const [problem, setProblem] = useState<string>();
  const shares = useApiList("shareList", { bucket, key: objectKey });
  const active = shares.rows?.filter(({ state }) => state === "active") ?? [];

  const create = async () => {
    setWorking(true);
    setProblem(undefined);
    try {
      const made = await client.shareCreate({ bucket, key: objectKey, expiresInHours: Number(expires) });
      setLink(new URL(made.link, location.origin).href);
      await invalidate(queries, ["shareList"]);
    } catch (error) {
      setProblem(errorText(error));
    } finally {
      setWorking(false);
    }
  };
  const revoke = async (share: string) => {
    try {
      await client.shareDelete({ share: share as never });
      toastDone(t("objects.share.revoked"));
      await invalidate(queries, ["shareList"]);
    } catch (error) {
      toastError(error);
    }
  };
  const ending = (value: string) => {
    const at = Date.now() + Number(value) * 3_600_000;
    return Number(value) < 48 ? format.dateTime(at) : format.date(at);
  };

  return (
    <Modal
      opened
      onClose={onClose}
      title={t("objects.share.title", { name: nameOf(objectKey) })}
      closeButtonProps={{ "aria-label": t("ui.close") }}
    >
      <Stack>
        {link === undefined ? (
          <>
            <Text>{t("objects.share.text")}</Text>
            <Select
              label={t("objects.share.expires")}
              description={t("objects.share.until", { date: ending(expires) })}
              inputWrapperOrder={["label", "input", "description"]}
              value={expires}
              onChange={(value) => setExpires(value ?? "168")}
              data={hours.map((value) => ({ value, label: t(`objects.share.hours.${value}`) }))}
            />
            {problem && (
              <Alert color="red" role="alert">
                {problem}
              </Alert>
            )}
            <Group justify="flex-end" gap="sm">
              <Button variant="default" onClick={onClose}>
                {t("ui.cancel")}
              </Button>
              <Button data-autofocus loading={working} onClick={() => void create()}>
                {t("objects.share.create")}
              </Button>
            </Group>
          </>
        ) : (
          <>
            <CopyField label={t("objects.share.link")} value={link} />
            <Text size="sm" c="dimmed">
              {t("objects.share.once", { date: ending(expires) })}
            </Text>
            {qr && <QrCode text={link} label={t("objects.share.qr")} />}
            <Group justify="space-between" gap="sm">
              <Button
                variant="subtle"
                leftSection={<IconQrcode size={16} aria-hidden />}
                aria-expanded={qr}
                onClick={() => setQr(!qr)}
              >
                {qr ? t("objects.share.qrHide") : t("objects.share.qrShow")}
              </Button>
              <Button onClick={onClose}>{t("ui.done")}</Button>
            </Group>
          </>
        )}
        {active.length > 0 && (
          <div>
            <Text size="sm" fw={600} mb={4}>
              {t("objects.share.active", { count: active.length })}
            </Text>
            <ul className={css.list}>
              {active.map((share) => (
                <li key={share.id}>
                  <span>
                    {t("objects.share.line", { date: format.dateTime(share.expiresAt), person: share.createdBy })}
                    <small>{t("objects.share.downloads", { count: share.downloads })}</small>
                  </span>
                  <Button size="compact-sm" variant="subtle" color="red" c="var(--k-bad)" onClick={() => void revoke(share.id)}>
                    {t("objects.share.revoke")}
                  </Button>
                </li>
              ))}
            </ul>
          </div>
        )}
      </Stack>
    </Modal>
  );
}

interface QrCodeModule {
  create: (text: string, options: { errorCorrectionLevel: "M" }) => { modules: { size: number; data: Uint8Array } };
}

/** For the phone across the table. Black on white in both themes: readers need the contrast. */
function QrCode({ text, label }: { text: string; label: string }) {
  const [path, setPath] = useState<{ size: number; d: string }>();
  useEffect(() => {
    let current = true;
    // @ts-expect-error qrcode has no types
    void import("qrcode").then(({ create }: QrCodeModule) => {
      const { modules } = create(text, { errorCorrectionLevel: "M" });
      let d = "";
      for (let y = 0; y < modules.size; y++)
        for (let x = 0; x < modules.size; x++) if (modules.data[y * modules.size + x]) d += `M${x} ${y}h1v1h-1z`;
      if (current) setPath({ size: modules.size, d });
    });
    return () => {
      current = false;
    };
  }, [text]);
  return (
    <div className={css.qr}>
      {path && (
        <svg
          role="img"
          aria-label={label}
          viewBox={`-2 -2 ${path.size + 4} ${path.size + 4}`}
          width={192}
          height={192}
          shapeRendering="crispEdges"
        >
          <rect x={-2} y={-2} width={path.size + 4} height={path.size + 4} fill="#fff" />
          <path d={path.d} fill="#000" />
        </svg>
      )}
    </div>
  );
}
