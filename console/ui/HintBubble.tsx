import { Tooltip } from "@mantine/core";

export default function HintBubble(props: { target: HTMLElement; label: string; disabled?: boolean; openDelay?: number }) {
  return <Tooltip {...props} />;
}
