import { Radio } from "@mantine/core";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import css from "./databases.module.css";
import { connectionsOf, sizes } from "./words.ts";

/** Sizes to choose from: memory, processors, and how many connections that is for. */
export function SizeCards({ value, onChange }: { value: string; onChange: (name: string) => void }) {
  const t = useT();
  const format = useFormat();
  return (
    <Radio.Group value={value} onChange={onChange} aria-label={t("databases.size")}>
      <div className={css.cards}>
        {sizes.map(({ name, memoryBytes, cpus }) => {
          const line = t("databases.sizeLine", { memory: format.memory(memoryBytes), cpus: format.number(cpus) });
          return (
            <Radio.Card key={name} value={name} className={css.card} aria-label={`${t(`databases.size.${name}`)}, ${line}`}>
              <span>
                <b>{t(`databases.size.${name}`)}</b>
                <small>{line}</small>
                <small>{t("databases.connectionsUpTo", { count: connectionsOf(memoryBytes) })}</small>
              </span>
              <Radio.Indicator size="sm" />
            </Radio.Card>
          );
        })}
      </div>
    </Radio.Group>
  );
}
