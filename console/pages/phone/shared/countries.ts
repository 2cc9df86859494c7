/** Zones of the tz database, with the one that is set: browsers know some of them by an older name. */
export const timeZones = (set: string): string[] => [...new Set([...Intl.supportedValuesOf("timeZone"), set])].sort();

/** ISO 3166-1 as the browser names them; all two-letter codes that it knows as countries. */
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
/** Not countries (CLDR: exceptional, private or grouping codes), or with no telephone numbers of their own. */
const left =
  /^(?:A[N]|BU|C[PQS]|D[DGY]|E[AUZ]|F[QX]|I[C]|JT|MI|N[HQT]|P[CUZ]|QO|RH|SU|T[AP]|U[KN]|V[D]|WK|X[ABK]|Y[DU]|Z[RZ]|A[QC]|BV|HM|TF|UM|GS)$/;

export function countries(language: string): { value: string; label: string }[] {
  const names = new Intl.DisplayNames([language], { type: "region", fallback: "none" });
  const found: { value: string; label: string }[] = [];
  for (const first of letters)
    for (const second of letters) {
      const value = first + second;
      const label = left.test(value) ? undefined : names.of(value);
      if (label) found.push({ value, label });
    }
  return found.sort((a, b) => a.label.localeCompare(b.label, language));
}
