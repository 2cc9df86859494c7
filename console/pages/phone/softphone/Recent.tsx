import { IconArrowDownLeft, IconArrowUpRight } from "@tabler/icons-react";
import type { Extension } from "../../../../services/voice/extensions/contract.ts";
import type { PhoneCall } from "../../../../services/voice/records/contract.ts";
import { useApi } from "../../../api/api.ts";
import { useT } from "../../../i18n/i18n.ts";
import { TimeAgo } from "../../../ui/TimeAgo.tsx";
import { readable } from "./numbers.ts";
import css from "./softphone.module.css";

/** The last calls of this extension; each is called again by a click. */
export function Recent({ extension, onCall, ready }: { extension: Extension; onCall: (number: string) => void; ready: boolean }) {
  const t = useT();
  const calls = useApi("myPhoneCallList", { extension: extension.id, limit: 25 });
  if (calls.data?.items.length === 0) return <p className={css.none}>{t("softphone.noRecent")}</p>;
  return (
    <ul className={css.recent} aria-busy={calls.data === undefined} aria-label={t("softphone.part.recent")}>
      {calls.data?.items.map((call) => {
        const { number, name, outgoing } = otherSide(call, extension);
        const missed = !outgoing && call.outcome !== "answered";
        const Arrow = outgoing ? IconArrowUpRight : IconArrowDownLeft;
        return (
          <li key={call.id}>
            <button type="button" className={css.entry} disabled={!ready || number === ""} onClick={() => onCall(number)}>
              <Arrow size={16} stroke={1.8} aria-hidden color={missed ? "var(--k-bad)" : "var(--k-muted)"} />
              <span data-missed={missed || undefined}>
                {name ?? (readable(number) || t("softphone.hidden"))}
                <small>{t(missed ? "softphone.missed" : outgoing ? "softphone.outgoing" : "softphone.incoming")}</small>
              </span>
              <span className={css.muted}>
                <TimeAgo at={call.startedAt} />
              </span>
            </button>
          </li>
        );
      })}
    </ul>
  );
}

function otherSide(call: PhoneCall, extension: Extension): { number: string; name: string | undefined; outgoing: boolean } {
  const outgoing =
    call.fromNumber === extension.number || (call.direction === "outbound" && call.extensionIds[0] === extension.id);
  return outgoing
    ? { number: call.toNumber, name: call.toName, outgoing }
    : { number: /^[+\d*#]/.test(call.fromNumber) ? call.fromNumber : "", name: call.fromName, outgoing };
}
