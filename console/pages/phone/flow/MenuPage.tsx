import { Alert, Button } from "@mantine/core";
import { useParams } from "@tanstack/react-router";
import { useState } from "react";
import type { PhoneMenuView } from "../../../../services/voice/elements/contract.ts";
import { callApi, invalidate, useApi } from "../../../api/api.ts";
import { errorText } from "../../../api/errors.ts";
import { queries } from "../../../frame/queries.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ApiHint } from "../../../ui/ApiHint.tsx";
import { ErrorPage } from "../../../ui/ErrorPage.tsx";
import { PageSkeleton } from "../../../ui/PageSkeleton.tsx";
import { Section } from "../../../ui/Section.tsx";
import { ElementPage } from "../shared/ElementPage.tsx";
import type { PhonePlace } from "../shared/PhonePage.tsx";
import { MenuDrawing } from "./MenuDrawing.tsx";
import { menuForm } from "./menuForm.tsx";

export default function MenuPage() {
  const t = useT();
  const { menu: id } = useParams({ strict: false }) as { menu: string };
  const query = useApi("phoneMenuGet", { phoneMenu: id as never });
  if (query.error && !query.data) return <ErrorPage error={query.error} reset={() => void query.refetch()} />;
  if (!query.data) return <PageSkeleton />;
  const menu = query.data;
  return (
    <ElementPage tab="menus" form={menuForm} element={menu} text={t("phoneFlow.menuText")} edit={t("phoneFlow.greetingAndTimes")}>
      {(place) => <Keys key={menu.revision} menu={menu} place={place} />}
    </ElementPage>
  );
}

/** What is drawn is saved as one change. */
function Keys({ menu, place }: { menu: PhoneMenuView; place: PhonePlace }) {
  const t = useT();
  const [keys, setKeys] = useState(menu.keys);
  const [layout, setLayout] = useState(menu.layout);
  const [saving, setSaving] = useState(false);
  const [problem, setProblem] = useState<string>();
  const request = { phoneMenu: menu.id, keys, layout };
  const changed = JSON.stringify([keys, layout]) !== JSON.stringify([menu.keys, menu.layout]);
  const save = async () => {
    setSaving(true);
    setProblem(undefined);
    try {
      await callApi("phoneMenuUpdate", request);
      await invalidate(queries, ["phoneMenuGet", "phoneMenuList"]);
    } catch (error) {
      setProblem(errorText(error));
    } finally {
      setSaving(false);
    }
  };
  return (
    <Section title={t("phoneFlow.keys")} text={t("phoneFlow.keysText")}>
      <MenuDrawing menu={menu} keys={keys} layout={layout} place={place} onKeys={setKeys} onLayout={setLayout} />
      {problem && (
        <Alert color="red" role="alert" mt="md">
          {problem}
        </Alert>
      )}
      {place.may && (
        <Button my="md" disabled={!changed} loading={saving} onClick={() => void save()}>
          {t("ui.save")}
        </Button>
      )}
      <ApiHint route="phoneMenuUpdate" args={request} />
    </Section>
  );
}
