import { Button, Skeleton, Text } from "@mantine/core";
import { IconDeviceDesktop, IconDeviceMobile } from "@tabler/icons-react";
import { callApi, type Item, invalidate, useApi } from "../../api/api.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { Section } from "../../ui/Section.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { toastDone, toastError } from "../../ui/toast.ts";
import { deviceName, isPhone } from "./device.ts";
import css from "./Security.module.css";

type Session = Item<"sessionList">;

export function SessionSection() {
  const t = useT();
  const sessions = useApi("sessionList", { limit: 100 });
  const items = sessions.data?.items;
  const others = (items ?? []).filter(({ current }) => !current);
  const end = async (session: Session) => {
    // Gone from the list at once; if the cloud refuses it comes back.
    queries.setQueryData(["sessionList", { limit: 100 }], { items: items?.filter(({ id }) => id !== session.id) });
    await callApi("sessionDelete", { session: session.id })
      .catch(toastError)
      .finally(() => invalidate(queries, ["sessionList"]));
  };
  const endOthers = async () => {
    try {
      const { ended } = await callApi("sessionClear", {});
      toastDone(t("account.sessionsEnded", { count: ended }));
    } catch (error) {
      toastError(error);
    } finally {
      await invalidate(queries, ["sessionList"]);
    }
  };
  return (
    <Section
      title={t("account.sessions")}
      text={t("account.sessionsText")}
      actions={
        others.length > 0 && (
          <Button variant="default" onClick={() => void endOthers()}>
            {t("account.endOthers")}
          </Button>
        )
      }
      flush
    >
      {items === undefined && (
        <div className={css.row}>
          <Skeleton height={20} />
        </div>
      )}
      {items?.map((session) => (
        <div key={session.id} className={css.row}>
          <span className={css.icon}>
            {isPhone(session.userAgent) ? (
              <IconDeviceMobile size={18} stroke={1.6} aria-hidden />
            ) : (
              <IconDeviceDesktop size={18} stroke={1.6} aria-hidden />
            )}
          </span>
          <div className={css.words}>
            <div title={session.userAgent}>{deviceName(session.userAgent) ?? session.userAgent}</div>
            <Text size="xs" c="dimmed">
              {session.sourceIp} · {t(`account.method.${session.method}`)} · <TimeAgo at={session.lastSeenAt} />
            </Text>
          </div>
          {session.current ? (
            <StatusBadge tone="good">{t("account.thisOne")}</StatusBadge>
          ) : (
            <Button variant="default" size="xs" onClick={() => void end(session)}>
              {t("account.end")}
            </Button>
          )}
        </div>
      ))}
    </Section>
  );
}
