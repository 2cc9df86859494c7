export const jobRoutes = {};

export const jobEvents = {};

export const jobQuotas = {} as const;

export const jobMeters = {} as const;
