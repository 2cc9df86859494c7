import { IconChevronLeft } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useLayoutEffect, useRef } from "react";
import css from "./PageHeader.module.css";

interface Tab {
  to: string;
  label: string;
  active: boolean;
}

/** Title, one sentence of what this is, one main button (or the two or three actions of one thing), tabs by role below. */
export function PageHeader(props: {
  title: ReactNode;
  text?: ReactNode;
  /** Beside the title: a StatusBadge, a count. */
  badge?: ReactNode;
  actions?: ReactNode;
  back?: { to: string; label: string };
  tabs?: Tab[];
  /** Of the active tab, where it is a group of several. */
  subtabs?: Tab[];
}) {
  return (
    <div className={css.header}>
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
        <Tabs tabs={props.tabs} className={css.tabs} label={typeof props.title === "string" ? props.title : undefined} />
      )}
      {props.subtabs && (
        <Tabs tabs={props.subtabs} className={css.subtabs} label={props.tabs?.find(({ active }) => active)?.label} />
      )}
    </div>
  );
}

function Tabs({ tabs, className, label }: { tabs: Tab[]; className: string | undefined; label: string | undefined }) {
  const row = useRef<HTMLElement>(null);
  const here = tabs.find(({ active }) => active)?.to;
  // On a phone the tab where one is may lie outside of the row.
  // biome-ignore lint/correctness/useExhaustiveDependencies: another tab is what it reacts to
  useLayoutEffect(() => {
    const tab = row.current?.querySelector<HTMLElement>("[data-active]");
    if (row.current && tab)
      row.current.scrollLeft = tab.offsetLeft - row.current.offsetLeft - (row.current.clientWidth - tab.offsetWidth) / 2;
  }, [here]);
  return (
    <nav ref={row} className={className} aria-label={label}>
      {tabs.map(({ to, label: text, active }) => (
        <Link key={to} to={to} className={css.tab} data-active={active || undefined} aria-current={active ? "page" : undefined}>
          {text}
        </Link>
      ))}
    </nav>
  );
}
