import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import css from "./audit.module.css";
import { type Change, difference } from "./difference.ts";
import { fieldName } from "./sentences.ts";

type Values = Record<string, unknown> | undefined;

/** Before and after, line by line; for what was made or deleted one column is enough. */
export function Difference({ before, after }: { before: Values; after: Values }) {
  const t = useT();
  const changes = difference(before, after);
  if (changes.length === 0) return <p className={css.none}>{t("audit.noValues")}</p>;
  const both = before !== undefined && after !== undefined;
  return (
    <table className={css.difference}>
      <thead>
        <tr>
          <th scope="col">{t("audit.field")}</th>
          {before !== undefined && <th scope="col">{t("audit.before")}</th>}
          {after !== undefined && <th scope="col">{t("audit.after")}</th>}
        </tr>
      </thead>
      <tbody>
        {changes.map((change) => (
          <tr key={change.path.join(".")} data-kind={both ? change.kind : undefined}>
            <th scope="row">{fieldName(change.path)}</th>
            {before !== undefined && (
              <td>
                <Value of={change} side="before" />
              </td>
            )}
            {after !== undefined && (
              <td>
                <Value of={change} side="after" />
              </td>
            )}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Value({ of, side }: { of: Change; side: "before" | "after" }) {
  const t = useT();
  const format = useFormat();
  const value = of[side];
  const name = of.path.at(-1) ?? "";
  const show = (one: unknown): string => {
    if (one === undefined || one === null || one === "") return "—";
    if (typeof one === "boolean") return one ? t("audit.yes") : t("audit.no");
    if (typeof one === "number") return /bytes$/i.test(name) ? format.bytes(one) : format.number(one);
    if (Array.isArray(one)) return one.length === 0 ? "—" : format.list(one.map(show));
    if (typeof one === "object")
      return Object.entries(one)
        .map(([key, inner]) => `${fieldName([key])}: ${show(inner)}`)
        .join("; ");
    const text = String(one);
    return /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(text) ? format.dateTime(text) : text;
  };
  const text = show(value);
  if (of.kind === "same" || text === "—") return <>{text}</>;
  // Not by colour alone: what is gone is struck through.
  return side === "before" && (of.kind === "changed" || of.kind === "removed") ? <del>{text}</del> : <ins>{text}</ins>;
}
