import type { ReactNode } from "react";
import { CopyField } from "./CopyField.tsx";
import css from "./EmptyState.module.css";
import { Picture, type PictureName } from "./Picture.tsx";

/** A picture, one sentence, the first step, and the same from the command line. */
export function EmptyState(props: {
  picture: PictureName;
  title: string;
  text?: ReactNode;
  action?: ReactNode;
  command?: string | undefined;
  /** Where it is the whole page, its title is the page's. */
  page?: boolean;
}) {
  const Title = props.page ? "h1" : "h2";
  return (
    <div className={css.empty}>
      <Picture name={props.picture} />
      <Title className={css.title}>{props.title}</Title>
      {props.text && <p className={css.text}>{props.text}</p>}
      {props.action && <div className={css.action}>{props.action}</div>}
      {props.command && (
        <div className={css.command}>
          <CopyField value={props.command} />
        </div>
      )}
    </div>
  );
}
