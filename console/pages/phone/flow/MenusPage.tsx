import { useT } from "../../../i18n/i18n.ts";
import { ElementsPage } from "../shared/Elements.tsx";
import { menuForm } from "./menuForm.tsx";

export default function MenusPage() {
  const t = useT();
  return (
    <ElementsPage
      {...menuForm}
      tab="menus"
      text={t("phone.menus.text")}
      words="menus"
      address={({ id }, { home }) => `${home}/menus/${id}`}
      columns={() => [
        { key: "keys", header: t("phoneFlow.keys"), cell: ({ keys }) => Object.keys(keys).sort().join(" ") || "—" },
      ]}
    />
  );
}
