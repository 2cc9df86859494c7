import { Button } from "@mantine/core";
import { IconPhone, IconPhoneOff, IconVideo } from "@tabler/icons-react";
import { useT } from "../../../i18n/i18n.ts";
import { useFormats } from "./current.ts";
import { readable } from "./numbers.ts";
import { PeerFace, peerName } from "./PeerFace.tsx";
import type { Phone, PhoneView } from "./phone.ts";
import css from "./softphone.module.css";
import { isSpeaking, ringing } from "./state.ts";

/** Whoever rings, over every page; it takes no focus away from what one is typing. */
export function Incoming({ phone, state, onAnswered }: { phone: Phone; state: PhoneView; onAnswered: () => void }) {
  const t = useT();
  const calls = ringing(state);
  useFormats(calls.length > 0);
  if (calls.length === 0) return null;
  const busy = state.calls.some(isSpeaking);
  return (
    <div className={css.incoming} role="alert">
      {calls.map((call) => (
        <section key={call.id} className={css.card} aria-label={t("softphone.callOf", { name: peerName(call.peer) })}>
          <div className={css.caller}>
            <PeerFace peer={call.peer} size={44} />
            <div className={css.words}>
              <b>{peerName(call.peer)}</b>
              <span className={css.muted}>
                {call.peer.name ? `${readable(call.peer.number)} · ` : ""}
                {t(call.receivesVideo ? "softphone.callsWithVideo" : "softphone.state.ringing")}
              </span>
            </div>
          </div>
          {state.problem && <p className={css.problem}>{t(`softphone.problem.${state.problem}`)}</p>}
          <div className={css.buttons}>
            <Button
              color="red.8"
              leftSection={<IconPhoneOff size={16} aria-hidden />}
              onClick={() => phone.run({ kind: "hangUp", id: call.id })}
            >
              {t("softphone.decline")}
            </Button>
            {call.receivesVideo && (
              <Button
                className={css.third}
                variant="default"
                leftSection={<IconVideo size={16} aria-hidden />}
                onClick={() => {
                  phone.run({ kind: "answer", id: call.id, video: true });
                  onAnswered();
                }}
              >
                {t("softphone.withVideo")}
              </Button>
            )}
            <Button
              color="green.9"
              leftSection={<IconPhone size={16} aria-hidden />}
              onClick={() => {
                phone.run({ kind: "answer", id: call.id });
                onAnswered();
              }}
            >
              {t(busy ? "softphone.holdAndAnswer" : "softphone.answer")}
            </Button>
          </div>
        </section>
      ))}
    </div>
  );
}
