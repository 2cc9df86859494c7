import { createContext, type ReactNode } from "react";
import css from "./Section.module.css";

/** Whether a list stands in a section, whose frame it shares. */
export const InSection = createContext(false);

/** A framed part of a page with its own title: settings, a group of facts, a small list. */
export function Section(props: {
  title: string;
  text?: ReactNode;
  actions?: ReactNode;
  danger?: boolean;
  /** For content that brings its own edges (lists). */
  flush?: boolean;
  children?: ReactNode;
}) {
  return (
    <section className={css.section} data-danger={props.danger || undefined}>
      <header className={css.header}>
        <div className={css.words}>
          <h2 className={css.title}>{props.title}</h2>
          {props.text && <p className={css.text}>{props.text}</p>}
        </div>
        {props.actions && <div className={css.actions}>{props.actions}</div>}
      </header>
      {props.children && (
        <div className={props.flush ? css.flush : css.content}>
          <InSection value={props.flush ?? false}>{props.children}</InSection>
        </div>
      )}
    </section>
  );
}

/** Name and value pairs. */
export function Facts({ items }: { items: [name: string, value: ReactNode][] }) {
  return (
    <dl className={css.facts}>
      {items.map(([name, value]) => (
        <div key={name} className={css.fact}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
