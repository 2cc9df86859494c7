import { Radio } from "@mantine/core";
import type { Size } from "../../../services/compute/instances/contract.ts";
import { useCloud } from "../../frame/identity.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import css from "./compute.module.css";
import { hoursPerMonth } from "./words.ts";

/** Sizes as a table to choose from, with what each costs; those that cannot be chosen say why. */
export function SizeChoice(props: {
  sizes: readonly Size[];
  value: string | undefined;
  onChange: (id: string) => void;
  whyNot?: (size: Size) => string | undefined;
}) {
  const t = useT();
  const format = useFormat();
  const currency = useCloud()?.currency ?? "EUR";
  return (
    <Radio.Group value={props.value ?? ""} onChange={props.onChange} aria-label={t("compute.size")}>
      <div className={css.sizes}>
        {props.sizes.map((size) => {
          const reason = props.whyNot?.(size);
          const price = Number(size.pricePerHour);
          return (
            <Radio.Card
              key={size.id}
              value={size.id}
              disabled={reason !== undefined}
              className={css.size}
              title={reason}
              aria-label={`${size.name}, ${t("compute.capacity", {
                vcpus: size.vcpus,
                memory: format.memory(size.memoryBytes),
                disk: format.memory(size.diskBytes),
              })}`}
            >
              <Radio.Indicator size="sm" />
              <b>{size.name}</b>
              <span>{t("compute.vcpus", { count: size.vcpus })}</span>
              <span>{t("compute.memory", { memory: format.memory(size.memoryBytes) })}</span>
              <span>{t("compute.disk", { disk: format.memory(size.diskBytes) })}</span>
              <span className={css.price}>
                {t("compute.perMonth", { price: format.money(price * hoursPerMonth, currency) })}
                <small>{t("compute.perHour", { price: format.money(price, currency) })}</small>
              </span>
            </Radio.Card>
          );
        })}
      </div>
    </Radio.Group>
  );
}
