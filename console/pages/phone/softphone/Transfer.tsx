import { Button } from "@mantine/core";
import { useState } from "react";
import { useT } from "../../../i18n/i18n.ts";
import { NumberField } from "./NumberField.tsx";
import { dialled } from "./numbers.ts";
import { peerName } from "./PeerFace.tsx";
import type { Phone } from "./phone.ts";
import css from "./softphone.module.css";
import type { PhoneCall } from "./state.ts";

/** To whom a call goes: at once, or after a word with them. */
export function Transfer(props: { phone: Phone; call: PhoneCall; phoneSystem: string; own: string; onClose: () => void }) {
  const t = useT();
  const { phone, call } = props;
  const [to, setTo] = useState("");
  const number = dialled(to);
  return (
    <div className={css.idle}>
      <p className={css.heading}>{t("softphone.transferTo", { name: peerName(call.peer) })}</p>
      <NumberField phoneSystem={props.phoneSystem} own={props.own} value={to} onChange={setTo} onChosen={setTo} />
      <div className={css.end}>
        <Button variant="default" onClick={props.onClose}>
          {t("softphone.back")}
        </Button>
        <Button
          variant="default"
          disabled={number === ""}
          onClick={() => {
            phone.run({ kind: "dial", number, consultsFor: call.id });
            props.onClose();
          }}
        >
          {t("softphone.askFirst")}
        </Button>
        <Button
          disabled={number === ""}
          onClick={() => {
            phone.run({ kind: "transfer", id: call.id, to: number });
            props.onClose();
          }}
        >
          {t("softphone.transferNow")}
        </Button>
      </div>
    </div>
  );
}
