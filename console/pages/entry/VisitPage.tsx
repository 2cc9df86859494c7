import { Anchor, Button, Loader, Stack } from "@mantine/core";
import { Link, Navigate, useSearch } from "@tanstack/react-router";
import { useCallback, useEffect, useState } from "react";
import { type Answer, callApi } from "../../api/api.ts";
import { errorText, isCloudError } from "../../api/errors.ts";
import { useT } from "../../i18n/i18n.ts";
import { FormProblem } from "../../ui/FormProblem.tsx";
import { EntryFrame } from "./EntryFrame.tsx";

/** An app asks who its visitor is: on the way there, with a stop where people sign in, or decide whether they want to be known. */
export default function VisitPage() {
  const t = useT();
  const search = useSearch({ strict: false }) as { origin?: string; state?: string; to?: string };
  const { origin = "", state = "", to = "/" } = search;
  const [asked, setAsked] = useState<Answer<"appVisitCreate">["app"]>();
  const [problem, setProblem] = useState<unknown>();
  const [sending, setSending] = useState(false);

  const visit = useCallback(
    async (confirmed: boolean) => {
      setSending(true);
      try {
        const { url, app } = await callApi("appVisitCreate", { origin, state, to, confirmed });
        if (url === undefined) setAsked(app);
        // Another site: no page of this console.
        else return location.replace(url);
      } catch (error) {
        setProblem(error);
      }
      setSending(false);
    },
    [origin, state, to],
  );
  useEffect(() => void visit(false), [visit]);

  if (isCloudError(problem) && problem.code === "unauthenticated")
    return <Navigate to="/sign-in" search={{ next: `/visit${location.search}` } as never} replace />;
  const host = URL.parse(origin)?.host ?? origin;
  if (problem !== undefined) {
    const unknown = isCloudError(problem) && (problem.code === "not_found" || problem.code === "invalid_argument");
    return (
      <EntryFrame
        title={t("entry.visitTitle", { host })}
        footer={
          <Anchor component={Link} to="/" inherit underline="always">
            {t("entry.visitConsole")}
          </Anchor>
        }
      >
        <FormProblem>{unknown ? t("entry.visitUnknown") : errorText(problem)}</FormProblem>
      </EntryFrame>
    );
  }
  if (asked === undefined)
    return (
      <EntryFrame title={t("entry.visitTitle", { host })} text={t("entry.visitWait")}>
        <Loader aria-hidden />
      </EntryFrame>
    );
  return (
    <EntryFrame title={t("entry.visitTitle", { host })} text={t("entry.visitAsk", { app: asked.name })}>
      <Stack gap="sm">
        <Button size="md" fullWidth loading={sending} onClick={() => void visit(true)}>
          {t("entry.visitYes")}
        </Button>
        <Button size="md" fullWidth variant="default" component={Link} to="/">
          {t("entry.visitNo")}
        </Button>
      </Stack>
    </EntryFrame>
  );
}
