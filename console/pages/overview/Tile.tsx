import { Progress, Skeleton } from "@mantine/core";
import type { Icon } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import css from "./Overview.module.css";

export const Tiles = ({ children }: { children: ReactNode }) => <div className={css.tiles}>{children}</div>;

/** One number that answers a question, and leads to where it comes from. */
export function Tile(props: {
  icon: Icon;
  title: string;
  value: string | undefined;
  detail?: string | undefined;
  share?: number | undefined;
  to: string;
}) {
  const { icon: Glyph } = props;
  return (
    <Link to={props.to} className={css.tile}>
      <span className={css.tileTitle}>
        <Glyph size={16} stroke={1.6} aria-hidden />
        {props.title}
      </span>
      <span className={css.tileValue}>{props.value ?? <Skeleton height={24} width={72} my={4} />}</span>
      {props.detail && <span className={css.tileDetail}>{props.detail}</span>}
      {props.share !== undefined && (
        <Progress size={4} mt={8} value={Math.round(Math.min(props.share, 1) * 1000) / 10} aria-label={props.title} />
      )}
    </Link>
  );
}
