export const watchRoutes = {};

export const watchEvents = {};

export const watchQuotas = {} as const;

export const watchMeters = {} as const;
