import { SegmentedControl } from "@mantine/core";
import { useT } from "../../i18n/i18n.ts";
import { type Span, spans } from "./span.ts";

export function SpanChoice({ value, onChange }: { value: Span; onChange: (span: Span) => void }) {
  const t = useT();
  return (
    <SegmentedControl
      aria-label={t("watch.span")}
      value={value}
      onChange={(span) => onChange(span as Span)}
      // Longer words on a small screen: they scroll in their place instead of widening the page.
      style={{ maxWidth: "100%", overflowX: "auto" }}
      data={(Object.keys(spans) as Span[]).map((span) => ({ value: span, label: t(`watch.span.${span}`) }))}
    />
  );
}
