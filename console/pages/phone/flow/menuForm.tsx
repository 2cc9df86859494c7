import { NumberInput, Switch } from "@mantine/core";
import type { Destination } from "../../../../services/voice/destinations/contract.ts";
import type { Speech } from "../../../../services/voice/elements/shapes/contract.ts";
import { useT } from "../../../i18n/i18n.ts";
import { DestinationSelect } from "../shared/DestinationSelect.tsx";
import type { ElementForm, ElementView, FormOf } from "../shared/Elements.tsx";
import { narrow } from "../shared/narrow.ts";
import type { PhonePlace } from "../shared/PhonePage.tsx";
import { SpeechField } from "./SpeechField.tsx";

type MenuView = ElementView<"phoneMenu">;
const valuesOf = (menu: MenuView | undefined) => ({
  greeting: (menu?.greeting ?? { kind: "text", text: {} }) as Speech,
  directDial: menu?.directDial ?? false,
  timeoutSeconds: menu?.timeoutSeconds ?? 6,
  retries: menu?.retries ?? 2,
  fallback: (menu?.fallback ?? { kind: "hang_up" }) as Destination,
  invalidMessage: menu?.invalidMessage as Speech | undefined,
});
type Values = ReturnType<typeof valuesOf>;

/** What a menu says and waits for; where its keys lead is drawn. */
export const menuForm: ElementForm<"phoneMenu", Values> = {
  kind: "phoneMenu",
  numbered: "optional",
  values: valuesOf,
  body: ({ greeting, directDial, timeoutSeconds, retries, fallback, invalidMessage }, empty) => ({
    greeting,
    directDial,
    timeoutSeconds,
    retries,
    fallback,
    invalidMessage: invalidMessage ?? empty,
  }),
  fields: (form, place) => <Fields form={form} place={place} />,
};

function Fields({ form, place }: { form: FormOf<Values & { name: string; number: string }>; place: PhonePlace }) {
  const t = useT();
  const { values } = form;
  return (
    <>
      <SpeechField
        phoneSystem={place.system.id}
        label={t("phoneFlow.greeting")}
        value={values.greeting}
        onChange={(speech) => speech && form.set("greeting", speech)}
      />
      <SpeechField
        optional
        phoneSystem={place.system.id}
        label={t("phoneFlow.invalidMessage")}
        value={values.invalidMessage}
        onChange={(speech) => form.set("invalidMessage", speech)}
      />
      <Switch
        label={t("phoneFlow.directDial")}
        checked={values.directDial}
        onChange={(event) => form.set("directDial", event.currentTarget.checked)}
      />
      <NumberInput
        label={t("phoneFlow.menuTimeout")}
        suffix={` ${t("phone.seconds")}`}
        min={2}
        max={60}
        classNames={narrow}
        {...form.choice("timeoutSeconds")}
        onChange={(value) => form.set("timeoutSeconds", Number(value))}
      />
      <NumberInput
        label={t("phoneFlow.retries")}
        min={0}
        max={9}
        classNames={narrow}
        {...form.choice("retries")}
        onChange={(value) => form.set("retries", Number(value))}
      />
      <DestinationSelect
        phoneSystem={place.system.id}
        label={t("phoneFlow.fallback")}
        value={values.fallback}
        onChange={(destination) => destination && form.set("fallback", destination)}
      />
    </>
  );
}
