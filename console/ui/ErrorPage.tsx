import { Button } from "@mantine/core";
import { type ErrorComponentProps, useRouter } from "@tanstack/react-router";
import { errorText, isCloudError } from "../api/errors.ts";
import { useT } from "../i18n/i18n.ts";
import { EmptyState } from "./EmptyState.tsx";

export function ErrorPage({ error, reset }: ErrorComponentProps) {
  const t = useT();
  const router = useRouter();
  const requestId = isCloudError(error) ? error.details["requestId"] : undefined;
  return (
    <EmptyState
      page
      picture="storm"
      title={t("ui.errorTitle")}
      text={errorText(error)}
      command={typeof requestId === "string" ? requestId : undefined}
      action={
        <Button
          onClick={() => {
            reset();
            void router.invalidate();
          }}
        >
          {t("ui.tryAgain")}
        </Button>
      }
    />
  );
}
