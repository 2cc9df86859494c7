import type { ReactNode } from "react";
import { ColorSchemeButton } from "../../frame/ColorSchemeButton.tsx";
import { useCloud } from "../../frame/identity.ts";
import { LanguageMenu } from "../../frame/LanguageMenu.tsx";
import { Mark } from "../../ui/Mark.tsx";
import css from "./EntryFrame.module.css";

/** One calm column below the mark; the language and the light can be chosen before one has an account. */
export function EntryFrame(props: { title: string; text?: ReactNode; children?: ReactNode; footer?: ReactNode }) {
  const cloud = useCloud();
  return (
    <div className={css.page}>
      <header className={css.top}>
        <span className={css.brand}>
          <Mark size={28} />
          {cloud?.name ?? "Khmara"}
        </span>
        <span className={css.choices}>
          <LanguageMenu phone />
          <ColorSchemeButton phone />
        </span>
      </header>
      <main className={css.main}>
        <div className={css.card}>
          <h1 className={css.title}>{props.title}</h1>
          {props.text && <p className={css.text}>{props.text}</p>}
          {props.children}
        </div>
        {props.footer && <div className={css.footer}>{props.footer}</div>}
      </main>
      <Skyline />
    </div>
  );
}

function Skyline() {
  return (
    <svg className={css.skyline} viewBox="0 0 1440 220" preserveAspectRatio="xMidYMax slice" aria-hidden="true">
      <path
        opacity=".55"
        d="M0 220v-62c40-34 108-30 138 6 26-66 132-74 170-10 34-26 92-18 110 22 40-92 182-96 222-8 32-24 84-18 106 14 30-70 150-82 192-14 40-40 122-32 146 18 34-48 120-44 146 8 30-38 100-44 210-2v28z"
      />
      <path d="M0 220v-24c60-40 150-36 188 4 40-58 150-60 190 0 44-34 116-30 146 6 46-62 168-66 214-4 40-34 110-30 142 4 44-54 156-56 200-2 46-36 126-32 160 4 44-36 130-36 200-6v18z" />
    </svg>
  );
}
