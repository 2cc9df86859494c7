import { Alert, Button } from "@mantine/core";
import { IconPencil, IconTrash } from "@tabler/icons-react";
import { useNavigate, useParams } from "@tanstack/react-router";
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
import { ElementDelete, ElementDialog } from "../shared/Elements.tsx";
import { PhonePage, type PhonePlace, usePhoneHome } from "../shared/PhonePage.tsx";
import { MenuDrawing } from "./MenuDrawing.tsx";
import { menuForm } from "./menuForm.tsx";

export default function MenuPage() {
  const t = useT();
  const navigate = useNavigate();
  const { menu: id } = useParams({ strict: false }) as { menu: string };
  const home = usePhoneHome();
  const [dialog, setDialog] = useState<"edit" | "delete">();
  const query = useApi("phoneMenuGet", { phoneMenu: id as never });
  if (query.error && !query.data) return <ErrorPage error={query.error} reset={() => void query.refetch()} />;
  if (!query.data) return <PageSkeleton />;
  const menu = query.data;
  const close = () => setDialog(undefined);
  return (
    <PhonePage
      tab="menus"
      title={menu.name}
      text={t("phoneFlow.menuText")}
      back={{ to: `${home}/menus`, label: t("phone.tab.menus") }}
      actions={({ may }) =>
        may && (
          <>
            <Button variant="default" leftSection={<IconPencil size={16} aria-hidden />} onClick={() => setDialog("edit")}>
              {t("phoneFlow.greetingAndTimes")}
            </Button>
            <Button variant="default" leftSection={<IconTrash size={16} aria-hidden />} onClick={() => setDialog("delete")}>
              {t("phone.delete")}
            </Button>
          </>
        )
      }
    >
      {(place) => (
        <>
          <Keys key={menu.revision} menu={menu} place={place} />
          {dialog === "edit" && (
            <ElementDialog {...menuForm} words="menus" columns={() => []} place={place} element={menu} onClose={close} />
          )}
          {dialog === "delete" && (
            <ElementDelete
              kind="phoneMenu"
              element={menu}
              onClose={close}
              onGone={() => void navigate({ to: `${home}/menus` })}
            />
          )}
        </>
      )}
    </PhonePage>
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
    <Section
      title={t("phoneFlow.keys")}
      text={t("phoneFlow.keysText")}
      actions={
        place.may && (
          <Button disabled={!changed} loading={saving} onClick={() => void save()}>
            {t("ui.save")}
          </Button>
        )
      }
    >
      {problem && (
        <Alert color="red" role="alert" mb="md">
          {problem}
        </Alert>
      )}
      <MenuDrawing menu={menu} keys={keys} layout={layout} place={place} onKeys={setKeys} onLayout={setLayout} />
      <ApiHint route="phoneMenuUpdate" args={request} />
    </Section>
  );
}
