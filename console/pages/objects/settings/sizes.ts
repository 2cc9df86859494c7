/** Units in which a size is typed, and what somebody has typed of it. */
export const sizeUnits = { KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 } as const;
export type SizeUnit = keyof typeof sizeUnits;

/** The greatest of them in which it is a short number. */
export const unitOf = <U extends SizeUnit>(bytes: number, units: readonly U[]): U =>
  [...units].reverse().find((unit) => bytes >= sizeUnits[unit]) ?? (units[0] as U);

export function bytesOf(text: string, unit: SizeUnit): number | undefined {
  // Half of the world writes a comma.
  const number = text.trim() === "" ? Number.NaN : Number(text.trim().replace(",", "."));
  return number >= 0 && number < 1e9 ? Math.round(number * sizeUnits[unit]) : undefined;
}
