import { IconChevronLeft } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useLayoutEffect, useRef } from "react";
import css from "./PageHeader.module.css";

/** Title, one sentence of what this is, one main button (or the two or three actions of one thing), tabs by role below. */
export function PageHeader(props: {
  title: ReactNode;
  text?: ReactNode;
  /** Beside the title: a StatusBadge, a count. */
  badge?: ReactNode;
  actions?: ReactNode;
  back?: { to: string; label: string };
  tabs?: { to: string; label: string; active: boolean }[];
}) {
  const tabs = useRef<HTMLElement>(null);
  const active = props.tabs?.find((tab) => tab.active)?.to;
  // On a phone the tab where one is may lie outside of the row.
  // biome-ignore lint/correctness/useExhaustiveDependencies: another tab is what it reacts to
  useLayoutEffect(() => {
    const row = tabs.current;
    const tab = row?.querySelector<HTMLElement>("[data-active]");
    if (row && tab) row.scrollLeft = tab.offsetLeft - row.offsetLeft - (row.clientWidth - tab.offsetWidth) / 2;
  }, [active]);
  return (
    <div className={css.header} data-tabs={props.tabs ? true : undefined}>
      {props.back && (
        <Link to={props.back.to} className={css.back}>
          <IconChevronLeft size={16} aria-hidden />
          {props.back.label}
        </Link>
      )}
      <div className={css.row}>
        <div className={css.words}>
          <h1 className={css.title}>
            {props.title}
            {props.badge}
          </h1>
          {props.text && <p className={css.text}>{props.text}</p>}
        </div>
        {props.actions && <div className={css.actions}>{props.actions}</div>}
      </div>
      {props.tabs && (
        <nav ref={tabs} className={css.tabs} aria-label={typeof props.title === "string" ? props.title : undefined}>
          {props.tabs.map(({ to, label, active }) => (
            <Link
              key={to}
              to={to}
              className={css.tab}
              data-active={active || undefined}
              aria-current={active ? "page" : undefined}
            >
              {label}
            </Link>
          ))}
        </nav>
      )}
    </div>
  );
}
