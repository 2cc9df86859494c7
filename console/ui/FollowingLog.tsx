import { useEffect, useRef } from "react";

/** The text of a log that follows its end while one looks at the end. */
export function FollowingLog({ text, label, height = "60vh" }: { text: string; label?: string; height?: string }) {
  const box = useRef<HTMLPreElement>(null);
  const follows = useRef(true);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the box scrolls when the text grows
  useEffect(() => {
    if (follows.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [text]);
  return (
    <pre
      ref={box}
      role="log"
      aria-label={label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and must do so by keyboard
      tabIndex={0}
      onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
        follows.current = scrollTop + clientHeight > scrollHeight - 24;
      }}
      style={{
        margin: 0,
        minHeight: 160,
        maxHeight: height,
        overflow: "auto",
        padding: 12,
        borderRadius: 8,
        background: "#14161c",
        color: "#e6e8ee",
        fontSize: 12.5,
        whiteSpace: "pre-wrap",
        overflowWrap: "anywhere",
      }}
    >
      {text}
    </pre>
  );
}
