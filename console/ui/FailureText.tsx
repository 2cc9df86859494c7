import { type Failure, failureText, outputOf } from "../api/errors.ts";
import { useT } from "../i18n/i18n.ts";
import css from "./FailureText.module.css";

/** Why something failed, in the language of the person; below it what a program wrote at its end. */
export function FailureText({ failure }: { failure: Failure }) {
  const t = useT();
  const output = outputOf(failure);
  return (
    <>
      <p className={css.why}>{failureText(failure)}</p>
      {output !== undefined && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and must do so by keyboard
        <section className={css.output} aria-label={t("ui.lastLines")} tabIndex={0}>
          {output}
        </section>
      )}
    </>
  );
}
