import { useT } from "../../../i18n/i18n.ts";
import { PhonePage } from "../shared/PhonePage.tsx";
import { Applications } from "./Applications.tsx";
import { Webhooks } from "./Webhooks.tsx";

/** Programs of one's own: those that are told of calls, and those that answer them. */
export default function ProgramsPage() {
  const t = useT();
  return (
    <PhonePage tab="programs" text={t("phonePrograms.text")}>
      {(place) => (
        <>
          <Webhooks {...place} />
          <Applications {...place} />
        </>
      )}
    </PhonePage>
  );
}
