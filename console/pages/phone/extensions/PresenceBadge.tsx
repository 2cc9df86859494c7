import { useT } from "../../../i18n/i18n.ts";
import { StatusBadge, type Tone } from "../../../ui/StatusBadge.tsx";

type Presence = "offline" | "available" | "ringing" | "busy" | "do_not_disturb";
const tones: Record<Presence, Tone> = { offline: "off", available: "good", ringing: "busy", busy: "warn", do_not_disturb: "bad" };

export function PresenceBadge({ presence }: { presence: Presence }) {
  const t = useT();
  return <StatusBadge tone={tones[presence]}>{t(`phone.presence.${presence}`)}</StatusBadge>;
}
