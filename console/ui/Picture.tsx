import type { ReactNode } from "react";

const line = {
  fill: "none",
  stroke: "var(--k-border-strong)",
  strokeWidth: 1.6,
  strokeLinecap: "round",
  strokeLinejoin: "round",
} as const;
const soft = {
  fill: "var(--k-accent-soft)",
  stroke: "var(--k-accent)",
  strokeWidth: 1.6,
  strokeLinejoin: "round",
  strokeLinecap: "round",
} as const;
const cloud = "M52 70h50a17 17 0 0 0 2.6-33.8A26 26 0 0 0 55 30.4 20 20 0 0 0 52 70Z";

const pictures = {
  bucket: (
    <>
      <ellipse cx="80" cy="30" rx="36" ry="9" {...line} />
      <path d="M44 30l7 48c0 5 13 9 29 9s29-4 29-9l7-48" {...line} />
      <path d="M66 48h28l-3 24H69z" {...soft} />
      <path d="M74 56h12M74 62h8" {...soft} />
    </>
  ),
  key: (
    <>
      <circle cx="58" cy="50" r="17" {...soft} />
      <circle cx="58" cy="50" r="5" {...soft} fill="var(--k-surface)" />
      <path d="M75 50h42M104 50v12M115 50v9" {...line} />
      <path d="M34 80h92" {...line} strokeDasharray="2 6" />
    </>
  ),
  people: (
    <>
      <circle cx="80" cy="38" r="13" {...soft} />
      <path d="M58 80c0-14 9-22 22-22s22 8 22 22" {...soft} />
      <circle cx="44" cy="46" r="9" {...line} />
      <path d="M28 78c0-10 6-16 16-16" {...line} />
      <circle cx="116" cy="46" r="9" {...line} />
      <path d="M132 78c0-10-6-16-16-16" {...line} />
    </>
  ),
  letter: (
    <>
      <rect x="40" y="28" width="80" height="52" rx="6" {...line} />
      <path d="M40 36l40 26 40-26" {...soft} fill="none" />
      <circle cx="116" cy="30" r="9" {...soft} />
      <path d="M112 30l3 3 5-6" {...soft} fill="none" />
    </>
  ),
  project: (
    <>
      <path d="M36 36a5 5 0 0 1 5-5h22l8 9h48a5 5 0 0 1 5 5v36a5 5 0 0 1-5 5H41a5 5 0 0 1-5-5z" {...line} />
      <path d={cloud} {...soft} transform="translate(46 42) scale(.42)" />
    </>
  ),
  robot: (
    <>
      <rect x="52" y="36" width="56" height="42" rx="8" {...soft} />
      <path d="M80 36V24M52 56H40v12M108 56h12v12" {...line} />
      <circle cx="80" cy="21" r="3" {...line} />
      <path d="M68 53v5M92 53v5M70 68h20" {...soft} />
    </>
  ),
  chart: (
    <>
      <path d="M36 24v58h88" {...line} />
      <path d="M44 70l20-18 16 10 36-34" {...soft} fill="none" />
      <path d="M44 70l20-18 16 10 36-34v46H44z" fill="var(--k-accent-soft)" stroke="none" opacity=".7" />
    </>
  ),
  journal: (
    <>
      <rect x="46" y="20" width="68" height="68" rx="6" {...line} />
      <path d="M70 38h30M70 54h30M70 70h20" {...line} />
      <circle cx="58" cy="38" r="3.5" {...soft} />
      <circle cx="58" cy="54" r="3.5" {...soft} />
      <circle cx="58" cy="70" r="3.5" {...soft} />
    </>
  ),
  server: (
    <>
      <rect x="42" y="22" width="76" height="24" rx="5" {...soft} />
      <rect x="42" y="54" width="76" height="24" rx="5" {...line} />
      <path d="M54 34h14M54 66h14" {...soft} />
      <circle cx="106" cy="34" r="2.5" {...soft} fill="var(--k-accent)" />
      <circle cx="106" cy="66" r="2.5" {...line} />
      <path d="M80 78v10M62 92h36" {...line} />
    </>
  ),
  app: (
    <>
      <rect x="34" y="20" width="92" height="66" rx="6" {...line} />
      <path d="M34 36h92" {...line} />
      <circle cx="43" cy="28" r="2" {...soft} />
      <circle cx="51" cy="28" r="2" {...soft} />
      <path d="M80 76V50M68 60l12-12 12 12" {...soft} fill="none" />
    </>
  ),
  disk: (
    <>
      <ellipse cx="80" cy="32" rx="34" ry="11" {...soft} />
      <path d="M46 32v20c0 6 15 11 34 11s34-5 34-11V32" {...line} />
      <path d="M46 52v20c0 6 15 11 34 11s34-5 34-11V52" {...line} />
    </>
  ),
  network: (
    <>
      <rect x="66" y="18" width="28" height="20" rx="4" {...soft} />
      <rect x="34" y="66" width="28" height="20" rx="4" {...line} />
      <rect x="98" y="66" width="28" height="20" rx="4" {...line} />
      <path d="M80 38v14M48 66V52h64v14" {...line} />
    </>
  ),
  image: (
    <>
      <circle cx="80" cy="52" r="32" {...line} />
      <circle cx="80" cy="52" r="12" {...soft} />
      <circle cx="80" cy="52" r="3" {...soft} fill="var(--k-surface)" />
      <path d="M80 28a24 24 0 0 1 22 14" {...soft} fill="none" />
    </>
  ),
  search: (
    <>
      <circle cx="74" cy="48" r="22" {...soft} />
      <path d="M90 64l20 20" {...line} />
      <path d="M66 48h16" {...soft} />
    </>
  ),
  lost: (
    <>
      <path d={cloud} {...line} transform="translate(0 4)" />
      <path d="M72 46c0-6 4-9 8.500-9s8.500 3 8.500 8c0 6-8 6-8 12" {...soft} fill="none" />
      <circle cx="81" cy="65" r="1.600" {...soft} fill="var(--k-accent)" />
    </>
  ),
  storm: (
    <>
      <path d={cloud} {...line} transform="translate(0 -8)" />
      <path d="M84 48l-12 18h14l-8 18" {...soft} fill="none" />
    </>
  ),
  done: (
    <>
      <path d={cloud} {...line} transform="translate(0 4)" />
      <path d="M68 56l9 9 17-18" {...soft} fill="none" />
    </>
  ),
  phone: (
    <>
      <path d="M50 62c0-22 13-34 30-34s30 12 30 34l-8 3-11-9V46c-7-3-15-3-22 0v10l-11 9z" {...line} />
      <path d="M60 84h40a5 5 0 0 0 5-6l-4-10H59l-4 10a5 5 0 0 0 5 6z" {...soft} />
      <circle cx="80" cy="76" r="4" {...soft} fill="var(--k-surface)" />
    </>
  ),
  clock: (
    <>
      <circle cx="80" cy="54" r="31" {...soft} />
      <path d="M80 35v19l13 9" {...soft} fill="none" />
      <path d="M80 14v5M120 54h5M80 89v5M35 54h5" {...line} />
    </>
  ),
  tree: (
    <>
      <rect x="34" y="42" width="32" height="22" rx="5" {...soft} />
      <path d="M66 53h14M80 53c8 0 4-27 14-27M80 53h14M80 53c8 0 4 27 14 27" {...line} />
      <rect x="94" y="17" width="32" height="18" rx="5" {...line} />
      <rect x="94" y="44" width="32" height="18" rx="5" {...line} />
      <rect x="94" y="71" width="32" height="18" rx="5" {...line} />
    </>
  ),
  loudspeaker: (
    <>
      <path d="M46 44h16l26-18v56L62 64H46a4 4 0 0 1-4-4V48a4 4 0 0 1 4-4z" {...soft} />
      <path d="M100 42c6 6 6 18 0 24M110 33c12 12 12 30 0 42" {...line} />
    </>
  ),
} satisfies Record<string, ReactNode>;

export type PictureName = keyof typeof pictures;

export function Picture({ name }: { name: PictureName }) {
  return (
    <svg width="160" height="104" viewBox="0 0 160 104" aria-hidden="true" focusable="false">
      {pictures[name]}
    </svg>
  );
}
