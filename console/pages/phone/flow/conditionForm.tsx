import { Select } from "@mantine/core";
import type { Destination } from "../../../../services/voice/destinations/contract.ts";
import { useT } from "../../../i18n/i18n.ts";
import { DestinationSelect } from "../shared/DestinationSelect.tsx";
import type { ElementForm, ElementView, FormOf } from "../shared/Elements.tsx";
import type { PhonePlace } from "../shared/PhonePage.tsx";

type Condition = ElementView<"timeCondition">;
const overrides = ["none", "open", "closed", "holiday"] as const;
const valuesOf = (condition: Condition | undefined) => ({
  open: (condition?.open ?? { kind: "hang_up" }) as Destination,
  closed: (condition?.closed ?? { kind: "hang_up" }) as Destination,
  holiday: (condition?.onHoliday ?? null) as Destination | null,
  override: condition?.override ?? ("none" as Condition["override"]),
});
type Values = ReturnType<typeof valuesOf>;

/** Where calls go when it is open, closed, a holiday; the hours themselves are on its page. */
export const conditionForm: ElementForm<"timeCondition", Values> = {
  kind: "timeCondition",
  numbered: "optional",
  values: valuesOf,
  body: ({ open, closed, holiday, override }, empty) => ({ open, closed, onHoliday: holiday ?? empty, override }),
  fields: (form, place) => <Fields form={form} place={place} />,
};

function Fields({ form, place }: { form: FormOf<Values & { name: string; number: string }>; place: PhonePlace }) {
  const t = useT();
  const { values } = form;
  return (
    <>
      {(["open", "closed"] as const).map((name) => (
        <DestinationSelect
          key={name}
          phoneSystem={place.system.id}
          label={t(`phoneFlow.${name}`)}
          value={values[name]}
          onChange={(destination) => destination && form.set(name, destination)}
        />
      ))}
      <DestinationSelect
        phoneSystem={place.system.id}
        label={t("phoneFlow.holiday")}
        value={values.holiday}
        none={t("phoneFlow.asClosed")}
        onChange={(destination) => form.set("holiday", destination)}
      />
      <Select
        label={t("phoneFlow.override")}
        description={t("phoneFlow.overrideText")}
        data={overrides.map((value) => ({ value, label: t(`phoneFlow.override.${value}`) }))}
        {...form.choice("override")}
      />
    </>
  );
}
