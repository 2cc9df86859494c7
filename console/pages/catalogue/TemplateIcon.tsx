import css from "./catalogue.module.css";

/** Letters on a colour of its own: nobody's trademark. */
export function TemplateIcon({ icon, large = false }: { icon: { letters: string; hue: number }; large?: boolean }) {
  return (
    <span className={css.icon} data-large={large || undefined} style={{ "--hue": icon.hue } as React.CSSProperties} aria-hidden>
      {icon.letters}
    </span>
  );
}
