import { ActionIcon } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";
import { IconCheck, IconCopy, IconEye, IconEyeOff } from "@tabler/icons-react";
import { useState } from "react";
import { useT } from "../i18n/i18n.ts";
import css from "./CopyField.module.css";
import { Hint } from "./Hint.tsx";

/** The copy button alone, for use beside any value. */
export function CopyButton({ value, label, size = 28 }: { value: string; label?: string; size?: number }) {
  const t = useT();
  const { copied, copy } = useClipboard({ timeout: 1600 });
  const words = copied ? t("ui.copied") : (label ?? t("ui.copy"));
  return (
    <Hint label={words} openDelay={100}>
      <ActionIcon variant="subtle" color={copied ? "green" : "gray"} size={size} aria-label={words} onClick={() => copy(value)}>
        {copied ? <IconCheck size={16} /> : <IconCopy size={16} stroke={1.6} />}
      </ActionIcon>
    </Hint>
  );
}

/** A value to take along: an id, a link, a command, a secret (hidden until asked for). */
export function CopyField({
  value,
  label,
  secret = false,
  multiline = false,
}: {
  value: string;
  label?: string;
  secret?: boolean;
  multiline?: boolean;
}) {
  const t = useT();
  const [hidden, setHidden] = useState(secret);
  return (
    <div>
      {label && <div className={css.label}>{label}</div>}
      <div className={css.field} data-multiline={multiline || undefined}>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: long values scroll, and must do so by keyboard */}
        <code className={css.value} tabIndex={0}>
          {hidden ? "•".repeat(Math.min(value.length, 40)) : value}
        </code>
        <span className={css.buttons}>
          {secret && (
            <ActionIcon
              variant="subtle"
              color="gray"
              size={28}
              aria-label={hidden ? t("ui.show") : t("ui.hide")}
              onClick={() => setHidden(!hidden)}
            >
              {hidden ? <IconEye size={16} stroke={1.6} /> : <IconEyeOff size={16} stroke={1.6} />}
            </ActionIcon>
          )}
          <CopyButton value={value} />
        </span>
      </div>
    </div>
  );
}
