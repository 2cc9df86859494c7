/** The languages that a phone system speaks. */
export const languages = ["en", "fr", "uk"] as const;
export type Language = (typeof languages)[number];
