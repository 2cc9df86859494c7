import { Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useT } from "../i18n/i18n.ts";
import { EmptyState } from "../ui/EmptyState.tsx";

/** Also for what exists but is not the reader's: both look the same, as in the API. */
export function NotFoundPage() {
  const t = useT();
  return (
    <EmptyState
      page
      picture="lost"
      title={t("frame.notFound")}
      text={t("frame.notFoundText")}
      action={
        <Button component={Link} to="/" variant="default">
          {t("frame.home")}
        </Button>
      }
    />
  );
}
