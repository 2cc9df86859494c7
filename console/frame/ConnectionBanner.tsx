import { IconPlugConnectedX } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { useT } from "../i18n/i18n.ts";
import type { Connection } from "./events.ts";
import css from "./Frame.module.css";

const againMs = 4000;

/** Calm: what is on the screen stays usable, and it goes by itself. */
export function ConnectionBanner({ state }: { state: Connection }) {
  const t = useT();
  const queries = useQueryClient();
  useEffect(() => {
    if (state === "live") return;
    const timer = setInterval(() => void queries.invalidateQueries({ queryKey: ["cloudGet"], refetchType: "all" }), againMs);
    return () => clearInterval(timer);
  }, [state, queries]);
  if (state === "live") return null;
  return (
    <div className={css.banner} role="status">
      <IconPlugConnectedX size={16} aria-hidden />
      {t("frame.connectionLost")}
    </div>
  );
}
