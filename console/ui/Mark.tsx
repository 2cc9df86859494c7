/** The mark of Khmara: a cloud that stands on a line. */
export function Mark({ size = 24 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" fill="var(--mantine-color-sky-6)" />
      <path d="M10.2 22.5h12.3a4.3 4.3 0 0 0 .7-8.55 6.6 6.6 0 0 0-12.5-1.6 5.1 5.1 0 0 0-.5 10.15Z" fill="#fff" />
      <path d="M11.5 18.6h9" stroke="var(--mantine-color-sky-6)" strokeWidth="1.8" strokeLinecap="round" />
    </svg>
  );
}
