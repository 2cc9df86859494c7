import css from "./narrow.module.css";

/** `classNames` of a field for something short: only the field is narrow, not what is said about it; on a phone it is as wide as the others. */
export const narrow = { wrapper: css.narrow };
